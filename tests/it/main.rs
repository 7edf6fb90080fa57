//! The integration tests, as one binary: one link, and one control plane for all of them.
//!
//! Each module says which class of test it is and what it needs. A test that needs an API server works in a namespace
//! of its own, so that all of them may run at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test fails by panicking, and the exemption of clippy.toml does not cover functions beside the tests"
)]

mod campaign;
mod chart;
mod cluster;
mod crash;
mod crd;
mod docs;
mod examples;
mod figures;
mod gitops;
mod golden;
mod identity;
mod image;
mod layers;
mod leader;
mod manifests;
mod mutants;
mod operator;
mod process;
mod proxy;
mod reasons;
mod recorder;
mod rights;
mod scenario;
mod schedules;
mod schema;
mod secrets;
mod settings;
mod stored;
mod tool;
mod upgrade;
mod wall_clock;
mod wire;
mod workflows;
mod world;
