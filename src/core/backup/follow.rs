//! Accepted orders: follow the backup to its end, and never fail it for our own reasons.
//!
//! A refusal that needs a person shows at once as `Unobservable`; a passing one only after five minutes. The end comes
//! from the cloud alone, or after 24 hours in which no known handle found the backup.

use super::{
    BLIND_SECONDS, Limits, OVERDUE_SECONDS, Step, UNOBSERVABLE_SECONDS, adoption, has_passed, is_missing, next_poll,
    not_found,
};
use crate::core::order::Invalid;
use crate::core::pace::later;
use crate::core::reason::Reason;
use crate::core::record::Note;
use crate::core::seen::{Listing, Meaning, Progress, Row, Seen, Trouble};

/// What the known handles brought together.
enum Found<'a> {
    Row(&'a Row),
    /// No handle that was tried knows the backup.
    Nowhere(Option<&'a Trouble>),
    Unread(&'a Trouble),
}

/// After a look by FlowId, in the listing, or both.
pub(super) fn after_look(
    seen: &Seen,
    limits: &Limits,
    flow: Option<&Result<Row, Trouble>>,
    listing: Option<&Result<Listing, Trouble>>,
) -> Step {
    match found(seen, flow, listing) {
        Found::Row(row) => {
            let step = by_progress(seen, limits, row);
            // A second backup of an adopted order may have been listed later than the first: at the end it is told (I6).
            let both = listing.and_then(|it| it.as_ref().ok()).filter(|it| it.ours(&seen.subject.uid).count() > 1);
            let told = both.filter(|_| matches!(step, Step::End { .. })).and_then(|it| adoption(seen, limits, it));
            told.unwrap_or(step)
        }
        Found::Nowhere(trouble) => {
            let by_every_handle = match listing {
                Some(Ok(listing)) => listing.complete,
                Some(Err(trouble)) => is_gone(trouble),
                None => false,
            };
            nowhere(seen, limits, trouble, by_every_handle)
        }
        Found::Unread(trouble) => unread(seen, limits, trouble),
    }
}

fn found<'a>(
    seen: &Seen,
    flow: Option<&'a Result<Row, Trouble>>,
    listing: Option<&'a Result<Listing, Trouble>>,
) -> Found<'a> {
    if let Some(Ok(row)) = flow {
        return Found::Row(row);
    }
    let listed = match listing {
        Some(Ok(listing)) => match listing.find(&seen.subject.uid, &seen.record.copy) {
            Some(row) => return Found::Row(row),
            None => None,
        },
        Some(Err(trouble)) => Some(trouble),
        None => None,
    };
    let flow = flow.and_then(|flow| flow.as_ref().err());
    match (flow, listed) {
        (Some(flow), None) if !is_gone(flow) => Found::Unread(flow),
        (_, Some(listed)) if !is_gone(listed) => Found::Unread(listed),
        (flow, listed) => Found::Nowhere(flow.or(listed)),
    }
}

/// Not found; the documentation of `DescribeBackupByFlowId` knows three codes that mean it.
fn is_gone(trouble: &Trouble) -> bool {
    matches!(trouble.meaning, Meaning::BackupNotFound | Meaning::InstanceNotFound | Meaning::InvalidRequest)
}

/// The row of the state table that a row of the cloud's means.
pub(super) fn verdict(seen: &Seen, row: &Row) -> (Reason, &'static str) {
    match row.progress {
        Progress::Succeeded => (Reason::Completed, "The copy is complete."),
        Progress::Failed => (
            Reason::Failed,
            "The cloud reported that the backup failed, without a reason; its console or support may know it. Create a \
             new object to try again.",
        ),
        Progress::Running | Progress::Unheard => {
            if has_passed(&seen.record, row.copy.start_time, OVERDUE_SECONDS, seen.now) {
                (Reason::Overdue, "Still running after the documented 120 minutes; it is followed until it ends.")
            } else {
                (Reason::Running, "The backup is being made; the cloud documents 5 to 120 minutes.")
            }
        }
    }
}

fn by_progress(seen: &Seen, limits: &Limits, row: &Row) -> Step {
    let (reason, message) = verdict(seen, row);
    let (message, row) = (message.to_owned(), Some(row.clone()));
    if reason.is_final() {
        return Step::End { reason, message, row, note: None };
    }
    let until = next_poll(seen, limits, row.as_ref().and_then(|row| row.copy.start_time));
    Step::Follow { reason, message, row, note: None, until }
}

fn unread(seen: &Seen, limits: &Limits, trouble: &Trouble) -> Step {
    let needs_a_person = matches!(
        trouble.meaning,
        Meaning::NoCredentials | Meaning::Credentials | Meaning::AccessDenied | Meaning::ClockSkew
    );
    let long = seen.failing_since.is_some_and(|since| seen.now >= later(since, UNOBSERVABLE_SECONDS));
    let already = seen.record.reason == Some(Reason::Unobservable);
    if needs_a_person || long || already {
        unobservable(seen, limits, trouble.sentence.clone(), Some(trouble.note.clone()))
    } else {
        Step::Rest { until: Some(next_poll(seen, limits, None)) }
    }
}

fn nowhere(seen: &Seen, limits: &Limits, trouble: Option<&Trouble>, by_every_handle: bool) -> Step {
    let message =
        "The cloud accepted the backup and does not show it now; it is looked for until 24 hours have passed.";
    if !by_every_handle {
        return unobservable(seen, limits, message.to_owned(), trouble.map(|trouble| trouble.note.clone()));
    }
    if seen.record.reason == Some(Reason::Unobservable) && is_missing(seen) {
        return Step::End {
            reason: Reason::Missing,
            message: "The cloud accepted the backup, and for 24 hours has not known it by any handle.".to_owned(),
            row: None,
            note: None,
        };
    }
    unobservable(seen, limits, message.to_owned(), Some(not_found(seen, "no handle finds the backup")))
}

fn unobservable(seen: &Seen, limits: &Limits, message: String, note: Option<Note>) -> Step {
    Step::Follow { reason: Reason::Unobservable, message, row: None, note, until: next_poll(seen, limits, None) }
}

/// Nobody can read which backup to look for: only the author can mend that, and the backup goes on meanwhile.
pub(super) fn blind(seen: &Seen, invalid: &Invalid) -> Step {
    Step::Follow {
        reason: Reason::Unobservable,
        message: format!("The backup was accepted and cannot be looked for: {invalid}."),
        row: None,
        note: None,
        until: later(seen.now, BLIND_SECONDS),
    }
}
