//! CPU time and memory of a process and its children, read from `/proc`.
//!
//! - CPU is user and system time, of children too, dead or alive.
//! - Memory is resident memory, which an operator's limit is about; shares of pages that others use as well count in full,
//!   so `Pss` is kept beside it. The peak of one process is the kernel's own (`VmHWM`), of a tree the highest sum seen.
//!
//! No library: five files of the kernel whose form is a promise.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};

use crate::clock;

/// Ticks of `/proc/PID/stat` in a second: fixed by Linux for user space.
const TICKS: f64 = 100.0;
const EVERY: Duration = Duration::from_millis(200);
const KIB: f64 = 1_024.0;
/// A megabyte as the goals count it.
pub(crate) const MB: f64 = 1e6;

/// What a process and its living children have used so far, and hold now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Seconds of one core.
    pub(crate) cpu: f64,
    /// Bytes.
    pub(crate) resident: f64,
    /// Bytes, shared pages divided among those that share them.
    pub(crate) proportional: f64,
    /// Bytes at the worst moment, of the process itself.
    pub(crate) peak: f64,
}

/// Reads them of the tree below `pid`.
///
/// # Errors
/// There is no such process.
pub(crate) fn read(pid: u32) -> Result<Reading> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let mut all = Reading {
        cpu: cpu(&stat).context("a stat that is none")?,
        resident: kibibytes(&status, "VmRSS:"),
        proportional: kibibytes(&rollup, "Pss:"),
        peak: kibibytes(&status, "VmHWM:"),
    };
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for child in children.split_whitespace().filter_map(|word| word.parse().ok()) {
        // It may have ended meanwhile: then its time is in its parent's.
        if let Ok(child) = read(child) {
            all.cpu += child.cpu;
            all.resident += child.resident;
            all.proportional += child.proportional;
        }
    }
    Ok(all)
}

/// Seconds of `utime`, `stime`, `cutime` and `cstime`. The name of the program stands in brackets and may hold blanks.
fn cpu(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: Vec<f64> = rest.split_whitespace().skip(11).take(4).filter_map(|word| word.parse().ok()).collect();
    (ticks.len() == 4).then(|| ticks.iter().sum::<f64>() / TICKS)
}

/// When the process began, to a hundredth of a second.
pub(crate) fn started(pid: u32) -> Option<Timestamp> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: f64 = rest.split_whitespace().nth(19)?.parse().ok()?;
    let uptime: f64 = fs::read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok()?;
    let ago = SignedDuration::try_from_secs_f64(uptime - ticks / TICKS).ok()?;
    clock::now().checked_sub(ago).ok()
}

/// The value behind `name`, which the kernel gives in KiB, in bytes.
fn kibibytes(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).map_or(0.0, |value| value * KIB)
}

/// Watches the resident memory of a tree until it is asked.
#[derive(Debug)]
pub(crate) struct Meter {
    pid: u32,
    begin: Reading,
    stop: Arc<AtomicBool>,
    highest: Arc<Mutex<f64>>,
    watcher: Option<JoinHandle<()>>,
}

/// What a stretch of time cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Seconds of one core.
    pub(crate) cpu: f64,
    /// Bytes, see [`Reading::peak`].
    pub(crate) peak: f64,
}

impl Meter {
    /// Begins to watch.
    pub(crate) fn start(pid: u32) -> Result<Self> {
        let begin = read(pid)?;
        let (stop, highest) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(0.0)));
        let (stopped, top) = (Arc::clone(&stop), Arc::clone(&highest));
        let watcher = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let now = read(pid).unwrap_or_default().resident;
                let mut top = top.lock().unwrap_or_else(PoisonError::into_inner);
                *top = f64::max(*top, now);
                drop(top);
                thread::sleep(EVERY);
            }
        });
        Ok(Self { pid, begin, stop, highest, watcher: Some(watcher) })
    }

    /// What was used since the start.
    ///
    /// # Errors
    /// The process ended by itself.
    pub(crate) fn stop(mut self) -> Result<Usage> {
        let now = read(self.pid)?;
        self.end();
        let highest = *self.highest.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Usage { cpu: now.cpu - self.begin.cpu, peak: now.peak.max(highest) })
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // It does nothing that could fail.
        drop(self.watcher.take().map(JoinHandle::join));
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_times_are_found_behind_a_name_with_blanks_and_brackets() {
        let stat = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 1 20 0 1 0 12345";
        assert!((cpu(stat).unwrap() - 1.24).abs() < 1e-9);
        assert_eq!(cpu("42 (x) S 1"), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert!((kibibytes(status, "VmRSS:") - 1_048_576.0).abs() < 1e-9);
        assert!((kibibytes(status, "VmHWM:") - 2_097_152.0).abs() < 1e-9);
        assert!(kibibytes(status, "Pss:").abs() < 1e-9);
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        let meter = Meter::start(std::process::id()).unwrap();
        let mut sum = 0_u64;
        let begin = std::time::Instant::now();
        // A machine with other things to do may not give it a core at once.
        while read(std::process::id()).unwrap().cpu - meter.begin.cpu < 0.2 {
            assert!(begin.elapsed() < Duration::from_mins(1), "time does not count");
            for _ in 0..1_000_000 {
                sum = sum.wrapping_add(std::hint::black_box(1));
            }
        }
        let used = meter.stop().unwrap();
        assert!(used.cpu >= 0.2 && used.peak > 1e6, "{used:?} {sum}");
        assert!(read(0).is_err());
        let age = clock::seconds(started(std::process::id()).unwrap(), clock::now());
        assert!((0.0..600.0).contains(&age), "{age}");
    }
}
