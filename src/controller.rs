//! The shell: reads the world, asks the core, does what it says, writes it down.
//!
//! One pass over an order is four calls, see [`reconcile`]; one over a [`schedule`] is likewise. No file here decides
//! anything about an order, and every `.await` that could lose something says what the next pass sees if the program dies
//! there.
//!
//! In reading order: [`reconcile`] (the pass), [`look`], [`act`], [`report`] (its stages), [`cloud`] and [`listing`] (the
//! cloud in the core's words), [`cluster`] (the API server), [`credentials`] (Secrets, and the operator's own identity),
//! [`cache`] (what the watches have told), [`behind`] (whether that is older than what was written here), [`turns`] (who
//! knocks at a busy instance), [`memory`] (what may be lost), [`census`] (what the figures say of the orders), [`error`].

pub mod act;
pub mod behind;
pub mod cache;
pub mod census;
pub mod cloud;
pub mod cluster;
pub mod context;
pub mod credentials;
pub mod error;
pub mod listing;
pub mod look;
pub mod memory;
pub mod reconcile;
pub mod report;
pub mod schedule;
pub mod turns;
