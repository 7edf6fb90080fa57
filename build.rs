//! What the linker is told.
//!
//! A program that may lie anywhere in memory carries a list of the places to be adapted at its start. Packed, that list is a
//! few kilobytes and not four hundred; musl and glibc have read the packed form since 2023. A linker that does not know it
//! says so and writes the long one.

use std::io::{self, Write};

fn main() -> io::Result<()> {
    let mut cargo = io::stdout();
    writeln!(cargo, "cargo::rerun-if-changed=build.rs")?;
    if std::env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|system| system == "linux") {
        writeln!(cargo, "cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs")?;
    }
    Ok(())
}
