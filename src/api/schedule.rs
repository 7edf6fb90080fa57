//! `SqlServerBackupSchedule`: when backups are made, and how fresh the newest copy is to be.
//!
//! Unlike a backup, everything here may be changed at any time: what passed before a change is settled by it, see
//! `core::schedule`. The doc comments are user text, as in the file of the backup.
//!
//! A cron line and a time zone are only looked at from outside by the schema; whether they mean something is judged by
//! the operator, and told in the condition Ready of this one schedule.
#![expect(clippy::doc_markdown, reason = "kubectl explain prints these comments as they stand")]
#![expect(clippy::duplicated_attributes, reason = "two columns of the table may be of one type")]
#![expect(unreachable_pub, reason = "the derive repeats the public type inside a function body")]

pub mod conversion;
mod rules;
mod status;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::SqlServerBackupSpec;

pub use status::{Cursor, LastResult, LatestCopy, MissedRun, SqlServerBackupScheduleStatus};

/// When backups are made, and how fresh the newest copy is to be. Every field may be changed at any time. Nothing runs
/// because of a change: what was due before it is settled, and the next backup is made at the next time of the new
/// schedule.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "tencentdb.dev",
    version = "v1alpha1",
    kind = "SqlServerBackupSchedule",
    plural = "sqlserverbackupschedules",
    singular = "sqlserverbackupschedule",
    shortname = "ssbs",
    category = "tencentdb",
    namespaced,
    status = "SqlServerBackupScheduleStatus",
    selectable = ".spec.template.spec.instanceId",
    selectable = ".spec.template.spec.region",
    doc = "A promise of when backups of a TencentDB for SQL Server instance are made, and how fresh the newest copy is to \
           be. At each time of its schedule it creates one SqlServerBackup, which it owns. The condition Ready says whether \
           the schedule is followed, the condition Protected whether a good copy younger than objective.maxAge exists.\n\n\
           Nothing runs when a schedule is created, changed, suspended or resumed, nor when the operator starts: only the \
           latest time that passed meanwhile may still be run, inside startingDeadlineSeconds. To run it at once, give the \
           annotation tencentdb.dev/run-now a value that it did not have before.\n\n\
           Deleting a schedule deletes its SqlServerBackup objects (kubectl delete --cascade=orphan leaves them). The \
           copies stay in the cloud for as long as storageStrategy says.",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "True if the schedule is followed, also while it is suspended."
    ),
    printcolumn(
        name = "PROTECTED",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Protected")].status"#,
        description = "True if a good copy younger than objective.maxAge exists, from whatever source."
    ),
    printcolumn(
        name = "SCHEDULE",
        type_ = "string",
        json_path = ".spec.schedule",
        description = "When backups are made."
    ),
    printcolumn(
        name = "ZONE",
        type_ = "string",
        json_path = ".spec.timeZone",
        description = "The time zone of the schedule."
    ),
    printcolumn(
        name = "SUSPEND",
        type_ = "boolean",
        json_path = ".spec.suspend",
        description = "Whether no backup is made at the times of the schedule."
    ),
    printcolumn(
        name = "LAST-OK",
        type_ = "date",
        json_path = ".status.lastSuccessfulTime",
        description = "Time since the newest copy of this schedule was complete."
    ),
    printcolumn(
        name = "NEXT",
        type_ = "string",
        json_path = ".status.nextScheduleTime",
        description = "When the next backup is due, in UTC."
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since the schedule was created."
    ),
    printcolumn(
        name = "INSTANCE",
        type_ = "string",
        json_path = ".spec.template.spec.instanceId",
        priority = 1,
        description = "The instance that is backed up."
    ),
    printcolumn(
        name = "LAST-RESULT",
        type_ = "string",
        json_path = ".status.lastResult.reason",
        priority = 1,
        description = "How the last backup ended."
    ),
    printcolumn(
        name = "MISSED",
        type_ = "integer",
        json_path = ".status.missedRuns",
        priority = 1,
        description = "How many times of the schedule passed without a backup."
    ),
    printcolumn(
        name = "STATUS",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1,
        description = "Where the schedule is: the reason of the condition Ready."
    )
)]
#[serde(rename_all = "camelCase")]
pub struct SqlServerBackupScheduleSpec {
    /// When backups are made, in the time of timeZone: five fields (minute, hour, day of month, month, day of week) as
    /// in 30 2 * * *, or one of @hourly, @daily, @weekly (Sunday 00:00) and @monthly. Lists, ranges, steps and the English
    /// names of months and days are understood; 0 and 7 are Sunday. A day of month and a day of week that are both
    /// restricted are alternatives. Seconds, years and time zones are not written here. At most 256 characters.
    #[schemars(length(max = 256))]
    #[x_kube(validation = rules::schedule())]
    pub schedule: String,

