//! What the linker is told.
//!
//! - A program that may lie anywhere in memory carries a list of the places to be adapted at its start. Packed, that list is a
//!   few kilobytes and not four hundred; musl and glibc have read the packed form since 2023. A linker that does not know it
//!   says so and writes the long one.
//! - What is shipped aborts when it panics, and is stripped: nobody ever reads how its stack would be unwound, which is an
//!   eighth of the file.

use std::io::{self, Write};
use std::path::Path;

/// Leaves out the tables for unwinding, but for the ends of the list that the start of a static program asks for.
const NO_UNWINDING: &str = "\
SECTIONS { /DISCARD/ : { *(EXCLUDE_FILE(*crtbegin*.o *crtend*.o) .eh_frame) *(.gcc_except_table .gcc_except_table.*) } }
INSERT AFTER .text;
";

fn main() -> io::Result<()> {
    let variable = |name: &str| std::env::var_os(name).unwrap_or_default();
    let mut cargo = io::stdout();
    writeln!(cargo, "cargo::rerun-if-changed=build.rs")?;
    if variable("CARGO_CFG_TARGET_OS") != "linux" {
        return Ok(());
    }
    writeln!(cargo, "cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs")?;
    // Nothing else is compiled for size; the way it panics is not told here.
    if variable("OPT_LEVEL") == "z" {
        let script = Path::new(&variable("OUT_DIR")).join("no-unwinding.ld");
        std::fs::write(&script, NO_UNWINDING)?;
        writeln!(cargo, "cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display())?;
    }
    Ok(())
}
