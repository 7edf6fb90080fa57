//! Further tries of a slot whose backup the cloud accepted and then failed.
//!
//! They follow the latest try alone, by the instant at which it failed, and are counted in the record; so a restart neither
//! shortens a pause nor forgets a try.

use jiff::Timestamp;

use super::{Cause, Decision, Plan, Record, Seen, State, Step, for_slot};
use crate::core::pace::later;

/// Pause before the first further try of a slot, in seconds; doubled for each one after it.
const FIRST_PAUSE: i64 = 60;
/// Longest pause between two tries of a slot.
const LONGEST_PAUSE: i64 = 3_600;

/// Whether the last slot that has a backup may have another one: nothing was settled since, neither by a later slot nor by
/// an edit, a suspension or its end.
pub(super) fn may_be_tried_again(plan: &Plan, record: &Record) -> bool {
    !plan.suspend && record.tried_again < plan.retries && record.settled == record.last_run
}

/// A further try of the last slot, or when one is due.
pub(super) fn next(plan: &Plan, seen: &Seen, record: &Record) -> (Option<Decision>, Option<Timestamp>) {
    let Some(slot) = record.last_run.filter(|_| may_be_tried_again(plan, record)) else {
        return (None, None);
    };
    let of_the_slot = seen.children.iter().filter_map(|child| match child.cause {
        Cause::Slot(of, number) if of == slot => Some((number, child.state)),
        Cause::Slot(..) | Cause::Token(_) => None,
    });
    let latest = of_the_slot.max_by_key(|(number, _)| *number);
    let Some((_, State::Bad(since, true))) = latest.filter(|(number, _)| *number == record.tried_again) else {
        // Somebody deleted the latest try: of an earlier one nothing follows.
        return (None, None);
    };
    let doubled = u32::try_from(record.tried_again).unwrap_or(u32::MAX);
    let pause = FIRST_PAUSE.saturating_mul(2_i64.saturating_pow(doubled)).min(LONGEST_PAUSE);
    let at = later(since, pause);
    if seen.now < at {
        return (None, Some(at));
    }
    if seen.children.iter().any(|child| child.state == State::AtWork) {
        return (None, None);
    }
    let number = record.tried_again.saturating_add(1);
    let step = Step::Create { name: for_slot(&seen.subject.name, slot, number), cause: Cause::Slot(slot, number) };
    let record = Record { tried_again: number, ..record.clone() };
    (Some(Decision { step, record, missed: None, until: None }), None)
}