    /// The time zone of the schedule, by its IANA name, for example Asia/Shanghai; at most 64 characters. Etc/UTC by
    /// default. On the two nights of clock change, a time of day that does not exist is run at the next instant that
    /// does, and one that occurs twice is run once. A schedule whose minute or hour begins with a star is an interval
    /// instead, which goes on as a clock on the wall does.
    #[serde(default = "utc")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::time_zone())]
    pub time_zone: String,

    /// By how many seconds at most a backup is made later than the schedule says: 0 to 86400, 0 by default. Each schedule
    /// has an offset of its own between 0 and this, which never changes for the same schedule and the same bound, so
    /// that schedules which all say midnight do not begin together.
    #[serde(default)]
    #[schemars(range(min = 0, max = 86_400))]
    pub spread_seconds: i64,

    /// While true, no backup is made at the times of the schedule, and none of them counts as missed. A backup that is at
    /// work goes on, run-now works, and Protected still tells the truth. False by default.
    #[serde(default)]
    pub suspend: bool,

    /// For how many seconds after it was due a backup may still be made, if the operator could not make it in time: 60 to
    /// 2592000. By default, until the next one is due. Of several that were not made, only the latest may still be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub starting_deadline_seconds: Option<i64>,

    /// How fresh the newest copy is to be. Without it, Protected is Unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,

    /// How many complete backups of this schedule are kept as objects: 0 to 100, 3 by default. Older ones are deleted; the
    /// copies stay in the cloud. The newest complete one is always kept.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 100))]
    pub successful_history_limit: i64,

    /// How many backups of this schedule that ended without a copy are kept as objects: 0 to 100, 3 by default.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 100))]
    pub failed_history_limit: i64,

    /// How many more backups are made for the same time of the schedule after one that the cloud accepted and that
    /// failed: 0 to 10, 0 by default. The first one after a minute, each further one after twice as long, an hour at
    /// most, and none once the next time is due.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10))]
    pub retries: i64,

    /// What the backups of this schedule are like. A change counts from the next one on.
    pub template: BackupTemplate,
}

/// A promise of freshness.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Objective {
    /// How old the newest good copy may be, counted from the time at which that copy began: hours, minutes and seconds
    /// such as 26h, 90m or 1h30m; from 10m to 8784h (366 days). A good copy is one that the cloud reports complete and
    /// that holds the whole instance, or all databases of the template, whoever made it.
    #[schemars(length(max = 16))]
    #[x_kube(validation = rules::max_age())]
    pub max_age: String,
}

/// What the backups of a schedule are like.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupTemplate {
    /// Labels and annotations of the backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TemplateMetadata>,

    /// The spec of the backups. See kubectl explain ssb.spec.
    #[schemars(schema_with = "wish")]
    pub spec: SqlServerBackupSpec,
}

/// What the objects of the backups carry beside their spec.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateMetadata {
    /// Labels of the backups, at most 32. None of this schedule's own labels is copied. Left out are those by which Argo CD,
    /// Flux and Helm know what they have made, for they would take the backups for theirs and remove them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "labels")]
    pub labels: Option<BTreeMap<String, String>>,

    /// Annotations of the backups, at most 32. What is left out of labels is left out here too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "annotations")]
    pub annotations: Option<BTreeMap<String, String>>,
}

fn utc() -> String {
    "Etc/UTC".to_owned()
}

const fn three() -> i64 {
    3
}

/// The schema of a backup's spec, without what only a stored backup obeys: a template may be changed.
fn wish(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = SqlServerBackupSpec::json_schema(generator).to_value();
    if let Some(Value::Array(rules)) = schema.get_mut("x-kubernetes-validations") {
        rules.retain(|rule| !rule.to_string().contains("oldSelf"));
    }
    if let Some(Value::Object(fields)) = schema.get_mut("properties") {
        fields.values_mut().for_each(say_nothing_of_changes);
    }
    Schema::try_from(schema).unwrap_or_default()
}

/// Of a backup some fields are fixed; of a template none is.
fn say_nothing_of_changes(field: &mut Value) {
    if let Some(Value::String(text)) = field.get_mut("description") {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let fixed = words.find(" Cannot be changed");
        fixed.and_then(|at| words.get(..at)).unwrap_or(&words).clone_into(text);
    }
}

fn labels(_: &mut SchemaGenerator) -> Schema {
    map_of(&json!({ "type": "string", "maxLength": 63 }), &[rules::keys("labels"), rules::label_values()])
}

fn annotations(_: &mut SchemaGenerator) -> Schema {
    map_of(&json!({ "type": "string", "maxLength": 4096 }), &[rules::keys("annotations")])
}

fn map_of(values: &Value, rules: &[kube::core::Rule]) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": values,
        "x-kubernetes-validations": rules,
    })
}
