//! Kubeconfig files: one server, one bearer token.
//!
//! Written as JSON, which every reader of YAML reads.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

/// Who talks to which server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) server: &'a str,
    pub(crate) ca_file: &'a Path,
    pub(crate) token: &'a str,
    pub(crate) namespace: &'a str,
}

/// Writes `access` to the file `into`, readable by this user only.
pub(crate) fn write(access: &Access<'_>, into: &Path) -> Result<()> {
    let mut cluster = json!({ "server": access.server });
    if let Some(cluster) = cluster.as_object_mut().filter(|_| access.server.starts_with("https:")) {
        cluster.insert("certificate-authority".to_owned(), json!(access.ca_file));
    }
    let document = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "test", "cluster": cluster }],
        "users": [{ "name": "test", "user": { "token": access.token } }],
        "contexts": [{
            "name": "test",
            "context": { "cluster": "test", "user": "test", "namespace": access.namespace },
        }],
        "current-context": "test",
    });
    write_secret(into, &format!("{document:#}\n"))
}

/// Writes a file that only this user may read.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{} cannot be written", path.display()))
}
