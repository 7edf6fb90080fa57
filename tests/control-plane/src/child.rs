//! A child process that cannot outlive its parent.
//!
//! Three ways to end, one result: the value is dropped (killed and reaped); the parent exits without dropping, as a test
//! binary with a `static` does; the parent is killed. The last two are the kernel's: `PR_SET_PDEATHSIG`, set through
//! util-linux's `setpriv`, which needs no `unsafe` here.
//!
//! That signal is sent when the *thread* that made the child ends, and tests run on short-lived threads. Hence all
//! children are made by one thread that lives as long as the process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::{io, process, thread};

use anyhow::{Context as _, Result, anyhow};

/// The parent may have died before `setpriv` had set the signal; then it never comes. So the child looks once, after.
const UNLESS_ORPHANED: &str = r#"[ "$PPID" = "$1" ] || exit 1; shift; exec "$@""#;

/// Lines of a log that an error shows.
const TAIL: usize = 12;

type Spawned = io::Result<process::Child>;

static SPAWNER: LazyLock<Sender<(Command, Sender<Spawned>)>> = LazyLock::new(|| {
    let (sender, requests) = mpsc::channel::<(Command, Sender<Spawned>)>();
    thread::spawn(move || {
        for (mut command, reply) in requests {
            // Nobody waits for the answer any more: the child is dropped, and dies with the process.
            drop(reply.send(command.spawn()));
        }
    });
    sender
});

/// A running program, killed and reaped on drop.
#[derive(Debug)]
pub struct Child {
    name: &'static str,
    log: PathBuf,
    process: process::Child,
}

impl Child {
    /// Starts `program` with `args` in `folder`; both its outputs go to `<folder>/<name>.log`.
    ///
    /// # Errors
    /// The log cannot be written, or `setpriv` is missing. A program that cannot be executed ends, and says so in the log.
    pub fn start(name: &'static str, program: &Path, args: &[String], folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("no log at {}", log.display()))?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", "sh", "-c", UNLESS_ORPHANED, "sh"])
            .arg(process::id().to_string())
            .arg(program)
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let (reply, answer) = mpsc::channel();
        SPAWNER.send((command, reply)).map_err(|_| anyhow!("the thread that starts processes is gone"))?;
        let process = answer.recv()?.context("setpriv (Debian package util-linux) does not start")?;
        Ok(Self { name, log, process })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Looks whether the program still runs.
    ///
    /// # Errors
    /// It ended by itself; the error shows the end of its log.
    pub fn must_run(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.complaint(&ended(status))),
        }
    }

    /// `name what`, followed by the end of the log.
    pub(crate) fn complaint(&self, what: &str) -> anyhow::Error {
        anyhow!("{} {what}; the end of {}:\n{}", self.name, self.log.display(), self.last_words())
    }

    /// The end of the log.
    pub fn last_words(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(TAIL)).copied().collect::<Vec<_>>().join("\n")
    }
}

fn ended(status: ExitStatus) -> String {
    format!("ended by itself ({status})")
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only on a child that is already reaped.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn folder(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("control-plane-{test}-{}", process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn shell(script: &str, folder: &Path) -> Child {
        Child::start("sh", Path::new("/bin/sh"), &["-c".to_owned(), script.to_owned()], folder).unwrap()
    }

    fn end_of(child: &mut Child) -> anyhow::Error {
        let begin = Instant::now();
        loop {
            match child.must_run() {
                Err(error) => return error,
                Ok(()) => assert!(begin.elapsed() < Duration::from_secs(10), "never ended"),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn an_early_end_is_told_with_the_last_lines_of_the_log() {
        let folder = folder("end");
        let error = end_of(&mut shell("seq 100; echo no such flag >&2; exit 3", &folder)).to_string();
        std::fs::remove_dir_all(folder).unwrap();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.ends_with("\n99\n100\nno such flag"), "{error}");
        assert!(!error.contains("\n50\n"), "{error}");
    }

    #[test]
    fn a_child_survives_the_thread_that_asked_for_it() {
        let folder = folder("thread");
        let mut child = thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let child = shell("exec sleep 60", &folder);
                // Until setpriv has set the signal: a thread that ends sooner proves nothing.
                thread::sleep(Duration::from_millis(500));
                child
            });
            asking.join().unwrap()
        });
        thread::sleep(Duration::from_millis(500));
        let outcome = child.must_run();
        std::fs::remove_dir_all(folder).unwrap();
        outcome.unwrap();
    }
}
