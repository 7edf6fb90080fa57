//! What is written down after a step: a pure fold of the record, the step and its outcome.
//!
//! It is applied again to whatever the server holds when a write meets a conflict, so it depends on nothing but its
//! arguments. I6 lives here: a FlowId is never replaced, `attempts` and `submitTime` only grow, acceptance stays. Each
//! fold yields at most one piece of news, and none where nothing changed.

use jiff::Timestamp;

use super::absence;
use super::backup::{Limits, NOT_FOUND, Step, refused};
use super::order::Order;
use super::pace::{self, later};
use super::reason::{Acceptance, Reason};
use super::record::{Copy, FlowId, Intent, Note, Record};
use super::seen::{Outcome, Row, Seen, Trouble};

/// How far before the submission a backup may claim to have begun, in seconds; earlier is another time zone.
const BEFORE_SUBMISSION: i64 = 600;

/// Something that belongs into the object's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whether somebody should worry.
    pub is_warning: bool,
    /// A reason of the state table, `Accepted`, `Adopted` or `DuplicateBackups`.
    pub reason: &'static str,
    /// What the user reads.
    pub message: String,
}

/// What follows from a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The record to be written, if it [differs](Record::differs).
    pub record: Record,
    /// What to tell.
    pub news: Option<News>,
    /// When the next pass is due, if ever by itself.
    pub until: Option<Timestamp>,
    /// Backups of this order that must not exist.
    pub duplicates: usize,
}

/// The record that announces a call (I1). A knock at a busy instance changes the intent, not the row.
pub fn announce(seen: &Seen, intent: &Intent) -> Record {
    let is_knock = matches!(seen.record.reason, Some(Reason::InstanceBusy | Reason::DatabaseBusy));
    let mut record = seen.record.clone();
    record.observed_generation = Some(seen.subject.generation);
    record.backup_name = Some(intent.backup_name.clone());
    record.attempts = record.attempts.max(intent.attempt);
    record.submit_time = record.submit_time.max(Some(intent.time));
    record.intent = Some(intent.clone());
    if !is_knock {
        record.reason = Some(Reason::Submitting);
        "The request is being sent.".clone_into(&mut record.message);
    }
    record
}

/// Folds a step and its outcome, heard at `now`, into the record.
pub fn fold(
    order: Option<&Order>,
    seen: &Seen,
    step: &Step,
    outcome: &Outcome,
    now: Timestamp,
    limits: &Limits,
) -> Next {
    let mut record = seen.record.clone();
    record.observed_generation = Some(seen.subject.generation);
    let mut next = Next { record, news: None, until: None, duplicates: 0 };
    match step {
        Step::Rest { until } => next.until = *until,
        Step::Wait { reason, message, note, until } => {
            enter(&mut next.record, *reason, message, note.as_ref());
            next.until = Some(*until);
        }
        Step::Submit { backup_name, attempt, time } => {
            if !matches!(outcome, Outcome::None | Outcome::NotDurable) {
                stay_announced(&mut next.record, backup_name, *attempt, *time);
            }
            if is_overtaken(&next.record, *attempt, *time)
                && matches!(outcome, Outcome::Refused(_) | Outcome::InDoubt { .. })
            {
                next.until = Some(now);
            } else {
                answer(&mut next, order, outcome, now, limits);
            }
        }
        Step::Adopt { row, others, reason, message, until } => {
            adopt(&mut next.record, row, *reason, message, now);
            next.until = (!reason.is_final()).then_some(*until);
            next.duplicates = others.len();
            next.news = duplicates(row, others);
        }
        Step::StayInDoubt { message, note, until } => {
            date(&mut next.record, note.as_ref());
            enter(&mut next.record, Reason::OutcomeUnknown, message, None);
            next.until = Some(*until);
        }
        Step::Absent => {
            next.record.intent = None;
            let message = "The lost request was not taken in, and no backup was made; it is sent again.";
            enter(&mut next.record, Reason::CloudUnreachable, message, None);
            next.until = Some(now);
        }
        Step::Follow { reason, message, row, note, until } => {
            follow(&mut next.record, *reason, message, row.as_ref(), note.as_ref(), now);
            next.until = Some(*until);
        }
        Step::End { reason, message, row, note } => {
            end(&mut next.record, *reason, message, row.as_ref(), note.as_ref(), now);
        }
    }
    if next.record.reason == Some(Reason::Pending) {
        // Pending says that nobody has looked yet: resting in it observes nothing, and is worth no write.
        next.record.observed_generation = seen.record.observed_generation;
    }
    next.news = next.news.or_else(|| news(&seen.record, &next.record));
    next
}

