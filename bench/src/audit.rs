//! What a contestant asked of the API server, by the server's own audit log.
//!
//! The server's word and not the contestant's: a metric of a program counts what its author thought of. Only service
//! accounts are logged, so what the bench itself does as administrator does not show.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

const OURS: &str = "sqlserverbackups";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    #[serde(default)]
    user: User,
    #[serde(default)]
    object_ref: Object,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: String,
}

/// Requests by verb and resource. A watch counts once, when it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally(BTreeMap<(String, String), usize>);

/// Counts the requests of the service account `account` after byte `from` of the log; where the log ends now.
///
/// # Errors
/// The log cannot be read.
pub(crate) fn tally(log: &Path, account: &str, from: u64) -> Result<(Tally, u64)> {
    let mut file = File::open(log).with_context(|| format!("no audit log at {}", log.display()))?;
    file.seek(SeekFrom::Start(from))?;
    let (mut tally, mut end) = (Tally::default(), from);
    let mut reader = BufReader::new(file);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        // The last line may be under way: it is read the next time.
        if !line.ends_with('\n') {
            break;
        }
        end = end.saturating_add(u64::try_from(line.len()).unwrap_or(0));
        tally.count(&line, account);
        line.clear();
    }
    Ok((tally, end))
}

impl Tally {
    fn count(&mut self, line: &str, account: &str) {
        let Ok(line) = serde_json::from_str::<Line>(line) else { return };
        let counts_at = if line.verb == "watch" { "ResponseStarted" } else { "ResponseComplete" };
        let (_, user) = line.user.username.rsplit_once(':').unwrap_or_default();
        if line.stage != counts_at || user != account {
            return;
        }
        let Object { resource, subresource } = line.object_ref;
        let what = if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") };
        *self.0.entry((line.verb, what)).or_default() += 1;
    }

    fn sum(&self, wanted: impl Fn(&str, &str) -> bool) -> usize {
        self.0.iter().filter(|((verb, what), _)| wanted(verb, what)).map(|(_, count)| count).sum()
    }

    /// Writes to orders, of whatever part.
    pub(crate) fn order_writes(&self) -> usize {
        self.sum(|verb, what| is_write(verb) && what.starts_with(OURS))
    }

    /// Writes of anything, the lease of the leader left out.
    pub(crate) fn writes(&self) -> usize {
        self.sum(|verb, what| is_write(verb) && what != "leases")
    }

    /// Reads that are neither a watch, nor the list that it begins with, nor of the lease.
    pub(crate) fn reads(&self) -> usize {
        self.sum(|verb, what| verb == "get" && what != "leases")
    }

    /// Reads of Secrets.
    pub(crate) fn secret_reads(&self) -> usize {
        self.sum(|verb, what| verb == "get" && what == "secrets")
    }

    /// Lists and watches.
    pub(crate) fn watches(&self) -> usize {
        self.sum(|verb, _| verb == "watch" || verb == "list")
    }

    /// `get secrets 2, patch sqlserverbackups/status 3000`, for the raw log.
    pub(crate) fn shown(&self) -> String {
        let all = self.0.iter().map(|((verb, what), count)| format!("{verb} {what} {count}"));
        all.collect::<Vec<_>>().join(", ")
    }
}

fn is_write(verb: &str) -> bool {
    matches!(verb, "create" | "update" | "patch" | "delete" | "deletecollection")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(stage: &str, verb: &str, user: &str, resource: &str, subresource: &str) -> String {
        format!(
            r#"{{"kind":"Event","stage":"{stage}","verb":"{verb}","user":{{"username":"{user}"}},
            "objectRef":{{"resource":"{resource}","subresource":"{subresource}"}}}}"#
        )
        .replace('\n', "")
            + "\n"
    }

    #[test]
    fn reads_and_writes_of_the_account_are_told_apart() {
        let us = "system:serviceaccount:bench:operator";
        let mut log = String::new();
        for (stage, verb, user, resource, subresource) in [
            ("ResponseStarted", "watch", us, OURS, ""),
            ("ResponseComplete", "watch", us, OURS, ""),
            // One that still lasts.
            ("ResponseStarted", "watch", us, "secrets", ""),
            ("ResponseComplete", "list", us, OURS, ""),
            ("ResponseComplete", "get", us, OURS, ""),
            ("ResponseComplete", "get", us, "secrets", ""),
            ("ResponseComplete", "get", us, "leases", ""),
            ("ResponseComplete", "update", us, "leases", ""),
            ("ResponseComplete", "patch", us, OURS, "status"),
            ("ResponseComplete", "patch", us, OURS, "status"),
            ("ResponseComplete", "create", us, "events", ""),
            ("ResponseComplete", "patch", "system:serviceaccount:kube-system:other", OURS, "status"),
        ] {
            log += &line(stage, verb, user, resource, subresource);
        }
        let path = std::env::temp_dir().join(format!("bench-audit-{}.log", std::process::id()));
        std::fs::write(&path, log.clone() + "{\"half").unwrap();
        let (tally, end) = tally_of(&path, 0);
        assert_eq!((tally.reads(), tally.secret_reads(), tally.watches()), (2, 1, 3));
        assert_eq!((tally.order_writes(), tally.writes()), (2, 3));
        assert_eq!(end, u64::try_from(log.len()).unwrap(), "the half line is left for later");
        assert_eq!(tally_of(&path, end), (Tally::default(), end));
        assert!(tally.shown().contains("patch sqlserverbackups/status 2"), "{}", tally.shown());
        std::fs::remove_file(path).unwrap();
    }

    fn tally_of(path: &Path, from: u64) -> (Tally, u64) {
        tally(path, "operator", from).unwrap()
    }
}
