//! Who is measured: the operator, and what a user would pick instead; how each is started.
//!
//! Each has two tunings: as it comes, and at the best settings that we know. Everybody gets a clean environment and, in
//! it, the same facts: where cluster and cloud are, the key, and how often to ask for a running backup.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use tencentdb_simulator::{PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY};

/// Whom a row measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// This operator, the program that the image ships.
    Ours,
    /// kopf and the vendor's official SDK.
    Python,
    /// controller-runtime and the vendor's official SDK.
    Go,
    /// The vendor's command line and kubectl, in a loop.
    Cli,
}

/// How it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tuning {
    /// As well as we can.
    Best,
    /// As it comes.
    Defaults,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::Cli => "command line",
        })
    }
}

/// Where a contestant finds what it needs.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// Its kubeconfig.
    pub(crate) kubeconfig: PathBuf,
    /// A folder with kubectl.
    pub(crate) kubectl: PathBuf,
    /// The cloud's address.
    pub(crate) endpoint: String,
    /// Who vouches for the cloud, if it speaks TLS.
    pub(crate) ca: Option<PathBuf>,
}

/// The account of the operator in `deploy/manifest.yaml`, its name and its namespace.
pub(crate) const ACCOUNT: &str = "sqlserver-backup-operator";
/// The account of a peer, with all rights: what it may do is not compared.
pub(crate) const PEER: &str = "peer";

impl Who {
    /// Namespace and name of its service account.
    pub(crate) fn account(self) -> (&'static str, &'static str) {
        if self == Self::Ours { (ACCOUNT, ACCOUNT) } else { ("default", PEER) }
    }

    /// What its log says when it works.
    pub(crate) fn is_ready(self, log: &str) -> bool {
        self != Self::Ours && log.contains("peer is ready")
    }

    /// The words that start its program, after making what is missing.
    pub(crate) fn program(self, root: &Path, operator: &Path) -> Result<Vec<String>> {
        let folder = match self {
            Self::Ours => {
                ensure!(operator.exists(), "{} is not there: run `make bench`, which builds it", operator.display());
                return Ok(vec![operator.display().to_string(), "run".to_owned()]);
            }
            Self::Python => "python",
            Self::Go => "go",
            Self::Cli => "cli",
        };
        let script = root.join("bench/peers").join(folder).join("make.sh");
        let made = Command::new(&script).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let made = made.with_context(|| format!("{} does not start", script.display()))?;
        ensure!(made.status.success(), "the {self} peer cannot be made ({})", made.status);
        let words = String::from_utf8(made.stdout).context("a path that is not text")?;
        Ok(words.lines().map(str::to_owned).collect())
    }

    /// Its environment, `NAME=value`.
    pub(crate) fn environment(self, tuning: Tuning, around: &Surroundings) -> Vec<String> {
        let mut all = vec![
            format!("KUBECONFIG={}", around.kubeconfig.display()),
            format!("PATH={}:/usr/bin:/bin", around.kubectl.display()),
        ];
        if self == Self::Ours {
            all.push(format!("POD_NAMESPACE={ACCOUNT}"));
            all.push(format!("TENCENT_ENDPOINT={}", around.endpoint));
            all.push("ADMIN_ADDRESS=127.0.0.1:0".to_owned());
            all.extend(around.ca.iter().map(|ca| format!("EXTRA_CA_FILE={}", ca.display())));
            return all;
        }
        let tuned = if tuning == Tuning::Best { "best" } else { "defaults" };
        all.push(format!("TUNING={tuned}"));
        all.push(format!("ENDPOINT={}", around.endpoint));
        all.push(format!("TENCENTCLOUD_SECRET_ID={PLAYGROUND_SECRET_ID}"));
        all.push(format!("TENCENTCLOUD_SECRET_KEY={PLAYGROUND_SECRET_KEY}"));
        // kubectl and the vendor's command line write files at home.
        all.push(format!("HOME={}", around.kubeconfig.with_file_name("home").display()));
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] {
            all.extend(around.ca.iter().map(|ca| format!("{name}={}", ca.display())));
        }
        all
    }

    /// The settings of the drain: the whole of the cloud's limits, asking from every two seconds on.
    pub(crate) fn in_a_hurry(self, tuning: Tuning) -> Vec<String> {
        match (self, tuning) {
            (Self::Ours, Tuning::Best) => vec!["--api-share=1".to_owned(), "--poll-min-seconds=2".to_owned()],
            _ => Vec::new(),
        }
    }
}
