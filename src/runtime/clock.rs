//! The one place that reads the wall clock.
//!
//! Everything that decides takes the time as an argument: a decision can then be replayed from a log line, and a test
//! needs no sleep. Durations that only this process sees (time-outs, heartbeats) use the monotonic clocks of `std` and
//! `tokio` instead, which no administrator and no time server can turn back.

use jiff::Timestamp;

/// The present instant, as this machine believes it to be.
///
/// It may be wrong, and it may step in either direction between two calls. What is stored or compared with the cloud
/// must allow for the skew that the settings name.
pub fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the place that all others must use")]
    Timestamp::now()
}
