//! Between what is stored and what the core decides on.
//!
//! # What it guarantees
//! - Reading is total: every stored object becomes a subject and a record, and an order or the reason why it is none.
//! - A record that is written and read again is the same record, so that a restart changes nothing (I7).
//! - A row that this version does not know, written by a newer one, is kept as it stands; whether it ended is read from
//!   the conditions themselves (I5).

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;

use super::{CloudError, Condition, Intent, ReadStatus, SqlServerBackupSpec, SqlServerBackupStatus, StoredBackup};
use super::{StorageStrategy, Strategy, quantity};
use crate::core::order::{Invalid, Order, Scope, Storage, Subject, Uid};
use crate::core::pace::later;
use crate::core::reason::{self, Acceptance, Reason, Verdict};
use crate::core::record::{Copy, FlowId, Intent as Announced, Note, Record, Signs};

/// What the object is. Fails only for an object that no API server stored.
pub fn subject(stored: &impl Resource) -> Result<Subject, Invalid> {
    let metadata = stored.meta();
    Ok(Subject {
        uid: Uid::new(metadata.uid.as_deref().unwrap_or_default())?,
        name: metadata.name.clone().unwrap_or_default(),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default(),
        generation: metadata.generation.unwrap_or_default(),
        deleting: metadata.deletion_timestamp.is_some(),
    })
}

/// The wish. The schema refuses what is refused here; an object that was stored before a rule, is not refused by it.
pub fn order(stored: &StoredBackup, created: Timestamp) -> Result<Order, Invalid> {
    let spec = stored.spec.0.as_ref().map_err(|why| {
        Invalid::new("spec", format!("cannot be read ({why})"), "write it as kubectl explain ssb.spec says")
    })?;
    wish(spec, created)
}

/// The same of a spec, which may be that of a template.
pub(super) fn wish(spec: &SqlServerBackupSpec, created: Timestamp) -> Result<Order, Invalid> {
    Ok(Order {
        instance: identifier("spec.instanceId", &spec.instance_id, "name an instance such as mssql-njj2mtpl")?,
        region: identifier("spec.region", &spec.region, "name a region such as ap-guangzhou")?,
        scope: scope(spec)?,
        storage: match spec.storage_strategy {
            StorageStrategy::InstanceRetention => Storage::InstanceRetention,
            StorageStrategy::InstanceLifetime => Storage::InstanceLifetime,
        },
        prefix: spec.backup_name_prefix.as_ref().map(|prefix| name_prefix(prefix)).transpose()?,
        deadline: later(created, spec.submit_deadline_seconds),
    })
}

fn identifier(field: &str, text: &str, cure: &str) -> Result<String, Invalid> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { Ok(text.to_owned()) } else { Err(Invalid::new(field, "is not an identifier of the cloud", cure)) }
}

fn name_prefix(prefix: &str) -> Result<String, Invalid> {
    let fits = (1..=64).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let cure = "use 1 to 64 letters, digits and underscores";
    if fits { Ok(prefix.to_owned()) } else { Err(Invalid::new("spec.backupNamePrefix", "does not fit", cure)) }
}

fn scope(spec: &SqlServerBackupSpec) -> Result<Scope, Invalid> {
    match (spec.strategy, spec.databases.as_deref()) {
        (Strategy::Instance, None) => Ok(Scope::Instance),
        (Strategy::Databases, Some(names)) if !names.is_empty() => Ok(Scope::Databases(names.to_vec())),
        (Strategy::Instance, Some(_)) => Err(Invalid::new(
            "spec.databases",
            "is given with strategy Instance",
            "leave it out, or say strategy Databases",
        )),
        (Strategy::Databases, _) => {
            Err(Invalid::new("spec.databases", "names no database", "name at least one, or say strategy Instance"))
        }
    }
}

