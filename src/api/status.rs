//! `SqlServerBackup`: what is known about the order, as the operator writes it.
//!
//! # Invariants
//! - I6, nothing hidden. `flowId` never changes, `attempts` and `submitTime` never go back, Submitted never leaves
//!   True: transition rules refuse it, also when the status is removed as a whole.
//! - The schema defaults a status with all four conditions in reason Pending and generation 0, so that a tool that
//!   waits never takes an object that nobody has looked at for a current one.
//!
//! Text that comes from the cloud has no length limit here. If it had, an unusually long request id would make the API
//! server refuse the very write that records a FlowId.
//!
//! Everything is optional in Rust: an older version of the program, or a person, may have written this status. What an order
//! mostly has none of stands in a box: thousands are held at once.
#![expect(unreachable_pub, reason = "the derive repeats the public type inside a function body")]

use super::{Condition, condition, rules};
use crate::core::reason::{self, Reason};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What is known about the order. Written by the operator only. Once set, flowId, attempts, submitTime and the
/// condition Submitted are protected: the API server refuses to remove them or to set them back.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = rules::flow_id_kept(),
    validation = rules::attempts_kept(),
    validation = rules::submit_time_kept(),
    validation = rules::submitted_kept()
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {}))]
pub struct SqlServerBackupStatus {
    /// The metadata.generation that this status speaks of. 0 until the operator has looked at the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("default" = 0))]
    pub observed_generation: Option<i64>,

    /// Name of the backup in the cloud. Somebody may rename it there later; flowId and backupId stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_name: Option<String>,

    /// How often the operator has begun to submit this order. Only one submission is ever accepted; the others were
    /// refused, or proven never to have arrived. Never goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub attempts: Option<i64>,

    /// When the last submission was written down, just before it was sent. Never goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub submit_time: Option<Time>,

    /// The cloud's receipt for the backup. Absent until the cloud has accepted it, and absent for a backup that was
    /// found again after its receipt was lost (Submitted has the reason Adopted). Never changes once it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub flow_id: Option<i64>,

    /// The cloud's RequestId of the submission that was accepted: what its support asks for first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,

    /// The cloud's id of the copy, which a restore asks for. Absent while the backup runs, and for a backup of one file
    /// per database, which is known by groupId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_id: Option<i64>,

    /// The cloud's id of a backup that consists of one file per database. Absent for a packaged one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,

    /// Name of the backup's file in the cloud. Absent while the backup runs, and if it consists of several files. There
    /// is never a download address here, because such an address is a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,

    /// Size of the copy, as a quantity, for example 1536Ki. Absent while the backup runs, and if it consists of several
    /// files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub size: Option<Quantity>,

    /// When the backup began, as the cloud tells it, in UTC. The cloud's times have no zone and are read as UTC+8; one
    /// that cannot be true is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub start_time: Option<Time>,

    /// When the backup ended, well or not, as the cloud tells it, in UTC. Read like startTime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub completion_time: Option<Time>,

    /// The last refusal of a submission or of a look. Stays until the cloud accepts a submission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<CloudError>>,

    /// Where the order is. Always four. Submitted: the cloud has accepted it, which never leaves True. Ready: the cloud
    /// has reported the copy complete. Reconciling: the operator is at work or will try again by itself. Stalled: it
    /// ended without a copy. The reason of Ready says where the order is, its message says whose turn it is.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "condition::list")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Option<Vec<Condition>>,

    /// The submission that is on its way, written down before it is sent. Present while its outcome is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Box<Intent>>,
}

/// A refusal, in the words of the cloud.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudError {
    /// The cloud's code, for example ResourceNotFound.DBNotFound, or a word of the operator's if no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,

    /// What the cloud said, as one line, without ids that differ from call to call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// The cloud's RequestId of the refused call: what its support asks for first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,

    /// When the refusal was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub time: Option<Time>,
}

/// A submission that is written down before it is sent (I1).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The name that the submission gives to the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_name: Option<String>,

    /// Number of the submission, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub attempt: Option<i64>,

    /// The time for which the submission is signed. The cloud refuses it more than five minutes away from this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub time: Option<Time>,

    /// Which process of the operator wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
}

pub(super) fn timestamp(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// A string and not "integer or string", so that every reader meets the same form.
fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 64 })
}

fn conditions(_: &mut SchemaGenerator) -> Schema {
    let pending = [
        (reason::SUBMITTED, "Unknown"),
        (reason::READY, "Unknown"),
        (reason::RECONCILING, "True"),
        (reason::STALLED, "False"),
    ];
    condition_list(
        "Submitted, Ready, Reconciling or Stalled.",
        "docs/reasons.md",
        &pending,
        "The operator has not looked at this order yet.",
    )
}

/// A list of conditions of these `types`, whose reasons are explained in `place`, with `pending` as its default. The bounds
/// are those of the Kubernetes API conventions; the rule about Submitted needs them to be cheap enough.
pub(super) fn condition_list(types: &str, place: &str, pending: &[(&str, &str)], message: &str) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "default": defaults(pending, message),
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {
                    "description": types,
                    "type": "string",
                    "maxLength": 316,
                },
                "status": {
                    "description": "True, False or Unknown.",
                    "type": "string",
                    "enum": ["True", "False", "Unknown"],
                },
                "reason": {
                    "description": format!("One word for the state that was entered last; {place} explains each."),
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": {
                    "description": "A sentence for people: what is known, and whose turn it is.",
                    "type": "string",
                    "maxLength": 32768,
                },
                "lastTransitionTime": {
                    "description": "When the condition was entered. 1970 until the operator has looked at the object.",
                    "type": "string",
                    "format": "date-time",
                },
                "observedGeneration": {
                    "description": "The metadata.generation that this condition speaks of.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                },
            },
        },
    })
}

/// The time of a condition that nobody has entered: a default in a schema is a constant.
pub(super) const NEVER: &str = "1970-01-01T00:00:00Z";

/// The conditions of an object that nobody has looked at.
fn defaults(pending: &[(&str, &str)], message: &str) -> Vec<serde_json::Value> {
    let condition = |(kind, status): &(&str, &str)| {
        serde_json::json!({
            "type": kind,
            "status": status,
            "reason": Reason::Pending.as_str(),
            "message": message,
            "lastTransitionTime": NEVER,
        })
    };
    pending.iter().map(condition).collect()
}
