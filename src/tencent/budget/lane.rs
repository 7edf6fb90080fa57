//! The pace of one action under one access key in one region: evenly spaced send instants.
//!
//! A lane is one number, the first instant that is still free. It never saves up: instants that nobody took are gone, so
//! there is no burst after a pause. Calls that leave side by side take the room that they need behind them.

use std::time::Duration;

use jiff::Timestamp;

use super::{later, span};

/// How long a lane takes to come back to its pace after it was throttled.
const RECOVERY: Duration = Duration::from_mins(1);
/// Throttles within this time are one event: calls that were under way together are turned away together.
const ONE_EVENT: Duration = Duration::from_secs(1);
/// The slowest pace is the documented one's share divided by this.
const SLOWEST: f64 = 16.0;

/// One lane.
#[derive(Debug)]
pub(super) struct Lane {
    /// Between two instants at full pace.
    interval: Duration,
    /// The first free instant.
    next: Timestamp,
    /// When it was last throttled, and by what its intervals were multiplied then.
    slowed: Option<(Timestamp, f64)>,
}

impl Lane {
    /// `rate` is in calls a second and above zero. Nothing was called `since` then: the first instant is one interval
    /// later, as if a call had left just before it.
    pub(super) fn new(rate: f64, since: Timestamp) -> Self {
        // Rounded up by one nanosecond: a limit that is met exactly must not be exceeded by rounding.
        let interval = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(RECOVERY) + Duration::from_nanos(1);
        Self { interval, next: later(since, interval), slowed: None }
    }

    /// Between two instants now.
    pub(super) fn interval(&self, now: Timestamp) -> Duration {
        let stretched = self.interval.as_secs_f64() * self.stretch(now);
        if self.slowed.is_none() { self.interval } else { Duration::try_from_secs_f64(stretched).unwrap_or(RECOVERY) }
    }

    /// The first instant that can be had.
    pub(super) fn free(&self, now: Timestamp) -> Timestamp {
        self.next.max(now)
    }

    /// Gives an instant away: the next one is an interval later, for each call that leaves in it.
    pub(super) fn take(&mut self, instant: Timestamp, now: Timestamp) {
        self.next = later(self.next.max(instant), self.interval(now));
    }

    /// Halves the pace.
    pub(super) fn throttle(&mut self, now: Timestamp) {
        if self.slowed.is_some_and(|(since, _)| span(since, now) < ONE_EVENT) {
            return;
        }
        self.slowed = Some((now, (self.stretch(now) * 2.0).min(SLOWEST)));
        self.next = self.next.max(later(now, self.interval(now)));
    }

    /// Whether forgetting the lane loses nothing.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        span(self.next, now) >= RECOVERY && self.stretch(now) <= 1.0
    }

    /// What intervals are multiplied by: back to one in a straight line.
    fn stretch(&self, now: Timestamp) -> f64 {
        let Some((since, peak)) = self.slowed else { return 1.0 };
        let left = 1.0 - span(since, now).as_secs_f64() / RECOVERY.as_secs_f64();
        1.0 + (peak - 1.0) * left.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn a_new_lane_is_empty_and_a_rested_one_holds_one_instant() {
        let mut lane = Lane::new(10.0, at(0));
        assert!(lane.free(at(0)) > at(99));
        lane.take(lane.free(at(0)), at(0));
        assert!(lane.free(at(0)) > at(199));
        assert_eq!(lane.free(at(60_000)), at(60_000));
        lane.take(at(60_000), at(60_000));
        assert!(lane.free(at(60_000)) > at(60_099), "nothing was saved up");
        lane.take(at(70_000), at(70_000));
        lane.take(at(70_000), at(70_000));
        assert!(lane.free(at(70_000)) > at(70_199), "two side by side take the room of two");
    }

    #[test]
    fn a_throttled_lane_halves_its_pace_and_recovers_in_a_minute() {
        let mut lane = Lane::new(10.0, at(0));
        let milliseconds = |lane: &Lane, now| lane.interval(at(now)).as_millis();
        lane.throttle(at(0));
        lane.throttle(at(500));
        assert_eq!(milliseconds(&lane, 500), 199, "one event");
        assert_eq!(milliseconds(&lane, 30_000), 150);
        lane.throttle(at(30_000));
        assert_eq!(milliseconds(&lane, 30_000), 300);
        assert_eq!(milliseconds(&lane, 90_000), 100);
        for second in 100..200 {
            lane.throttle(at(second * 1_000));
        }
        assert_eq!(milliseconds(&lane, 199_000), 1_600, "never slower");
        assert!(!lane.is_idle(at(240_000)) && lane.is_idle(at(270_000)));
    }
}
