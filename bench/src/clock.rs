//! The machine's clock, by which the bench, the simulated cloud and the API server all go.
//!
//! Instants of three programs are compared here, so a stopwatch of one of them would not do.

use jiff::{SignedDuration, Timestamp};

/// Now.
#[expect(clippy::disallowed_methods, reason = "this is the bench's only look at the machine's clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Seconds from `begin` to `end`, negative if `end` is the earlier one.
pub(crate) fn seconds(begin: Timestamp, end: Timestamp) -> f64 {
    end.duration_since(begin).as_secs_f64()
}

/// `at` moved by so many seconds; stays where it is if there is no such instant.
pub(crate) fn moved(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_there_and_back_is_none() {
        let at = now();
        assert!((seconds(at, moved(at, 90)) - 90.0).abs() < 1e-9);
        assert!((seconds(at, moved(at, -90)) + 90.0).abs() < 1e-9);
    }
}
