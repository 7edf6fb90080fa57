//! The validation rules (CEL) that the API server applies, each with a message that names the field and the cure.
//!
//! A transition rule compares with `oldSelf` and is only applied to updates. Those on `status` are invariant I6: they
//! hold against a bug of this program, an older version of it, and a person with `kubectl edit --subresource=status`.
//! A status that is removed as a whole is filled by the schema's defaults first, so that the rules meet a status that
//! lacks the field, and refuse it.
//!
//! No rule reads a field without asking whether it is there, not even a required one. The API server lets an object that
//! was stored under a looser schema keep what a rule refuses, as long as it does not change; a rule that fails to
//! evaluate it does not forgive, and every status write would be refused.

use kube::core::{Reason, Rule};

/// Neither changed, nor added, nor removed. The rule belongs on the object that holds `field`.
pub(super) fn immutable(field: &str) -> Rule {
    Rule::new(format!(
        "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    ))
    .message(
        format!(
            "{field} cannot be changed, added or removed, because this object stands for one backup; \
             create a new SqlServerBackup instead"
        )
        .as_str(),
    )
    .field_path(format!(".{field}"))
    .reason(Reason::FieldValueForbidden)
}

/// An empty list counts as a missing one: both come from a template whose variable was empty.
pub(super) fn databases_given() -> Rule {
    Rule::new(
        "!has(self.strategy) || self.strategy != 'Databases' || (has(self.databases) && size(self.databases) > 0)",
    )
    .message(
        "databases is missing or empty: strategy Databases needs 1 to 1000 database names; \
             for all databases of the instance say strategy: Instance and leave databases out",
    )
    .field_path(".databases")
    .reason(Reason::FieldValueRequired)
}

pub(super) fn databases_not_given() -> Rule {
    Rule::new("!has(self.strategy) || self.strategy != 'Instance' || !has(self.databases)")
        .message(
            "databases must be left out with strategy Instance, which backs up every user database; \
             to back up only those listed say strategy: Databases",
        )
        .field_path(".databases")
        .reason(Reason::FieldValueForbidden)
}

pub(super) fn instance_id() -> Rule {
    Rule::new("self.matches('^mssql-[a-z0-9]+$')").message(
        "instanceId must be the id of the instance as the console shows it, mssql- followed by lower-case letters and \
         digits, for example mssql-njj2mtpl; not its name and not its address",
    )
}

/// No closed list: a new region must not need a new operator.
pub(super) fn region() -> Rule {
    Rule::new("self.matches('^[a-z]{2}-[a-z]+(-[a-z0-9]+)*$')").message(
        "region must be the short name of a Tencent Cloud region, for example ap-guangzhou or eu-frankfurt; \
         not an address and not a display name",
    )
}

/// `SQL Server` allows nearly everything in a delimited name. Refused is only what is nobody's intent: a line break or
/// blank at the end is what a block scalar or a copied list leaves behind.
pub(super) fn database_name() -> Rule {
    Rule::new(r"self.matches(r'^[^\s\p{Z}\p{Cc}]([^\p{Cc}\p{Zl}\p{Zp}]*[^\s\p{Z}\p{Cc}])?$')").message(
        "a name in databases must not be empty, must hold no control character or line break, and must neither begin \
         nor end with a blank; remove them (a YAML block scalar ends with a line break)",
    )
}

pub(super) fn backup_name_prefix() -> Rule {
    Rule::new("self.matches('^[A-Za-z0-9_]{1,64}$')").message(
        "backupNamePrefix must be 1 to 64 letters (A-Z, a-z), digits or underscores; leave it out to use the name of \
         the object",
    )
}

pub(super) fn secret_name() -> Rule {
    Rule::new(r"self.matches(r'^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')").message(
        "credentialsRef.name must be the plain name of a Secret in the namespace of this object: lower-case letters, \
         digits, '-' and '.', without a namespace and without a slash",
    )
}

/// The receipt of the cloud: it is given once, and without it nobody finds the backup again for certain.
pub(super) fn flow_id_kept() -> Rule {
    Rule::new("!has(oldSelf.flowId) || (has(self.flowId) && self.flowId == oldSelf.flowId)")
        .message(
            "status.flowId cannot be changed or removed once it is set, because it is the only receipt for the backup; \
             for another backup create a new SqlServerBackup",
        )
        .field_path(".flowId")
        .reason(Reason::FieldValueForbidden)
}

/// A number that goes back would let two submissions share a name.
pub(super) fn attempts_kept() -> Rule {
    Rule::new("!has(oldSelf.attempts) || (has(self.attempts) && self.attempts >= oldSelf.attempts)")
        .message(
            "status.attempts cannot go back or be removed, because each submission needs a name of its own; \
             for another backup create a new SqlServerBackup",
        )
        .field_path(".attempts")
        .reason(Reason::FieldValueForbidden)
}

/// The fence is counted from this instant: were it to go back, absence would be believed too early.
pub(super) fn submit_time_kept() -> Rule {
    Rule::new("!has(oldSelf.submitTime) || (has(self.submitTime) && self.submitTime >= oldSelf.submitTime)")
        .message(
            "status.submitTime cannot go back or be removed, because until it is far enough in the past a lost \
             submission may still be accepted; for another backup create a new SqlServerBackup",
        )
        .field_path(".submitTime")
        .reason(Reason::FieldValueForbidden)
}

/// What the cloud has accepted stays accepted.
pub(super) fn submitted_kept() -> Rule {
    let submitted = |whose: &str| {
        format!(
            "has({whose}.conditions) && {whose}.conditions.exists(c, has(c.type) && c.type == 'Submitted' && has(c.status) && c.status == 'True')"
        )
    };
    Rule::new(format!("!({}) || ({})", submitted("oldSelf"), submitted("self")))
        .message(
            "the condition Submitted cannot leave True, because the cloud has accepted the backup; \
             for another backup create a new SqlServerBackup",
        )
        .field_path(".conditions")
        .reason(Reason::FieldValueForbidden)
}
