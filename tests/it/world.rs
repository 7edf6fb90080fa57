//! One scenario's world: a namespace on the shared control plane, a simulated cloud of its own, the real operator, and a
//! recorder of every version of every order.
//!
//! The operator works under a service account of that namespace with exactly the rules that are deployed, so a missing
//! right fails here. Its clocks are scaled down by the settings that are hidden for this purpose: the fence is
//! [`FENCE`] instead of 660 s. Nothing else about it is special.
//!
//! A scenario ends with [`World::finish`]: silence, the expected ledger, no history that breaks a promise, no secret
//! anywhere. A test that panics prints the end of the operator's log, the objects and the ledger.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tencentdb_simulator::{Cloud, DOWNLOAD_SECRET, Entry, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY, Settings};

use crate::cluster::{self, Cluster};
use crate::operator::{Environment, Operator, fetch, lines, tail};
use crate::recorder::{self, Histories, Version};
use crate::rights;
use crate::secrets;

/// Signature validity, clock skew and listing lag, together.
pub(crate) const FENCE: Duration = Duration::from_secs(6);
/// How long a scenario waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);
/// An instance that every world has.
pub(crate) const INSTANCE: &str = "mssql-sim00001";
/// The Secret that every world has.
pub(crate) const SECRET: &str = "tencent";

/// What a world is made of, changed before it begins.
pub(crate) struct Plan {
    pub(crate) cloud: Settings,
    /// Settings of the operator beyond the usual ones.
    pub(crate) environment: Environment,
    /// The Secret [`SECRET`]; none: not created.
    pub(crate) secret: Option<Value>,
    /// Whether the operator is started with the world.
    pub(crate) started: bool,
    /// A namespace that is there already; none: a new one.
    pub(crate) namespace: Option<String>,
    /// The control plane that it is on.
    pub(crate) cluster: fn() -> &'static Cluster,
}

/// An order that was created.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) uid: String,
}

pub(crate) struct World {
    pub(crate) cloud: Cloud,
    pub(crate) namespace: String,
    pub(crate) client: Client,
    pub(crate) api: Api<DynamicObject>,
    pub(crate) histories: Histories,
    pub(crate) environment: Environment,
    pub(crate) operator: Option<Operator>,
    pub(crate) folder: PathBuf,
    pub(crate) secrets: Vec<String>,
}

