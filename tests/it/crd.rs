//! The definition as its users meet it: the committed file (golden), `kubectl explain`, the columns, and an object that
//! nobody has looked at yet (scenario, on the real API server).

use crate::cluster::{self, Cluster};
use crate::golden;
use serde_json::Value;
use sqlserver_backup_operator::api;
use sqlserver_backup_operator::core::reason::{self, Reason};
use sqlserver_backup_operator::core::schedule::{PROTECTED, Place};

const WISH: &str = r#"{
    "apiVersion": "tencentdb.dev/v1alpha1", "kind": "SqlServerBackup", "metadata": { "name": "nightly" },
    "spec": { "instanceId": "mssql-a1", "region": "ap-guangzhou", "strategy": "Instance" },
    "status": { "flowId": 1, "conditions": [] }
}"#;

const PROMISE: &str = r#"{
    "apiVersion": "tencentdb.dev/v1alpha1", "kind": "SqlServerBackupSchedule", "metadata": { "name": "nightly" },
    "spec": { "schedule": "30 2 * * *", "timeZone": "Asia/Shanghai", "template": { "spec": {
        "instanceId": "mssql-a1", "region": "ap-guangzhou", "strategy": "Instance"
    } } },
    "status": { "missedRuns": 1, "conditions": [] }
}"#;

/// A namespace with one new object of each kind, whose author also wrote a status.
fn namespace_with_one(cluster: &Cluster) -> String {
    let namespace = cluster.namespace();
    for wish in [WISH, PROMISE] {
        cluster.kubectl_reading(&["create", "--namespace", &namespace, "--filename", "-"], wish).unwrap();
    }
    namespace
}

/// The status of the object of this kind, and its conditions: type, value, reason.
fn status_of(cluster: &Cluster, namespace: &str, kind: &str) -> (Value, Vec<[String; 3]>) {
    let read = cluster.kubectl(&["get", kind, "nightly", "--namespace", namespace, "--output", "json"]);
    let status = serde_json::from_str::<Value>(&read.unwrap()).unwrap()["status"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let condition = |one: &Value| ["type", "status", "reason"].map(|field| text(&one[field]));
    let conditions = status["conditions"].as_array().unwrap().iter().map(condition).collect();
    (status, conditions)
}

#[test]
fn the_committed_definitions_are_the_generated_ones() {
    // Twice, for a package of the chart holds what lies in its folder and nothing else.
    for folder in ["crds", "deploy/charts/sqlserver-backup-operator/files/crds"] {
        for (name, generated) in api::documents().unwrap() {
            golden::compare(&format!("{folder}/{name}.yaml"), &generated);
        }
    }
}

#[test]
fn the_program_prints_every_definition() {
    let generated: String = api::documents().unwrap().into_iter().map(|(_, text)| text).collect();
    assert!(api::YAML == generated, "src/api/definition.rs leaves one out, or has another order");
}

/// The paths of all fields below `schema`, each with its description.
fn fields(schema: &Value, path: &str, found: &mut Vec<(String, String)>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        found.push((path.clone(), field["description"].as_str().unwrap_or_default().to_owned()));
        fields(field, &path, found);
        fields(&field["items"], &path, found);
    }
}

#[test]
fn explain_has_an_answer_at_every_field() {
    let cluster = cluster::get();
    for (definition, kind) in api::all().iter().zip(["ssb", "ssbs"]) {
        let all = cluster.kubectl(&["explain", kind, "--recursive"]).unwrap();
        let schema = serde_json::to_value(definition.spec.versions[0].schema.clone()).unwrap();
        let mut known = Vec::new();
        fields(&schema["openAPIV3Schema"], kind, &mut known);
        assert!(known.len() > 30, "the fields were not found in the schema");
        for (path, description) in known {
            let name = path.rsplit('.').next().unwrap();
            assert!(all.contains(&format!("{name}\t<")), "{path} is not listed");
            assert!(description.ends_with('.') && description.len() > 20, "{path} is explained as {description:?}");
            assert!(!description.contains('`'), "{path}: kubectl explain shows markup as it stands");
        }
    }
}

/// Of a backup some fields are fixed; what a template says of itself must not repeat that.
#[test]
fn explain_says_of_no_field_of_a_schedule_that_it_cannot_be_changed() {
    let schema = serde_json::to_value(api::all()[1].spec.versions[0].schema.clone()).unwrap();
    let mut known = Vec::new();
    fields(&schema["openAPIV3Schema"]["properties"]["spec"], "spec", &mut known);
    assert!(known.iter().any(|(path, _)| path == "spec.template.spec.databases"), "{known:?}");
    for (path, description) in known {
        assert!(!description.contains("annot be changed"), "{path}: {description}");
        assert!(!description.contains("(CEL)") && !description.contains("oldSelf"), "{path}: {description}");
    }
    assert!(
        !schema["openAPIV3Schema"]["properties"]["spec"].to_string().contains("oldSelf"),
        "a rule that fixes a field"
    );
}

#[test]
fn explain_wraps_a_paragraph_once() {
    let said = cluster::get().kubectl(&["explain", "ssb.spec.databases"]).unwrap();
    let text = said.split_once("DESCRIPTION:").unwrap().1.trim();
    let short = text.lines().rev().skip(1).find(|line| line.trim().len() < 60);
    assert_eq!(short, None, "a line break of the source is left in:\n{text}");
}

