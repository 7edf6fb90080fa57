//! Between a stored schedule and what the core decides on.
//!
//! # What it guarantees
//! - Reading is total: every stored schedule becomes a subject and a record, and a plan or the reason why it is none.
//! - A record that is written and read again is the same record, so that a restart changes nothing.
//! - A backup carries the labels and annotations of the template and the operator's own, and no other: above all none by
//!   which a tool would take it for its own work and prune it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::{Resource, ResourceExt};

use super::status::CONDITION_TYPES;
use super::{Cursor, LastResult, LatestCopy, MissedRun, Objective, SqlServerBackupScheduleStatus};
use crate::api::conversion::{completed, entered, record as record_of, signs, time, whole_seconds, wish};
use crate::api::{Condition, ReadStatus, SqlServerBackup, SqlServerBackupSchedule, SqlServerBackupScheduleSpec};
use crate::api::{StoredBackup, StoredSchedule};
use crate::core::calendar::Calendar;
use crate::core::order::{Invalid, Order, Subject};
use crate::core::protected::{self, Last, Own};
use crate::core::reason::{READY, Reason, STALLED, Verdict};
use crate::core::record::Signs;
use crate::core::schedule::{self, Cause, Child, Keep, PROTECTED, Place, Plan, Record, State, Why};

/// Annotation of a schedule: a value that it did not have before asks for a backup at once. A backup that it brought
/// carries it too.
pub const RUN_NOW: &str = "tencentdb.dev/run-now";
/// Annotation of a backup: the time of the schedule for which it was made.
pub const SCHEDULED_FOR: &str = "tencentdb.dev/scheduled-for";
/// Annotation of a backup: how many were made for that time before it.
pub const RETRY: &str = "tencentdb.dev/retry";
/// Label of a backup: the schedule that made it.
pub const SCHEDULE: &str = "tencentdb.dev/schedule";

/// Longest token that is told from another one.
const LONGEST_TOKEN: usize = 256;

