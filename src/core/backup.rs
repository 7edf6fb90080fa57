//! One backup, as a state machine.
//!
//! A backup is submitted at most once, although any process may die between any two of its effects, requests may arrive
//! late, and listings may lag. This file decides; it does nothing.
//!
//! # The state table
//!
//! | standing | what is looked at | what is seen | step |
//! |---|---|---|---|
//! | waiting | nothing | being deleted | rest for ever |
//! | | nothing | the spec is invalid | end: `InvalidRequest` |
//! | | nothing | not due, or others come first at the busy instance | rest, or wait: `InstanceBusy` |
//! | | listing | no room in the budget | rest; after a minute wait: `Queued` |
//! | | listing | a row of ours | adopt |
//! | | listing | past the deadline | end: `DeadlineExceeded` |
//! | | listing | refused, unreadable or incomplete | wait by its meaning, or end: `InstanceNotFound`, `InvalidRequest` |
//! | | instance | asked for and unreadable | the same |
//! | | listing, instance | isolated or offline | wait: `InstanceBusy` |
//! | | listing, instance | a backup of ours could be hidden: a running row without a name, or, after a call, an instance at work that no row explains | wait: `InstanceBusy` |
//! | | listing | nothing of ours | **submit** |
//! | in doubt | listing, instance | a row of ours | adopt |
//! | | listing, instance | every condition of [`absence`](super::absence) | the doubt ends: wait, or end: `DeadlineExceeded` |
//! | | listing, instance | invisible for 24 h | end: `Missing` |
//! | | listing, instance | anything else | stay in doubt |
//! | following | flow, or listing | running | stay, past 120 minutes `Overdue` |
//! | | flow, or listing | succeeded or failed | end: `Completed` or `Failed` |
//! | | listing | ended, and a second row of ours | adopt the one that counts, and tell of both |
//! | | flow, and listing | cannot be read | `Unobservable`; not found for 24 h, end: `Missing` |
//! | in doubt, following | nothing | the spec is invalid | say so, and look again for a better one |
//! | finished | nothing | anything | rest for ever |
//!
//! # Invariants
//! - I1, write-ahead, and I2, signed for the intent: [`Step::Submit`] carries the intent, and the shell sends only bytes
//!   that were signed with its time, after it is durable under the version that was read.
//! - I3, look before every submission: [`Step::Submit`] comes only out of [`Sight::Before`] with a complete listing.
//! - I4: a doubt leads to a submission only through [`Step::Absent`].
//! - I5: a finished order leads to [`Step::Rest`] only.
//! - I7: nothing here counts passes; every instant is derived from the record and the clock.
//!
//! # Why not a lock
//! A lease can be lost while its holder sleeps. The signature's own expiry cannot.

use jiff::Timestamp;

use super::order::{Invalid, Order};
use super::pace::{self, later};
use super::reason::Reason;
use super::record::{FlowId, Note, Record, Standing};
use super::seen::{Listing, Row, Seen, Sight, best};

mod follow;
mod resolve;
mod wait;

pub use wait::not_before;
pub(super) use wait::refused;

/// How long a backup that was accepted, or may have been, can be invisible before it is given up as `Missing`: 24 h.
pub const MISSING_SECONDS: i64 = 86_400;
/// The longest documented duration of a backup: 120 minutes.
pub const OVERDUE_SECONDS: i64 = 7_200;
/// The code of the note that dates since when nothing shows a backup: the cloud knows it by no handle, or the instance of
/// a doubt is invisible.
pub const NOT_FOUND: &str = "NotFound";
/// How long looks at an accepted backup may fail in passing before it is called `Unobservable`.
pub const UNOBSERVABLE_SECONDS: i64 = 300;
/// How long an order waits for the rate budget before it says so.
pub const QUEUED_SECONDS: i64 = 60;
/// How often an accepted order whose spec cannot be read is looked at again.
pub const BLIND_SECONDS: i64 = 600;
/// How often an order that waits behind an older one looks whether the older one is still there.
pub const BEHIND_SECONDS: i64 = 60;
/// Past its deadline, how long an order that once called goes on trying for its last look.
pub const LAST_LOOK_SECONDS: i64 = 600;

/// The numbers that a decision depends on, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// How long the cloud accepts a signature: 300.
    pub signature_validity: i64,
    /// How far the clocks may be apart: 300.
    pub clock_skew: i64,
    /// How long an accepted backup may be unlisted: 60.
    pub listing_lag: i64,
    /// Shortest interval of following.
    pub poll_min: i64,
    /// Longest interval of following.
    pub poll_max: i64,
}

