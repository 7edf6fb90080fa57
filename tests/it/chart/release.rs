//! Scenario: the life of a release on a real API server. The definitions come with it, change with it, and outlive it,
//! with every order.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::plane::{self, helm, read};
use super::tools::{self, CHART, NAME};
use crate::cluster::Cluster;

const ORDER: &str = r#"{
    "apiVersion": "tencentdb.dev/v1alpha1", "kind": "SqlServerBackup", "metadata": { "name": "kept" },
    "spec": { "instanceId": "mssql-a1", "region": "ap-guangzhou", "strategy": "Instance" }
}"#;
const DEFINITION: &str = "sqlserverbackups.tencentdb.dev";
const SCHEDULES: &str = "sqlserverbackupschedules.tencentdb.dev";

/// A copy of the chart, as a later version whose definition has one category more.
fn later(cluster: &Cluster) -> String {
    let copy = plane::file(cluster, "later-chart");
    let mut command = Command::new("cp");
    command.args(["-r", CHART]).arg(&copy);
    tools::run(command, "").unwrap();
    let change = |file: &str, from: &str, to: &str| {
        let path = copy.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: no {from:?}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    };
    for definition in [DEFINITION, SCHEDULES] {
        change(&format!("files/crds/{definition}.yaml"), "    categories:\n", "    categories:\n    - later\n");
    }
    change("Chart.yaml", "\nversion: ", "\nversion: 1");
    copy.to_str().unwrap().to_owned()
}

fn categories(cluster: &Cluster) -> [Value; 2] {
    [DEFINITION, SCHEDULES].map(|name| read(cluster, "default", "crd", name)["spec"]["names"]["categories"].clone())
}

/// Everything that a release with all its parts consists of beside the definitions.
fn parts(cluster: &Cluster) -> Vec<String> {
    let kinds = "deployment,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,poddisruptionbudget,podmonitor,prometheusrule,configmap";
    let selector = format!("app.kubernetes.io/instance={NAME},app.kubernetes.io/managed-by=Helm");
    let get = ["get", kinds, "--namespace", NAME, "--selector", &selector, "--output", "name"];
    let text = cluster.kubectl(&get).unwrap();
    // Other tests have releases of this name too, in other namespaces: what is cluster-wide has that in its name.
    let is_ours = |name: &&str| name.split_once('/').is_some_and(|(_, name)| name.starts_with(NAME));
    text.lines().filter(is_ours).map(str::to_owned).collect()
}

#[test]
fn a_release_is_installed_upgraded_rolled_back_and_uninstalled() {
    let cluster = plane::get();
    let namespace = cluster.namespace();
    cluster.kubectl_reading(&["create", "--namespace", &namespace, "--filename", "-"], ORDER).unwrap();
    let order = read(cluster, &namespace, "ssb", "kept")["metadata"]["uid"].clone();
    let replicas = || read(cluster, NAME, "deployment", NAME)["spec"]["replicas"].clone();
    let (installed, first) = (parts(cluster), categories(cluster));
    assert_eq!(replicas(), 1);

    let values = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/values/two-pods.yaml");
    let later = later(cluster);
    let upgrade = ["upgrade", NAME, &later, "--namespace", NAME, "--values", values.to_str().unwrap()];
    let notes = helm(cluster, &upgrade).unwrap();
    assert!(notes.contains("kubectl --namespace sqlserver-backup-operator rollout status"), "{notes}");
    assert_eq!(replicas(), 2);
    let added: Vec<String> = parts(cluster).into_iter().filter(|part| !installed.contains(part)).collect();
    for kind in ["poddisruptionbudget", "podmonitor", "prometheusrule", "configmap"] {
        assert!(added.iter().any(|part| part.starts_with(kind)), "{kind}: {added:?}");
    }
    for categories in categories(cluster) {
        assert!(categories.as_array().unwrap().contains(&"later".into()), "a definition was not upgraded");
    }

    let refused = helm(cluster, &["upgrade", NAME, CHART, "--namespace", NAME, "--set", "replica=3"]).unwrap_err();
    assert!(refused.contains("'replica' not allowed"), "{refused}");
    assert_eq!(replicas(), 2, "a refused upgrade changed something");

    helm(cluster, &["rollback", NAME, "1", "--namespace", NAME]).unwrap();
    assert_eq!((replicas(), parts(cluster), categories(cluster)), (1.into(), installed.clone(), first.clone()));

    let said = helm(cluster, &["uninstall", NAME, "--namespace", NAME]).unwrap();
    assert!(said.contains(DEFINITION) && said.contains(SCHEDULES), "it does not say what stays: {said}");
    assert_eq!(parts(cluster), Vec::<String>::new());
    assert_eq!(read(cluster, &namespace, "ssb", "kept")["metadata"]["uid"], order, "an order did not survive");

    helm(cluster, &["install", NAME, CHART, "--namespace", NAME]).unwrap();
    assert_eq!((parts(cluster), categories(cluster)), (installed, first));
    assert_eq!(read(cluster, &namespace, "ssb", "kept")["metadata"]["uid"], order);
}

/// What kubectl installed is refused to helm until somebody says that it may take it.
#[test]
fn a_release_takes_over_what_was_applied_when_it_is_told_to() {
    let cluster = plane::get();
    let namespace = cluster.namespace();
    let options = [CHART, "--namespace", &namespace, "--set", "crds.install=false"];
    let text = tools::helm(None, &[&["template", NAME], &options[..]].concat()).unwrap();
    cluster.kubectl_reading(&["apply", "--server-side", "--filename", "-"], &text).unwrap();
    let install = [&["install", NAME], &options[..]].concat();
    let refused = helm(cluster, &install).unwrap_err();
    assert!(refused.contains("invalid ownership metadata"), "{refused}");
    helm(cluster, &[&install[..], &["--take-ownership"]].concat()).unwrap();
    let metadata = read(cluster, &namespace, "deployment", NAME)["metadata"].clone();
    assert_eq!(metadata["annotations"]["meta.helm.sh/release-namespace"], namespace);
}