/// Keys by which a tool knows what it has made; a slash at the end stands for all names below it.
const TRACKING: [&str; 9] = [
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "helm.sh/",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "applyset.kubernetes.io/",
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// The schedule, if it can be followed. A mistake names its field.
pub fn plan(stored: &StoredSchedule, subject: &Subject) -> Result<Plan, Invalid> {
    let is_needed = |path: &&String| ["cursor", "missedRuns"].iter().any(|needed| path.starts_with(needed));
    if let Some(path) = stored.status.unreadable.iter().find(is_needed) {
        let cure = "create the schedule anew: nobody can tell any more which of its times are settled";
        return Err(Invalid::new(format!("status.{path}"), "cannot be read", cure));
    }
    let spec = spec(stored)?;
    let calendar = Calendar::new(&spec.schedule, &spec.time_zone, spec.spread_seconds, &subject.uid)?;
    objective(spec)?;
    order(stored, subject)?;
    let limit = |limit: i64| usize::try_from(limit).unwrap_or_default();
    Ok(Plan {
        calendar,
        line: format!("{} {}", spec.schedule.trim(), spec.time_zone),
        suspend: spec.suspend,
        starting_deadline: spec.starting_deadline_seconds,
        retries: spec.retries,
        keep: Keep { good: limit(spec.successful_history_limit), failed: limit(spec.failed_history_limit) },
        run_now: token(stored),
    })
}

/// What its backups would be asked for.
pub fn order(stored: &StoredSchedule, subject: &Subject) -> Result<Order, Invalid> {
    let within = |mistake: Invalid| Invalid { field: format!("spec.template.{}", mistake.field), ..mistake };
    wish(&spec(stored)?.template.spec, subject.created).map_err(within)
}

/// How old the newest copy may be, in seconds; none without an objective, or with one that nobody can read.
pub fn max_age(stored: &StoredSchedule) -> Option<i64> {
    objective(spec(stored).ok()?).ok()?
}

fn spec(stored: &StoredSchedule) -> Result<&SqlServerBackupScheduleSpec, Invalid> {
    stored.spec.0.as_ref().map_err(|why| {
        Invalid::new("spec", format!("cannot be read ({why})"), "write it as kubectl explain ssbs.spec says")
    })
}

fn objective(spec: &SqlServerBackupScheduleSpec) -> Result<Option<i64>, Invalid> {
    let Some(Objective { max_age }) = &spec.objective else { return Ok(None) };
    let age: Option<SignedDuration> = max_age.parse().ok();
    let seconds = age.map(|age| age.as_secs()).filter(|seconds| *seconds > 0);
    seconds.map(Some).ok_or_else(|| {
        Invalid::new("spec.objective.maxAge", "is no duration", "write hours, minutes and seconds, such as 26h or 90m")
    })
}

fn token(stored: &StoredSchedule) -> Option<String> {
    let token: String = stored.annotations().get(RUN_NOW)?.chars().take(LONGEST_TOKEN).collect();
    (!token.is_empty()).then_some(token)
}

/// What is durable about the schedule. Of a token that cannot be read nobody knows which it was: the one that is there counts
/// as answered, as at the first look.
pub fn record(stored: &StoredSchedule) -> Record {
    let status = &stored.status.fields;
    let is_unknown = stored.status.unreadable.iter().any(|path| path == "lastRunNow");
    let cursor = status.cursor.clone().unwrap_or_default();
    Record {
        line: cursor.schedule,
        is_suspended: cursor.suspended.unwrap_or_default(),
        settled: time(cursor.time.as_ref()),
        last_run: time(status.last_schedule_time.as_ref()),
        tried_again: cursor.retries.unwrap_or_default(),
        missed: status.missed_runs.unwrap_or_default(),
        run_now: if is_unknown { token(stored) } else { status.last_run_now.clone() },
        last_success: time(status.last_successful_time.as_ref()),
    }
}

/// What the looks at the cloud came to, as far as it was written down.
pub fn last(read: &ReadStatus<SqlServerBackupScheduleStatus>) -> Option<Last> {
    let copy = read.fields.latest_copy.as_ref()?;
    Some(Last {
        of: copy.looked_for.clone()?,
        looked: time(copy.look_time.as_ref()),
        newest: time(copy.start_time.as_ref()),
    })
}

/// The reason that a condition of the schedule shows.
pub fn shown<'a>(read: &'a ReadStatus<SqlServerBackupScheduleStatus>, kind: &str) -> Option<&'a str> {
    let mut conditions = read.fields.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == kind).map(|condition| &*condition.reason)
}

/// The backup as one that its object calls complete.
pub fn own(backup: &StoredBackup) -> Option<Own> {
    let ended = completed(&backup.status)?;
    let crate::core::record::Record { copy, backup_name, .. } = record_of(&backup.status);
    let Order { region, instance, scope, .. } = wish(backup.spec.0.as_ref().ok()?, ended).ok()?;
    Some(Own { name: backup_name.unwrap_or_default(), copy, region, instance, scope, ended })
}

/// The backup as one of a schedule that owns it.
pub fn child(backup: &StoredBackup) -> Child {
    let created = backup.metadata.creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default();
    let standing = signs(&backup.status);
    let deleting = backup.metadata.deletion_timestamp.is_some();
    let state = match completed(&backup.status) {
        Some(at) => State::Good(at),
        None if standing.ended => State::Bad(ended(backup).unwrap_or(created), standing.reason == Some(Reason::Failed)),
        // Never submitted any more, and however long a finalizer keeps it, the next one need not wait for it.
        None if deleting && is_waiting(&standing) => State::Bad(created, false),
        None => State::AtWork,
    };
    Child { name: backup.name_any(), cause: cause(backup), state, created, deleting }
}

/// Whether nothing of it can be in the cloud.
fn is_waiting(signs: &Signs) -> bool {
    let may_be_sent = matches!(signs.reason, None | Some(Reason::Submitting | Reason::OutcomeUnknown));
    !signs.ended && !signs.accepted && !signs.announced && !may_be_sent
}

