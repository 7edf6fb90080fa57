//! When a schedule's slots are: the cron line, its time zone, and the offset that spreads schedules apart.
//!
//! # What it guarantees
//! - A slot is an instant of the line alone; the offset only says how much later it is due. So a slot keeps its identity,
//!   and the name of its backup, when the offset is changed.
//! - On the two nights of clock change a time of day that does not exist has its slot at the next instant that does, and
//!   one that occurs twice has one slot, at the first. A line whose minute or hour begins with a star means an interval:
//!   it goes on through the repeated hour, as the hours of a clock on the wall do.
//! - The zone's rules are built in: two replicas agree, and an image without files knows every zone.
//!
//! Five fields: minute, hour, day of month, month, day of week; names of months and days are understood, and a day of
//! month and a day of week that are both given are alternatives, as in every cron. Seconds, years and the letters of other
//! dialects (`L`, `W`, `#`, `?`) are refused, because tools disagree about what they mean.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::order::{Invalid, Uid};
use super::pace::later;

/// The names that stand for a line.
const NAMED: [(&str, &str); 4] =
    [("@hourly", "0 * * * *"), ("@daily", "0 0 * * *"), ("@weekly", "0 0 * * 0"), ("@monthly", "0 0 1 * *")];
/// The words that may stand in a field.
const WORDS: [&str; 19] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC", "SUN", "MON", "TUE", "WED",
    "THU", "FRI", "SAT",
];

/// See the file's header.
#[derive(Clone, Debug)]
pub struct Calendar {
    line: Cron,
    zone: TimeZone,
    offset: i64,
}

impl Calendar {
    /// The calendar of the schedule `uid`: `line` in the time of `zone` (an IANA name), each slot due up to `spread` seconds
    /// later, by an offset that the UID alone decides. A mistake names its field.
    pub fn new(line: &str, zone: &str, spread: i64, uid: &Uid) -> Result<Self, Invalid> {
        let known = jiff::tz::db().get(zone).map_err(|_| {
            let problem = format!("names no time zone that is known here ({zone:?})");
            Invalid::new("spec.timeZone", problem, "use an IANA name such as Asia/Shanghai or Etc/UTC")
        })?;
        let calendar = Self { line: parsed(line)?, zone: known, offset: offset(spread, uid) };
        if calendar.next(Timestamp::UNIX_EPOCH).is_none() {
            return Err(mistake("never comes (such as the 30th of February)"));
        }
        Ok(calendar)
    }

    /// The first slot later than `time`.
    pub fn next(&self, time: Timestamp) -> Option<Timestamp> {
        let from = time.to_zoned(self.zone.clone());
        self.line.find_next_occurrence(&from, false).ok().map(|slot| slot.timestamp())
    }

    /// The last slot that is due at `now`.
    pub fn last_due(&self, now: Timestamp) -> Option<Timestamp> {
        let until = later(now, -self.offset).to_zoned(self.zone.clone());
        self.line.find_previous_occurrence(&until, true).ok().map(|slot| slot.timestamp())
    }

    /// When a slot is due.
    pub fn due(&self, slot: Timestamp) -> Timestamp {
        later(slot, self.offset)
    }
}

fn parsed(line: &str) -> Result<Cron, Invalid> {
    let line = line.trim();
    let plain = match NAMED.iter().find(|(name, _)| *name == line) {
        Some((_, meaning)) => meaning,
        None if line.starts_with('@') => return Err(mistake("is none of @hourly, @daily, @weekly and @monthly")),
        None => line,
    };
    match plain.split_ascii_whitespace().count() {
        5 => {}
        6 | 7 => return Err(mistake("has more than five fields; seconds and years are not supported")),
        _ => return Err(mistake("has not five fields")),
    }
    if let Some(odd) = plain.split(|c: char| !c.is_alphabetic()).find(|word| !is_word(word)) {
        return Err(mistake(&format!("holds {odd:?}, which is no month and no day of the week")));
    }
    if let Some(odd) = plain.chars().find(|c| !c.is_ascii_alphanumeric() && !" \t*,-/".contains(*c)) {
        return Err(mistake(&format!("holds {odd:?}, which no field may hold")));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(plain).map_err(|why| mistake(&format!("cannot be read ({why})")))
}

fn is_word(word: &str) -> bool {
    word.is_empty() || WORDS.contains(&word.to_ascii_uppercase().as_str())
}

fn mistake(problem: &str) -> Invalid {
    let cure = "write minute, hour, day of month, month and day of week, such as 30 2 * * *";
    Invalid::new("spec.schedule", problem, cure)
}

/// From nothing to `spread`, both included; FNV-1a, so that it is the same in every version and replica.
fn offset(spread: i64, uid: &Uid) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in uid.as_str().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let Ok(places) = u64::try_from(spread.saturating_add(1)) else { return 0 };
    // The high bits of this hash are the better mixed ones.
    (hash >> 16).checked_rem(places).and_then(|place| i64::try_from(place).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
