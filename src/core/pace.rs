//! When the next pass is due: growth, bounds and jitter, from durable instants alone.
//!
//! Intervals are a share of the time that has passed since something durable (a submission, an error), not a counter, so
//! a restart changes no interval (I7). Jitter is a hash of the UID: two replicas agree on it, and a thousand orders that
//! were created together do not look together.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::hash::fnv1a;
use super::order::Uid;

/// `seconds` after `time`, or the end of time.
pub fn later(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// `time` as it stands in a message: RFC 3339, UTC, whole seconds.
pub fn utc(time: Timestamp) -> impl std::fmt::Display {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
}

/// Whole seconds from `since` to `now`, never negative.
pub fn elapsed(since: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(since).as_secs().max(0)
}

/// The next instant of a series that starts at `since` with intervals of `first` seconds and grows by a `share`-th of the
/// elapsed time up to `last` seconds.
pub fn next(since: Timestamp, now: Timestamp, first: i64, share: i64, last: i64) -> Timestamp {
    let interval = elapsed(since, now).checked_div(share).unwrap_or(last);
    later(now, interval.min(last).max(first))
}

/// Adds up to a tenth of the way from `now` to `time`, the same for the same order and instant.
pub fn jittered(time: Timestamp, now: Timestamp, uid: &Uid) -> Timestamp {
    let way = time.duration_since(now).as_millis().max(0);
    let share = i128::from(fnv1a(uid.as_str().bytes().chain(time.as_second().to_le_bytes())) % 1_000);
    let extra = i64::try_from(way.saturating_mul(share) / 10_000).unwrap_or(0);
    time.checked_add(SignedDuration::from_millis(extra)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn intervals_grow_from_first_to_last() {
        assert_eq!(next(at(0), at(0), 15, 8, 60), at(15));
        assert_eq!(next(at(0), at(240), 15, 8, 60), at(270));
        assert_eq!(next(at(0), at(7_200), 15, 8, 60), at(7_260));
        assert_eq!(next(at(100), at(0), 15, 8, 60), at(15), "a clock that went back");
    }

    #[test]
    fn jitter_is_bounded_and_repeatable() {
        let uid = |n: u32| Uid::new(&format!("{n:032x}")).unwrap();
        let all: Vec<_> = (0..50).map(|n| jittered(at(60), at(0), &uid(n))).collect();
        assert!(all.iter().all(|time| (at(60)..at(67)).contains(time)));
        assert!(all.iter().any(|time| *time != all[0]), "orders spread");
        assert_eq!(all[0], jittered(at(60), at(0), &uid(0)));
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        assert_eq!(later(Timestamp::MAX, 1), Timestamp::MAX);
        assert_eq!(jittered(Timestamp::MAX, Timestamp::MIN, &Uid::new(&"f".repeat(32)).unwrap()), Timestamp::MAX);
    }
}
