//! The pace of one action under one access key in one region: evenly spaced send instants.
//!
//! A lane is one number, the first instant that is still free. It never saves up: instants that nobody took are gone, so
//! there is no burst after a pause. Calls that leave side by side take the room that they need behind them.
//!
//! Instants are given away ahead of time. A process that stood still would use all that came due meanwhile at once, so each
//! call asks once more when it leaves. What counts then is when calls did leave, and not when they were meant to: whoever
//! has to wait has a place, and asks again when its time has come.

use std::time::Duration;

use jiff::Timestamp;

use super::{earlier, later, span};

/// How long a lane takes to come back to its pace after it was throttled, for each time that it goes slower: ten seconds
/// after one throttle, and the longer the more often it was one.
const RECOVERY: Duration = Duration::from_secs(5);
/// How long a lane that nobody uses is kept.
const KEPT: Duration = Duration::from_mins(1);
/// Throttles within this time are one event: calls that were under way together are turned away together.
const ONE_EVENT: Duration = Duration::from_secs(1);
/// How much earlier than its room a call may leave. Timers ring late: without it every call that waits for the one before
/// would be late by that much more.
const HAIR: Duration = Duration::from_millis(5);
/// The slowest pace is the documented one's share divided by this.
const SLOWEST: f64 = 16.0;

/// One lane.
#[derive(Debug)]
pub(super) struct Lane {
    /// Between two instants at full pace.
    interval: Duration,
    /// The first free instant.
    next: Timestamp,
    /// Between two calls that leave, however late they are.
    gap: Duration,
    /// How many may leave together.
    together: u32,
    /// Until when what has left takes room.
    left: Timestamp,
    /// Until when those who wait to leave will.
    queued: Timestamp,
    /// When it was last throttled, and by what its intervals were multiplied then.
    slowed: Option<(Timestamp, f64)>,
}

impl Lane {
    /// `rate` is in calls a second and above zero; at `fastest` they leave where a stall kept them, `together` at most side
    /// by side. Nothing was called `since` then: the first instant is one interval
    /// later, as if a call had left just before it.
    pub(super) fn new(rate: f64, fastest: f64, together: u8, since: Timestamp) -> Self {
        // Rounded up by one nanosecond: a limit that is met exactly must not be exceeded by rounding.
        let spaced = |rate: f64| Duration::try_from_secs_f64(1.0 / rate).unwrap_or(KEPT) + Duration::from_nanos(1);
        let (interval, gap) = (spaced(rate), spaced(fastest));
        let together = u32::from(together.max(1));
        Self { interval, next: later(since, interval), gap, together, left: since, queued: since, slowed: None }
    }

    /// Between two instants now.
    pub(super) fn interval(&self, now: Timestamp) -> Duration {
        let stretched = self.interval.as_secs_f64() * self.stretch(now);
        if self.slowed.is_none() { self.interval } else { Duration::try_from_secs_f64(stretched).unwrap_or(KEPT) }
    }

    /// The first instant that can be had.
    pub(super) fn free(&self, now: Timestamp) -> Timestamp {
        self.next.max(now)
    }

    /// Gives an instant away: the next one is an interval later, for each call that leaves in it.
    pub(super) fn take(&mut self, instant: Timestamp, now: Timestamp) {
        self.next = later(self.next.max(instant), self.interval(now));
    }

    /// A call that is ready leaves now, or asks again at an instant, and has `waited` then.
    pub(super) fn depart(&mut self, now: Timestamp, waited: bool) -> Option<Timestamp> {
        let spare = self.gap.saturating_mul(self.together.saturating_sub(1)).saturating_add(HAIR);
        let free = earlier(self.left, spare);
        let turn = if waited { free } else { free.max(earlier(self.queued, spare)) };
        if turn <= now {
            self.left = later(self.left.max(now), self.gap);
            return None;
        }
        // The one before was a little late; it is still this one's turn.
        if waited && span(now, free) < self.gap.saturating_sub(HAIR) {
            return Some(free);
        }
        let turn = free.max(earlier(self.queued, spare)).max(now);
        self.queued = later(self.queued.max(self.left).max(turn), self.gap);
        Some(turn)
    }

