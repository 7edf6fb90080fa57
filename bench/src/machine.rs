//! What ran on what: the commit, the machine, and how busy it was with other things.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::Result;

use crate::bench::Bench;
use crate::clock;

/// One paragraph.
pub(crate) fn describe(bench: &Bench) -> Result<String> {
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(&bench.root).output();
    let commit = git.map(|run| String::from_utf8_lossy(&run.stdout).trim().to_owned()).unwrap_or_default();
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = available_parallelism()?;
    let runs = bench.runs;
    let when = clock::now().strftime("%Y-%m-%d %H:%M UTC");
    Ok(format!("{when}, commit {commit}, {cores} cores ({model}), {}, {runs} runs of what alternates", load()))
}

/// The machine's load, of everything that runs on it.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let short: Vec<&str> = load.split_whitespace().take(3).collect();
    format!("load {}", short.join(" "))
}
