//! What all rows share: where things are, what was asked for, progress, and the report that grows.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fs;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::clock;
use crate::contestant::Who;
use crate::flags::Flags;
use crate::report::{Measure, Report};

/// The bench while it runs.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The source tree.
    pub(crate) root: PathBuf,
    /// Cargo's folder.
    pub(crate) target: PathBuf,
    /// Raw logs of this bench, a folder of its own.
    pub(crate) logs: PathBuf,
    /// The operator's program.
    pub(crate) operator: PathBuf,
    /// How often what alternates is run.
    pub(crate) runs: usize,
    /// Whether the cloud speaks TLS to everybody.
    pub(crate) tls: bool,
    programs: Mutex<BTreeMap<String, Vec<String>>>,
    report: Mutex<Report>,
    begin: Instant,
}

/// Where `make image` puts the program of the image for this machine.
fn shipped(target: &Path) -> PathBuf {
    let architecture = if ARCH == "aarch64" { "arm64" } else { "amd64" };
    target.join("image/build/out").join(architecture).join("sqlserver-backup-operator")
}

impl Bench {
    /// Makes the folder for the logs.
    pub(crate) fn new(flags: &Flags) -> Result<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        // target/harness/bench
        let program = std::env::current_exe()?;
        let target = program.ancestors().nth(2).context("this program lies in no target folder")?.to_owned();
        let stamp = clock::now().strftime("%Y-%m-%dT%H%M%SZ").to_string();
        let logs = target.join("bench").join(stamp);
        fs::create_dir_all(&logs)?;
        let operator = flags.operator.clone().unwrap_or_else(|| shipped(&target));
        Ok(Self {
            root,
            target,
            logs,
            operator,
            runs: flags.runs,
            tls: flags.tls,
            programs: Mutex::default(),
            report: Mutex::default(),
            begin: Instant::now(),
        })
    }

    /// The words that start `who`, found or made once.
    pub(crate) fn program(&self, who: Who) -> Result<Vec<String>> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(words) = programs.get(&who.to_string()) {
            return Ok(words.clone());
        }
        let words = who.program(&self.root, &self.operator)?;
        programs.insert(who.to_string(), words.clone());
        Ok(words)
    }

    /// One line of progress, with the minutes and seconds since the start.
    pub(crate) fn say(&self, what: &str) -> Result<()> {
        let passed = self.begin.elapsed().as_secs();
        writeln!(stderr(), "[{:02}:{:02}] {what}", passed / 60, passed % 60).context("nobody listens")
    }

    /// One figure for the report.
    pub(crate) fn note(&self, measure: &Measure, who: &str, value: f64, floor: Option<f64>) -> Result<()> {
        self.report().add(measure, who, value, floor);
        // At once: a bench that is ended halfway has not measured in vain.
        fs::write(self.logs.join("samples.jsonl"), self.report().samples())?;
        fs::write(self.logs.join("table.md"), self.report().table())?;
        Ok(())
    }

    /// The report so far.
    pub(crate) fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
