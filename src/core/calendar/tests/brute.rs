//! The calendar against the rule itself: a walk over every minute that a clock in the zone shows, with lines and zones that
//! are drawn by lot. It knows of the zone only which offset holds at an instant.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use proptest::prelude::*;

use super::calendar;
use crate::core::pace::later;

/// A field's text and what it names.
type Field = (String, BTreeSet<i8>);

/// Each number of a range, by steps.
fn stepped(from: i8, to: i8, step: i8) -> BTreeSet<i8> {
    (from..=to).step_by(usize::try_from(step).unwrap()).collect()
}

/// Numbers, ranges and lists of them, with and without steps.
fn list(low: i8, high: i8) -> impl Strategy<Value = Field> {
    let item = prop_oneof![
        3 => (low..=high).prop_map(|n| (n.to_string(), BTreeSet::from([n]))),
        1 => (low..=high, low..=high, 1..9_i8).prop_map(|(one, other, step)| {
            let (from, to) = (one.min(other), one.max(other));
            let text = if step == 1 { format!("{from}-{to}") } else { format!("{from}-{to}/{step}") };
            (text, stepped(from, to, step))
        }),
    ];
    prop::collection::vec(item, 1..3).prop_map(|items| {
        let texts: Vec<&str> = items.iter().map(|(text, _)| text.as_str()).collect();
        (texts.join(","), items.iter().flat_map(|(_, values)| values.clone()).collect())
    })
}

/// The same, or a star.
fn field(low: i8, high: i8) -> impl Strategy<Value = Field> {
    prop_oneof![
        2 => Just(("*".to_owned(), stepped(low, high, 1))),
        1 => (2..12_i8).prop_map(move |step| (format!("*/{step}"), stepped(low, high, step))),
        4 => list(low, high),
    ]
}

#[derive(Clone)]
struct Line {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl Line {
    fn text(&self) -> String {
        [&self.minute.0, &self.hour.0, &self.day.0, &self.month.0, &self.weekday.0].map(String::as_str).join(" ")
    }

    fn is_interval(&self) -> bool {
        self.minute.0.starts_with('*') || self.hour.0.starts_with('*')
    }

    fn names(&self, shown: DateTime) -> bool {
        let day = self.day.1.contains(&shown.day());
        let weekday = shown.weekday().to_sunday_zero_offset();
        let weekday = self.weekday.1.contains(&weekday) || (weekday == 0 && self.weekday.1.contains(&7));
        let is_free = |field: &Field| field.0 == "*";
        let on_this_day = match (is_free(&self.day), is_free(&self.weekday)) {
            (false, false) => day || weekday,
            _ => day && weekday,
        };
        let at_this_time = self.minute.1.contains(&shown.minute()) && self.hour.1.contains(&shown.hour());
        on_this_day && at_this_time && self.month.1.contains(&shown.month())
    }

    /// All slots later than `from` and up to `until`, minute by minute.
    fn slots(&self, zone: &TimeZone, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let mut slots = vec![];
        // Begin early, to know which times have been shown before.
        let mut at = from - 30.hours();
        let mut before = zone.to_datetime(at);
        let mut latest = before;
        while at < until {
            at += 1.minutes();
            let shown = zone.to_datetime(at);
            let mut is_slot = self.names(shown) && (self.is_interval() || shown > latest);
            let mut passed_over = before + 1.minutes();
            while passed_over < shown {
                is_slot |= !self.is_interval() && passed_over > latest && self.names(passed_over);
                passed_over += 1.minutes();
            }
            if is_slot && at > from {
                slots.push(at);
            }
            (before, latest) = (shown, latest.max(shown));
        }
        slots
    }
}

fn apart(found: &[Timestamp], expected: &[Timestamp]) -> String {
    let (found, expected): (BTreeSet<&Timestamp>, BTreeSet<&Timestamp>) =
        (found.iter().collect(), expected.iter().collect());
    let first = |one: &BTreeSet<&Timestamp>, other: &BTreeSet<&Timestamp>| {
        one.difference(other).take(5).map(ToString::to_string).collect::<Vec<_>>()
    };
    format!("wrong {:?}, lacking {:?}", first(&found, &expected), first(&expected, &found))
}

fn line() -> impl Strategy<Value = Line> {
    let day = prop_oneof![3 => Just(("*".to_owned(), (1..=31).collect())), 1 => field(1, 31)];
    let month = prop_oneof![5 => Just(("*".to_owned(), (1..=12).collect())), 1 => field(1, 12)];
    let weekday = prop_oneof![3 => Just(("*".to_owned(), (0..=6).collect())), 1 => field(0, 7)];
    let hour = prop_oneof![1 => field(0, 23), 1 => list(0, 4)];
    (field(0, 59), hour, day, month, weekday).prop_map(|(minute, hour, day, month, weekday)| Line {
        minute,
        hour,
        day,
        month,
        weekday,
    })
}

/// A change of the clock in some zone: half of them in those that change by an odd amount, at midnight, or by a whole day.
fn change() -> impl Strategy<Value = (String, Timestamp)> {
    let odd = [
        "Australia/Lord_Howe",
        "Pacific/Chatham",
        "Antarctica/Troll",
        "Pacific/Apia",
        "Pacific/Kwajalein",
        "Asia/Beirut",
        "America/Havana",
        "America/Asuncion",
        "America/Santiago",
        "Africa/Cairo",
        "Africa/Casablanca",
        "Asia/Pyongyang",
    ]
    .map(str::to_owned);
    let all: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    assert!(all.len() > 400, "{} zones", all.len());
    let zone = prop_oneof![prop::sample::select(odd.to_vec()), prop::sample::select(all)];
    let year = prop_oneof![1 => Just(2011_i16), 1 => Just(1993), 4 => 1990..2040_i16];
    (zone, year, 0..2_usize).prop_map(|(name, year, which)| {
        let zone = TimeZone::get(&name).unwrap();
        let from = DateTime::new(year, 1, 1, 0, 0, 0, 0).unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp();
        let change = zone.following(from).nth(which).map_or(from, |change| change.timestamp());
        (name, change)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_minute_of_a_zone_agrees(line in line(), (zone, change) in change(), before in 0..2_000_i64) {
        let tz = TimeZone::get(&zone).unwrap();
        let (from, until) = (later(change, -60 * before), later(change, 93_600));
        let expected = line.slots(&tz, from, until);
        // A day and month that never meet are refused, and have no slots.
        let Ok(calendar) = std::panic::catch_unwind(|| calendar(&line.text(), &zone)) else {
            prop_assert!(expected.is_empty());
            return Ok(());
        };
        let (mut forth, mut at) = (vec![], from);
        while let Some(next) = calendar.next(at).filter(|next| *next <= until) {
            forth.push(next);
            at = next;
        }
        prop_assert!(forth == expected, "{line:?} in {zone}: {}", apart(&forth, &expected));
        let (mut back, mut at) = (vec![], until);
        while let Some(last) = calendar.last_due(at).filter(|last| *last > from) {
            back.push(last);
            at = later(last, -1);
        }
        back.reverse();
        prop_assert!(back == expected, "back, {line:?} in {zone}: {}", apart(&back, &expected));
    }
}
