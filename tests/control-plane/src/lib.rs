//! A real Kubernetes control plane on loopback: etcd, kube-apiserver and kube-controller-manager, with RBAC on.
//!
//! For tests and the demo. A rule in a schema, a stale resourceVersion, a foreground deletion or a missing permission is
//! only known once the real server has answered; a fake one answers what its author believed.
//!
//! # Guarantees
//! - When [`ControlPlane::start`] returns, the API server is ready, the controller manager is healthy, and the
//!   namespace `default` has its service account.
//! - No process outlives its parent, however that ends (see `child.rs`).
//! - Nothing is shared: free ports, a folder, a token and an etcd prefix of its own for each control plane, so that
//!   any number of them can run at once. Folders of dead processes are removed at the next start.
//!
//! The interface is blocking: it serves tests of every kind and depends on no runtime. All talking to the server goes
//! through kubectl, which is one of the pinned programs anyway and spares a TLS client.

mod binaries;
mod boot;
mod child;
mod folder;
mod kubeconfig;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, io::Write as _};

use anyhow::{Context as _, Result, bail};

pub use crate::child::Child;
use crate::kubeconfig::Access;

/// What a control plane is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Below this folder each control plane makes one of its own, named after the process id. Tests pass
    /// `CARGO_TARGET_TMPDIR`.
    pub directory: PathBuf,
    /// How long the start may take once the programs are there; about five seconds are usual.
    pub patience: Duration,
    /// Whether the API server writes down who asked for what, see [`ControlPlane::audit_log`].
    pub audit: bool,
}

impl Options {
    /// Data below `directory`, and two minutes of patience, which a busy machine may need.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), patience: Duration::from_mins(2), audit: false }
    }
}

/// A running control plane. Dropping it ends its processes, and removes its folder unless the thread is panicking: then
/// the logs stay until the next start.
#[derive(Debug)]
pub struct ControlPlane {
    children: Vec<Child>,
    apiserver_pid: u32,
    etcd_pid: u32,
    kubectl: PathBuf,
    folder: PathBuf,
    server_url: String,
    etcd_url: String,
    admin_token: String,
}

impl ControlPlane {
    /// Builds the programs if they are nowhere to be found (minutes, with progress on standard error), starts them, and
    /// waits until they are ready. A port that somebody else took meanwhile leads to another try on other ports.
    ///
    /// # Errors
    /// A program that cannot be had or does not come up; the error shows the end of its log.
    pub fn start(options: &Options) -> Result<Self> {
        let binaries = binaries::find()?;
        boot::start(options, &binaries)
    }

    /// The kubeconfig of the administrator, member of `system:masters`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join(boot::KUBECONFIG)
    }

    /// The kubectl that fits this server. [`Self::kubectl_command`] is safer: it also keeps its caches apart.
    pub fn kubectl(&self) -> &Path {
        &self.kubectl
    }

    /// `https://127.0.0.1:<port>`.
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// The certificates that vouch for [`Self::server_url`], as PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join(boot::CERTIFICATE)
    }

    /// The administrator's bearer token, for a proxy between a test and the server.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Where etcd serves its clients, and what every key of this control plane begins with, for tests that store what the API
    /// server would not.
    pub fn store(&self) -> (&str, String) {
        (&self.etcd_url, boot::prefix(&self.admin_token))
    }

    /// The folder with the logs `etcd.log`, `kube-apiserver.log` and `kube-controller-manager.log`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// One JSON object a line for each answer that the API server gave to a service account, if [`Options::audit`] is set.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.join(boot::AUDIT_LOG)
    }

    /// The process id of the API server, for tests that stop or kill it.
    pub fn apiserver_pid(&self) -> u32 {
        self.apiserver_pid
    }

    /// The process id of etcd, for the same.
    pub fn etcd_pid(&self) -> u32 {
        self.etcd_pid
    }

    /// kubectl as the administrator. Its discovery cache is this control plane's own: the usual one is keyed by address,
    /// and the next control plane may get the port of an earlier one.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBECACHEDIR", self.folder.join("kubectl-cache"))
            .stdin(Stdio::null());
        command
    }

    /// Runs kubectl as the administrator and answers its standard output.
    ///
    /// # Errors
    /// kubectl failed; the error is what it wrote to standard error.
    pub fn kubectl_run<S: AsRef<str>>(&self, args: &[S]) -> Result<String> {
        self.kubectl_feed(args, "")
    }

    /// As [`Self::kubectl_run`], with `input` as standard input, for `apply --filename -`.
    pub fn kubectl_feed<S: AsRef<str>>(&self, args: &[S], input: &str) -> Result<String> {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        let mut child = self
            .kubectl_command()
            .args(&args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("kubectl does not start")?;
        if let Some(mut stdin) = child.stdin.take() {
            // kubectl may end without having read all: its own words are then the better error.
            drop(stdin.write_all(input.as_bytes()));
        }
        let output = child.wait_with_output().context("kubectl was lost")?;
        if !output.status.success() {
            bail!("kubectl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).context("kubectl wrote something that is not text")
    }

    /// Writes a kubeconfig with a token of a service account that exists, good for a day, to the file `into`.
    /// `server_override` puts another address in place of the server's, for a proxy in between.
    pub fn service_account_kubeconfig(
        &self,
        namespace: &str,
        name: &str,
        into: &Path,
        server_override: Option<&str>,
    ) -> Result<PathBuf> {
        let token = self.kubectl_run(&["--namespace", namespace, "create", "token", name, "--duration", "24h"])?;
        let access = Access {
            server: server_override.unwrap_or(&self.server_url),
            ca_file: &self.ca_file(),
            token: token.trim(),
            namespace,
        };
        kubeconfig::write(&access, into)?;
        Ok(into.to_owned())
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // Before the folder goes: they write there.
        self.children.clear();
        if !std::thread::panicking() {
            // What cannot be removed now is removed at the next start.
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}
