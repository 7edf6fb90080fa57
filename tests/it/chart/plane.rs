//! The control plane of the chart's tests: the Prometheus operator's definitions, and ours as `helm install` brings them
//! into a cluster that has never seen them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use control_plane::{ControlPlane, Options};
use serde_json::Value;

use super::tools::{self, CHART, NAME};
use crate::cluster::Cluster;

/// The control plane, started and furnished on the first call.
pub(crate) fn get() -> &'static Cluster {
    static PLANE: OnceLock<Cluster> = OnceLock::new();
    PLANE.get_or_init(|| {
        let options = Options { audit: true, ..Options::new(env!("CARGO_TARGET_TMPDIR")) };
        let cluster = Cluster { control_plane: ControlPlane::start(&options).unwrap() };
        let monitoring = tools::made("monitoring.sh", &[]);
        cluster.kubectl(&["apply", "--server-side", "--filename", monitoring.to_str().unwrap()]).unwrap();
        helm(&cluster, &["install", NAME, CHART, "--namespace", NAME, "--create-namespace"]).unwrap();
        cluster.kubectl(&["wait", "crd", "--all", "--for=condition=Established", "--timeout=60s"]).unwrap();
        cluster
    })
}

/// helm with the administrator's rights.
pub(crate) fn helm(cluster: &Cluster, arguments: &[&str]) -> Result<String, String> {
    tools::helm(Some(&cluster.control_plane.kubeconfig()), arguments)
}

/// Installs the chart into a new namespace, without the definitions, which are there; the namespace.
pub(crate) fn install(cluster: &Cluster, arguments: &[&str]) -> String {
    let namespace = cluster.namespace();
    let usual = ["install", NAME, CHART, "--namespace", &namespace, "--set", "crds.install=false"];
    helm(cluster, &[&usual, arguments].concat()).unwrap();
    namespace
}

/// An object as the server has it.
pub(crate) fn read(cluster: &Cluster, namespace: &str, kind: &str, name: &str) -> Value {
    let get = ["get", kind, name, "--namespace", namespace, "--output", "json"];
    serde_json::from_str(&cluster.kubectl(&get).unwrap()).unwrap()
}

/// A file of this control plane's folder, which goes when it ends.
pub(crate) fn file(cluster: &Cluster, name: &str) -> std::path::PathBuf {
    cluster.control_plane.folder().join(name)
}

/// One answer of the API server, in the words of RBAC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) verb: String,
    /// `group/resource`, the group empty for the core, a subresource behind another slash.
    pub(crate) resource: String,
    pub(crate) is_refused: bool,
}

/// What a service account asked for until now, without what every account may.
pub(crate) fn requests(log: &Path, namespace: &str, account: &str) -> BTreeSet<Request> {
    let user = format!("system:serviceaccount:{namespace}:{account}");
    let text = std::fs::read_to_string(log).unwrap();
    let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mine = entries.filter(|entry| entry["user"]["username"] == user.as_str() && entry["objectRef"].is_object());
    mine.map(|entry| {
        let part = |name: &str| entry["objectRef"][name].as_str().unwrap_or_default();
        let subresource = if part("subresource").is_empty() { "" } else { "/" };
        Request {
            verb: entry["verb"].as_str().unwrap().to_owned(),
            resource: format!("{}/{}{subresource}{}", part("apiGroup"), part("resource"), part("subresource")),
            is_refused: entry["annotations"]["authorization.k8s.io/decision"] == "forbid",
        }
    })
    .collect()
}