/// The status may have been wiped meanwhile: what was announced stays announced (I6).
fn stay_announced(record: &mut Record, backup_name: &str, attempt: i64, time: Timestamp) {
    record.backup_name.get_or_insert_with(|| backup_name.to_owned());
    record.attempts = record.attempts.max(attempt);
    record.submit_time = record.submit_time.max(Some(time));
}

/// Whether the record has gone on from this call. A process that slept hears its answer after another one has announced
/// the next call, or seen the end: then a refusal says nothing about that call (I4), and opens nothing that is over (I5).
fn is_overtaken(record: &Record, attempt: i64, time: Timestamp) -> bool {
    let is_another = |intent: &Intent| (intent.attempt, intent.time) != (attempt, time);
    record.ended || record.last_call() > Some(time) || record.intent.as_ref().is_some_and(is_another)
}

/// What a submission's answer means. Another replica may have found the backup meanwhile, or seen its end: then only the
/// FlowId is news.
fn answer(next: &mut Next, order: Option<&Order>, outcome: &Outcome, now: Timestamp, limits: &Limits) {
    let record = &mut next.record;
    match outcome {
        Outcome::None | Outcome::NotDurable => next.until = Some(later(now, limits.poll_min.min(5))),
        Outcome::Accepted { flow_id, request_id } => {
            if let Some(other) = record.flow_id.filter(|known| known != flow_id) {
                next.duplicates = 1;
                next.news = Some(two_flows(other, *flow_id));
            } else {
                record.flow_id = Some(*flow_id);
                record.request_id.clone_from(request_id);
            }
            if !record.is_ended_accepted() {
                accept(record, Acceptance::Accepted);
                let message = "The cloud accepted the backup and is making it; it documents 5 to 120 minutes.";
                enter(record, Reason::Running, message, None);
            }
            next.until = Some(later(now, limits.poll_min));
        }
        Outcome::Refused(_) | Outcome::InDoubt { .. } if record.is_accepted() => next.until = Some(now),
        Outcome::Refused(trouble) => {
            record.intent = None;
            // An answer comes after its call, also where the clock was set back in between: else it would not read as one.
            let time = Some(trouble.note.time).max(record.submit_time).unwrap_or(now);
            let trouble = Trouble { note: Note { time, ..trouble.note.clone() }, ..trouble.clone() };
            refusal(next, order, &trouble, now, limits);
        }
        Outcome::InDoubt { why } => {
            let fence = absence::fence(record.last_call().unwrap_or(now), limits.fence());
            let message = format!(
                "{why} A backup may have begun, so nothing is sent again before that is known: it is looked for now, and \
                 its absence can be proven from {} on.",
                pace::utc(fence)
            );
            enter(record, Reason::OutcomeUnknown, &message, None);
            next.until = Some(now);
        }
    }
}

fn refusal(next: &mut Next, order: Option<&Order>, trouble: &Trouble, now: Timestamp, limits: &Limits) {
    let Some(order) = order else { return };
    let record = &mut next.record;
    match refused(order, trouble, record, now) {
        Step::Wait { reason, message, note, until } => {
            enter(record, reason, &message, None);
            record.error = note;
            next.until = super::backup::not_before(record, limits).max(Some(until));
        }
        Step::End { reason, message, note, .. } => enter(record, reason, &message, note.as_ref()),
        Step::Rest { .. }
        | Step::Submit { .. }
        | Step::Adopt { .. }
        | Step::StayInDoubt { .. }
        | Step::Absent
        | Step::Follow { .. } => {}
    }
}

/// Enters a row. The note of a row that is already there stays as it was: its time is when the reason began.
fn enter(record: &mut Record, reason: Reason, message: &str, note: Option<&Note>) {
    if record.reason != Some(reason) && note.is_some() {
        record.error = note.cloned();
    }
    record.reason = Some(reason);
    record.ended = reason.is_final();
    message.clone_into(&mut record.message);
}

/// From here on the order is accepted, and no refusal speaks for it any more.
fn accept(record: &mut Record, how: Acceptance) {
    record.acceptance = record.acceptance.or(Some(how));
    record.intent = None;
    record.error = None;
}

fn adopt(record: &mut Record, row: &Row, reason: Reason, message: &str, now: Timestamp) {
    accept(record, Acceptance::Adopted);
    take(record, row, now);
    enter(record, reason, message, None);
}

fn end(record: &mut Record, reason: Reason, message: &str, row: Option<&Row>, note: Option<&Note>, now: Timestamp) {
    let message = with_new_name(record, row, message);
    record.intent = None;
    if let Some(row) = row {
        accept(record, Acceptance::Accepted);
        take(record, row, now);
    }
    enter(record, reason, &message, note);
    if let Some(call) = record.submit_time.filter(|_| !record.is_accepted() && !record.is_answered()) {
        // The end of a doubt is all the answer that its call will ever have. Were it not written down, a clock that is
        // behind would still see the fence run, and the order in doubt again.
        let (code, message) = (reason.as_str().to_owned(), record.message.clone());
        record.error = Some(Note { code, message, request_id: None, time: now.max(call) });
    }
}

