//! `SqlServerBackup`: the wish.
//!
//! The doc comments of this file are user text: `kubectl explain` prints them, so they use no markup. Each field says
//! what it means, its bounds, its default, and what a change of it does.
//!
//! Immutable fields are guarded on `spec` and not on themselves: a rule on an optional field is not evaluated when the
//! field comes or goes, and exactly that must be refused.
//!
//! Patterns stand in rules and not in `pattern`: the API server answers a failed pattern with the bare expression, a
//! failed rule with a sentence.
#![expect(clippy::doc_markdown, reason = "kubectl explain prints these comments as they stand")]
#![expect(clippy::duplicated_attributes, reason = "two columns of the table may be of one type")]
#![expect(unreachable_pub, reason = "the derive repeats the public type inside a function body")]

use super::{rules, status::SqlServerBackupStatus};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The wish: which databases of which instance are to be backed up, and how. Everything that shapes the backup is
/// fixed when the object is created; for another backup create another object.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "tencentdb.dev",
    version = "v1alpha1",
    kind = "SqlServerBackup",
    plural = "sqlserverbackups",
    singular = "sqlserverbackup",
    shortname = "ssb",
    category = "tencentdb",
    namespaced,
    status = "SqlServerBackupStatus",
    selectable = ".spec.instanceId",
    selectable = ".spec.region",
    doc = "One backup of a TencentDB for SQL Server instance, and the copy it left. Creating the object orders exactly \
           one backup; its FlowId, its outcome and any error of the cloud stand in status.\n\n\
           The order belongs to this object, known by its UID. A finished order never runs again: for another backup \
           create another object. Deleting an object and creating it again, restoring it from a cluster backup, or \
           kubectl replace --force makes a new UID and therefore another backup.\n\n\
           Deleting the object only forgets the order: a backup that the cloud has accepted cannot be cancelled, and \
           the copy stays in the cloud for as long as storageStrategy says.",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "True when the cloud has reported the copy complete."
    ),
    printcolumn(
        name = "STATUS",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Where the order is: the reason of the condition Ready."
    ),
    printcolumn(
        name = "INSTANCE",
        type_ = "string",
        json_path = ".spec.instanceId",
        description = "The instance that is backed up."
    ),
    printcolumn(
        name = "FLOW",
        type_ = "integer",
        json_path = ".status.flowId",
        description = "The cloud's receipt for the backup."
    ),
    printcolumn(
        name = "SIZE",
        type_ = "string",
        json_path = ".status.size",
        description = "Size of the copy in the cloud."
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since the order was created."
    ),
    printcolumn(
        name = "STRATEGY",
        type_ = "string",
        json_path = ".spec.strategy",
        priority = 1,
        description = "Whole instance or selected databases."
    ),
    printcolumn(
        name = "BACKUP-ID",
        type_ = "integer",
        json_path = ".status.backupId",
        priority = 1,
        description = "The cloud's id of the copy, which a restore asks for."
    ),
    printcolumn(
        name = "FINISHED",
        type_ = "date",
        json_path = ".status.completionTime",
        priority = 1,
        description = "Time since the backup ended."
    ),
    printcolumn(
        name = "ERROR",
        type_ = "string",
        json_path = ".status.error.code",
        priority = 1,
        description = "The cloud's code for the last refusal."
    )
)]
#[x_kube(
    validation = rules::immutable("instanceId"),
    validation = rules::immutable("region"),
    validation = rules::immutable("strategy"),
    validation = rules::immutable("databases"),
    validation = rules::immutable("backupNamePrefix"),
    validation = rules::immutable("storageStrategy"),
    validation = rules::databases_given(),
    validation = rules::databases_not_given()
)]
#[serde(rename_all = "camelCase")]
pub struct SqlServerBackupSpec {
    /// Id of the instance to back up, as the console shows it: mssql- and then lower-case letters and digits, at most
    /// 64 characters, for example mssql-njj2mtpl. Not an address and not the instance's name. Cannot be changed.
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::instance_id())]
    pub instance_id: String,

    /// Tencent Cloud region in which the instance lives, for example ap-guangzhou or eu-frankfurt; at most 64
    /// characters. Not a zone (ap-guangzhou-3) and not an address. Cannot be changed.
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::region())]
    pub region: String,

    /// What to back up. Instance: every user database of the instance. Databases: those listed in databases. It must
    /// always be said, so that a forgotten list never becomes a backup of everything. Cannot be changed.
    pub strategy: Strategy,

    /// Names of the databases to back up: a set of 1 to 1000 names of 1 to 128 characters each, in any order. Required
    /// with strategy Databases, refused with strategy Instance. A name is taken to the letter; it may hold any
    /// character except control characters and line breaks, and neither begins nor ends with a blank. Cannot be
    /// changed, except for its order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "database_names")]
    pub databases: Option<Vec<String>>,

    /// How the name of the backup in the cloud begins: 1 to 64 letters, digits or underscores. The object's UID and
    /// the number of the attempt are appended, so that two objects never share a name. By default k8s_ and the name of
    /// this object. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::backup_name_prefix())]
    pub backup_name_prefix: Option<String>,

    /// How long the cloud keeps the copy. InstanceRetention: as long as the instance's backup retention setting says
    /// (3 to 1830 days). InstanceLifetime: until the instance is deleted. Either way the deletion of the instance
    /// deletes the copy. InstanceRetention by default. Cannot be changed.
    #[serde(default)]
    pub storage_strategy: StorageStrategy,

    /// Which access key to use. When absent, the operator uses its own identity, if its settings allow that for this
    /// namespace. May be changed at any time; the next call to the cloud uses the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<CredentialsRef>,

    /// How long to keep trying while the cloud does not accept the backup, in seconds from the creation of this object:
    /// 60 to 2592000 (30 days), 86400 (a day) by default. When it is over, the order ends as DeadlineExceeded. It never
    /// ends a backup that was accepted, and never cuts short the search for one that may have been. May be changed
    /// until the order has ended.
    #[serde(default = "one_day")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub submit_deadline_seconds: i64,
}

/// What a backup covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    /// Every user database of the instance.
    Instance,
    /// The databases that are listed.
    Databases,
}

/// How long the cloud keeps a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StorageStrategy {
    /// As long as the backup retention setting of the instance says.
    #[default]
    InstanceRetention,
    /// Until the instance is deleted.
    InstanceLifetime,
}

/// A Secret in the namespace of the object.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsRef {
    /// Name of a Secret in the namespace of this object, with the keys secretId and secretKey, and token if the access
    /// key is a temporary one. A change of the Secret's content is noticed within a minute.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::secret_name())]
    pub name: String,
}

const fn one_day() -> i64 {
    86_400
}

/// A set, so that the API server refuses duplicates and treats another order as no change.
fn database_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 1000,
        "x-kubernetes-list-type": "set",
        "items": {
            "type": "string",
            "maxLength": 128,
            "x-kubernetes-validations": [rules::database_name()],
        },
    })
}
