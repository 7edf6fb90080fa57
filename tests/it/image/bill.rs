//! What the bill of materials has to name, from where cargo itself has it: the lock file and the tree of dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::container::{folder, machine, run};

/// The bill of materials.
pub(super) fn read() -> Value {
    serde_json::from_slice(&fs::read(folder().join("sqlserver-backup-operator.cdx.json")).unwrap()).unwrap()
}

/// Hash of each crate of another origin than this tree, by `name vX.Y.Z`.
pub(super) fn locked() -> BTreeMap<String, String> {
    let value = |part: &str, key: &str| {
        let line = part.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")))?;
        Some(line.trim_matches('"').to_owned())
    };
    let parts = include_str!("../../../Cargo.lock").split("[[package]]\n");
    let locked = parts.filter_map(|part| {
        Some((format!("{} v{}", value(part, "name")?, value(part, "version")?), value(part, "checksum")?))
    });
    locked.collect()
}

/// What of them cargo links into the program; what runs only to build it is left out.
pub(super) fn linked(architecture: &str) -> BTreeSet<String> {
    let target = format!("{}-unknown-linux-musl", machine(architecture));
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(env!("CARGO_MANIFEST_DIR"));
    tree.args([
        "tree",
        "--locked",
        "--offline",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--target",
        &target,
    ]);
    tree.args(["--package", "sqlserver-backup-operator"]);
    let listing = run(&mut tree).unwrap();
    let names = listing.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "));
    let linked: BTreeSet<String> = names.filter(|name| !name.starts_with("sqlserver-backup-operator ")).collect();
    assert!(linked.len() > 100, "{linked:?}");
    linked
}
