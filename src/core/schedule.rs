//! One schedule, as a state machine over durable facts: its own record, its backups, and the clock.
//!
//! # The rules
//!
//! | what is found, in this order | step |
//! |---|---|
//! | being deleted | rest for ever |
//! | a spec that nobody can follow | say so; nothing runs, the past is settled when it is mended |
//! | never seen, edited, suspended or resumed | settle the past; a token that is there at the first look is noted, not run |
//! | a slot is due, and a backup of it is there | settle the slot |
//! | a slot is due, and its deadline is over | settle it as missed |
//! | a slot is due, and an earlier backup is still at work | settle it as missed: it overlaps |
//! | a slot is due | **make its backup** |
//! | a new token, and a backup of it is there | note the token |
//! | a new token, and no backup is at work | **make a backup for the token** |
//! | the last slot's backup failed, and tries are left | after a pause, **make another one** |
//! | more finished backups than the limits keep | remove the oldest |
//! | nothing | rest until the next slot is due |
//!
//! # Invariants
//! - The cursor, `settled`, only grows. A slot up to it is never run again; so nothing runs on create, edit or resume, and of
//!   all slots that passed meanwhile only the latest can still run.
//! - The name of a backup is a function of the schedule and the slot. Two operators, or one that died between the creation
//!   and the record of it, ask for the same name, and the API server has it once.
//! - Every slot that the cursor passes without a backup is counted.
//! - Removing an object never removes a copy, never one that is at work, and never the newest good one.
//! - Nothing here counts passes; a restart changes nothing.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::calendar::Calendar;
use super::order::{Invalid, Subject};
use super::pace::later;

mod names;
mod prune;
mod standing;
mod tries;

pub use names::{for_missed, for_slot, for_token, label};
pub use standing::{PROTECTED, Place, creation, missed, place, turn};

/// How soon a creation that the API server refused is tried again.
const REFUSED_PAUSE: i64 = 60;
/// By how much a clock may be ahead of the API server's and still be believed, in seconds.
const AHEAD: i64 = 60;
/// The most slots that are counted one by one; beyond it the count is a lower bound.
const MOST_COUNTED: i64 = 600_000;

/// A schedule that can be followed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// When its slots are.
    pub calendar: Calendar,
    /// Line and zone as they are written: what the cursor belongs to.
    pub line: String,
    /// No slot runs.
    pub suspend: bool,
    /// For how many seconds after it is due a slot may still begin; without it, until the next one is due.
    pub starting_deadline: Option<i64>,
    /// How many further backups a slot may have after a failed one.
    pub retries: i64,
    /// Finished backups that are kept.
    pub keep: Keep,
    /// The token that asks for a backup now.
    pub run_now: Option<String>,
}

/// How many finished backups are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Complete ones; the newest is kept whatever this says.
    pub good: usize,
    /// The others.
    pub failed: usize,
}

/// What is durable about a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// Line and zone that the cursor belongs to; none before the first look.
    pub line: Option<String>,
    /// Whether it was suspended when last looked at.
    pub is_suspended: bool,
    /// The cursor: slots up to this instant are settled.
    pub settled: Option<Timestamp>,
    /// The last slot that has, or had, a backup.
    pub last_run: Option<Timestamp>,
    /// How many further tries that slot had.
    pub tried_again: i64,
    /// How many slots passed without a backup, ever.
    pub missed: i64,
    /// The last token that was noted or run.
    pub run_now: Option<String>,
    /// When the newest good copy was complete.
    pub last_success: Option<Timestamp>,
}

/// What a backup was made for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A slot; its number of tries before this one.
    Slot(Timestamp, i64),
    /// A token.
    Token(String),
}

/// How far a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not finished.
    AtWork,
    /// The copy was complete then.
    Good(Timestamp),
    /// Ended without a copy at that time. Whether the cloud made it and failed: only then another try can help.
    Bad(Timestamp, bool),
}

/// One backup of the schedule, as its object says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// What it was made for.
    pub cause: Cause,
    /// How far it is.
    pub state: State,
    /// When it was created.
    pub created: Timestamp,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// What a pass saw.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The clock, read first.
    pub now: Timestamp,
    /// The schedule's object.
    pub subject: Subject,
    /// What is durable.
    pub record: Record,
    /// All backups that it owns.
    pub children: Vec<Child>,
}

/// Why a slot passed without a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// A later one was due already when it could have been run.
    Late,
    /// An earlier backup of the schedule was still at work.
    Overlap,
    /// An object that is not the schedule's has its name.
    NameTaken,
}

