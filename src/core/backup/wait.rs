//! Orders that are not accepted and have nothing in flight: submit, wait, or end.
//!
//! A submission comes out of one place, [`after_look`], and only after a complete listing that was read in this pass (I3).

use jiff::Timestamp;

use super::{LAST_LOOK_SECONDS, Limits, QUEUED_SECONDS, Step, adoption, next_search};
use crate::core::absence;
use crate::core::name;
use crate::core::order::{Invalid, Order};
use crate::core::pace::{self, later, utc};
use crate::core::reason::Reason;
use crate::core::record::{Record, Standing};
use crate::core::seen::{InstanceStatus, Listing, Meaning, Seen, Trouble};

/// A spec that cannot be sent: only its author can go on.
pub(super) fn invalid(invalid: &Invalid) -> Step {
    Step::End {
        reason: Reason::InvalidRequest,
        message: format!("{invalid}. Create a new object with the mistake mended."),
        row: None,
        note: None,
    }
}

/// The earliest instant of the next submission, from the last answer alone, so that a restart does not shorten it. After a
/// refusal this is at least the listing lag: were the refusal none, the look would find the backup (I3). Nothing holds up
/// an order that never called: its note is of a look, and may carry the time of a clock that ran ahead.
pub fn not_before(record: &Record, limits: &Limits) -> Option<Timestamp> {
    let note = record.error.as_ref().filter(|_| record.attempts > 0)?;
    let wait = match record.reason {
        Some(Reason::InstanceBusy | Reason::DatabaseBusy) => {
            limits.listing_lag.saturating_mul(record.attempts.clamp(1, 5))
        }
        _ => limits.listing_lag,
    };
    Some(later(note.time, wait))
}

/// No room in the budget: only an order that nobody works on says so, and only after a minute. However long it has to
/// rest, it has a pass at that minute, so that nobody who watches takes it for one that was never looked at.
pub(super) fn no_room(standing: Standing, seen: &Seen, order: &Order, until: Timestamp) -> Step {
    let is_new = matches!(seen.record.reason, Some(Reason::Pending | Reason::Queued) | None);
    if standing != Standing::Waiting || !is_new {
        return Step::Rest { until: Some(until) };
    }
    let since = seen.record.since.max(Some(seen.subject.created)).unwrap_or(seen.now);
    let is_told_at = later(since, QUEUED_SECONDS);
    if seen.now < is_told_at {
        return Step::Rest { until: Some(until.min(is_told_at)) };
    }
    Step::Wait {
        reason: Reason::Queued,
        message: format!(
            "Waiting for room in the operator's share of the cloud's rate limit; it goes on by itself, until {}.",
            utc(order.deadline)
        ),
        note: None,
        until,
    }
}

/// The instance answered busy, and others come first: the oldest, as many as there is room for, or one that asks.
pub(super) fn behind_an_older_order(until: Timestamp) -> Step {
    Step::Wait {
        reason: Reason::InstanceBusy,
        message:
            "The instance is busy; this order has its turn when there is room, after every older order that waits."
                .to_owned(),
        note: None,
        until,
    }
}

/// After the look that precedes every submission.
pub(super) fn after_look(
    order: &Order,
    seen: &Seen,
    limits: &Limits,
    listing: &Result<Listing, Trouble>,
    instance: &Result<Option<InstanceStatus>, Trouble>,
) -> Step {
    let listing = match listing {
        Ok(listing) => listing,
        Err(trouble) => return after_trouble(order, seen, trouble),
    };
    if let Some(adopt) = adoption(seen, limits, listing) {
        return adopt;
    }
    if !listing.complete {
        return incomplete(order, seen);
    }
    if seen.subject.deleting {
        return Step::Rest { until: None };
    }
    if seen.now >= order.deadline {
        return deadline(order, seen);
    }
    // Unread, the instance could be at work on a backup of ours that no row shows.
    let instance = match instance {
        Ok(instance) => *instance,
        Err(trouble) => return after_trouble(order, seen, trouble),
    };
    // An instance at work may be at work on a call of ours only if there was one. On one that was busy it mostly is at work on
    // what others of ours began a moment ago and the listing does not show yet.
    let has_called = seen.record.attempts > 0 || seen.record.last_call().is_some();
    if let Some(objection) = absence::hidden(listing, instance.filter(|_| has_called)) {
        return Step::Wait {
            reason: Reason::InstanceBusy,
            message: format!(
                "Nothing is submitted while {}, because that may be this order's own backup.",
                objection.describe()
            ),
            note: None,
            until: next_search(seen, limits).min(order.deadline),
        };
    }
    if let Some(status) = instance.filter(|status| status.is_out_of_service()) {
        return Step::Wait {
            reason: Reason::InstanceBusy,
            message: format!(
                "The instance is {}, and no manual backup is possible then; tried again until {}.",
                status.describe(),
                utc(order.deadline)
            ),
            note: None,
            until: later(seen.now, 60).min(order.deadline),
        };
    }
    submit(order, seen)
}

