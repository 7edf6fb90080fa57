//! Golden: what the chart repeats of other files, and what `deploy/manifest.yaml` repeats of the chart.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use sqlserver_backup_operator::api;

use super::table;
use super::tools::{self, CHART, objects, one, rendered};
use crate::cluster;
use crate::golden;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(CHART).join(path)).unwrap()
}

const MANIFEST_HEAD: &str = "# The operator in a cluster, without helm: the chart of deploy/charts rendered with its default values. Do not edit: change
# the chart, then UPDATE=1 cargo test --test it chart::files
#
#   kubectl apply --server-side -f crds/ -f deploy/manifest.yaml
#
# The pod passes the strictest of the built-in pod security levels, and its namespace demands it. The rights are what the
# program uses and nothing else. Nothing here knows an access key: orders name a Secret of their own namespace. For a
# NetworkPolicy, two pods, or namespaces instead of the whole cluster: the chart.
apiVersion: v1
kind: Namespace
metadata:
  name: sqlserver-backup-operator
  labels:
    app.kubernetes.io/name: sqlserver-backup-operator
    pod-security.kubernetes.io/enforce: restricted
";

#[test]
fn the_manifest_is_the_chart_rendered_by_default() {
    let chart = tools::render(&["--set", "crds.install=false"]).unwrap();
    golden::compare("deploy/manifest.yaml", &format!("{MANIFEST_HEAD}{chart}"));
}

/// Makes 60 and 60.0 the same.
fn as_floating(value: &mut Value) {
    match value {
        Value::Number(number) => *value = Value::from(number.as_f64().unwrap()),
        Value::Array(all) => all.iter_mut().for_each(as_floating),
        Value::Object(all) => all.values_mut().for_each(as_floating),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[test]
fn the_chart_brings_the_definitions_that_are_committed() {
    for definition in api::all() {
        let name = definition.metadata.name.clone().unwrap();
        // What helm makes of it must be the same to the last number: it reads numbers as floating-point ones.
        let rendered = rendered(&[]).into_iter().find(|object| object["metadata"]["name"] == name.as_str()).unwrap();
        let (mut made, mut written) = (rendered.clone(), objects(&read(&format!("files/crds/{name}.yaml"))).remove(0));
        as_floating(&mut made);
        as_floating(&mut written);
        assert!(made["spec"] == written["spec"], "{name}: helm renders something else");
        assert_eq!(rendered["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
    let kinds = |objects: &[Value]| objects.iter().filter(|it| it["kind"] == "CustomResourceDefinition").count();
    assert_eq!(kinds(&rendered(&[])), api::all().len());
    assert_eq!(kinds(&rendered(&["--set", "crds.install=false"])), 0);
    let dropped = rendered(&["--set", "crds.keep=false"]);
    let definitions = dropped.iter().filter(|it| it["kind"] == "CustomResourceDefinition");
    let told: Vec<&Value> = definitions.map(|it| &it["metadata"]["annotations"]).collect();
    assert_eq!(told, vec![&Value::Null; api::all().len()]);
}

#[test]
fn the_chart_speaks_of_this_version_and_of_its_kinds() {
    let chart = objects(&read("Chart.yaml")).remove(0);
    assert_eq!(
        (chart["version"].as_str(), chart["appVersion"].as_str()),
        (Some(env!("CARGO_PKG_VERSION")), Some(env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(chart["kubeVersion"], ">=1.31.0-0");
    let hub = |name: &str| {
        let text = chart["annotations"][format!("artifacthub.io/{name}")].as_str().unwrap();
        objects(text)[0].as_array().unwrap().clone()
    };
    let told: Vec<(String, String)> =
        hub("crds").iter().map(|crd| (crd["name"].to_string(), crd["kind"].to_string())).collect();
    let ours = api::all()
        .into_iter()
        .map(|crd| (Value::from(crd.metadata.name.unwrap()).to_string(), Value::from(crd.spec.names.kind).to_string()));
    assert_eq!(told, ours.collect::<Vec<_>>());
    let shared = cluster::get();
    let namespace = shared.namespace();
    for example in hub("crdsExamples") {
        let create = ["create", "--namespace", &namespace, "--dry-run=server", "--validate=strict", "--filename", "-"];
        shared.kubectl_reading(&create, &example.to_string()).unwrap();
    }
}

/// The paths that a schema knows, and a complaint about each object in it that takes any field.
fn known(schema: &Value, path: &str, paths: &mut BTreeSet<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    assert_eq!(schema["additionalProperties"], false, "{path:?} takes any value");
    for (name, below) in properties {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        known(below, &path, paths);
        paths.insert(path);
    }
}

#[test]
fn the_schema_knows_each_value_and_no_other() {
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let mut paths = BTreeSet::new();
    known(&schema, "", &mut paths);
    let leaves: BTreeSet<String> = table::leaves().into_iter().map(|leaf| leaf.path).collect();
    // A label of a free map is no value of ours.
    let missing: Vec<&String> =
        leaves.iter().filter(|leaf| !paths.contains(*leaf) && !leaf.starts_with("dashboard.labels.")).collect();
    assert_eq!(missing, Vec::<&String>::new());
    // What a parent chart passes down, and what the kubelet takes beside our defaults.
    let unmentioned = [
        "global",
        "resources.limits.cpu",
        "resources.limits.ephemeral-storage",
        "resources.requests.ephemeral-storage",
    ];
    let is_parent = |path: &String| leaves.iter().any(|leaf| leaf.starts_with(&format!("{path}.")));
    let extra: Vec<&String> = paths.iter().filter(|path| !leaves.contains(*path) && !is_parent(path)).collect();
    assert_eq!(extra, unmentioned);
}

#[test]
fn rules_and_dashboard_reach_the_cluster_as_they_are() {
    let set = ["--set", "podMonitor.enabled=true,prometheusRule.enabled=true,dashboard.enabled=true"];
    let objects_rendered = rendered(&set);
    let scraped = &one(&objects_rendered, "PodMonitor")["spec"]["podMetricsEndpoints"][0];
    assert_eq!((&scraped["path"], &scraped["honorLabels"]), (&"/metrics".into(), &true.into()));
    assert_eq!(one(&objects_rendered, "PrometheusRule")["spec"], objects(&read("files/alerts.yaml"))[0]);
    let dashboard = one(&objects_rendered, "ConfigMap")["data"]["sqlserver-backup-operator.json"].as_str().unwrap();
    let (rendered, file): (Value, Value) =
        (serde_json::from_str(dashboard).unwrap(), serde_json::from_str(&read("files/dashboard.json")).unwrap());
    assert_eq!(rendered, file);
}
