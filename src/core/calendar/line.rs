//! A cron line as sets of minutes, hours and days, and a walk over the times of day that it names.
//!
//! # What it guarantees
//! - The walk knows no zone: it goes over civil times, each once and in order, in either direction.
//! - It costs some days' steps, never some minutes': a year of minutes is counted in a moment.
//!
//! The text is read by a parser that many use; what it understands beyond five plain fields is refused before. Its search
//! is not used: on the nights of clock change it takes every line with a list or a range for an interval, and skips what
//! does not exist.

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, DateTime, Time};

use crate::core::order::Invalid;

/// The names that stand for a line.
const NAMED: [(&str, &str); 4] =
    [("@hourly", "0 * * * *"), ("@daily", "0 0 * * *"), ("@weekly", "0 0 * * 0"), ("@monthly", "0 0 1 * *")];
/// The words that may stand for a month, and for a day of the week.
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// Years in which every date comes that ever does: the 29th of February around a century that has none.
const MOST_YEARS: i16 = 9;
const MINUTES_OF_A_DAY: i32 = 1_440;

/// A line, as bits from the lowest value on.
#[derive(Clone, Debug)]
pub(super) struct Line {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both days are given: either of them is enough.
    is_either_day: bool,
    /// Its minute or its hour begins with a star.
    pub(super) is_interval: bool,
}

impl Line {
    /// Reads a line, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let plain = text.trim_ascii();
        let plain = match NAMED.iter().find(|(name, _)| *name == plain) {
            Some((_, meaning)) => meaning,
            None if plain.starts_with('@') => return Err(mistake("is none of @hourly, @daily, @weekly and @monthly")),
            None => plain,
        };
        let fields: Vec<&str> = plain.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(mistake(match fields.len() {
                6 | 7 => "has more than five fields; seconds and years are not supported",
                _ => "has not five fields",
            }));
        };
        for (field, words) in
            [(minute, &[][..]), (hour, &[]), (day, &[]), (month, &MONTHS[..]), (weekday, &WEEKDAYS[..])]
        {
            check(field, words)?;
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let read = parser.parse(plain).map_err(|why| mistake(&format!("cannot be read ({why})")))?.pattern;
        let line = Self {
            minutes: bits(&read.minutes.values()),
            hours: bits(&read.hours.values()),
            days: bits(&read.days.values()),
            months: bits(&read.months.values()),
            weekdays: bits(&read.days_of_week.values()),
            is_either_day: !is_any(day) && !is_any(weekday),
            is_interval: minute.starts_with('*') || hour.starts_with('*'),
        };
        match line.at_or_after(Date::constant(2000, 3, 1).at(0, 0, 0, 0)) {
            Some(_) => Ok(line),
            None => Err(mistake("never comes (such as the 30th of February)")),
        }
    }

    /// The first time of the line at or after `from`.
    pub(super) fn at_or_after(&self, from: DateTime) -> Option<DateTime> {
        let is_odd = from.second() != 0 || from.subsec_nanosecond() != 0;
        let (mut date, mut minute) = (from.date(), minute_of_day(from) + i32::from(is_odd));
        let last = from.year().saturating_add(MOST_YEARS);
        while date.year() <= last {
            if !holds(self.months, date.month()) {
                date = date.last_of_month().tomorrow().ok()?;
                minute = 0;
                continue;
            }
            let found = if self.is_on(date) { self.minute_from(minute) } else { None };
            if let Some(found) = found {
                return at(date, found);
            }
            date = date.tomorrow().ok()?;
            minute = 0;
        }
        None
    }

    /// The last time of the line at or before `until`.
    pub(super) fn at_or_before(&self, until: DateTime) -> Option<DateTime> {
        let (mut date, mut minute) = (until.date(), minute_of_day(until));
        let first = until.year().saturating_sub(MOST_YEARS);
        while date.year() >= first {
            if !holds(self.months, date.month()) {
                date = date.first_of_month().yesterday().ok()?;
                minute = MINUTES_OF_A_DAY - 1;
                continue;
            }
            let found = if self.is_on(date) { self.minute_until(minute) } else { None };
            if let Some(found) = found {
                return at(date, found);
            }
            date = date.yesterday().ok()?;
            minute = MINUTES_OF_A_DAY - 1;
        }
        None
    }

    fn is_on(&self, date: Date) -> bool {
        let day = holds(self.days, date.day());
        let weekday = holds(self.weekdays, date.weekday().to_sunday_zero_offset());
        if self.is_either_day { day || weekday } else { day && weekday }
    }

    fn minute_from(&self, minute: i32) -> Option<i32> {
        let (hour, minute) = (minute / 60, minute % 60);
        let in_this_hour = lowest_from(self.minutes, minute).filter(|_| lowest_from(self.hours, hour) == Some(hour));
        in_this_hour.map(|minute| hour * 60 + minute).or_else(|| {
            let hour = lowest_from(self.hours, hour + 1)?;
            Some(hour * 60 + lowest_from(self.minutes, 0)?)
        })
    }

    fn minute_until(&self, minute: i32) -> Option<i32> {
        let (hour, minute) = (minute / 60, minute % 60);
        let in_this_hour =
            highest_until(self.minutes, minute).filter(|_| highest_until(self.hours, hour) == Some(hour));
        in_this_hour.map(|minute| hour * 60 + minute).or_else(|| {
            let hour = highest_until(self.hours, hour - 1)?;
            Some(hour * 60 + highest_until(self.minutes, 59)?)
        })
    }
}

