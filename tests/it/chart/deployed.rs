//! Scenario: the real program, run with exactly the arguments, the environment and the token of the Deployment that the
//! chart rendered, does its work on a real API server and a simulated cloud.
//!
//! The one thing that a pod has and a process has not is the mounted token: a kubeconfig holds it instead.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tencentdb_simulator::{Cloud, Key, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY, Settings};

use super::plane;
use super::tools::NAME;
use crate::cluster::Cluster;
use crate::operator::{Environment, Operator, fetch, tail};
use crate::rights;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Held by a test whose operator watches all namespaces, or whose orders only its own operator may see.
pub(crate) static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A simulated cloud with one key that may do everything and one that may do nothing.
pub(crate) async fn cloud() -> Cloud {
    let mut settings = Settings::default();
    settings.switches.backup_seconds = Some(1.0);
    settings.switches.listing_lag_seconds = 0.2;
    let cloud = Cloud::start(settings).await.unwrap();
    let all = ["CreateBackup", "DescribeBackups", "DescribeDBInstances", "DescribeBackupByFlowId"];
    cloud.put_key(Key { denied: all.map(str::to_owned).to_vec(), ..Key::new("AKIDdenied", "denied-denied") });
    cloud
}

/// The values that point the program at a simulated cloud, and at ports that are free.
pub(crate) fn values(cloud: &Cloud) -> [String; 4] {
    [
        "--set".to_owned(),
        format!("tencent.endpoint={},polling.minSeconds=1,polling.maxSeconds=1", cloud.url()),
        "--set-json".to_owned(),
        r#"extraEnv=[{"name":"ADMIN_ADDRESS","value":"127.0.0.1:0"}]"#.to_owned(),
    ]
}

/// A Deployment of the chart as the kubelet would run it in its namespace: environment and log.
#[derive(Debug)]
pub(crate) struct Pod {
    environment: Environment,
    log: PathBuf,
    pub(crate) account: String,
}

impl Pod {
    pub(crate) fn new(cluster: &Cluster, namespace: &str, deployment: &Value) -> Self {
        let spec = &deployment["spec"]["template"]["spec"];
        let container = &spec["containers"][0];
        // What `Operator::spawn` runs.
        assert_eq!((&container["args"], &container["command"]), (&json!(["run"]), &Value::Null));
        assert_eq!(spec["automountServiceAccountToken"], true);
        let account = spec["serviceAccountName"].as_str().unwrap().to_owned();
        let kubeconfig = plane::file(cluster, &format!("{namespace}.kubeconfig"));
        cluster.control_plane.service_account_kubeconfig(namespace, &account, &kubeconfig, None).unwrap();
        let variables = container["env"].as_array().unwrap().iter();
        let mut environment: Environment = variables
            .filter_map(|variable| {
                // A name lives as long as the test process, which is short.
                let name: &'static str = variable["name"].as_str().unwrap().to_owned().leak();
                Some((name, value(cluster, namespace, variable)?))
            })
            .collect();
        environment.insert("KUBECONFIG", kubeconfig.display().to_string());
        Self { environment, log: plane::file(cluster, &format!("{namespace}.log")), account }
    }

    pub(crate) fn start(&self) -> Operator {
        Operator::spawn(&self.environment, &self.log)
    }

    pub(crate) fn tail(&self) -> String {
        tail(&self.log, 20)
    }
}

/// What the kubelet would make of a variable; nothing for an optional one that is not there.
fn value(cluster: &Cluster, namespace: &str, variable: &Value) -> Option<String> {
    if let Some(value) = variable["value"].as_str() {
        return Some(value.to_owned());
    }
    let from = &variable["valueFrom"];
    match from["fieldRef"]["fieldPath"].as_str() {
        Some("metadata.name") => return Some(format!("{NAME}-5d8f-x7k2p")),
        Some("metadata.namespace") => return Some(namespace.to_owned()),
        Some(path) => panic!("{path} is not known here"),
        None => {}
    }
    let (secret, key) = (from["secretKeyRef"]["name"].as_str().unwrap(), from["secretKeyRef"]["key"].as_str().unwrap());
    let template = format!("go-template={{{{ with index .data \"{key}\" }}}}{{{{ . | base64decode }}}}{{{{ end }}}}");
    let value = cluster.kubectl(&["get", "secret", secret, "--namespace", namespace, "--output", &template]).unwrap();
    assert!(!value.is_empty() || from["secretKeyRef"]["optional"] == true, "the Secret {secret} has no {key}");
    Some(value).filter(|value| !value.is_empty())
}

/// The Secrets that a team has.
pub(crate) fn furnish(cluster: &Cluster, namespace: &str) {
    for (name, id, key) in
        [("tencentdb", PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY), ("denied", "AKIDdenied", "denied-denied")]
    {
        let (id, key) = (format!("--from-literal=secretId={id}"), format!("--from-literal=secretKey={key}"));
        cluster.kubectl(&["create", "secret", "generic", name, &id, &key, "--namespace", namespace]).unwrap();
    }
}

/// An order that needs every right: it names no Secret that is there, then a key that may do nothing, then none again,
/// which counts an event up, and then the right one; and beside it a schedule. Ends when all backups are complete, and the
/// one that the schedule keeps no longer is removed.
pub(crate) async fn main_job(client: Client, namespace: &str) {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &rights::kind());
    futures::future::join(run_an_order(&api), run_a_schedule(&api, &client, namespace)).await;
}

