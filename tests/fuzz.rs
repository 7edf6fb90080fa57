//! Fuzzing, on the stable toolchain: whatever is stored, seen or answered, nothing panics and no promise breaks.
//!
//! The core's functions are total, so they are given everything: records that no program writes, listings that contradict
//! them, clocks at the end of time. What they must keep is said here a second time, in words of its own, and not by
//! calling the code that is tried. Answers of the cloud are mutated beside the decoder
//! (`src/tencent/client/answer/fuzz.rs`), which is private.
//!
//! A failure prints the smallest input that proptest finds. `PROPTEST_CASES` sets how many are tried.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "a test fails by panicking, and the exemption of clippy.toml does not cover functions beside the tests"
)]

#[path = "fuzz/protocol.rs"]
mod protocol;
#[path = "fuzz/records.rs"]
mod records;
#[path = "fuzz/stored.rs"]
mod stored;
#[path = "fuzz/strategy.rs"]
mod strategy;
#[path = "fuzz/wire.rs"]
mod wire;