    /// Halves the pace.
    pub(super) fn throttle(&mut self, now: Timestamp) {
        if self.slowed.is_some_and(|(since, _)| span(since, now) < ONE_EVENT) {
            return;
        }
        self.slowed = Some((now, (self.stretch(now) * 2.0).min(SLOWEST)));
        self.next = self.next.max(later(now, self.interval(now)));
    }

    /// Whether it has not come back to its pace yet.
    pub(super) fn is_slowed(&self, now: Timestamp) -> bool {
        self.stretch(now) > 1.0
    }

    /// Whether forgetting the lane loses nothing.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        span(self.next, now) >= KEPT && !self.is_slowed(now)
    }

    /// What intervals are multiplied by: back to one in a straight line.
    fn stretch(&self, now: Timestamp) -> f64 {
        let Some((since, peak)) = self.slowed else { return 1.0 };
        let left = 1.0 - span(since, now).as_secs_f64() / (RECOVERY.as_secs_f64() * peak);
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
        let mut lane = Lane::new(10.0, 20.0, 1, at(0));
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
    fn a_throttled_lane_halves_its_pace_and_recovers() {
        let mut lane = Lane::new(10.0, 20.0, 1, at(0));
        let milliseconds = |lane: &Lane, now| lane.interval(at(now)).as_millis();
        lane.throttle(at(0));
        lane.throttle(at(500));
        assert_eq!(milliseconds(&lane, 500), 195, "one event");
        assert_eq!(milliseconds(&lane, 5_000), 150);
        lane.throttle(at(5_000));
        assert_eq!(milliseconds(&lane, 5_000), 300);
        assert_eq!(milliseconds(&lane, 12_500), 200, "slower than the first time");
        assert_eq!(milliseconds(&lane, 20_000), 100);
        for second in 100..200 {
            lane.throttle(at(second * 1_000));
        }
        assert_eq!(milliseconds(&lane, 199_000), 1_600, "never slower");
        assert!(!lane.is_idle(at(270_000)) && lane.is_idle(at(281_000)));
    }

    #[test]
    fn what_a_stall_kept_does_not_leave_at_once() {
        let mut lane = Lane::new(10.0, 20.0, 1, at(0));
        let wait = |turn: Option<Timestamp>| turn.map_or(0, |turn| span(at(2_000), turn).as_millis());
        assert_eq!([0, 0, 0, 0].map(|_: u8| wait(lane.depart(at(2_000), false))), [0, 45, 95, 145]);
        assert_eq!(wait(lane.depart(at(2_060), true)), 0, "late by 10 ms");
        assert_eq!(wait(lane.depart(at(2_101), true)), 105, "so the next one waits as long");
        assert_eq!(wait(lane.depart(at(2_102), false)), 195, "and nobody overtakes those who wait");
        assert_eq!(wait(lane.depart(at(2_106), true)), 0);
        assert_eq!(wait(lane.depart(at(4_000), true)), 0, "another stall");
        assert_eq!([0, 0].map(|_: u8| wait(lane.depart(at(4_000), true))), [2_045, 2_095]);
        let mut pairs = Lane::new(10.0, 20.0, 2, at(0));
        assert_eq!([0, 0, 0, 0].map(|_: u8| wait(pairs.depart(at(2_000), false))), [0, 0, 45, 95]);
    }

    #[test]
    fn calls_whose_timers_ring_late_keep_the_pace() {
        let mut lane = Lane::new(19.0, 19.0, 1, at(0));
        let mut latest = 0;
        for (call, late) in (1..=1_000_i64).zip([0, 2, 1, 40, 1, 0, 3].into_iter().cycle()) {
            let due = call * 1_000 / 19 + late;
            let turn = lane.depart(at(due), false);
            // Who waits rings late as well.
            let left = turn.map_or(at(due), |turn| later(turn, Duration::from_millis(2)));
            assert!(turn.is_none() || lane.depart(left, true).is_none());
            latest = span(at(call * 1_000 / 19), left).as_millis();
        }
        assert!(latest <= 50, "{latest} ms, as the latest alone");
    }
}