/// Whether a field restricts nothing: then the other day alone decides. `*/2` restricts, as it does for a `CronJob`.
fn is_any(field: &str) -> bool {
    field.split(',').any(|part| part == "*" || part == "*/1")
}

/// The parser would understand more: letters of other dialects, words in any field, and lists with nothing between commas.
fn check(field: &str, words: &[&str]) -> Result<(), Invalid> {
    if let Some(odd) = field.chars().find(|c| !c.is_alphanumeric() && !"*,-/".contains(*c)) {
        return Err(mistake(&format!("holds {odd:?}, which no field may hold")));
    }
    let is_word = |word: &str| words.contains(&word.to_ascii_uppercase().as_str());
    for part in field.split([',', '-', '/']).filter(|part| !part.bytes().all(|byte| byte.is_ascii_digit())) {
        if part != "*" && !is_word(part) {
            return Err(mistake(&format!("holds {part:?} in a place where it means nothing")));
        }
    }
    if field.split([',', '-', '/']).any(str::is_empty) {
        return Err(mistake(&format!("cannot be read ({field:?} has a part that is empty)")));
    }
    Ok(())
}

fn mistake(problem: &str) -> Invalid {
    let cure = "write minute, hour, day of month, month and day of week, such as 30 2 * * *";
    Invalid::new("spec.schedule", problem, cure)
}

fn bits(values: &[u16]) -> u64 {
    values.iter().fold(0, |bits, value| bits | 1_u64.checked_shl(u32::from(*value)).unwrap_or(0))
}

fn holds(bits: u64, value: i8) -> bool {
    lowest_from(bits, value.into()) == Some(value.into())
}

fn lowest_from(bits: u64, from: i32) -> Option<i32> {
    let rest = bits & u64::MAX.checked_shl(u32::try_from(from).ok()?)?;
    i32::try_from(rest.trailing_zeros()).ok().filter(|value| *value < 64)
}

fn highest_until(bits: u64, until: i32) -> Option<i32> {
    let rest = bits & u64::MAX.checked_shr(u32::try_from(63 - until).ok()?)?;
    i32::try_from(rest.leading_zeros()).ok().map(|zeros| 63 - zeros).filter(|value| *value >= 0)
}

fn minute_of_day(time: DateTime) -> i32 {
    i32::from(time.hour()) * 60 + i32::from(time.minute())
}

fn at(date: Date, minute: i32) -> Option<DateTime> {
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    Some(date.to_datetime(Time::new(hour, minute, 0, 0).ok()?))
}
