//! A wall clock that a test sets for the operator alone: the API server, the cloud and the test keep the true time.
//!
//! The operator reads its clock through the C library, and what is loaded before that adds the seconds of a file
//! (`tests/clock/offset.c`). Monotonic clocks go on as they do when an administrator sets the time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::operator::Environment;

/// The clock of one operator.
#[derive(Debug)]
pub(crate) struct WallClock(File);

impl WallClock {
    /// A clock that is right, with its file in `folder`; an operator that is started with `environment` has it.
    pub(crate) fn new(folder: &Path, environment: &mut Environment) -> Self {
        let path = folder.join("clock-offset");
        let clock = Self(File::create(&path).unwrap());
        clock.set(0);
        environment.insert("CLOCK_OFFSET_FILE", path.display().to_string());
        environment.insert("LD_PRELOAD", library().display().to_string());
        clock
    }

    /// Sets it, so many seconds ahead of the true time. All digits are written at once and in place: a reader sees the old
    /// offset or the new one.
    pub(crate) fn set(&self, ahead: i64) {
        self.0.write_all_at(format!("{ahead:>20}").as_bytes(), 0).unwrap();
    }
}

/// What is loaded before the C library, made once a test process; one that another process has loaded stays whole.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (made, kept) = (folder.join(format!("offset-{}.so", std::process::id())), folder.join("offset.so"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clock/offset.c");
        let words = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"];
        let compiled = Command::new("cc").args(words).arg(&made).arg(source).arg("-ldl").status();
        assert!(compiled.expect("a C compiler, as for the build").success());
        std::fs::rename(made, &kept).unwrap();
        kept
    })
}