impl World {
    /// The usual world.
    pub(crate) async fn usual() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = Plan {
            cloud: Settings::default(),
            environment: Environment::new(),
            secret: Some(json!({ "secretId": PLAYGROUND_SECRET_ID, "secretKey": PLAYGROUND_SECRET_KEY })),
            started: true,
            namespace: None,
            cluster: cluster::get,
        };
        plan.cloud.switches.backup_seconds = Some(2.0);
        plan.cloud.switches.listing_lag_seconds = 0.5;
        change(&mut plan);
        let cluster = tokio::task::spawn_blocking(plan.cluster).await.unwrap();
        let client = cluster.client().await;
        let namespace = match plan.namespace.clone() {
            Some(namespace) => namespace,
            None => tokio::task::spawn_blocking(|| cluster.namespace()).await.unwrap(),
        };
        let cloud = Cloud::start(plan.cloud.clone()).await.unwrap();
        let api = Api::namespaced_with(client.clone(), &namespace, &rights::kind());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&namespace);
        std::fs::create_dir_all(&folder).unwrap();
        let histories = Histories::record(api.clone());
        let secrets = plan.cloud.keys.iter().flat_map(|key| key.token.iter().chain([&key.secret_key]).cloned());
        let mut world = Self {
            secrets: secrets.chain([DOWNLOAD_SECRET.to_owned()]).collect(),
            environment: environment(&plan, &cloud, &namespace, &folder),
            operator: None,
            cloud,
            namespace,
            client,
            api,
            histories,
            folder,
        };
        world.admit(cluster, cluster.control_plane.server_url()).await;
        if let Some(secret) = &plan.secret {
            world.put_secret(SECRET, secret).await;
        }
        if plan.started {
            world.start().await;
        }
        world
    }

    /// Writes the kubeconfig of the operator's service account, for the API server at `address`.
    pub(crate) async fn admit(&mut self, cluster: &Cluster, address: &str) {
        let ca = cluster.control_plane.ca_file();
        let token = rights::admit(&self.client, &self.namespace, address, &ca, &self.kubeconfig()).await;
        self.secrets.push(token);
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("operator.log")
    }

    /// The lines of the operator's log.
    pub(crate) fn lines(&self) -> Vec<Value> {
        lines(&self.log())
    }

    /// Starts the operator, after the one before is gone, and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        self.spawn();
        self.operator.as_mut().unwrap().ready().await;
    }

    /// Starts the operator and waits for nothing.
    pub(crate) fn spawn(&mut self) {
        self.operator = None;
        // Its address is read from the log, which must then hold nothing of the one before.
        let earlier = std::fs::read(self.log()).unwrap_or_default();
        let mut all = std::fs::File::options().create(true).append(true).open(self.folder.join("earlier.log")).unwrap();
        std::io::Write::write_all(&mut all, &earlier).unwrap();
        drop(std::fs::remove_file(self.log()));
        self.operator = Some(Operator::spawn(&self.environment, &self.log()));
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.operator.as_mut().unwrap().kill();
    }

    /// Creates or replaces a Secret of text.
    pub(crate) async fn put_secret(&self, name: &str, data: &Value) {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        drop(secrets.delete(name, &kube::api::DeleteParams::default()).await);
        let secret = json!({ "metadata": { "name": name }, "stringData": data });
        secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    }

    /// An order for the whole of [`INSTANCE`], with `spec` over it; null removes a field.
    pub(crate) async fn order(&self, name: &str, spec: Value) -> Order {
        let object = self.object(name, spec);
        let created = self.api.create(&PostParams::default(), &object).await.unwrap();
        Order { name: name.to_owned(), uid: created.uid().unwrap() }
    }

    /// The object of [`Self::order`], not created.
    pub(crate) fn object(&self, name: &str, spec: Value) -> DynamicObject {
        let mut whole = json!({
            "instanceId": INSTANCE, "region": "ap-guangzhou", "strategy": "Instance", "credentialsRef": { "name": SECRET },
        });
        let Value::Object(spec) = spec else { panic!("a spec is an object") };
        for (field, value) in spec {
            whole[field] = value;
        }
        whole.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        DynamicObject::new(name, &rights::kind()).within(&self.namespace).data(json!({ "spec": whole }))
    }

    /// The order as the server has it now.
    pub(crate) async fn read(&self, order: &Order) -> Value {
        serde_json::to_value(self.api.get(&order.name).await.unwrap()).unwrap()
    }

    /// Overwrites parts of a status, as a person may.
    pub(crate) async fn patch_status(&self, order: &Order, status: Value) -> Result<Value, kube::Error> {
        let patch = Patch::Merge(json!({ "status": status }));
        let object = self.api.patch_status(&order.name, &PatchParams::default(), &patch).await?;
        Ok(serde_json::to_value(object).unwrap())
    }

    pub(crate) fn history(&self, order: &Order) -> Vec<Version> {
        self.histories.of(&order.uid)
    }

    pub(crate) fn reasons(&self, order: &Order) -> Vec<String> {
        recorder::reasons(&self.history(order))
    }

    pub(crate) fn writes(&self, order: &Order) -> usize {
        recorder::writes(&self.history(order))
    }

    /// The newest version of an order that satisfies `wanted`, waited for.
    pub(crate) async fn until(&self, order: &Order, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            if let Some(found) = self.history(order).iter().rev().find(|version| wanted(&version.object)) {
                return found.object.clone();
            }
            let (name, was) = (&order.name, || self.reasons(order));
            assert!(begin.elapsed() < PATIENCE, "{name} never came to: {what}; it was {:?}", was());
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until the order was in this row.
    pub(crate) async fn reaches(&self, order: &Order, reason: &str) -> Value {
        self.until(order, reason, |object| recorder::reason(object) == reason).await
    }

    /// Waits until `wanted` holds.
    pub(crate) async fn wait_for(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !wanted(self) {
            assert!(begin.elapsed() < PATIENCE, "never happened: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The calls of `CreateBackup` that named a backup of this order.
    pub(crate) fn calls(&self, order: &Order) -> Vec<Entry> {
        let mark = format!("_{}_", order.uid.replace('-', ""));
        self.cloud.ledger().into_iter().filter(|entry| entry.name.contains(&mark)).collect()
    }

    /// The backups that the cloud began for this order.
    pub(crate) fn accepted(&self, order: &Order) -> usize {
        self.calls(order).iter().map(|entry| entry.flow_ids.len()).sum()
    }

    /// What the status of a completed order says must be what the cloud holds.
    pub(crate) fn tells_the_truth(&self, order: &Order, object: &Value) {
        let flows: Vec<i64> = self.calls(order).into_iter().flat_map(|call| call.flow_ids).collect();
        let backups = self.cloud.backups();
        let backup = backups.iter().find(|backup| flows.contains(&backup.flow_id)).unwrap();
        recorder::tells_the_truth(object, backup);
    }

    /// kubectl in this namespace.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let whole: Vec<String> =
            ["--namespace", &self.namespace].iter().chain(arguments).map(|text| (*text).to_owned()).collect();
        let run = move || cluster::get().kubectl(&whole.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// The events about an order: reason and message.
    pub(crate) async fn events(&self, order: &Order) -> Vec<(String, String)> {
        let about =
            |event: &Event| event.regarding.as_ref().and_then(|object| object.uid.as_deref()) == Some(&order.uid);
        let events = self.all_events().await;
        events
            .into_iter()
            .filter(about)
            .map(|it| (it.reason.unwrap_or_default(), it.note.unwrap_or_default()))
            .collect()
    }

    /// Waits until an event of this reason tells of the order, which is a moment after its status does; all its events.
    pub(crate) async fn told(&self, order: &Order, reason: &str) -> Vec<(String, String)> {
        let begin = Instant::now();
        loop {
            let events = self.events(order).await;
            if events.iter().any(|(told, _)| told == reason) {
                return events;
            }
            assert!(begin.elapsed() < PATIENCE, "{}: no event {reason} in {events:?}", order.name);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn all_events(&self) -> Vec<Event> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        events.list(&ListParams::default()).await.unwrap().items
    }

    /// No cloud call and no write for `long`.
    pub(crate) async fn is_silent(&self, long: Duration) {
        // The calls of a pass that is under way, and the watch, may still bring what was done before.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (since, versions) = (self.cloud.now(), self.histories.len());
        tokio::time::sleep(long).await;
        // A call is listed when it is answered; one that a fault held until now began earlier.
        let calls = self.cloud.calls().into_iter().filter(|call| call.received > since);
        assert_eq!(calls.collect::<Vec<_>>(), [], "not silent");
        assert_eq!(versions, self.histories.len(), "not silent: a write");
    }

    /// The end of a scenario: silence, the ledger, the histories, the secrets.
    pub(crate) async fn finish(self, expected: &[(&Order, usize)]) {
        self.is_silent(Duration::from_secs(3)).await;
        self.finish_quietly(expected).await;
    }

    /// The same where the silence was heard already.
    pub(crate) async fn finish_quietly(self, expected: &[(&Order, usize)]) {
        for uid in self.histories.uids() {
            recorder::check(&self.histories.of(&uid));
        }
        self.finish_forged(expected).await;
    }

    /// The same for histories that somebody else wrote to.
    pub(crate) async fn finish_forged(self, expected: &[(&Order, usize)]) {
        for (order, accepted) in expected {
            assert_eq!(self.accepted(order), *accepted, "backups of {}", order.name);
        }
        let all: usize = self.cloud.ledger().iter().map(|entry| entry.flow_ids.len()).sum();
        assert_eq!(all, expected.iter().map(|(_, accepted)| accepted).sum::<usize>(), "backups of nobody");
        let mut signatures: Vec<_> = self.cloud.ledger().into_iter().map(|entry| entry.signature).collect();
        let sent = signatures.len();
        signatures.sort();
        signatures.dedup();
        assert_eq!(signatures.len(), sent, "I2, one request was sent twice");
        self.holds_no_secret().await;
    }

    /// What `/metrics` says; nothing without an operator.
    pub(crate) async fn metrics(&self) -> String {
        let listens = self.lines().into_iter().rev().find_map(|line| line["address"].as_str().map(str::to_owned));
        match fetch(&format!("http://{}/metrics", listens.unwrap_or_default())).await {
            Some((200, metrics)) => metrics,
            _ => String::new(),
        }
    }

    /// What the passes over this order came to, one for each that did not end before it, as one that waits for the watch.
    pub(crate) fn decisions(&self, order: &Order) -> Vec<Value> {
        let is_one = |line: &Value| line["message"] == "decided" && line["span"]["uid"] == json!(order.uid);
        self.lines().into_iter().filter(is_one).map(|line| line["step"].clone()).collect()
    }

    async fn holds_no_secret(&self) {
        let mut texts = vec![("events", serde_json::to_string(&self.all_events().await).unwrap())];
        let versions = self.histories.uids().into_iter().flat_map(|uid| self.histories.of(&uid));
        texts.push(("objects", versions.map(|version| version.object.to_string()).collect()));
        let read = |name: &str| {
            String::from_utf8_lossy(&std::fs::read(self.folder.join(name)).unwrap_or_default()).into_owned()
        };
        let log = read("earlier.log") + &read("operator.log");
        assert!(!log.contains("panicked"), "the operator panicked");
        texts.push(("log", log));
        texts.push(("metrics", self.metrics().await));
        for (place, text) in &texts {
            let found = self.secrets.iter().find_map(|secret| secrets::find(secret, text));
            assert_eq!(found, None, "a secret stands in the {place}");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the end of {}:\n{}", self.log().display(), tail(&self.log(), 40));
            for uid in self.histories.uids().into_iter().take(3) {
                let history = self.histories.of(&uid);
                let (rows, object) = (recorder::reasons(&history), &history.last().unwrap().object);
                eprintln!("--- {rows:?}: {:#} {}", object["status"], object["metadata"]["name"]);
            }
            for entry in self.cloud.ledger().into_iter().take(10) {
                eprintln!("--- ledger: {entry:?}");
            }
        } else {
            drop(std::fs::remove_dir_all(&self.folder));
        }
    }
}

fn environment(plan: &Plan, cloud: &Cloud, namespace: &str, folder: &std::path::Path) -> Environment {
    let mut environment = Environment::from([
        ("KUBECONFIG", folder.join("kubeconfig").display().to_string()),
        ("TENCENT_ENDPOINT", cloud.url().to_owned()),
        ("WATCH_NAMESPACES", namespace.to_owned()),
        ("ADMIN_ADDRESS", "127.0.0.1:0".to_owned()),
        // One operator, which is killed and started again: whose turn it is has tests of its own.
        ("LEADER_ELECT", "false".to_owned()),
        ("POLL_MIN_SECONDS", "1".to_owned()),
        ("POLL_MAX_SECONDS", "1".to_owned()),
        ("SIGNATURE_VALIDITY_SECONDS", "3".to_owned()),
        ("CLOCK_SKEW_SECONDS", "1".to_owned()),
        ("LISTING_LAG_SECONDS", "2".to_owned()),
        ("RUST_LOG", "info,sqlserver_backup_operator=debug".to_owned()),
    ]);
    environment.extend(plan.environment.clone());
    environment
}
