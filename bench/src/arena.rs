//! One run: a control plane and a cloud of its own, and one contestant at a time between them.
//!
//! Fresh for each run, because what an earlier one left behind (objects, a compacted or a grown etcd, counts) would be
//! measured too. Everybody meets the same: the documented limits in fixed windows of a second, and the same latency.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use control_plane::{Child, ControlPlane, Options};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tencentdb_simulator::{
    Cloud, Effect, Instance, Key, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY, Rule, Settings, Switches, Times,
};

use crate::audit::{self, Tally};
use crate::bench::Bench;
use crate::contestant::{Surroundings, Tuning, Who};
use crate::{admin, orders};

/// Both ways together, of every call to the cloud.
pub(crate) const LATENCY_MS: u64 = 50;
/// How long an accepted backup stays out of the listing.
const LISTING_LAG: f64 = 1.0;
const NAMES: [&str; 8] = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"];

/// What a row needs.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The instances of the cloud.
    pub(crate) instances: Vec<Instance>,
    /// How long a backup runs; none: until it is ended by hand.
    pub(crate) backup_seconds: Option<f64>,
    /// Namespaces with the Secret of the key.
    pub(crate) namespaces: Vec<String>,
    /// More keys beside the usual one.
    pub(crate) keys: Vec<Key>,
    /// Whether the cloud speaks TLS, which the vendor's command line insists on.
    pub(crate) tls: bool,
}

impl Plan {
    /// So many instances; backups of so many seconds.
    pub(crate) fn new(instances: usize, backup_seconds: Option<f64>) -> Self {
        Self {
            instances: (0..instances).map(|number| Instance::new(&orders::instance(number))).collect(),
            backup_seconds,
            namespaces: vec![orders::NAMESPACE.to_owned()],
            keys: Vec::new(),
            tls: false,
        }
    }
}

/// In the order in which it is taken down: first who asks, then who answers.
pub(crate) struct Arena {
    contestants: Vec<(Who, Child)>,
    /// What happened in the cloud, and when.
    pub(crate) cloud: Cloud,
    /// The administrator's client.
    pub(crate) client: Client,
    plane: ControlPlane,
    ca: Option<PathBuf>,
    logs: PathBuf,
    started: usize,
    pod: String,
}

impl Arena {
    /// Sets up everything but a contestant. Raw logs go to the folder `name` below the bench's own.
    pub(crate) async fn open(bench: &Bench, name: &str, plan: Plan) -> Result<Self> {
        let logs = bench.logs.join(name);
        fs::create_dir_all(&logs)?;
        let options = Options { audit: true, ..Options::new(bench.target.join("bench-stage")) };
        let plane = ControlPlane::start(&options)?;
        fs::create_dir_all(plane.folder().join("home"))?;
        plane.kubectl_feed(&["apply", "--server-side", "--filename", "-"], &manifests(&bench.root, &plan)?)?;
        plane.kubectl_run(&["wait", "crd", "--all", "--for=condition=Established", "--timeout=60s"])?;
        let cloud = Cloud::start(settings(plan, bench.tls)).await?;
        let mut slow = Rule::new("", Effect::None);
        slow.action = None;
        slow.times = Times::Forever;
        slow.delay_milliseconds = LATENCY_MS / 2;
        slow.answer_delay_milliseconds = LATENCY_MS / 2;
        cloud.add_fault(slow);
        let ca = cloud.ca_pem().map(|pem| (plane.folder().join("cloud.pem"), pem.to_owned()));
        if let Some((file, pem)) = &ca {
            fs::write(file, pem)?;
        }
        let kubeconfig = Kubeconfig::read_from(plane.kubeconfig())?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let ca = ca.map(|(file, _)| file);
        Ok(Self { contestants: Vec::new(), cloud, client, plane, ca, logs, started: 0, pod: "operator-0".to_owned() })
    }

