//! The programs that judge what this tree ships, and that are not part of it: `tools/*.sh` make them and say where they
//! are. One that cannot be had fails the test with what the script said.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The path that a script of `tools/` prints.
pub(crate) fn from(script: &str, arguments: &[&str]) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(script);
    let made = Command::new(&script).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(made.status.success(), "{} {arguments:?}: {}", script.display(), made.status);
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim_end())
}

/// Runs `program`: its output, or all that it said.
pub(crate) fn run(program: &Path, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that reads nothing may be gone before it is fed.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let ended = child.wait_with_output().unwrap();
    let (said, complained) = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap());
    if ended.status.success() { Ok(said) } else { Err(format!("{said}{complained}")) }
}

/// A file of its own below the folder for what tests write.
pub(crate) fn file(name: &str, content: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}
