//! The four programs: where they are, after making what is missing.
//!
//! `tools/control-plane.sh` decides and builds; this file only asks it. A shell script, because the same programs are
//! made by `make` and CI before anything of Rust is compiled.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Paths of programs that exist.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    pub(crate) etcd: PathBuf,
    pub(crate) apiserver: PathBuf,
    pub(crate) controllers: PathBuf,
    pub(crate) kubectl: PathBuf,
}

/// Runs the script; its progress goes to this process's standard error.
pub(crate) fn find() -> Result<Binaries> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/control-plane.sh");
    let output = Command::new(&script)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} does not start", script.display()))?;
    if !output.status.success() {
        bail!("the programs of the control plane are not to be had ({})", output.status);
    }
    let folder = String::from_utf8(output.stdout).context("the folder of the programs has no readable name")?;
    let folder = Path::new(folder.trim_end());
    Ok(Binaries {
        etcd: folder.join("etcd"),
        apiserver: folder.join("kube-apiserver"),
        controllers: folder.join("kube-controller-manager"),
        kubectl: folder.join("kubectl"),
    })
}