    /// Starts a contestant and waits until it works; its process id. `via` is a wire in place of the API server's address.
    pub(crate) async fn start(
        &mut self,
        bench: &Bench,
        (who, tuning): (Who, Tuning),
        settings: &[String],
        via: Option<&str>,
    ) -> Result<u32> {
        let pid = self.launch(bench, (who, tuning), settings, via)?;
        let begin = Instant::now();
        while !self.is_ready().await {
            if begin.elapsed() > Duration::from_mins(2) {
                bail!("{who} never became ready; see {}", self.logs.display());
            }
            self.must_run()?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(pid)
    }

    /// Starts a contestant and waits for nothing.
    pub(crate) fn launch(
        &mut self,
        bench: &Bench,
        (who, tuning): (Who, Tuning),
        settings: &[String],
        via: Option<&str>,
    ) -> Result<u32> {
        let (namespace, account) = who.account();
        let kubeconfig = self.plane.folder().join(format!("{account}.kubeconfig"));
        self.plane.service_account_kubeconfig(namespace, account, &kubeconfig, via)?;
        let kubectl = self.plane.kubectl().parent().unwrap_or(Path::new("/usr/bin")).to_owned();
        let around = Surroundings { kubeconfig, kubectl, endpoint: self.cloud.url().to_owned(), ca: self.ca.clone() };
        // Settings and keys of whoever runs the bench must not get here.
        let mut words = vec!["-i".to_owned()];
        words.extend(who.environment(tuning, &around));
        words.push(format!("POD_NAME={}", self.pod));
        words.extend(bench.program(who)?);
        words.extend(settings.iter().cloned());
        let name = NAMES.get(self.started).copied().context("too many starts in one run")?;
        self.started += 1;
        let child = Child::start(name, "/usr/bin/env".as_ref(), &words, &self.logs)?;
        let pid = child.pid();
        self.contestants.push((who, child));
        Ok(pid)
    }

    /// Starts one more operator under another pod's name; it stands by while another one holds the lease.
    pub(crate) async fn start_as(&mut self, bench: &Bench, pod: &str, settings: &[String]) -> Result<u32> {
        self.pod = pod.to_owned();
        self.start(bench, (Who::Ours, Tuning::Defaults), settings, None).await
    }

    /// Asks the one that was started first to end, by SIGTERM as in a rollout, and waits until it has.
    pub(crate) async fn end_first(&mut self) -> Result<()> {
        let (_, mut first) =
            if self.contestants.is_empty() { bail!("nobody runs") } else { self.contestants.remove(0) };
        let sent = Command::new("kill").args(["-TERM", &first.pid().to_string()]).status()?;
        ensure!(sent.success(), "the signal could not be sent");
        let begin = Instant::now();
        // It ended by itself: that is what `must_run` complains about.
        while first.must_run().is_ok() {
            ensure!(begin.elapsed() < Duration::from_secs(40), "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Kills whoever runs, by SIGKILL, and waits for the end.
    pub(crate) fn kill(&mut self) {
        self.contestants.clear();
    }

    /// Sees to it that nobody ended by itself.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        self.contestants.iter_mut().try_for_each(|(_, child)| child.must_run())
    }

    /// Whether the one that was started last works.
    pub(crate) async fn is_ready(&self) -> bool {
        match self.contestants.last() {
            Some((Who::Ours, _)) => self.ask("/readyz").await.is_some(),
            Some((who, _)) => who.is_ready(&self.log()),
            None => false,
        }
    }

    /// What the operator's admin server answers, if it answers 200.
    pub(crate) async fn ask(&self, path: &str) -> Option<String> {
        admin::ask(&admin::address(&self.log())?, path).await
    }

    /// The log of the one that was started last.
    fn log(&self) -> String {
        let name = self.started.checked_sub(1).and_then(|last| NAMES.get(last)).copied().unwrap_or_default();
        let log = fs::read(self.logs.join(format!("{name}.log"))).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// What `who` asked of the API server after byte `from` of the audit log; where the log ends now.
    pub(crate) fn tally(&self, who: Who, from: u64) -> Result<(Tally, u64)> {
        audit::tally(&self.plane.audit_log(), who.account().1, from)
    }

    /// The API server's address, without a scheme.
    pub(crate) fn server(&self) -> String {
        self.plane.server_url().trim_start_matches("https://").to_owned()
    }

    /// Calls that the cloud refused because they came too fast.
    pub(crate) fn refused_for_pace(&self) -> u64 {
        let counts = self.cloud.counts();
        counts.values().flatten().filter(|(code, _)| code.starts_with("RequestLimit")).map(|(_, count)| count).sum()
    }

    /// Calls of `action`, whatever was answered.
    pub(crate) fn calls(&self, action: &str) -> u64 {
        self.cloud.counts().get(action).map(|codes| codes.values().sum()).unwrap_or_default()
    }

    /// Ends the run, and keeps what the API server and the cloud wrote down.
    pub(crate) fn close(mut self) -> Result<()> {
        self.kill();
        fs::copy(self.plane.audit_log(), self.logs.join("audit.log"))?;
        fs::write(self.logs.join("cloud-calls.json"), format!("{:#}\n", json!(self.cloud.counts())))?;
        let ledger: Vec<String> = self.cloud.ledger().iter().map(|entry| json!(entry).to_string()).collect();
        fs::write(self.logs.join("cloud-ledger.jsonl"), ledger.join("\n") + "\n")?;
        Ok(())
    }
}

fn settings(plan: Plan, tls: bool) -> Settings {
    let mut keys = vec![Key::playground()];
    keys.extend(plan.keys);
    Settings {
        tls: plan.tls || tls,
        keys,
        instances: plan.instances,
        switches: Switches {
            backup_seconds: plan.backup_seconds,
            listing_lag_seconds: LISTING_LAG,
            ..Switches::default()
        },
        ..Settings::default()
    }
}

/// The kinds, the operator's account and rights, the peers' account, and namespaces with a key in each.
fn manifests(root: &Path, plan: &Plan) -> Result<String> {
    let mut all = Vec::new();
    for file in fs::read_dir(root.join("crds"))? {
        all.push(fs::read_to_string(file?.path())?);
    }
    let manifest = fs::read_to_string(root.join("deploy/manifest.yaml")).context("deploy/manifest.yaml")?;
    // There is no node that could run a pod.
    let is_wanted = |document: &&str| !document.lines().any(|line| line == "kind: Deployment");
    all.extend(manifest.split("\n---\n").filter(is_wanted).map(str::to_owned));
    let peer = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "peer" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": "peer", "namespace": "default" }],
    });
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "peer", "namespace": "default" },
    });
    all.extend([peer.to_string(), account.to_string()]);
    for namespace in &plan.namespaces {
        all.push(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }).to_string());
        all.push(secret(namespace, orders::SECRET, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY).to_string());
        let more = plan.keys.iter().map(|key| secret(namespace, &secret_of(key), &key.secret_id, &key.secret_key));
        all.extend(more.map(|secret| secret.to_string()));
    }
    Ok(all.join("\n---\n"))
}

/// The name of the Secret that holds `key`.
pub(crate) fn secret_of(key: &Key) -> String {
    key.secret_id.to_lowercase()
}

fn secret(namespace: &str, name: &str, id: &str, key: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": namespace },
        "stringData": { "secretId": id, "secretKey": key },
    })
}