/// What a standing is read from. Allocates nothing: it is asked of every object at once.
pub fn signs(read: &ReadStatus) -> Signs {
    let status = &read.fields;
    let ready = condition(read, reason::READY);
    // A time that the schema takes and nobody can read lies beyond the end of time: its fence never falls.
    let unread_time = read.unreadable.iter().any(|path| path == "submitTime").then_some(whole_seconds(Timestamp::MAX));
    let lost_intent =
        read.unreadable.iter().any(|path| path.starts_with("intent") || path == "submitTime" || path == "status");
    let ended = true_condition(read, reason::READY).or(true_condition(read, reason::STALLED)).is_some();
    let submitted = true_condition(read, reason::SUBMITTED).is_some();
    let reason = match ready {
        // Somebody called, and nobody can read when: that is a doubt, never an order that nobody looked at.
        _ if lost_intent && !ended => Some(Reason::OutcomeUnknown),
        // A word and values that contradict each other are no row of this version: writing the word's values would
        // bring a finished order back to life, or call one accepted, at nothing more than a new generation (I5).
        Some(ready) => Reason::parse(&ready.reason).filter(|reason| {
            let claims_acceptance = reason.verdicts(None).submitted == Verdict::True;
            reason.is_final() == ended && (!claims_acceptance || submitted)
        }),
        None => Some(Reason::Pending).filter(|_| !ended),
    };
    Signs {
        reason,
        ended,
        accepted: submitted
            || status.flow_id.and_then(FlowId::new).is_some()
            || status.backup_id.is_some()
            || status.group_id.is_some(),
        announced: status.intent.is_some(),
        // Times are written in whole seconds. Rounded down, this one would go back, and be refused for ever (I6).
        submit_time: time(status.submit_time.as_ref()).map(round_up).or(unread_time),
        heard: status.error.as_ref().map(|error| time(error.time.as_ref()).unwrap_or_default()),
    }
}

/// Whether no pass will find anything to do until the object changes: it is over, nothing of it is unreadable, and its status
/// speaks of the generation that it has.
pub fn is_over(stored: &StoredBackup) -> bool {
    let generation = stored.metadata.generation.unwrap_or_default();
    signs(&stored.status).is_over()
        && stored.spec.0.is_ok()
        && stored.status.unreadable.is_empty()
        && stored.status.fields.observed_generation == Some(generation)
}

/// When the copy was complete, if there is one: as the cloud tells it, else when that was written down.
pub fn completed(read: &ReadStatus) -> Option<Timestamp> {
    let ready = true_condition(read, reason::READY)?;
    Some(time(read.fields.completion_time.as_ref()).unwrap_or(ready.last_transition_time.0))
}

/// What is durable about the order.
pub fn record(read: &ReadStatus) -> Record {
    let status = &read.fields;
    let ready = condition(read, reason::READY);
    let Signs { reason, ended, submit_time, .. } = signs(read);
    Record {
        observed_generation: status.observed_generation,
        reason,
        ended,
        since: ready.map(|ready| ready.last_transition_time.0),
        message: ready.map(|ready| ready.message.to_string()).unwrap_or_default(),
        acceptance: true_condition(read, reason::SUBMITTED).map(|submitted| {
            if submitted.reason == Acceptance::Adopted.as_str() { Acceptance::Adopted } else { Acceptance::Accepted }
        }),
        backup_name: status.backup_name.clone(),
        attempts: status.attempts.unwrap_or_default(),
        submit_time,
        intent: status.intent.as_ref().map(|intent| Announced {
            backup_name: intent.backup_name.clone().unwrap_or_default(),
            attempt: intent.attempt.unwrap_or_default(),
            time: time(intent.time.as_ref().or(status.submit_time.as_ref())).unwrap_or_default(),
            holder: intent.holder.clone().unwrap_or_default(),
        }),
        flow_id: status.flow_id.and_then(FlowId::new),
        request_id: status.request_id.clone(),
        copy: Copy {
            backup_id: status.backup_id,
            group_id: status.group_id.clone(),
            file_name: status.file_name.clone(),
            size_kb: status.size.as_ref().and_then(quantity::to_kb),
            start_time: time(status.start_time.as_ref()),
            completion_time: time(status.completion_time.as_ref()),
        },
        error: status.error.as_ref().map(|error| Note {
            code: error.code.clone().unwrap_or_default(),
            message: error.message.clone().unwrap_or_default(),
            request_id: error.request_id.clone(),
            time: time(error.time.as_ref()).unwrap_or_default(),
        }),
    }
}