async fn run_an_order(api: &Api<DynamicObject>) {
    let spec = json!({
        "instanceId": "mssql-sim00001", "region": "ap-guangzhou", "strategy": "Instance",
        "credentialsRef": { "name": "missing" },
    });
    let order = DynamicObject::new("first", &rights::kind()).data(json!({ "spec": spec }));
    api.create(&PostParams::default(), &order).await.unwrap();
    let then = [
        ("CredentialsUnavailable", "denied"),
        ("AccessDenied", "missing"),
        ("CredentialsUnavailable", "tencentdb"),
        ("Completed", ""),
    ];
    for (reason, secret) in then {
        reaches(api, "first", reason).await;
        if !secret.is_empty() {
            let patch = Patch::Merge(json!({ "spec": { "credentialsRef": { "name": secret } } }));
            api.patch("first", &PatchParams::default(), &patch).await.unwrap();
        }
    }
}

/// A schedule whose time never comes in a test is seen, makes two backups because it is told to, and removes the first one
/// when that is old enough.
async fn run_a_schedule(orders: &Api<DynamicObject>, client: &Client, namespace: &str) {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &rights::schedules());
    let wish = json!({
        "instanceId": "mssql-sim00002", "region": "ap-guangzhou", "strategy": "Instance",
        "credentialsRef": { "name": "tencentdb" },
    });
    let spec = json!({ "schedule": "0 0 29 2 *", "successfulHistoryLimit": 1, "template": { "spec": wish } });
    let schedule = DynamicObject::new("yearly", &rights::schedules()).data(json!({ "spec": spec }));
    api.create(&PostParams::default(), &schedule).await.unwrap();
    reaches(&api, "yearly", "Scheduled").await;
    let mut made: Vec<String> = vec![];
    for token in ["now", "again"] {
        let token = Patch::Merge(json!({ "metadata": { "annotations": { "tencentdb.dev/run-now": token } } }));
        api.patch("yearly", &PatchParams::default(), &token).await.unwrap();
        let name = until("the schedule made no backup", async || {
            let names = orders.list(&ListParams::default()).await.unwrap().into_iter().map(|order| order.name_any());
            names.into_iter().find(|name| name.starts_with("yearly-now-") && !made.contains(name))
        });
        made.push(name.await);
        reaches(orders, made.last().unwrap(), "Completed").await;
    }
    plane::get().backdate(namespace, &made[0], SignedDuration::from_secs(661)).await;
    until("the first backup was not removed", async || orders.get_opt(&made[0]).await.unwrap().is_none().then_some(()))
        .await;
}

async fn until<T>(complaint: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "{complaint}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn reaches(api: &Api<DynamicObject>, name: &str, reason: &str) {
    let begin = Instant::now();
    loop {
        let object = api.get(name).await.unwrap();
        let conditions = object.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.into_iter().find(|one| one["type"] == "Ready").unwrap_or_default();
        if ready["reason"] == reason {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "it never came to {reason}: {ready}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Runs something that blocks.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_works_as_it_is_deployed() {
    let _alone = ALONE.lock().await;
    let cloud = cloud().await;
    let set = values(&cloud);
    let (namespace, team, pod) = aside(move || {
        let cluster = plane::get();
        let namespace = plane::install(cluster, &set.each_ref().map(String::as_str));
        let deployment = plane::read(cluster, &namespace, "deployment", NAME);
        let team = cluster.namespace();
        furnish(cluster, &team);
        let pod = Pod::new(cluster, &namespace, &deployment);
        (namespace, team, pod)
    })
    .await;
    let cluster = plane::get();
    let mut operator = pod.start();
    operator.ready().await;
    // The probes of the pod, where it listens.
    let admin = operator.admin().await;
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(fetch(&format!("{admin}{path}")).await.map(|(status, _)| status), Some(200), "{path}");
    }
    main_job(cluster.client().await, &team).await;
    let flows: usize = cloud.ledger().iter().map(|entry| entry.flow_ids.len()).sum();
    assert_eq!(flows, 3, "the order's and the schedule's: {}", pod.tail());
    super::rights::all_were_needed(cluster, &namespace, &pod.account).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_own_key_comes_from_the_secret_that_is_named() {
    let _alone = ALONE.lock().await;
    let cloud = cloud().await;
    let set = values(&cloud);
    let (team, pod) = aside(move || {
        let cluster = plane::get();
        let team = cluster.namespace();
        let own =
            format!("watchNamespaces={{{team}}},sharedIdentityNamespaces={{{team}}},identity.existingSecret=tencentdb");
        let arguments = [&set.each_ref().map(String::as_str)[..], &["--set", &own]].concat();
        let namespace = plane::install(cluster, &arguments);
        furnish(cluster, &namespace);
        let deployment = plane::read(cluster, &namespace, "deployment", NAME);
        (team, Pod::new(cluster, &namespace, &deployment))
    })
    .await;
    let mut operator = pod.start();
    operator.ready().await;
    let api: Api<DynamicObject> = Api::namespaced_with(plane::get().client().await, &team, &rights::kind());
    let spec = json!({ "instanceId": "mssql-sim00001", "region": "ap-guangzhou", "strategy": "Instance" });
    let order = DynamicObject::new("first", &rights::kind()).data(json!({ "spec": spec }));
    api.create(&PostParams::default(), &order).await.unwrap();
    reaches(&api, "first", "Completed").await;
}
