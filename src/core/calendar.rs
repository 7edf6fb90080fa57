//! When a schedule's slots are: the cron line, its time zone, and the offset that spreads schedules apart.
//!
//! # What it guarantees
//! - A slot is an instant of the line alone; the offset only says how much later it is due. So a slot keeps its identity,
//!   and the name of its backup, when the offset is changed.
//! - On the two nights of clock change, as Debian's cron has it:
//!
//! | the line | a time that does not exist | a time that occurs twice |
//! |---|---|---|
//! | names times of day (`30 2 * * *`, `0,30 1-3 * * *`) | runs at the first instant after the gap, once | runs once, at the first |
//! | is an interval: minute or hour begins with a star (`*/15 * * * *`, `30 * * * *`, `0 */2 * * *`) | is passed over | runs both times |
//!
//!   An interval goes on as a clock on the wall does: `*/15` every quarter of an hour that passes, `30 *` once in each hour.
//! - [`Calendar::next`] and [`Calendar::last_due`] agree: the slots that one of them names, in order, are the other one's.
//! - The zone's rules are built in: two replicas agree, and an image without files knows every zone.
//!
//! Five fields: minute, hour, day of month, month, day of week; names of months and days are understood, and a day of
//! month and a day of week that are both given are alternatives, as in every cron. Seconds, years and the letters of other
//! dialects (`L`, `W`, `#`, `?`) are refused, because tools disagree about what they mean.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::hash::fnv1a;
use super::order::{Invalid, Uid};
use super::pace::later;
use line::Line;

mod line;

/// The step between two times of a line.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const INSTANT: SignedDuration = SignedDuration::from_nanos(1);

/// See the file's header.
#[derive(Clone, Debug)]
pub struct Calendar {
    line: Line,
    zone: TimeZone,
    offset: i64,
}

impl Calendar {
    /// The calendar of the schedule `uid`: `line` in the time of `zone` (an IANA name), each slot due up to `spread` seconds
    /// later, by an offset that the UID alone decides. A mistake names its field.
    pub fn new(line: &str, zone: &str, spread: i64, uid: &Uid) -> Result<Self, Invalid> {
        let zone = jiff::tz::db().get(zone).map_err(|_| {
            let problem = format!("names no time zone that is known here ({zone:?})");
            Invalid::new("spec.timeZone", problem, "use an IANA name such as Asia/Shanghai or Etc/UTC")
        })?;
        Ok(Self { line: Line::parse(line)?, zone, offset: offset(spread, uid) })
    }

    /// The first slot later than `time`.
    pub fn next(&self, time: Timestamp) -> Option<Timestamp> {
        if self.line.is_interval { self.next_of_interval(time) } else { self.next_time_of_day(time) }
    }

    /// The last slot that is due at `now`.
    pub fn last_due(&self, now: Timestamp) -> Option<Timestamp> {
        let until = later(now, self.offset.saturating_neg());
        if self.line.is_interval { self.last_of_interval(until) } else { self.last_time_of_day(until) }
    }

    /// When a slot is due.
    pub fn due(&self, slot: Timestamp) -> Timestamp {
        later(slot, self.offset)
    }

    /// Later times of day never come earlier, so the first one whose instant is ahead is the next.
    fn next_time_of_day(&self, time: Timestamp) -> Option<Timestamp> {
        let mut civil = after(self.zone.to_datetime(time))?;
        loop {
            civil = self.line.at_or_after(civil)?;
            match self.instant(civil)? {
                slot if slot > time => return Some(slot),
                _ => civil = after(civil)?,
            }
        }
    }

    fn last_time_of_day(&self, until: Timestamp) -> Option<Timestamp> {
        let shown = self.zone.to_datetime(until);
        // In an hour that is repeated the clock has shown later times already.
        let before =
            self.transition_until(until).and_then(|at| Some(self.zone.to_datetime(at.checked_sub(INSTANT).ok()?)));
        self.instant(self.line.at_or_before(before.map_or(shown, |before| before.max(shown)))?)
    }

    /// The instant of a time of day: the first of two, or the first after the gap.
    fn instant(&self, civil: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok(),
            AmbiguousOffset::Gap { before, .. } => {
                // By the offset before it, the time would come after the gap has begun.
                self.transition_until(before.to_timestamp(civil).ok()?)
            }
        }
    }

    /// From one change of the clock to the next all times of the line are just the times that the clock shows.
    fn next_of_interval(&self, time: Timestamp) -> Option<Timestamp> {
        let (mut from, mut shown) = (time, after(self.zone.to_datetime(time))?);
        loop {
            let civil = self.line.at_or_after(shown);
            let slot = civil.and_then(|civil| self.zone.to_offset(from).to_timestamp(civil).ok());
            let change = self.zone.following(from).next().map(|change| change.timestamp());
            match (slot, change) {
                (Some(slot), Some(change)) if slot >= change => (),
                (Some(slot), _) => return Some(slot),
                (None, _) => return None,
            }
            from = change?;
            shown = self.zone.to_datetime(from);
        }
    }

    fn last_of_interval(&self, until: Timestamp) -> Option<Timestamp> {
        let mut until = until;
        loop {
            let civil = self.line.at_or_before(self.zone.to_datetime(until))?;
            let slot = self.zone.to_offset(until).to_timestamp(civil).ok()?;
            match self.transition_until(until) {
                Some(change) if slot < change => until = change.checked_sub(INSTANT).ok()?,
                _ => return Some(slot),
            }
        }
    }

    /// The last change of the clock at or before `until`.
    fn transition_until(&self, until: Timestamp) -> Option<Timestamp> {
        let end = until.checked_add(INSTANT).ok()?;
        self.zone.preceding(end).next().map(|change| change.timestamp())
    }
}

/// The whole minute after a civil time.
fn after(civil: DateTime) -> Option<DateTime> {
    civil.with().second(0).subsec_nanosecond(0).build().ok()?.checked_add(MINUTE).ok()
}

/// From nothing to `spread`, both included.
fn offset(spread: i64, uid: &Uid) -> i64 {
    let hash = fnv1a(uid.as_str().bytes());
    let Ok(places) = u64::try_from(spread.saturating_add(1)) else { return 0 };
    // The high bits of this hash are the better mixed ones.
    (hash >> 16).checked_rem(places).and_then(|place| i64::try_from(place).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
