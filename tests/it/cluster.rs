//! The API server that all tests of this binary share, with the definitions of this program installed, and two more for
//! what would disturb the others.
//!
//! It is started by the first test that asks, and dies with the test process, however that ends. A test works in a
//! namespace of its own, with a random name, so that tests neither wait for nor see each other.
//!
//! `kubectl` is the real one: what it says is what a user reads.

use control_plane::{ControlPlane, Options};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::operator::plain_client;

/// The shared control plane.
pub(crate) struct Cluster {
    /// What it offers itself: kubeconfigs of service accounts, the needs of a proxy, its processes.
    pub(crate) control_plane: ControlPlane,
}

/// The cluster of this test binary, started and furnished on the first call.
pub(crate) fn get() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(&definitions()))
}

/// Another one, for tests that stop its processes.
pub(crate) fn halting() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(&definitions()))
}

/// Another one, with the definitions of a version of this program that is newer: a status may hold fields that are known
/// here to nobody.
pub(crate) fn newer() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let mut definitions = definitions();
        for definition in &mut definitions {
            let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status";
            for path in ["", "/properties/intent", "/properties/error"] {
                if let Some(schema) = definition.pointer_mut(&format!("{status}{path}")) {
                    schema["x-kubernetes-preserve-unknown-fields"] = Value::Bool(true);
                }
            }
        }
        Cluster::start(&definitions)
    })
}

fn definitions() -> Vec<Value> {
    sqlserver_backup_operator::api::all().iter().map(|definition| serde_json::to_value(definition).unwrap()).collect()
}

impl Cluster {
    fn start(definitions: &[Value]) -> Self {
        let control_plane = ControlPlane::start(&Options::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
        for definition in definitions {
            control_plane.kubectl_feed(&["apply", "--filename", "-"], &definition.to_string()).unwrap();
        }
        let established = ["wait", "crd", "--all", "--for=condition=Established", "--timeout=60s"];
        let until = Instant::now() + Duration::from_mins(1);
        // Of one that has no condition at all yet, kubectl does not wait for any.
        while let Err(said) = control_plane.kubectl_run(&established) {
            assert!(Instant::now() < until, "{said}");
            std::thread::sleep(Duration::from_millis(100));
        }
        let cluster = Self { control_plane };
        cluster.wait_for_documentation();
        cluster
    }

    /// An established definition is served at once, but its short name and its documentation come a little later.
    fn wait_for_documentation(&self) {
        let until = Instant::now() + Duration::from_mins(1);
        for path in ["ssb.spec", "ssbs.spec"] {
            while let Err(said) = self.kubectl(&["explain", path]) {
                assert!(Instant::now() < until, "{said}");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }

    /// A client with the administrator's rights. It belongs to the runtime of the calling test.
    pub(crate) async fn client(&self) -> kube::Client {
        let kubeconfig = kube::config::Kubeconfig::read_from(self.control_plane.kubeconfig()).unwrap();
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        kube::Client::try_from(config).unwrap()
    }

    /// A new namespace; its name.
    pub(crate) fn namespace(&self) -> String {
        let wish = "apiVersion: v1\nkind: Namespace\nmetadata:\n  generateName: test-\n";
        self.kubectl_reading(&["create", "--filename", "-", "--output", "jsonpath={.metadata.name}"], wish).unwrap()
    }

    /// Runs `kubectl`: its output, or what it complained about.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        self.kubectl_reading(arguments, "")
    }

    /// The same, with `input` as its standard input.
    pub(crate) fn kubectl_reading(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        self.control_plane.kubectl_feed(arguments, input).map_err(|fault| fault.to_string())
    }

    /// Makes a backup at rest older by `age`, in the store itself: the API server dates every object by its own clock, and
    /// what happens to old ones could only be waited for. Its watches bring the change as any other.
    pub(crate) async fn backdate(&self, namespace: &str, backup: &str, age: SignedDuration) {
        let (etcd, prefix) = self.control_plane.store();
        let key = ByteString(format!("{prefix}/tencentdb.dev/sqlserverbackups/{namespace}/{backup}").into_bytes());
        let ask = async |path: &str, body: Value| -> Value {
            let asked = plain_client().post(format!("{etcd}/v3/kv/{path}")).body(body.to_string());
            serde_json::from_str(&asked.send().await.unwrap().text().await.unwrap()).unwrap()
        };
        let found = ask("range", json!({ "key": key })).await;
        let stored: ByteString = serde_json::from_value(found["kvs"][0]["value"].clone()).unwrap();
        let mut object: Value = serde_json::from_slice(&stored.0).unwrap();
        let created: Timestamp = object["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap();
        object["metadata"]["creationTimestamp"] = json!((created - age).to_string());
        let value = ByteString(object.to_string().into_bytes());
        let unchanged = json!([{ "target": "MOD", "key": key, "mod_revision": found["kvs"][0]["mod_revision"] }]);
        let put = json!([{ "request_put": { "key": key, "value": value } }]);
        let answer = ask("txn", json!({ "compare": unchanged, "success": put })).await;
        assert_eq!(answer["succeeded"], true, "it was not at rest: {answer}");
    }
}
