//! The simulator from outside: what a client sees of it, and what its ledger says.
//!
//! The client here signs with code of its own and writes HTTP by hand, so that every byte a test wants wrong can be wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "the exemptions of clippy.toml do not reach the functions that tests share"
)]

mod client;
mod control;
mod faults;
mod listing;
mod program;
mod refusals;
mod sdk;
mod signature;
mod sts;