/// The status that says what `record` says. `before` is the status that it replaces: a condition keeps the time of its
/// last transition as long as it keeps its value.
pub fn status(
    record: &Record,
    before: &SqlServerBackupStatus,
    generation: i64,
    now: Timestamp,
) -> SqlServerBackupStatus {
    SqlServerBackupStatus {
        observed_generation: Some(generation),
        backup_name: record.backup_name.clone(),
        attempts: Some(record.attempts),
        submit_time: record.submit_time.map(Time),
        flow_id: record.flow_id.map(FlowId::value),
        request_id: record.request_id.clone(),
        backup_id: record.copy.backup_id,
        group_id: record.copy.group_id.clone(),
        file_name: record.copy.file_name.clone(),
        size: record.copy.size_kb.map(quantity::from_kb),
        start_time: record.copy.start_time.map(Time),
        completion_time: record.copy.completion_time.map(Time),
        error: record.error.as_ref().map(|note| {
            Box::new(CloudError {
                code: Some(note.code.clone()),
                message: Some(note.message.clone()),
                request_id: note.request_id.clone(),
                time: Some(Time(whole_seconds(note.time))),
            })
        }),
        conditions: Some(conditions(record, before, generation, now)),
        intent: record.intent.as_ref().map(|intent| {
            Box::new(Intent {
                backup_name: Some(intent.backup_name.clone()),
                // A damaged intent has none, and the schema takes no 0 for it.
                attempt: Some(intent.attempt).filter(|attempt| *attempt > 0),
                time: Some(Time(intent.time)),
                holder: Some(intent.holder.clone()),
            })
        }),
    }
}

fn conditions(record: &Record, before: &SqlServerBackupStatus, generation: i64, now: Timestamp) -> Vec<Condition> {
    let before = before.conditions.as_deref().unwrap_or_default();
    let Some(place) = record.reason else {
        let now_seen = |condition: &Condition| Condition { observed_generation: Some(generation), ..condition.clone() };
        return before.iter().map(now_seen).collect();
    };
    let row = place.verdicts(record.acceptance);
    let one = |kind: &'static str, verdict: Verdict, word: &'static str, message: &str| {
        entered(before, kind, verdict, (word, message), generation, now)
    };
    let word = place.as_str();
    let submitted = match record.acceptance {
        Some(Acceptance::Accepted) => {
            one(reason::SUBMITTED, row.submitted, Acceptance::Accepted.as_str(), "The cloud accepted the order.")
        }
        Some(Acceptance::Adopted) => one(
            reason::SUBMITTED,
            row.submitted,
            Acceptance::Adopted.as_str(),
            "The backup was found in the cloud's listing, by its name.",
        ),
        None => one(reason::SUBMITTED, row.submitted, word, &record.message),
    };
    let ours = [
        submitted,
        one(reason::READY, row.ready, word, &record.message),
        one(reason::RECONCILING, row.reconciling, word, &record.message),
        one(reason::STALLED, row.stalled, word, &record.message),
    ];
    // A condition of somebody else's stays as it is.
    let others = before.iter().filter(|old| !reason::CONDITION_TYPES.contains(&&*old.type_));
    ours.into_iter().chain(others.cloned()).collect()
}

/// A condition that says `verdict` at `now`. It keeps the time of its last transition as long as it keeps its value.
pub(super) fn entered(
    before: &[Condition],
    kind: &'static str,
    verdict: Verdict,
    (reason, message): (&'static str, &str),
    generation: i64,
    now: Timestamp,
) -> Condition {
    // 1970 is the schema's default: nobody ever entered that condition.
    let kept = before.iter().find(|old| {
        old.type_ == kind && old.status == verdict.as_str() && old.last_transition_time.0 > Timestamp::UNIX_EPOCH
    });
    Condition {
        type_: kind.into(),
        status: verdict.as_str().into(),
        reason: reason.into(),
        message: message.into(),
        observed_generation: Some(generation),
        last_transition_time: kept.map_or(Time(whole_seconds(now)), |old| old.last_transition_time.clone()),
    }
}

fn condition<'a>(read: &'a ReadStatus, kind: &str) -> Option<&'a Condition> {
    read.fields.conditions.iter().flatten().find(|condition| condition.type_ == kind)
}

fn true_condition<'a>(read: &'a ReadStatus, kind: &str) -> Option<&'a Condition> {
    condition(read, kind).filter(|condition| condition.status == Verdict::True.as_str())
}

pub(super) fn time(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

fn round_up(time: Timestamp) -> Timestamp {
    let floor = whole_seconds(time);
    if floor < time { later(floor, 1) } else { floor }
}

/// Times are stored in whole seconds; rounding down makes what is written equal to what is read.
pub(super) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests;
