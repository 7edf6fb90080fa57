//! What the chart renders, for each set of values: does helm's lint, kubeconform, the API server and the Pod Security
//! admission at the level `restricted` accept it?

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::tools::{self, CHART, NAME, objects, one};
use super::{plane, schemas};
use crate::cluster::Cluster;

/// A namespace that demands the level, and the ones that a set of values names.
fn furnish(cluster: &Cluster) -> &'static str {
    static DONE: OnceLock<&str> = OnceLock::new();
    DONE.get_or_init(|| {
        let namespace = |name: &str| {
            let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } })
        };
        let namespaces = ["restricted", "shop", "billing", "123", "1e3"].map(namespace);
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": namespaces });
        cluster.kubectl_reading(&["apply", "--filename", "-"], &list.to_string()).unwrap();
        "restricted"
    })
}

fn kubeconform(schemas: &Path, text: &str) -> Result<String, String> {
    let mut command = Command::new(tools::made("chart-tool.sh", &["kubeconform"]));
    let location = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", schemas.display());
    command.args(["-strict", "-summary", "-schema-location", &location, "-"]);
    tools::run(command, text)
}

fn try_pod(cluster: &Cluster, namespace: &str, spec: &Value) -> Result<String, String> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "probe", "namespace": namespace }, "spec": spec,
    });
    cluster.kubectl_reading(&["create", "--dry-run=server", "--filename", "-"], &pod.to_string())
}

#[test]
fn lint_has_nothing_to_say() {
    for values in tools::value_sets() {
        let said = tools::helm(None, &["lint", "--strict", CHART, "--values", values.to_str().unwrap()]).unwrap();
        assert!(said.contains("0 chart(s) failed"), "{said}");
    }
}

#[test]
fn each_set_of_values_renders_what_a_cluster_accepts() {
    let cluster = plane::get();
    let restricted = furnish(cluster);
    let schemas = schemas::folder(cluster);
    let sets = tools::value_sets();
    std::thread::scope(|scope| {
        for values in &sets {
            scope.spawn(move || {
                let name = values.file_stem().unwrap().to_str().unwrap();
                let text = tools::render(&["--values", values.to_str().unwrap()]).unwrap();
                let said = kubeconform(schemas, &text).unwrap_or_else(|said| panic!("{name}: {said}"));
                assert!(said.contains("Skipped: 0") && !said.contains("Valid: 0"), "{name}: {said}");
                let apply = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename", "-"];
                cluster.kubectl_reading(&apply, &text).unwrap_or_else(|said| panic!("{name}: {said}"));
                let mut pod = one(&objects(&text), "Deployment")["spec"]["template"]["spec"].clone();
                // Whether the account exists is the release's affair, not the level's.
                pod["serviceAccountName"] = json!("default");
                pod["priorityClassName"].take();
                try_pod(cluster, restricted, &pod).unwrap_or_else(|said| panic!("{name}: {said}"));
            });
        }
    });
}

#[test]
fn the_judges_judge() {
    let cluster = plane::get();
    let restricted = furnish(cluster);
    let schemas = schemas::folder(cluster);
    let good = tools::rendered(&["--set", "podMonitor.enabled=true,networkPolicy.enabled=true,replicas=2"]);
    let spoilt = [
        ("Deployment", "/spec/replicas", json!("two")),
        ("Deployment", "/spec/template/spec/containers/0/imagePullPolicie", json!("Always")),
        ("PodMonitor", "/spec/podMetricsEndpoints/0/intervall", json!("30s")),
        ("NetworkPolicy", "/spec/egress/0/ports/0/prot", json!("TCP")),
        ("PodDisruptionBudget", "/spec/selektor", json!({})),
        ("CustomResourceDefinition", "/spec/versions/0/storag", json!(true)),
    ];
    for (kind, path, value) in spoilt {
        let mut object = good.iter().find(|object| object["kind"] == kind).unwrap().clone();
        let (parent, field) = path.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[field] = value;
        let said = kubeconform(schemas, &object.to_string()).expect_err(path);
        assert!(said.contains(kind) && said.contains("is invalid"), "{path}: {said}");
    }
    let mut pod = one(&good, "Deployment")["spec"]["template"]["spec"].clone();
    pod["serviceAccountName"] = json!("default");
    pod["securityContext"]["runAsNonRoot"].take();
    let said = try_pod(cluster, restricted, &pod).unwrap_err();
    assert!(said.contains(NAME) || said.contains("restricted"), "{said}");
}
