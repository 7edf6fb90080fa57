//! What stands on the stage: a real control plane, a simulated cloud, and the operator, which can be killed.
//!
//! - The operator is a process of its own, with a clean environment, under its own service account and with exactly the
//!   rights of `deploy/manifest.yaml`; its Deployment is left out, because there is no node that could run a pod.
//! - Its waits are set short, and the cloud's backups take seconds. The fence of a doubt is the real one, 600 seconds and
//!   more: no scene may lean on it.
//! - Nothing is built here: the operator's program lies beside this one.

use std::path::PathBuf;
use std::time::Instant;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use control_plane::{Child, ControlPlane, Options};
use sqlserver_backup_operator::api;
use tencentdb_simulator::{Cloud, Instance, Key, Settings, Switches};
use tokio::runtime::Runtime;

use crate::screen::Screen;

/// The instance that the examples back up as a whole.
pub(crate) const WHOLE: &str = "mssql-njj2mtpl";
/// The instance of which they back up some databases.
pub(crate) const PARTS: &str = "mssql-b7kq2d0w";

/// Namespace and name of the operator's account in `deploy/manifest.yaml`.
const ACCOUNT: &str = "sqlserver-backup-operator";

/// How long the cloud keeps a backup out of its listing; the operator is told to allow for twice as much.
pub(crate) const LISTING_LAG: f64 = 0.5;

/// In the order in which it is taken down: first who asks, then who answers.
pub(crate) struct Stage {
    operator: Option<Child>,
    /// The end of the log of the one that was killed.
    fallen: String,
    cloud: Cloud,
    plane: ControlPlane,
    program: PathBuf,
}

impl Stage {
    /// Starts everything; the operator works when this returns, or is about to.
    pub(crate) fn build(screen: &mut Screen, runtime: &Runtime) -> Result<Self> {
        let program = env::current_exe()?.with_file_name("sqlserver-backup-operator");
        ensure!(program.exists(), "{} is not there: run `make demo`, which builds it first", program.display());

        screen.title("The stage", "a real API server, a simulated cloud, the operator")?;
        let begin = Instant::now();
        let plane = ControlPlane::start(&Options::new(program.with_file_name("demo-stage")))?;
        let took = begin.elapsed().as_secs_f64();
        screen.say(&format!("etcd, kube-apiserver and kube-controller-manager, RBAC on: ready after {took:.1} s."))?;

        let cloud = runtime.block_on(Cloud::start(account()))?;
        screen.say(&format!("The cloud: {}, with two instances and the access key of the examples.", cloud.url()))?;

        plane.kubectl_feed(&["apply", "--server-side", "--filename", "-"], &manifests()?)?;
        plane.kubectl_run(&["wait", "crd", "--all", "--for=condition=Established", "--timeout=60s"])?;
        let mut stage = Self { operator: None, fallen: String::new(), cloud, plane, program };
        let pid = stage.start_operator()?;
        screen.say(&format!(
            "The operator: process {pid}, as the ServiceAccount of deploy/manifest.yaml and with its rights only."
        ))?;
        Ok(stage)
    }

    /// Starts the operator, whose place must be empty; its process id.
    pub(crate) fn start_operator(&mut self) -> Result<u32> {
        let kubeconfig = self.plane.folder().join("operator.kubeconfig");
        // Each log has a name of its own: the words of a killed one stay.
        let log = if kubeconfig.exists() { "operator-again" } else { "operator" };
        self.plane.service_account_kubeconfig(ACCOUNT, ACCOUNT, &kubeconfig, None)?;
        let args = [
            // Settings and keys of whoever runs the demo must not get on the stage.
            "-i",
            &format!("KUBECONFIG={}", kubeconfig.display()),
            // As in a pod. A container that is started again has the same name, so it need not wait for its own lease.
            &format!("POD_NAMESPACE={ACCOUNT}"),
            "POD_NAME=operator-0",
            &self.program.to_string_lossy(),
            "run",
            "--tencent-endpoint",
            self.cloud.url(),
            "--poll-min-seconds=1",
            "--poll-max-seconds=2",
            "--listing-lag-seconds=1",
            "--protected-interval-seconds=10",
            "--admin-address=127.0.0.1:0",
            "--log-format=text",
        ];
        let child = Child::start(log, "/usr/bin/env".as_ref(), &args.map(str::to_owned), self.plane.folder())?;
        let pid = child.pid();
        self.operator = Some(child);
        Ok(pid)
    }

    /// Kills the operator, by SIGKILL, and waits for its end; the id it had.
    pub(crate) fn kill_operator(&mut self) -> Result<u32> {
        let child = self.operator.take().context("there is no operator to kill")?;
        let pid = child.pid();
        self.fallen = child.last_words();
        drop(child);
        Ok(pid)
    }

    /// Sees to it that the operator has not ended by itself.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        self.operator.as_mut().map_or(Ok(()), Child::must_run)
    }

    /// The end of the operator's log, also if it is dead.
    pub(crate) fn last_words(&self) -> String {
        self.operator.as_ref().map_or_else(|| self.fallen.clone(), Child::last_words)
    }

    pub(crate) fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// kubectl as the administrator.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.plane.kubectl_run(args)
    }

    /// What one has to type to play with it.
    pub(crate) fn invitation(&self) -> Vec<String> {
        let kubectl = self.plane.kubectl().parent().unwrap_or(self.plane.kubectl());
        vec![
            format!("export KUBECONFIG={}", self.plane.kubeconfig().display()),
            format!("export PATH={}:$PATH   # the kubectl that fits", kubectl.display()),
            "kubectl describe ssb".to_owned(),
            "kubectl create -f examples/04-generate-name.yaml".to_owned(),
            "kubectl annotate ssbs every-minute tencentdb.dev/run-now=again --overwrite".to_owned(),
            format!("curl {}   # what the cloud can be told to do", self.cloud.control_url()),
            format!("tail -f {}/operator*.log", self.plane.folder().display()),
        ]
    }
}

/// The file of this name in `examples/`.
pub(crate) fn example(name: &str) -> Result<String> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples")).canonicalize()?.join(name);
    Ok(path.to_string_lossy().into_owned())
}

/// The schedule of the last scene, as it is called from the top of the tree.
pub(crate) const SCHEDULE: &str = "tools/demo/every-minute.yaml";

/// Where that file is.
pub(crate) fn schedule_file() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/every-minute.yaml").to_owned()
}

/// The cloud that the examples speak of.
fn account() -> Settings {
    let instance = |id: &str, seconds: f64, databases: &[&str]| Instance {
        databases: databases.iter().map(|name| (*name).to_owned()).collect(),
        backup_seconds: Some(seconds),
        ..Instance::new(id)
    };
    Settings {
        keys: vec![Key::new("AKIDexampleexampleexampleexample00", "exampleexampleexampleexample0000")],
        instances: vec![
            instance(WHOLE, 3.0, &["orders", "invoices", "customers"]),
            instance(PARTS, 5.0, &["orders", "invoices", "archive"]),
        ],
        switches: Switches { listing_lag_seconds: LISTING_LAG, ..Switches::default() },
        ..Settings::default()
    }
}

/// The definition of the kind, and the operator's namespace, account and rights.
fn manifests() -> Result<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/manifest.yaml");
    let manifest = fs::read_to_string(path).context("deploy/manifest.yaml cannot be read")?;
    let is_wanted = |document: &&str| !document.lines().any(|line| line == "kind: Deployment");
    let wanted: Vec<_> = manifest.split("\n---\n").filter(is_wanted).collect();
    Ok(format!("{}\n---\n{}\n", api::YAML, wanted.join("\n---\n")))
}
