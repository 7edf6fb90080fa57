//! The real operator as a child process, as it runs in a pod: settings in its environment, one kubeconfig, one log.
//!
//! It cannot outlive the test process, however that ends: the kernel kills it (`setpriv --pdeathsig`). That signal comes
//! when the *thread* that made the child ends, and tests run on short-lived threads; hence one thread makes them all.
//! It is only ever killed by its own process id.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Settings by their environment names.
pub(crate) type Environment = BTreeMap<&'static str, String>;

static SPAWNER: LazyLock<Sender<(Command, Sender<io::Result<Child>>)>> = LazyLock::new(|| {
    let (sender, requests) = mpsc::channel::<(Command, Sender<io::Result<Child>>)>();
    thread::spawn(move || requests.into_iter().for_each(|(mut command, reply)| drop(reply.send(command.spawn()))));
    sender
});

/// A running operator, killed on drop.
#[derive(Debug)]
pub(crate) struct Operator {
    child: Child,
    log: PathBuf,
}

impl Operator {
    /// Starts `run` with `environment` and nothing else; appends to `log`.
    pub(crate) fn spawn(environment: &Environment, log: &Path) -> Self {
        Self::spawn_as(&[env!("CARGO_BIN_EXE_sqlserver-backup-operator").to_owned()], environment, log)
    }

    /// The same for a program that `words` start.
    pub(crate) fn spawn_as(words: &[String], environment: &Environment, log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .args(words)
            .arg("run")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        let (reply, answer) = mpsc::channel();
        SPAWNER.send((command, reply)).unwrap();
        let child = answer.recv().unwrap().expect("setpriv (Debian package util-linux) starts");
        Self { child, log: log.to_owned() }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// SIGKILL, and gone when this returns.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How it ended, if it did within `patience`.
    pub(crate) async fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let begin = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return Some(status),
                None if begin.elapsed() > patience => return None,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// The address of `/livez`, `/readyz` and `/metrics`, once it listens.
    pub(crate) async fn admin(&mut self) -> String {
        let begin = Instant::now();
        loop {
            let listens = lines(&self.log).into_iter().rev().find(|line| {
                line["message"].as_str() == Some("the admin server listens") && line["address"].is_string()
            });
            if let Some(line) = listens {
                return format!("http://{}", line["address"].as_str().unwrap());
            }
            assert!(self.child.try_wait().unwrap().is_none(), "the operator ended: {}", tail(&self.log, 5));
            assert!(begin.elapsed() < Duration::from_secs(30), "the admin server never listened");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until `/readyz` says so.
    pub(crate) async fn ready(&mut self) {
        let admin = self.admin().await;
        let begin = Instant::now();
        while fetch(&format!("{admin}/readyz")).await.map(|(status, _)| status) != Some(200) {
            assert!(begin.elapsed() < Duration::from_secs(30), "never ready");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Both fail only on a child that is already reaped.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Status and body of a GET; none if there is nobody.
pub(crate) async fn fetch(url: &str) -> Option<(u16, String)> {
    let response = plain_client().get(url).send().await.ok()?;
    let status = response.status().as_u16();
    Some((status, response.text().await.ok()?))
}

/// A client for plain HTTP on this machine.
pub(crate) fn plain_client() -> reqwest::Client {
    // A second installation fails, which is fine.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(10));
    builder.build().unwrap()
}

/// Every line of a log; a line that is not JSON is `{"text": …}`.
pub(crate) fn lines(log: &Path) -> Vec<Value> {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| serde_json::json!({ "text": line })))
        .collect()
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path, count: usize) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