impl Limits {
    /// How long after a call's time it can still take effect or be unlisted.
    pub const fn fence(&self) -> i64 {
        self.signature_validity + self.clock_skew + self.listing_lag
    }
}

/// What a pass has to look at in the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aim {
    /// Nothing, until then.
    Nothing(Option<Timestamp>),
    /// What must be looked at before a submission.
    Before {
        /// The instance's state too: the order was refused before, or its instance is busy.
        instance: bool,
    },
    /// What may end a doubt.
    Doubt,
    /// An accepted backup.
    Flow {
        /// By its FlowId.
        flow: Option<FlowId>,
        /// And in the listing.
        listing: bool,
    },
}

/// What is to be done. Only [`Step::Submit`] touches the cloud; the others are recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Nothing.
    Rest {
        /// When to look again, if ever by itself.
        until: Option<Timestamp>,
    },
    /// Not accepted, nothing in flight: say why, and try again.
    Wait {
        /// The row.
        reason: Reason,
        /// What the user reads.
        message: String,
        /// The answer behind it.
        note: Option<Note>,
        /// When to try again.
        until: Timestamp,
    },
    /// Write the intent, then send once.
    Submit {
        /// Name that the call gives.
        backup_name: String,
        /// Its number.
        attempt: i64,
        /// Its time, whole seconds.
        time: Timestamp,
    },
    /// A backup of ours is there.
    Adopt {
        /// The one to follow.
        row: Row,
        /// The others, which must not exist (I6).
        others: Vec<Row>,
        /// The row of the state table that it is in.
        reason: Reason,
        /// What the user reads.
        message: String,
        /// When to look again.
        until: Timestamp,
    },
    /// Nobody knows yet.
    StayInDoubt {
        /// What is waited for.
        message: String,
        /// Since when the instance has been invisible, past the fence.
        note: Option<Note>,
        /// When to look again.
        until: Timestamp,
    },
    /// The doubt ended: there is no backup.
    Absent,
    /// Accepted and being made, or not to be read now.
    Follow {
        /// `Running`, `Overdue` or `Unobservable`.
        reason: Reason,
        /// What the user reads.
        message: String,
        /// What the cloud showed.
        row: Option<Row>,
        /// The answer behind `Unobservable`.
        note: Option<Note>,
        /// When to look again.
        until: Timestamp,
    },
    /// Over (I5).
    End {
        /// A final row.
        reason: Reason,
        /// What the user reads.
        message: String,
        /// What the cloud showed.
        row: Option<Row>,
        /// The answer behind it.
        note: Option<Note>,
    },
}

impl Step {
    /// The word for it in a log line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rest { .. } => "rest",
            Self::Wait { .. } => "wait",
            Self::Submit { .. } => "submit",
            Self::Adopt { .. } => "adopt",
            Self::StayInDoubt { .. } => "stay-in-doubt",
            Self::Absent => "absent",
            Self::Follow { .. } => "follow",
            Self::End { .. } => "end",
        }
    }
}

/// What has to be looked at, given the record alone. Total; the cheapest look that can lead to a step.
pub fn aim(order: Result<&Order, &Invalid>, seen: &Seen, limits: &Limits) -> Aim {
    let Ok(order) = order else { return Aim::Nothing(None) };
    match seen.record.standing(seen.now, limits.fence()) {
        Standing::Finished => Aim::Nothing(None),
        Standing::InDoubt => Aim::Doubt,
        Standing::Following => {
            let flow = seen.record.flow_id;
            Aim::Flow { flow, listing: flow.is_none() || seen.record.reason == Some(Reason::Unobservable) }
        }
        Standing::Waiting if seen.subject.deleting => Aim::Nothing(None),
        Standing::Waiting => {
            let due = not_before(&seen.record, limits);
            if seen.now >= order.deadline {
                Aim::Before { instance: false }
            } else if due.is_some_and(|due| seen.now < due) {
                Aim::Nothing(due.map(|due| due.min(order.deadline)))
            } else if !seen.is_its_turn {
                Aim::Nothing(Some(later(seen.now, BEHIND_SECONDS).min(order.deadline)))
            } else {
                Aim::Before { instance: seen.record.attempts > 0 || seen.record.reason == Some(Reason::InstanceBusy) }
            }
        }
    }
}

