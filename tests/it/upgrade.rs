//! Scenario: an object that was stored before a rule was added must still take a status, or a backup in flight could not
//! be recorded. The API server forgives a rule that is broken by what did not change, but not one that fails to evaluate.

use crate::cluster::{self, Cluster};
use serde_json::{Value, json};
use sqlserver_backup_operator::api;
use std::time::{Duration, Instant};

/// Takes every bound and rule out of a schema; what shapes it stays.
fn loosen(schema: &mut Value) {
    if let Value::Object(keywords) = schema {
        let is_keyed_list_item = keywords.get("required").is_some_and(|names| names.to_string().contains("\"type\""));
        for bound in ["default", "enum", "maximum", "maxItems", "maxLength", "minimum", "minItems", "minLength"] {
            keywords.remove(bound);
        }
        for bound in ["pattern", "x-kubernetes-validations"] {
            keywords.remove(bound);
        }
        if !is_keyed_list_item {
            keywords.remove("required");
        }
        keywords.values_mut().filter(|value| value.is_object()).for_each(loosen);
    }
}

/// The definition under another group, so that the tests beside this one keep theirs.
fn definition() -> Value {
    let mut definition = serde_json::to_value(&api::all()[0]).unwrap();
    definition["spec"]["group"] = json!("upgrade.example");
    definition["spec"]["names"]["shortNames"] = json!(["upgraded"]);
    definition["spec"]["names"]["categories"] = json!([]);
    definition["metadata"]["name"] = json!("sqlserverbackups.upgrade.example");
    definition
}

fn create(cluster: &Cluster, namespace: &str, dry_run: &str, name: &str, spec: &Value) -> Result<String, String> {
    let object = json!({
        "apiVersion": "upgrade.example/v1alpha1", "kind": "SqlServerBackup", "metadata": { "name": name }, "spec": spec,
    });
    cluster.kubectl_reading(&["create", dry_run, "--namespace", namespace, "--filename", "-"], &object.to_string())
}

/// A definition takes effect a little after it was accepted.
fn until(condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < end, "the definition did not take effect");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn i6_an_object_from_before_a_rule_still_takes_a_status() {
    let cluster = cluster::get();
    let namespace = cluster.namespace();
    let strict = definition();
    let mut loose = strict.clone();
    loosen(&mut loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);

    cluster.kubectl_reading(&["apply", "--filename", "-"], &loose.to_string()).unwrap();
    let odd = [
        ("address", json!({ "instanceId": "10.0.0.1", "region": "x.y", "strategy": "Instance" })),
        ("bounds", json!({ "instanceId": "mssql-a1", "strategy": "Everything", "submitDeadlineSeconds": 1 })),
        ("forgotten-list", json!({ "instanceId": "mssql-a1", "region": "ap-guangzhou", "strategy": "Databases" })),
        (
            "odd-names",
            json!({ "strategy": "Databases", "databases": ["a\n", ""], "credentialsRef": { "name": "a/b" } }),
        ),
        ("no-strategy", json!({ "instanceId": "mssql-a1", "region": "ap-guangzhou", "databases": ["orders"] })),
        ("bare", json!({})),
    ];
    let probe = || create(cluster, &namespace, "--dry-run=server", "probe", &json!({}));
    until(|| probe().is_ok());
    for (name, spec) in &odd {
        create(cluster, &namespace, "--dry-run=none", name, spec).unwrap();
    }

    cluster.kubectl_reading(&["apply", "--filename", "-"], &strict.to_string()).unwrap();
    until(|| probe().is_err_and(|said| said.contains("spec.instanceId: Required value")));
    for (name, _) in &odd {
        let status = |patch: &str| {
            let patch = ["patch", "upgraded", name, "--subresource=status", "--type=merge", "--patch", patch];
            cluster.kubectl(&[&["--namespace", &namespace], &patch[..]].concat())
        };
        status(r#"{"status": {"attempts": 1, "submitTime": "2026-11-24T10:00:00Z"}}"#).unwrap();
        status(r#"{"status": {"flowId": 5293}}"#).unwrap();
        let said = status(r#"{"status": {"flowId": null}}"#).unwrap_err();
        assert!(said.contains("status.flowId cannot be changed or removed"), "{name}: {said}");
    }
}
