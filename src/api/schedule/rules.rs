//! The validation rules of a schedule: what can be said of it without knowing time zones and calendars.

use kube::core::{Reason, Rule};

/// Whether the fields mean something is for the operator to judge; how many there are is not.
pub(super) fn schedule() -> Rule {
    Rule::new(r"self.matches(r'^\s*(@(hourly|daily|weekly|monthly)|[^\s@]+(\s+[^\s@]+){4})\s*$')").message(
        "schedule must have five fields (minute, hour, day of month, month, day of week), such as 30 2 * * *, or be one of \
         @hourly, @daily, @weekly and @monthly; seconds and years are not supported, and the time zone goes into timeZone",
    )
}

pub(super) fn time_zone() -> Rule {
    Rule::new(r"self.matches(r'^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$') && self != 'Local'").message(
        "timeZone must be the IANA name of a time zone, for example Asia/Shanghai or Etc/UTC; not an offset and not Local",
    )
}

pub(super) fn max_age() -> Rule {
    Rule::new(
        r"self.matches(r'^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$') && size(self) > 0 && duration(self) >= duration('10m') && duration(self) <= duration('8784h')",
    )
    .message("objective.maxAge must be a duration in hours, minutes and seconds from 10m to 8784h, for example 26h or 90m")
}

/// A name of Kubernetes, with or without a prefix; the prefix of this API belongs to the operator.
pub(super) fn keys(field: &str) -> Rule {
    let name = "([A-Za-z0-9][A-Za-z0-9_.-]{0,61})?[A-Za-z0-9]";
    let prefix = r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?";
    Rule::new(format!(
        "self.all(key, size(key) <= 317 && key.matches('^{prefix}{name}$') && !key.startsWith('tencentdb.dev/'))"
    ))
    .message(
        format!(
            "a key of template.metadata.{field} must be a name such as team or example.com/team, of at most 63 characters \
             after the slash; those of tencentdb.dev are set by the operator"
        )
        .as_str(),
    )
    .reason(Reason::FieldValueInvalid)
}

pub(super) fn label_values() -> Rule {
    Rule::new("self.all(key, self[key].matches('^(([A-Za-z0-9][A-Za-z0-9_.-]*)?[A-Za-z0-9])?$'))")
        .message(
            "a value of template.metadata.labels must be empty, or letters, digits, '-', '_' and '.', beginning and ending \
             with a letter or digit, at most 63 of them",
        )
        .reason(Reason::FieldValueInvalid)
}

/// A cursor that goes back would run again what is settled.
pub(super) fn cursor_kept() -> Rule {
    Rule::new(
        "!has(oldSelf.cursor) || !has(oldSelf.cursor.time) || (has(self.cursor) && has(self.cursor.time) && self.cursor.time >= oldSelf.cursor.time)",
    )
    .message(
        "status.cursor.time cannot go back or be removed, because what lies before it would be run again; to run the \
         schedule at once give the annotation tencentdb.dev/run-now a new value",
    )
    .field_path(".cursor")
    .reason(Reason::FieldValueForbidden)
}

/// What was not run stays visible.
pub(super) fn missed_runs_kept() -> Rule {
    Rule::new("!has(oldSelf.missedRuns) || (has(self.missedRuns) && self.missedRuns >= oldSelf.missedRuns)")
        .message(
            "status.missedRuns cannot go back or be removed, because it counts what was not run since the creation",
        )
        .field_path(".missedRuns")
        .reason(Reason::FieldValueForbidden)
}
