//! `deploy/` on the real API server: is it accepted to the letter, does it grant exactly what the program uses, and does
//! the pod pass the level that its namespace demands?

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cluster;

const NAME: &str = "sqlserver-backup-operator";
const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/manifest.yaml");

/// Applies the manifest, as its own first lines say.
fn deploy() -> &'static cluster::Cluster {
    let cluster = cluster::get();
    cluster.kubectl(&["apply", "--server-side", "--validate=strict", "--filename", MANIFEST]).unwrap();
    cluster
}

/// What the API server grants to an account of the operator's namespace in `namespace`, as "verbs groups resources names".
fn granted_to(cluster: &cluster::Cluster, account: &str, namespace: &str) -> BTreeSet<String> {
    let review = serde_json::json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": { "namespace": namespace },
    });
    let account = format!("--as=system:serviceaccount:{NAME}:{account}");
    let ask = ["create", "--validate=false", "--filename", "-", "--output", "json", &account];
    let answer = cluster.kubectl_reading(&ask, &review.to_string()).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let rules = answer["status"]["resourceRules"].as_array().unwrap().iter();
    let names = |rule: &Value| rule.get("resourceNames").map(|names| format!(" {names}")).unwrap_or_default();
    rules.map(|rule| format!("{} {} {}{}", rule["verbs"], rule["apiGroups"], rule["resources"], names(rule))).collect()
}

/// What the manifest grants to its account in `namespace`, beyond what anybody may, as asking for its own rights.
fn granted(cluster: &cluster::Cluster, namespace: &str) -> Vec<String> {
    let anybody = granted_to(cluster, "anybody", namespace);
    granted_to(cluster, NAME, namespace).difference(&anybody).cloned().collect()
}

#[test]
fn the_account_may_do_what_the_program_does_and_nothing_else() {
    let cluster = deploy();
    let everywhere = [
        r#"["create","delete"] ["tencentdb.dev"] ["sqlserverbackups"]"#,
        r#"["create","patch"] ["events.k8s.io"] ["events"]"#,
        r#"["get","list","watch"] ["tencentdb.dev"] ["sqlserverbackups"]"#,
        r#"["get","list","watch"] ["tencentdb.dev"] ["sqlserverbackupschedules"]"#,
        r#"["get"] [""] ["secrets"]"#,
        r#"["patch"] ["tencentdb.dev"] ["sqlserverbackups/status"]"#,
        r#"["patch"] ["tencentdb.dev"] ["sqlserverbackupschedules/status"]"#,
    ];
    assert_eq!(granted(cluster, "default"), everywhere);
    let mut at_home = everywhere.to_vec();
    at_home.extend([
        r#"["create"] ["coordination.k8s.io"] ["leases"]"#,
        r#"["get","watch","update"] ["coordination.k8s.io"] ["leases"] ["sqlserver-backup-operator"]"#,
    ]);
    at_home.sort_unstable();
    assert_eq!(granted(cluster, NAME), at_home);
}

#[test]
fn the_pod_is_admitted_at_the_level_of_its_namespace() {
    let cluster = deploy();
    let get = ["get", "deployment", NAME, "--namespace", NAME, "--output", "json"];
    let deployment: Value = serde_json::from_str(&cluster.kubectl(&get).unwrap()).unwrap();
    let pod = |spec: &Value| {
        serde_json::json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "probe", "namespace": NAME },
            "spec": spec,
        })
        .to_string()
    };
    let try_pod = ["create", "--dry-run=server", "--filename", "-"];
    let mut spec = deployment["spec"]["template"]["spec"].clone();
    cluster.kubectl_reading(&try_pod, &pod(&spec)).unwrap();
    // The level is really asked: the same pod with one of its promises taken back is refused.
    spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = Value::Bool(true);
    let refused = cluster.kubectl_reading(&try_pod, &pod(&spec)).unwrap_err();
    assert!(refused.contains("restricted"), "{refused}");
}

#[test]
fn the_pod_speaks_of_this_version() {
    let manifest = std::fs::read_to_string(MANIFEST).unwrap();
    let image = format!("image: {NAME}:{}\n", env!("CARGO_PKG_VERSION"));
    assert!(manifest.contains(&image), "deploy/manifest.yaml does not name {image}");
}
