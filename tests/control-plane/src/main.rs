//! `control-plane DIR`: a cluster to play with, until standard input ends.
//!
//! Also the process that one of the tests kills.

use std::io::{Write as _, stdin, stdout};

use anyhow::{Context as _, Result};
use control_plane::{ControlPlane, Options};

fn main() -> Result<()> {
    let directory = std::env::args_os().nth(1).context("usage: control-plane DIR, a folder for its data")?;
    let plane = ControlPlane::start(&Options::new(directory))?;
    let mut out = stdout();
    writeln!(out, "export KUBECONFIG={}", plane.kubeconfig().display())?;
    writeln!(out, "kubectl: {}", plane.kubectl().display())?;
    writeln!(out, "runs until end of input (Ctrl-D)")?;
    out.flush()?;
    for line in stdin().lines() {
        line?;
    }
    Ok(())
}