/// The one effect of a pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Nothing beside the record.
    Rest,
    /// Create the backup of this name, unless it is there.
    Create {
        /// A function of the schedule and the cause.
        name: String,
        /// What it is for.
        cause: Cause,
    },
    /// Remove a finished backup's object.
    Remove {
        /// Its name.
        name: String,
    },
}

/// What is to be done, and what is durable afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The effect.
    pub step: Step,
    /// What is written down once the effect has succeeded.
    pub record: Record,
    /// Slots that this pass settles without a backup, and why the last of them.
    pub missed: Option<(i64, Why)>,
    /// When the next pass is due, if ever by itself.
    pub until: Option<Timestamp>,
}

/// How the creation of a backup went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Creation {
    /// It is there, made now or before, and ours.
    Made,
    /// Somebody else's object has the name.
    Taken,
    /// The API server did not take it, or did not answer.
    Refused,
}

/// The clock to decide by, of the operator's own and the API server's. What an own one that is far ahead settles stays settled
/// when it is right again, and until then nothing would run. One that is behind only waits.
pub fn believed(own: Timestamp, server: Timestamp) -> Timestamp {
    if own > later(server, AHEAD) { server } else { own }
}

/// What is to be done. Total, for every record and every clock.
pub fn decide(plan: Result<&Plan, &Invalid>, seen: &Seen) -> Decision {
    let mut record = told(seen);
    let rest = |record, until| Decision { step: Step::Rest, record, missed: None, until };
    if seen.subject.deleting {
        return rest(seen.record.clone(), None);
    }
    let Ok(plan) = plan else {
        // What passes while nobody can follow it is no promise: it is settled, as an edit settles it.
        record.line = Some(String::new());
        return rest(record, None);
    };
    if settle_the_past(plan, seen, &mut record) {
        let until = next_due(plan, seen.now, &record);
        return rest(record, until);
    }
    if let Some(decision) = due_slot(plan, seen, &record) {
        return decision;
    }
    if let Some(decision) = token(plan, seen, &record) {
        return decision;
    }
    let (again, pause) = tries::next(plan, seen, &record);
    if let Some(decision) = again {
        return decision;
    }
    let (name, prune_at) = prune::next(plan, seen, &record);
    let until = [next_due(plan, seen.now, &record), pause, prune_at].into_iter().flatten().min();
    match name {
        Some(name) => Decision { step: Step::Remove { name }, record, missed: None, until: Some(seen.now) },
        None => rest(record, until),
    }
}

/// The finished backup's object that the limits keep no longer, if there is one and it is old enough.
pub fn excess(plan: &Plan, seen: &Seen) -> Option<String> {
    prune::next(plan, seen, &told(seen)).0
}

/// What follows from the outcome of [`Step::Create`]: the decision as it is to be written down.
pub fn created(decision: Decision, seen: &Seen, outcome: Creation) -> Decision {
    match (outcome, &decision.step) {
        (Creation::Made, _) => Decision { until: Some(seen.now), ..decision },
        (Creation::Refused, _) => {
            Decision { record: told(seen), missed: None, until: Some(later(seen.now, REFUSED_PAUSE)), ..decision }
        }
        (Creation::Taken, Step::Create { cause: Cause::Slot(_, 0), .. }) => {
            let before = decision.missed.map_or(0, |(slots, _)| slots);
            let record = Record {
                last_run: seen.record.last_run,
                tried_again: seen.record.tried_again,
                missed: decision.record.missed.saturating_add(1),
                ..decision.record.clone()
            };
            Decision { record, missed: Some((before.saturating_add(1), Why::NameTaken)), ..decision }
        }
        (Creation::Taken, _) => decision,
    }
}

/// The record with what the backups themselves tell: another operator may have made one and died.
fn told(seen: &Seen) -> Record {
    let mut record = seen.record.clone();
    for child in &seen.children {
        if let State::Good(at) = child.state {
            record.last_success = record.last_success.max(Some(at));
        }
    }
    let slots = seen.children.iter().filter_map(|child| match child.cause {
        Cause::Slot(slot, number) => Some((slot, number)),
        Cause::Token(_) => None,
    });
    if let Some((slot, number)) = slots.filter(|(slot, _)| Some(*slot) <= record.settled).max() {
        match Some(slot).cmp(&record.last_run) {
            Ordering::Greater => (record.last_run, record.tried_again) = (Some(slot), number),
            Ordering::Equal => record.tried_again = record.tried_again.max(number),
            Ordering::Less => {}
        }
    }
    record
}

