//! Another version of the program had the order for a moment: what it left in the status.
//!
//! A rollout replaces the program while orders are under way, and a rollback does it again, so each version reads what the
//! other wrote (I7). Three shapes: a newer version's, with fields, a condition and a word that nobody here knows; an older
//! one's, without the fields that came later; and that of one which kept hardly more than the time of the call. Each is
//! written over what this version had written, by the rules of the schema, while no operator lives.

use serde_json::{Map, Value, json};

use crate::recorder::condition;

/// A word that no row of this version bears.
pub(super) const UNKNOWN_ROW: &str = "Probing";
/// A condition of the newer version's own.
const UNKNOWN_CONDITION: &str = "Verified";

/// What the other version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Newer,
    Older,
    Lean,
}

impl Shape {
    pub(super) const ALL: [Self; 3] = [Self::Newer, Self::Older, Self::Lean];

    /// The merge patch of the status of `object`.
    pub(super) fn patch(self, object: &Value) -> Value {
        let status = &object["status"];
        let is_over = condition(object, "Reconciling")["status"] == "False";
        match self {
            Self::Newer => newer(object, is_over),
            Self::Older | Self::Lean if is_over => json!({}),
            Self::Older => {
                let mut patch = json!({ "observedGeneration": null, "requestId": null, "backupName": null });
                if status["intent"].is_object() {
                    patch["intent"] = json!({ "holder": null, "attempt": null });
                }
                patch["conditions"] = changed(object, |condition| drop(condition.remove("observedGeneration")));
                patch
            }
            Self::Lean if status["submitTime"].is_null() => json!({}),
            Self::Lean => {
                let mut patch = json!({ "intent": null, "error": null, "backupName": null, "requestId": null });
                if condition(object, "Submitted")["status"] != "True" {
                    patch["conditions"] = changed(object, |condition| {
                        let value = match condition["type"].as_str() {
                            Some("Submitted") => "Unknown",
                            Some("Reconciling") => "True",
                            _ => "False",
                        };
                        condition.insert("status".to_owned(), json!(value));
                        condition.insert("reason".to_owned(), json!("OutcomeUnknown"));
                    });
                }
                patch
            }
        }
    }

    /// What this version must have left of it.
    pub(super) fn survives_in(self, object: &Value) -> bool {
        let status = &object["status"];
        self != Self::Newer || (status["shard"] == 7 && condition(object, UNKNOWN_CONDITION)["status"] == "Unknown")
    }
}

fn newer(object: &Value, is_over: bool) -> Value {
    let status = &object["status"];
    let mut patch = json!({ "shard": 7, "verification": { "state": "planned", "digests": ["a", "b"] } });
    for (field, more) in [("intent", json!({ "protocol": 2 })), ("error", json!({ "class": "hidden" }))] {
        if status[field].is_object() {
            patch[field] = more;
        }
    }
    let mut conditions = changed(object, |condition| {
        let is_kept = is_over || (condition["type"] == "Submitted" && condition["status"] == "True");
        if !is_kept {
            condition.insert("reason".to_owned(), json!(UNKNOWN_ROW));
        }
    });
    conditions.as_array_mut().unwrap().push(json!({
        "type": UNKNOWN_CONDITION, "status": "Unknown", "reason": "Planned", "message": "Not yet.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }));
    patch["conditions"] = conditions;
    patch
}

/// The conditions, each changed.
fn changed(object: &Value, mut change: impl FnMut(&mut Map<String, Value>)) -> Value {
    let mut conditions = object["status"]["conditions"].clone();
    for condition in conditions.as_array_mut().unwrap() {
        change(condition.as_object_mut().unwrap());
    }
    conditions
}
