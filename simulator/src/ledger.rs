//! What the cloud was asked and what it did: the witness that tests and the demo trust.
//!
//! Every `CreateBackup` that arrived has an entry, whatever became of it, and an entry is never removed. All calls are
//! counted by action and by the code they were answered with; the last ones are also kept whole.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// Calls kept whole.
const KEPT: usize = 20_000;

/// One `CreateBackup` that arrived.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Its `RequestId`.
    pub request_id: String,
    /// When its last byte had arrived, by the cloud's clock.
    pub received: Timestamp,
    /// The key it names.
    pub secret_id: String,
    /// `X-TC-Region`.
    pub region: String,
    /// `InstanceId`, if it could be read.
    pub instance: String,
    /// `BackupName`, if it could be read.
    pub name: String,
    /// `Signature`: the same twice is the same request sent twice.
    pub signature: String,
    /// `X-TC-Timestamp`.
    pub signed_at: String,
    /// Whether the cloud began a backup for it, whatever it answered.
    pub accepted: bool,
    /// The backups it began: one, or two if a fault executed it twice.
    pub flow_ids: Vec<i64>,
    /// When it took effect.
    pub accepted_at: Option<Timestamp>,
    /// What was answered: `OK`, an error code, `HTTP 502`, or a word for an answer that is none; empty while open.
    pub code: String,
    /// Whether the answer was written to a connection that was still open.
    pub delivered: bool,
}

/// One call that was answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    /// When it arrived.
    pub received: Timestamp,
    /// `X-TC-Action`.
    pub action: String,
    /// The key it names.
    pub secret_id: String,
    /// `X-TC-Region`.
    pub region: String,
    /// `X-TC-Timestamp`.
    pub signed_at: String,
    /// The body, or null if it was not JSON.
    pub body: Value,
    /// As [`Entry::code`].
    pub code: String,
}

/// Number of calls by action, then by code.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) entries: Vec<Entry>,
    pub(crate) counts: Counts,
    pub(crate) calls: VecDeque<Call>,
}

impl Ledger {
    /// Changes the entry of a request, if that request was a `CreateBackup`.
    pub(crate) fn amend(&mut self, request_id: &str, change: impl FnOnce(&mut Entry)) {
        // From the end: the entry that is amended is among the last that came.
        if let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.request_id == request_id) {
            change(entry);
        }
    }

    pub(crate) fn count(&mut self, call: Call) {
        let of_action = self.counts.entry(call.action.clone()).or_default();
        *of_action.entry(call.code.clone()).or_default() += 1;
        if self.calls.len() == KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }
}