/// Whether the schedule of this UID owns the backup.
pub fn is_owned(backup: &StoredBackup, owner: &str) -> bool {
    backup.owner_references().iter().any(|reference| reference.uid == owner)
}

/// The name of the schedule that owns the backup.
pub fn owner(backup: &StoredBackup) -> Option<&str> {
    let kind = SqlServerBackupSchedule::kind(&());
    let ours = |reference: &&OwnerReference| reference.kind == kind && reference.controller == Some(true);
    backup.owner_references().iter().find(ours).map(|reference| reference.name.as_str())
}

/// What a backup was made for. One whose annotations were removed was made for nothing that will come again; asked for once
/// more, its name is found taken, and ours.
fn cause(backup: &StoredBackup) -> Cause {
    let annotation = |key: &str| backup.annotations().get(key);
    match annotation(SCHEDULED_FOR).and_then(|slot| slot.parse().ok()) {
        Some(slot) => Cause::Slot(slot, annotation(RETRY).and_then(|retry| retry.parse().ok()).unwrap_or_default()),
        None => Cause::Token(annotation(RUN_NOW).cloned().unwrap_or_default()),
    }
}

/// When a backup without a copy ended.
fn ended(backup: &StoredBackup) -> Option<Timestamp> {
    let status = &backup.status.fields;
    let stalled = status.conditions.iter().flatten().find(|condition| condition.type_ == STALLED);
    stalled.map(|stalled| stalled.last_transition_time.0)
}

/// How a backup has ended: when, its name, and the reason.
pub type Ended = (Timestamp, String, String);

/// How the backup has ended, if it has.
pub fn result(backup: &StoredBackup) -> Option<Ended> {
    let at = completed(&backup.status).or_else(|| signs(&backup.status).ended.then(|| ended(backup)).flatten())?;
    let ready = backup.status.fields.conditions.iter().flatten().find(|condition| condition.type_ == READY)?;
    Some((at, backup.name_any(), ready.reason.to_string()))
}

/// How the backup that ended last has ended.
pub fn last_result<'a>(results: impl Iterator<Item = &'a Ended>) -> Option<LastResult> {
    let (time, name, reason) = results.max()?.clone();
    Some(LastResult { name: Some(name), reason: Some(reason), time: Some(Time(whole_seconds(time))) })
}

/// The object of the backup that ended last may have been removed; how an older one ended is no news.
fn newer(told: Option<&LastResult>, before: Option<&LastResult>) -> Option<LastResult> {
    let at = |result: Option<&LastResult>| result.and_then(|result| time(result.time.as_ref()));
    if at(before) > at(told) { before.cloned() } else { told.cloned() }
}

/// The backup that is to be made.
pub fn backup(stored: &StoredSchedule, name: &str, cause: &Cause) -> Result<SqlServerBackup, Invalid> {
    let spec = spec(stored)?;
    let mut made = SqlServerBackup::new(name, spec.template.spec.clone());
    let metadata = spec.template.metadata.clone().unwrap_or_default();
    let mut labels = without_tracking(metadata.labels);
    labels.insert(SCHEDULE.to_owned(), schedule::label(&stored.name_any()));
    let mut annotations = without_tracking(metadata.annotations);
    match cause {
        Cause::Slot(slot, number) => {
            annotations.insert(SCHEDULED_FOR.to_owned(), slot.to_string());
            if *number > 0 {
                annotations.insert(RETRY.to_owned(), number.to_string());
            }
        }
        Cause::Token(token) => {
            annotations.insert(RUN_NOW.to_owned(), token.clone());
        }
    }
    made.metadata.namespace = stored.namespace();
    made.metadata.labels = Some(labels);
    made.metadata.annotations = Some(annotations);
    made.metadata.owner_references = Some(vec![OwnerReference {
        api_version: SqlServerBackupSchedule::api_version(&()).into_owned(),
        kind: SqlServerBackupSchedule::kind(&()).into_owned(),
        name: stored.name_any(),
        uid: stored.uid().unwrap_or_default(),
        controller: Some(true),
        // It would need a right on finalizers, for nothing: the backups need not be gone before the schedule.
        block_owner_deletion: None,
    }]);
    Ok(made)
}