#[test]
fn a_new_object_is_pending_in_all_four_conditions() {
    let cluster = cluster::get();
    let namespace = namespace_with_one(cluster);
    let (status, conditions) = status_of(cluster, &namespace, "ssb");
    let expected = [
        [reason::SUBMITTED, "Unknown", Reason::Pending.as_str()],
        [reason::READY, "Unknown", Reason::Pending.as_str()],
        [reason::RECONCILING, "True", Reason::Pending.as_str()],
        [reason::STALLED, "False", Reason::Pending.as_str()],
    ];
    assert_eq!(conditions, expected);
    assert_eq!(status["observedGeneration"], 0, "no generation was looked at");
    assert_eq!(status["flowId"], Value::Null, "a status that the author wrote is not taken over");
}

#[test]
fn a_new_schedule_is_pending_in_all_three_conditions() {
    let cluster = cluster::get();
    let namespace = namespace_with_one(cluster);
    let (status, conditions) = status_of(cluster, &namespace, "ssbs");
    let pending = Place::Pending.as_str();
    let expected =
        [[reason::READY, "Unknown", pending], [PROTECTED, "Unknown", pending], [reason::STALLED, "False", pending]];
    assert_eq!(conditions, expected);
    assert_eq!(status["observedGeneration"], 0, "no generation was looked at");
    assert_eq!(status["missedRuns"], Value::Null, "a status that the author wrote is not taken over");
    for condition in ["Ready", "Protected", "Stalled", "Stalled=False"] {
        let condition = format!("--for=condition={condition}");
        let said = cluster.kubectl(&["wait", "ssbs/nightly", "--namespace", &namespace, &condition, "--timeout=0"]);
        assert!(said.is_err_and(|said| said.contains("condition not met")), "{condition}");
    }
}

/// `kubectl wait` and kstatus must not take the constants of the schema for an observation.
#[test]
fn no_wait_ends_on_an_object_that_nobody_has_looked_at() {
    let cluster = cluster::get();
    let namespace = namespace_with_one(cluster);
    for condition in ["Ready", "Submitted", "Reconciling=False", "Reconciling", "Stalled", "Stalled=False"] {
        let condition = format!("--for=condition={condition}");
        let said = cluster.kubectl(&["wait", "ssb/nightly", "--namespace", &namespace, &condition, "--timeout=0"]);
        assert!(said.is_err_and(|said| said.contains("condition not met")), "{condition}");
    }
}

/// The head of the table that `kubectl get` prints.
fn columns(cluster: &Cluster, namespace: &str, arguments: &[&str]) -> Vec<String> {
    let said = cluster.kubectl(&[&["get", "--namespace", namespace], arguments].concat()).unwrap();
    said.lines().next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_table_of_schedules_answers_whether_there_is_a_copy() {
    let cluster = cluster::get();
    let namespace = namespace_with_one(cluster);
    let columns = |arguments: &[&str]| columns(cluster, &namespace, arguments);
    let narrow = ["NAME", "READY", "PROTECTED", "SCHEDULE", "ZONE", "SUSPEND", "LAST-OK", "NEXT", "AGE"];
    let wide = ["INSTANCE", "LAST-RESULT", "MISSED", "STATUS"];
    assert_eq!(columns(&["ssbs"]), narrow);
    assert_eq!(columns(&["ssbs", "--output=wide"]), [&narrow[..], &wide[..]].concat());
    for (field, own, other) in [("instanceId", "mssql-a1", "mssql-b2"), ("region", "ap-guangzhou", "ap-beijing")] {
        for (value, found) in [(own, true), (other, false)] {
            let selector = format!("--field-selector=spec.template.spec.{field}={value}");
            assert_eq!(!columns(&["ssbs", &selector]).is_empty(), found, "{selector}");
        }
    }
    let all = cluster.kubectl(&["get", "tencentdb", "--namespace", &namespace, "--output=name"]).unwrap();
    assert_eq!(all.lines().count(), 2, "the category shows both kinds: {all}");
    // A date column would call the future invalid.
    let patch = r#"{"status":{"nextScheduleTime":"2999-01-01T02:30:00Z","lastSuccessfulTime":"2026-01-01T00:00:00Z"}}"#;
    let merge = ["patch", "ssbs", "nightly", "--namespace", &namespace, "--subresource=status", "--type=merge"];
    cluster.kubectl(&[&merge[..], &["--patch", patch]].concat()).unwrap();
    let row = cluster.kubectl(&["get", "ssbs", "nightly", "--namespace", &namespace, "--no-headers"]).unwrap();
    assert!(row.contains(" 2999-01-01T02:30:00Z ") && row.contains(" Asia/Shanghai "), "{row}");
}

#[test]
fn the_table_answers_whether_it_is_done() {
    let cluster = cluster::get();
    let namespace = namespace_with_one(cluster);
    let columns = |arguments: &[&str]| columns(cluster, &namespace, arguments);
    let narrow = ["NAME", "READY", "STATUS", "INSTANCE", "FLOW", "SIZE", "AGE"];
    let wide = ["STRATEGY", "BACKUP-ID", "FINISHED", "ERROR"];
    assert_eq!(columns(&["ssb"]), narrow);
    assert_eq!(columns(&["ssb", "--output=wide"]), [&narrow[..], &wide[..]].concat());
    for (selector, found) in [("spec.instanceId=mssql-a1", true), ("spec.instanceId=mssql-b2", false)] {
        assert_eq!(!columns(&["ssb", "--field-selector", selector]).is_empty(), found, "{selector}");
    }
    for (selector, found) in [("spec.region=ap-guangzhou", true), ("spec.region=ap-beijing", false)] {
        assert_eq!(!columns(&["ssb", "--field-selector", selector]).is_empty(), found, "{selector}");
    }
}
