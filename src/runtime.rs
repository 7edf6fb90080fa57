//! What every long-running program needs around its work, and nothing about the work itself.
//!
//! In reading order: settings are checked once ([`config`]), core dumps go off before a secret is read ([`dump`]), events
//! and figures leave through one door each ([`telemetry`], [`metrics`], [`admin`]), the wall clock is read in one place
//! ([`clock`]), of several processes one works ([`lease`]), and a signal ends everything within a deadline ([`shutdown`]).
//!
//! This layer uses nothing else of this crate, so each part can be read, tested and replaced alone. Where it needs to know
//! something of another layer, as the rules for the cloud's endpoint, it takes a function.

pub mod admin;
pub mod clock;
pub mod config;
pub mod dump;
pub mod lease;
pub mod metrics;
pub mod shutdown;
pub mod telemetry;
