//! What the operator knows and decides, without doing anything.
//!
//! Everything here is a pure function of its arguments: no clock, no randomness, no network, no cluster, no logging. The
//! shell (`controller`) reads the world, asks this layer what to do, does exactly that, and asks it again what to write
//! down. So each incident is a value that can be pasted into a test.
//!
//! In reading order: [`order`] (the wish), [`name`] (how a backup is recognised), [`reason`] (where an order can be),
//! [`record`] (what is durable), [`seen`] (what a pass saw), [`backup`] (the state table, `aim` and `decide`), [`absence`]
//! (when a doubt may end), [`fold`] (what is written down afterwards), [`pace`] (when the next pass is due). Then the
//! schedules: [`calendar`] (when a slot is), [`schedule`] (what is due, and what becomes of it), [`protected`] (whether the
//! newest copy is as fresh as promised). [`hash`] is what names and offsets have in common.

pub mod absence;
pub mod backup;
pub mod calendar;
pub mod fold;
pub mod hash;
pub mod name;
pub mod order;
pub mod pace;
pub mod protected;
pub mod reason;
pub mod record;
pub mod schedule;
pub mod seen;
