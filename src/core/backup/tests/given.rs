//! Small builders of what a pass sees, for the tables of the core and its conversion.

use jiff::Timestamp;

use super::super::*;
use crate::core::order::{Scope, Storage, Subject, Uid};
use crate::core::reason::Acceptance;
use crate::core::record::{Copy, Intent};
use crate::core::seen::{Meaning, Progress, Trouble};

pub(crate) const LIMITS: Limits =
    Limits { signature_validity: 300, clock_skew: 300, listing_lag: 60, poll_min: 15, poll_max: 60 };

/// Seconds after the creation of the order.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub(crate) fn uid() -> Uid {
    Uid::new(&"ab".repeat(16)).unwrap()
}

pub(crate) fn order() -> Order {
    Order {
        instance: "mssql-njj2mtpl".into(),
        region: "ap-guangzhou".into(),
        scope: Scope::Instance,
        storage: Storage::InstanceRetention,
        prefix: None,
        deadline: at(86_400),
    }
}

pub(crate) fn seen(now: i64, record: Record, sight: Sight) -> Seen {
    let subject = Subject { uid: uid(), name: "nightly".into(), created: at(0), generation: 1, deleting: false };
    Seen { now: at(now), subject, record, is_its_turn: true, failing_since: None, sight }
}

pub(crate) fn row(attempt: i64, progress: Progress) -> Row {
    let name = format!("k8s_nightly_{}_{attempt}", uid().as_str());
    Row { name, progress, copy: Copy { start_time: Some(at(attempt)), ..Copy::default() } }
}

pub(crate) fn foreign(name: &str, progress: Progress) -> Row {
    Row { name: name.into(), progress, copy: Copy::default() }
}

pub(crate) fn trouble(meaning: Meaning) -> Trouble {
    let note = Note { code: format!("{meaning:?}"), message: "m".into(), request_id: None, time: at(5) };
    Trouble { meaning, sentence: "The cloud refused.".into(), note }
}

pub(crate) fn full(rows: Vec<Row>) -> Listing {
    Listing { rows, complete: true }
}

pub(crate) fn before(rows: Vec<Row>) -> Sight {
    Sight::Before { listing: Ok(full(rows)), instance: Ok(None) }
}

pub(crate) fn intent(time: i64) -> Intent {
    Intent { backup_name: row(1, Progress::Running).name, attempt: 1, time: at(time), holder: "one".into() }
}

/// A record with an announced call and no answer.
pub(crate) fn announced(time: i64) -> Record {
    Record {
        reason: Some(Reason::Submitting),
        attempts: 1,
        submit_time: Some(at(time)),
        intent: Some(intent(time)),
        ..Record::default()
    }
}

pub(crate) fn accepted(time: i64) -> Record {
    Record {
        reason: Some(Reason::Running),
        acceptance: Some(Acceptance::Accepted),
        flow_id: FlowId::new(5_293),
        intent: None,
        ..announced(time)
    }
}
