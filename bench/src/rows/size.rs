//! How large the program is, and what a node pulls.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::bench::Bench;
use crate::figures::big;
use crate::meter::MB;
use crate::report::{Goal, Measure, OURS};

/// The program that was built, and the image if `make image` was.
pub(crate) fn play(bench: &Bench) -> Result<()> {
    let binary = Measure::new("size", "binary", "MB", Goal::AtMost(7.0));
    bench.note(&binary, OURS, big(fs::metadata(&bench.operator)?.len()) / MB, None)?;
    for architecture in ["amd64", "arm64"] {
        let layout = bench.target.join(format!("image/oci-{architecture}"));
        match blobs(&layout) {
            Some(bytes) => {
                let what = format!("image, compressed, {architecture}");
                bench.note(&Measure::new("size", &what, "MB", Goal::AtMost(4.0)), OURS, big(bytes) / MB, None)?;
            }
            None => bench.say(&format!("no image at {}: run `make image` first", layout.display()))?,
        }
    }
    Ok(())
}

/// The bytes of all blobs of an OCI layout.
fn blobs(layout: &Path) -> Option<u64> {
    let files = fs::read_dir(layout.join("blobs/sha256")).ok()?;
    Some(files.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).sum())
}
