//! What the figures say of the schedules: a pure function of the objects that are stored, like [`super::census`].
//!
//! # What it guarantees
//! - Every schedule that is stored is told of, also one whose spec or status cannot be read, from the first list on, by the
//!   leader and by whoever stands by alike. One that is being deleted is not: nothing is asked of it any more.
//! - Nothing is judged here. What a condition says is told as it stands, so figures and `kubectl` never contradict each other.
//!
//! # Since when a schedule is suspended
//! The transition of a condition does not tell: `Ready` stays True. But the cursor does. It is set to the instant at which a
//! suspension is first seen, or to the creation of a schedule that came suspended, and no slot moves it on until it ends.
//! What does is an edit of the line or the zone meanwhile: then somebody had the schedule in hand, and it begins anew.

use std::borrow::Borrow;

use kube::ResourceExt;

use super::OTHER;
use crate::api::StoredSchedule;
use crate::api::schedule::conversion;
use crate::core::protected;
use crate::core::reason::{READY, Verdict};
use crate::core::schedule::{PROTECTED, Place};
use crate::runtime::metrics::schedules::{Schedule, Schedules};

/// What is stored of `objects`, by namespace and name.
pub fn schedules<O: Borrow<StoredSchedule>>(objects: &[O]) -> Schedules {
    let stored = objects.iter().map(Borrow::borrow);
    let mut told: Schedules = stored.filter(|it| it.metadata.deletion_timestamp.is_none()).map(schedule).collect();
    told.sort_unstable();
    told
}

fn schedule(stored: &StoredSchedule) -> Schedule {
    let (status, record) = (&stored.status.fields, conversion::record(stored));
    let is_suspended = stored.spec.0.as_ref().map_or(record.is_suspended, |spec| spec.suspend);
    let place = |reason: &str| Place::ALL.into_iter().map(Place::as_str).find(|known| *known == reason);
    let judgement = |reason: &str| protected::Reason::parse(reason).map(protected::Reason::as_str);
    let (ready, ready_reason) = condition(stored, READY, place);
    let (protected, protected_reason) = condition(stored, PROTECTED, judgement);
    Schedule {
        namespace: stored.namespace().unwrap_or_default(),
        name: stored.name_any(),
        ready,
        protected,
        ready_reason,
        protected_reason,
        objective: conversion::max_age(stored),
        latest_copy: status.latest_copy.as_ref().and_then(|copy| copy.start_time.as_ref()).map(|time| time.0),
        last_success: record.last_success,
        next_run: status.next_schedule_time.as_ref().map(|time| time.0),
        missed_runs: u64::try_from(record.missed).unwrap_or_default(),
        is_suspended,
        // While the two differ, no pass has seen the suspension yet.
        suspended_since: record.settled.filter(|_| is_suspended && record.is_suspended),
    }
}

/// The value of a condition, if it is known, and its reason. One that is missing is what the schema would have it be.
fn condition(
    stored: &StoredSchedule,
    kind: &str,
    known: impl Fn(&str) -> Option<&'static str>,
) -> (Option<bool>, &'static str) {
    let pending = Place::Pending.as_str();
    let Some(it) = stored.status.fields.conditions.iter().flatten().find(|it| it.type_ == kind) else {
        return (None, pending);
    };
    let is = |verdict: Verdict| it.status == verdict.as_str();
    let value = is(Verdict::True).then_some(true).or_else(|| is(Verdict::False).then_some(false));
    let is_pending = (it.reason == pending).then_some(pending);
    (value, is_pending.or_else(|| known(&it.reason)).unwrap_or(OTHER))
}

#[cfg(test)]
mod tests;
