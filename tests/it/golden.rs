//! Files that are generated and committed: has one drifted from what generates it?
//!
//! `UPDATE=1` rewrites them; the difference is then read like any other change.

use std::path::Path;

/// Compares `path`, relative to the package, with `generated`.
pub(crate) fn compare(path: &str, generated: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = committed.lines().zip(generated.lines()).position(|(left, right)| left != right);
    assert!(
        committed == generated,
        "{path} differs from what the program generates, first in line {}; run the test with UPDATE=1 and read the diff",
        differs.unwrap_or_else(|| committed.lines().count().min(generated.lines().count())) + 1,
    );
}
