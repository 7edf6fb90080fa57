//! Backups of TencentDB for SQL Server, taken by a Kubernetes operator: exactly one for each `SqlServerBackup`, on
//! schedule if a `SqlServerBackupSchedule` says so.
//!
//! One pass over one object:
//!
//! ```text
//!            trigger: a change, a due look, a turn at a busy instance
//!               │
//!               ▼
//!   look      the clock first, then the object, then the cloud          controller::look      reads only
//!               │  order, Seen
//!               ▼
//!   decide    which row of the state table, which Step                  core::backup          pure
//!               │  Step
//!               ▼
//!   act       submit: sign, write the intent, send once                 controller::act       effects
//!               │  Outcome
//!               ▼
//!   report    fold into the next status, write it once, tell it         core::fold, controller::report
//!               │
//!               ▼
//!            rest until the next look is due
//! ```
//!
//! A pass over a `SqlServerBackupSchedule` has the same four stages: `controller::schedule` around `core::schedule`. All that
//! it makes is orders.
//!
//! The layers, in reading order. Each may use the ones above it as its first lines say, and no other:
//!
//! - [`core`] decides and does nothing: the state table, the proof of absence, the fold of a status.
//! - [`api`] is the kinds that users write: types, schema, rules, and the translation into the core's words.
//! - [`tencent`] speaks to the cloud: signature, calls, faults, budget.
//! - [`runtime`] is the process around it: settings, signals, probes, metrics, logs.
//! - [`controller`] is the shell: it looks, acts and reports.
//! - [`run`] is where they meet.
//!
//! `DESIGN.md` tells the whole, with the promises I1 to I8 that comments and tests cite.

pub mod api;
pub mod controller;
pub mod core;
pub mod run;
pub mod runtime;
pub mod tencent;
