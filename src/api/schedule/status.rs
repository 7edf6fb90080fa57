//! `SqlServerBackupSchedule`: what is known about the schedule, as the operator writes it.
//!
//! # Invariants
//! - `cursor.time` never goes back and is never removed: a slot that is settled stays settled.
//! - `missedRuns` never goes back.
//! - The schema defaults a status with all three conditions, as that of a backup does.
//!
//! Everything is optional in Rust: an older version of the program, or a person, may have written this status.
#![expect(unreachable_pub, reason = "the derive repeats the public type inside a function body")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::rules;
use crate::api::status::{condition_list, timestamp};
use crate::api::{Condition, condition};
use crate::core::reason::{READY, STALLED};
use crate::core::schedule::PROTECTED;

/// What is known about the schedule. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = rules::cursor_kept(), validation = rules::missed_runs_kept())]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {}))]
pub struct SqlServerBackupScheduleStatus {
    /// The metadata.generation that this status speaks of. 0 until the operator has looked at the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("default" = 0))]
    pub observed_generation: Option<i64>,

    /// The last time of the schedule for which a backup was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub last_schedule_time: Option<Time>,

    /// When the newest copy of this schedule was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub last_successful_time: Option<Time>,

    /// When the next backup is due, with this schedule's share of spreadSeconds. Absent while nothing is due: suspended, or
    /// a schedule that cannot be followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub next_schedule_time: Option<Time>,

    /// The names of this schedule's backups that are not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Vec<String>>,

    /// How the backup of this schedule that ended last has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<LastResult>,

    /// How many times of the schedule passed without a backup: the operator was away, an earlier backup was still at work,
    /// or an object that is not the schedule's had the name. Those of a suspended schedule do not count. Never goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub missed_runs: Option<i64>,

    /// The last time of the schedule that passed without a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_missed_run: Option<MissedRun>,

    /// The value of the annotation tencentdb.dev/run-now that was answered last: with a backup, or, if it was there when the
    /// schedule was first seen, with nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run_now: Option<String>,

    /// The newest good copy that the cloud showed, whoever made it; Protected rests on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_copy: Option<LatestCopy>,

    /// Up to when the schedule is settled. What lies before is never run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,

    /// Whether the schedule is followed. Always three. Ready: it is followed, or suspended as it was asked for. Stalled: it
    /// cannot be followed until its spec is changed. Protected: a good copy younger than objective.maxAge exists, from
    /// whatever source.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "condition::list")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Option<Vec<Condition>>,
}

/// How a backup ended.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastResult {
    /// Name of the object of that backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// The reason of its condition Ready, for example Completed or Failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// When that backup ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub time: Option<Time>,
}

/// A time of the schedule that passed without a backup.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissedRun {
    /// The time of the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub time: Option<Time>,

    /// Why: Late (the next one was due, or startingDeadlineSeconds were over), Overlap (an earlier backup of this schedule
    /// was still at work) or NameTaken (an object that is not the schedule's had the name of the backup).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The newest good copy that the cloud showed, and what was asked for.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LatestCopy {
    /// When it began, from which its age counts. Absent if the cloud showed none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub start_time: Option<Time>,

    /// When the cloud's backups were last listed completely. Written at most once an hour while nothing else changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub look_time: Option<Time>,

    /// A fingerprint of the region, instance and databases that were looked for: another one begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_for: Option<String>,
}

/// Up to when a schedule is settled, and what that was said of.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// Times of the schedule up to this one are settled: run, missed, or before the creation, the last change or the
    /// last resumption. Never goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub time: Option<Time>,

    /// The schedule and time zone that it was said of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,

    /// Whether the schedule was suspended then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,

    /// How many more backups were made for lastScheduleTime after failed ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub retries: Option<i64>,
}

/// The condition types, in the order in which a status lists them.
pub(super) const CONDITION_TYPES: [&str; 3] = [READY, PROTECTED, STALLED];

fn conditions(_: &mut SchemaGenerator) -> Schema {
    let pending = [(READY, "Unknown"), (PROTECTED, "Unknown"), (STALLED, "False")];
    condition_list(
        "Ready, Protected or Stalled.",
        "docs/schedules.md",
        &pending,
        "The operator has not looked at this schedule yet.",
    )
}
