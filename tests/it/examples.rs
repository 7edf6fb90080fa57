//! Golden: what stands in `examples/` is what an API server accepts, to the last field.

use crate::cluster;
use std::path::Path;

#[test]
fn each_example_passes_a_server_side_dry_run() {
    let cluster = cluster::get();
    let namespace = cluster.namespace();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let path = file.to_str().unwrap();
        // Not `apply`: it knows no generateName.
        let create = ["create", "--namespace", &namespace, "--dry-run=server", "--validate=strict", "--filename", path];
        let said = cluster.kubectl(&create);
        assert!(said.is_ok(), "{path}: {said:?}");
    }
}