/// What is to be done. Total: every order, record and sight has a step.
pub fn decide(order: Result<&Order, &Invalid>, seen: &Seen, limits: &Limits) -> Step {
    let standing = seen.record.standing(seen.now, limits.fence());
    let order = match (standing, order) {
        (Standing::Waiting, Err(invalid)) if !seen.subject.deleting => return wait::invalid(invalid),
        (Standing::Finished, _) | (Standing::Waiting, Err(_)) => return Step::Rest { until: None },
        (Standing::Following, Err(invalid)) => return follow::blind(seen, invalid),
        (Standing::InDoubt, Err(invalid)) => return resolve::blind(seen, invalid),
        (_, Ok(order)) => order,
    };
    match (standing, &seen.sight) {
        (_, Sight::NoRoom { until }) => wait::no_room(standing, seen, order, *until),
        (Standing::Waiting, Sight::Before { listing, instance }) => {
            wait::after_look(order, seen, limits, listing, instance)
        }
        (Standing::InDoubt, Sight::Doubt { listing, instance }) => {
            resolve::after_look(order, seen, limits, listing, instance)
        }
        (Standing::InDoubt, _) => resolve::unlooked(seen, limits),
        (Standing::Following, Sight::Flow { flow, listing }) => {
            follow::after_look(seen, limits, flow.as_ref(), listing.as_ref())
        }
        (Standing::Waiting, Sight::Nothing { until }) if !seen.is_its_turn && !seen.subject.deleting => {
            wait::behind_an_older_order(until.unwrap_or(order.deadline))
        }
        (_, Sight::Nothing { until }) => Step::Rest { until: *until },
        // The record changed between the look and the decision: look again for what it is now.
        (Standing::Waiting | Standing::Following | Standing::Finished, _) => Step::Rest { until: Some(seen.now) },
    }
}

/// The row to follow and the ones that must not exist, if the listing holds any backup of this order.
fn adoption(seen: &Seen, limits: &Limits, listing: &Listing) -> Option<Step> {
    let uid = &seen.subject.uid;
    let row = best(listing.ours(uid))?;
    // By place and not by value: two failed backups of one request show the same values.
    let others = listing.ours(uid).filter(|other| !std::ptr::eq(*other, row)).cloned().collect();
    let (reason, message) = follow::verdict(seen, row);
    let until = next_poll(seen, limits, row.copy.start_time);
    Some(Step::Adopt { row: row.clone(), others, reason, message: message.to_owned(), until })
}

/// When a backup that may be there without showing is looked for again: soon at first, later less often.
fn next_search(seen: &Seen, limits: &Limits) -> Timestamp {
    let next = pace::next(last_sign(seen), seen.now, limits.poll_min.min(5), 8, limits.poll_max.min(60));
    pace::jittered(next, seen.now, &seen.subject.uid)
}

/// The last call, or the earliest that a damaged status allows.
fn last_sign(seen: &Seen) -> Timestamp {
    seen.record.last_call().or(seen.record.since).unwrap_or(seen.subject.created).max(seen.subject.created)
}

/// When an accepted backup is looked at again: soon at first, less often the longer it runs.
fn next_poll(seen: &Seen, limits: &Limits, start: Option<Timestamp>) -> Timestamp {
    let since = seen.record.submit_time.or(start).unwrap_or(seen.now);
    pace::jittered(pace::next(since, seen.now, limits.poll_min, 8, limits.poll_max), seen.now, &seen.subject.uid)
}

/// The note that dates since when a backup or its instance has not been found.
fn not_found(seen: &Seen, message: &str) -> Note {
    Note { code: NOT_FOUND.to_owned(), message: message.to_owned(), request_id: None, time: seen.now }
}

/// Whether the record says that nothing was found for a whole day.
fn is_missing(seen: &Seen) -> bool {
    let since = seen.record.error.as_ref().filter(|note| note.code == NOT_FOUND).map(|note| note.time);
    since.is_some_and(|since| seen.now >= later(since, MISSING_SECONDS))
}

/// Whether `seconds` have passed since the submission, as far as the record knows one.
fn has_passed(record: &Record, since: Option<Timestamp>, seconds: i64, now: Timestamp) -> bool {
    record.submit_time.or(since).is_some_and(|time| now >= later(time, seconds))
}

#[cfg(test)]
pub(crate) mod tests;