fn without_tracking(keys: Option<BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let is_tracking = |key: &str| {
        TRACKING.iter().any(|known| if known.ends_with('/') { key.starts_with(known) } else { key == *known })
    };
    keys.into_iter().flatten().filter(|(key, _)| !is_tracking(key)).collect()
}

/// What a pass came to know of a schedule.
#[derive(Clone, Debug)]
pub struct Told {
    /// What is durable.
    pub record: Record,
    /// Where it is, with a sentence.
    pub place: (Place, String),
    /// When the next backup is due.
    pub next: Option<Timestamp>,
    /// The backups that are not finished.
    pub active: Vec<String>,
    /// How the last one ended.
    pub last_result: Option<LastResult>,
    /// The last time that passed without a backup, if one did in this pass.
    pub missed: Option<(Timestamp, Why)>,
    /// The condition `Protected`, with a sentence; none leaves it as it is.
    pub protected: Option<(protected::Reason, String)>,
    /// What the looks at the cloud amount to.
    pub last: Option<Last>,
}

/// The status that says so, in place of `before`.
pub fn status(
    told: &Told,
    before: &SqlServerBackupScheduleStatus,
    generation: i64,
    now: Timestamp,
) -> SqlServerBackupScheduleStatus {
    let record = &told.record;
    let known = before.conditions.as_deref().unwrap_or_default();
    let one = |kind: &'static str, verdict: Verdict, reason: &'static str, message: &str| {
        entered(known, kind, verdict, (reason, message), generation, now)
    };
    let (place, message) = &told.place;
    let (ready, stalled) = place.verdicts();
    let protected = match &told.protected {
        Some((reason, why)) => one(PROTECTED, reason.verdict(), reason.as_str(), why),
        None => known.iter().find(|old| old.type_ == PROTECTED).map_or_else(
            || one(PROTECTED, Verdict::Unknown, Place::Pending.as_str(), "The cloud has not been looked at yet."),
            |old| Condition { observed_generation: Some(generation), ..old.clone() },
        ),
    };
    let ours = [one(READY, ready, place.as_str(), message), protected, one(STALLED, stalled, place.as_str(), message)];
    let others = known.iter().filter(|old| !CONDITION_TYPES.contains(&&*old.type_));
    let conditions: Vec<Condition> = ours.into_iter().chain(others.cloned()).collect();
    let whole = |time: Option<Timestamp>| time.map(|time| Time(whole_seconds(time)));
    let missed = told
        .missed
        .map(|(time, why)| MissedRun { time: Some(Time(whole_seconds(time))), reason: Some(why.as_str().to_owned()) });
    SqlServerBackupScheduleStatus {
        observed_generation: Some(generation),
        last_schedule_time: whole(record.last_run),
        last_successful_time: whole(record.last_success),
        next_schedule_time: whole(told.next),
        active: Some(told.active.clone()),
        last_result: newer(told.last_result.as_ref(), before.last_result.as_ref()),
        missed_runs: Some(record.missed),
        last_missed_run: missed.or_else(|| before.last_missed_run.clone()),
        last_run_now: record.run_now.clone(),
        latest_copy: told.last.as_ref().map(|last| LatestCopy {
            start_time: whole(last.newest),
            look_time: whole(last.looked),
            looked_for: Some(last.of.clone()),
        }),
        cursor: Some(Cursor {
            time: whole(record.settled),
            schedule: record.line.clone(),
            suspended: Some(record.is_suspended),
            retries: Some(record.tried_again),
        }),
        conditions: Some(conditions),
    }
}

#[cfg(test)]
mod tests;