/// Whether the past has to be settled first: a first look, an edit, a suspension or its end. What was due before such a
/// turn is not owed after it.
fn settle_the_past(plan: &Plan, seen: &Seen, record: &mut Record) -> bool {
    let is_first = record.line.is_none();
    let is_known = record.settled.is_some();
    if is_known && record.line.as_ref() == Some(&plan.line) && record.is_suspended == plan.suspend {
        return false;
    }
    // At the first look, slots since the creation are owed: an operator that was away must not lose them.
    let from = if is_first { seen.subject.created } else { seen.now };
    record.settled = record.settled.max(Some(from));
    if !is_known {
        record.run_now.clone_from(&plan.run_now);
    }
    record.line = Some(plan.line.clone());
    record.is_suspended = plan.suspend;
    true
}

/// What a slot that is due leads to.
fn due_slot(plan: &Plan, seen: &Seen, record: &Record) -> Option<Decision> {
    let settled = record.settled?;
    let slot = plan.calendar.last_due(seen.now).filter(|slot| *slot > settled && !plan.suspend)?;
    let before = missed_between(plan, seen, settled, slot);
    let settle = |run: bool| Record {
        settled: Some(slot),
        last_run: if run { Some(slot) } else { record.last_run },
        tried_again: if run { 0 } else { record.tried_again },
        missed: record.missed.saturating_add(before).saturating_add(i64::from(!run)),
        ..record.clone()
    };
    let skipped = |why| Decision {
        step: Step::Rest,
        record: settle(false),
        missed: Some((before.saturating_add(1), why)),
        until: Some(seen.now),
    };
    let earlier = (before > 0).then_some((before, Why::Late));
    let is_of_the_slot = |child: &Child| matches!(child.cause, Cause::Slot(of, _) if of == slot);
    if seen.children.iter().any(is_of_the_slot) {
        return Some(Decision { step: Step::Rest, record: settle(true), missed: earlier, until: Some(seen.now) });
    }
    let deadline = plan.starting_deadline.map(|seconds| later(plan.calendar.due(slot), seconds));
    if deadline.is_some_and(|deadline| seen.now >= deadline) {
        return Some(skipped(Why::Late));
    }
    if seen.children.iter().any(|child| child.state == State::AtWork) {
        return Some(skipped(Why::Overlap));
    }
    let cause = Cause::Slot(slot, 0);
    let name = for_slot(&seen.subject.name, slot, 0);
    Some(Decision { step: Step::Create { name, cause }, record: settle(true), missed: earlier, until: None })
}

/// How many slots between the two, both left out, have no backup. One that is there was made by an operator that died before
/// it could record it.
fn missed_between(plan: &Plan, seen: &Seen, settled: Timestamp, slot: Timestamp) -> i64 {
    let has_backup =
        |of: Timestamp| seen.children.iter().any(|child| matches!(child.cause, Cause::Slot(at, _) if at == of));
    let (mut count, mut at) = (0, settled);
    while count < MOST_COUNTED {
        match plan.calendar.next(at).filter(|next| *next < slot) {
            Some(next) => at = next,
            None => break,
        }
        count += i64::from(!has_backup(at));
    }
    count
}

/// A backup for a token that is new. It waits for one that is at work, and for no suspension.
fn token(plan: &Plan, seen: &Seen, record: &Record) -> Option<Decision> {
    let token = plan.run_now.as_ref().filter(|token| record.run_now.as_ref() != Some(token))?;
    let record = Record { run_now: Some(token.clone()), ..record.clone() };
    let cause = Cause::Token(token.clone());
    if seen.children.iter().any(|child| child.cause == cause) {
        return Some(Decision { step: Step::Rest, record, missed: None, until: Some(seen.now) });
    }
    if seen.children.iter().any(|child| child.state == State::AtWork) {
        return None;
    }
    let step = Step::Create { name: for_token(&seen.subject.name, token), cause };
    Some(Decision { step, record, missed: None, until: None })
}

/// When the next slot is due. A clock that stands before the cursor waits for it.
fn next_due(plan: &Plan, now: Timestamp, record: &Record) -> Option<Timestamp> {
    let settled = record.settled.filter(|_| !plan.suspend)?;
    // The cursor lies behind the last due slot only for a moment; from the later of the two the next slot is ahead.
    let from = plan.calendar.last_due(now).map_or(settled, |last| last.max(settled));
    plan.calendar.next(from).map(|slot| plan.calendar.due(slot))
}

/// The next slot that will run, for people to read; none while suspended.
pub fn next_slot(plan: &Plan, now: Timestamp, record: &Record) -> Option<Timestamp> {
    next_due(plan, now, record)
}

#[cfg(test)]
mod tests;