fn submit(order: &Order, seen: &Seen) -> Step {
    let time = Timestamp::from_second(seen.now.as_second()).unwrap_or(seen.now);
    let last = seen.record.last_call().filter(|last| *last > time);
    match (last, seen.record.attempts.max(0).checked_add(1)) {
        (Some(last), _) => Step::Wait {
            reason: Reason::ClockSkew,
            message: format!("The last attempt lies ahead of this operator's clock; waiting until {}.", utc(last)),
            note: None,
            until: last.min(order.deadline),
        },
        (None, None) => Step::End {
            reason: Reason::InvalidRequest,
            message: "status.attempts is at its bound: create a new object.".to_owned(),
            row: None,
            note: None,
        },
        (None, Some(attempt)) => Step::Submit {
            backup_name: name::for_attempt(order.prefix.as_deref(), &seen.subject.name, &seen.subject.uid, attempt),
            attempt,
            time,
        },
    }
}

/// The look failed. Nothing is submitted without one; past the deadline an order that never called ends at once, any other
/// gets some minutes more for its last look.
fn after_trouble(order: &Order, seen: &Seen, trouble: &Trouble) -> Step {
    let last_look = if seen.record.attempts > 0 { LAST_LOOK_SECONDS } else { 0 };
    if seen.now >= later(order.deadline, last_look) {
        return deadline(order, seen);
    }
    refused(order, trouble, &seen.record, seen.now)
}

/// The step that a refusal amounts to, of a look as of a submission: wait by its meaning, or end. The interval grows with
/// the time for which the record has been giving the same reason.
pub(in crate::core) fn refused(order: &Order, trouble: &Trouble, record: &Record, now: Timestamp) -> Step {
    let (reason, first, last) = match trouble.meaning {
        Meaning::InstanceBusy => (Reason::InstanceBusy, 1, 60),
        Meaning::DatabaseBusy => (Reason::DatabaseBusy, 1, 60),
        Meaning::Throttled => (Reason::Throttled, 2, 60),
        Meaning::Unavailable => (Reason::CloudUnreachable, 5, 60),
        // The Secret is read anyway once a minute. How often a rejected key is called with is for the shell to say, once for
        // all orders under it.
        Meaning::NoCredentials | Meaning::Credentials => (Reason::CredentialsUnavailable, 60, 60),
        Meaning::AccessDenied => (Reason::AccessDenied, 60, 600),
        Meaning::ClockSkew => (Reason::ClockSkew, 60, 600),
        Meaning::InstanceNotFound => return ended(Reason::InstanceNotFound, trouble),
        Meaning::DatabaseNotFound => return ended(Reason::DatabaseNotFound, trouble),
        Meaning::BackupNotFound | Meaning::InvalidRequest => return ended(Reason::InvalidRequest, trouble),
    };
    let since = record.error.as_ref().filter(|_| record.reason == Some(reason)).map(|note| note.time);
    let until = pace::next(since.unwrap_or(now), now, first, 2, last);
    Step::Wait {
        reason,
        message: format!("{} The order keeps trying until {}.", trouble.sentence, utc(order.deadline)),
        note: Some(trouble.note.clone()),
        // The end is told when it is there.
        until: if now < order.deadline { until.min(order.deadline) } else { until },
    }
}

fn ended(reason: Reason, trouble: &Trouble) -> Step {
    let message = format!("{} Create a new object once that is mended.", trouble.sentence);
    Step::End { reason, message, row: None, note: Some(trouble.note.clone()) }
}

fn incomplete(order: &Order, seen: &Seen) -> Step {
    if seen.now >= later(order.deadline, LAST_LOOK_SECONDS) {
        return deadline(order, seen);
    }
    Step::Wait {
        reason: Reason::CloudUnreachable,
        message: "The cloud's listing does not add up, so nothing is submitted; read again shortly.".to_owned(),
        note: None,
        until: later(seen.now, 5),
    }
}

/// The end of an order that was not accepted in time.
pub(super) fn deadline(order: &Order, seen: &Seen) -> Step {
    let last = match &seen.record.error {
        Some(note) => format!("the last answer was {}", note.code),
        None => "there was no answer to speak of".to_owned(),
    };
    Step::End {
        reason: Reason::DeadlineExceeded,
        message: format!(
            "Not accepted before {} (spec.submitDeadlineSeconds), and no backup of it is known; {last}. Create a new object to try again.",
            utc(order.deadline)
        ),
        row: None,
        note: None,
    }
}