/// A row under way is recorded when the order enters another state, not at each look.
fn follow(record: &mut Record, reason: Reason, message: &str, row: Option<&Row>, note: Option<&Note>, now: Timestamp) {
    if record.reason == Some(reason) {
        date(record, note);
        return;
    }
    if let Some(row) = row {
        accept(record, Acceptance::Accepted);
        take(record, row, now);
    }
    enter(record, reason, message, note);
}

/// Keeps the note of when nothing was found any more, or drops it because something else is the matter now.
fn date(record: &mut Record, note: Option<&Note>) {
    let is_not_found = |note: &Note| note.code == NOT_FOUND;
    if record.error.as_ref().is_some_and(is_not_found) != note.is_some_and(is_not_found) {
        record.error = note.cloned();
    }
}

/// Takes over what the cloud tells of the copy. A time that lies ahead, or well before the submission, was read in the
/// wrong zone and is left out.
fn take(record: &mut Record, row: &Row, now: Timestamp) {
    let floor = record.submit_time.map(|time| later(time, -BEFORE_SUBMISSION));
    let plausible = |time: &Timestamp| *time <= now && floor.is_none_or(|floor| *time >= floor);
    let new = &row.copy;
    let old = std::mem::take(&mut record.copy);
    record.copy = Copy {
        backup_id: new.backup_id.or(old.backup_id),
        group_id: new.group_id.clone().or(old.group_id),
        file_name: new.file_name.clone().or(old.file_name),
        size_kb: new.size_kb.or(old.size_kb),
        start_time: new.start_time.filter(plausible).or(old.start_time),
        completion_time: new.completion_time.filter(plausible).or(old.completion_time),
    };
    if !row.name.is_empty() {
        record.backup_name = Some(row.name.clone());
    }
}

fn with_new_name(before: &Record, row: Option<&Row>, message: &str) -> String {
    match (row, &before.backup_name) {
        (Some(row), Some(name)) if !row.name.is_empty() && !row.name.eq_ignore_ascii_case(name) => {
            format!("{message} The cloud shows it under another name than the one given: {}.", row.name)
        }
        _ => message.to_owned(),
    }
}

fn duplicates(row: &Row, others: &[Row]) -> Option<News> {
    if others.is_empty() {
        return None;
    }
    let names: Vec<&str> = std::iter::once(row).chain(others).map(|row| row.name.as_str()).collect();
    Some(News {
        is_warning: true,
        reason: "DuplicateBackups",
        message: format!(
            "The cloud holds {} backups of this order: {}. None is deleted.",
            names.len(),
            names.join(", ")
        ),
    })
}

/// The status has room for one FlowId, so the event is the only place that names the other (I6).
fn two_flows(known: FlowId, other: FlowId) -> News {
    News {
        is_warning: true,
        reason: "DuplicateBackups",
        message: format!(
            "The cloud accepted this order twice: FlowId {} is followed, FlowId {} is another backup. None is deleted.",
            known.value(),
            other.value()
        ),
    }
}

/// News where the order was accepted, ended, or became somebody else's turn.
fn news(before: &Record, after: &Record) -> Option<News> {
    use Reason::{
        AccessDenied, ClockSkew, Completed, CredentialsUnavailable, DatabaseBusy, InstanceBusy, OutcomeUnknown,
        Overdue, Unobservable,
    };
    let reason = after.reason.filter(|reason| before.reason != Some(*reason))?;
    let turn = matches!(
        reason,
        InstanceBusy
            | DatabaseBusy
            | CredentialsUnavailable
            | AccessDenied
            | ClockSkew
            | OutcomeUnknown
            | Overdue
            | Unobservable
    );
    let (is_warning, reason, message) = match after.acceptance.filter(|_| before.acceptance.is_none()) {
        _ if reason.is_final() => (reason != Completed, reason.as_str(), after.message.clone()),
        Some(how) => (false, how.as_str(), acceptance(how, after)),
        None if turn => (!matches!(reason, InstanceBusy | DatabaseBusy), reason.as_str(), after.message.clone()),
        None => return None,
    };
    Some(News { is_warning, reason, message })
}

fn acceptance(how: Acceptance, record: &Record) -> String {
    match (how, record.flow_id) {
        (Acceptance::Accepted, Some(flow)) => format!("The cloud accepted the backup: FlowId {}.", flow.value()),
        (Acceptance::Accepted, None) => "The cloud accepted the backup.".to_owned(),
        (Acceptance::Adopted, _) => {
            let name = record.backup_name.as_deref().unwrap_or_default();
            format!("Found the backup of this order in the cloud: {name}.")
        }
    }
}

#[cfg(test)]
mod tests;
