//! The folder of one control plane, the ports it listens on, and its secret.
//!
//! A folder is named `control-plane-<process id>-<number>`. Whose process is gone is swept at the next start: a killed
//! test binary cannot tidy up, and its logs may be wanted until then.

use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

const PREFIX: &str = "control-plane-";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Makes a new folder below `directory`, open to this user only, because it holds tokens and keys.
pub(crate) fn make(directory: &Path) -> Result<PathBuf> {
    fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    let directory = directory.canonicalize()?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = directory.join(format!("{PREFIX}{}-{number}", std::process::id()));
    // A folder of this name belongs to a dead process that had our id.
    remove(&folder)?;
    DirBuilder::new().mode(0o700).create(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}

/// Removes the folders below `directory` whose process is gone.
pub(crate) fn sweep(directory: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| pid.parse::<u32>().is_ok_and(|pid| !is_running(pid))) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn is_running(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        // Another process sweeps at the same time.
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

/// `N` loopback ports that were free a moment ago. Somebody may take one before our program does; the start is tried
/// again then.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    // All are held at once, so that they differ.
    let mut held = Vec::with_capacity(N);
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// 128 random bits as hex digits.
pub(crate) fn secret() -> Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn only_the_folders_of_dead_processes_are_swept() {
        let directory = std::env::temp_dir().join(format!("control-plane-sweep-{}", std::process::id()));
        let ours = make(&directory).unwrap();
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let stale = directory.join(format!("{PREFIX}{}-0", gone.id()));
        fs::create_dir_all(stale.join("etcd")).unwrap();
        let foreign = directory.join("control-plane-notes");
        fs::create_dir(&foreign).unwrap();

        sweep(&directory).unwrap();

        assert!(ours.exists() && foreign.exists() && !stale.exists());
        fs::remove_dir_all(directory).unwrap();
    }
}
