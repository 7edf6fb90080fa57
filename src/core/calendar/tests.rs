//! Lines that are refused, and the two nights of clock change against a plain walk over every minute of ten years.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

use super::*;

mod brute;
mod other;

fn uid(n: u32) -> Uid {
    Uid::new(&format!("{n:032x}")).unwrap()
}

fn calendar(line: &str, zone: &str) -> Calendar {
    Calendar::new(line, zone, 0, &uid(1)).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_mistake_names_the_field_and_the_cure() {
    for (line, word) in [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("0 0 2 * * *", "seconds"),
        ("0 0 2 * * * 2026", "seconds"),
        ("@yearly", "@daily"),
        ("@reboot", "@daily"),
        ("61 * * * *", "cannot be read"),
        ("0 24 * * *", "cannot be read"),
        ("0 2 L * *", "\"L\""),
        ("0 2 15W * *", "\"15W\""),
        ("0 2 * * 5#1", "'#'"),
        ("0 2 ? * *", "'?'"),
        ("0 2 * FEBRUARY *", "\"FEBRUARY\""),
        ("0 2 30 2 *", "never comes"),
        ("0 2 31 4,6,9,11 *", "never comes"),
        ("*/0 * * * *", "cannot be read"),
        ("5-1 * * * *", "cannot be read"),
        ("0 2 * * 1-", "cannot be read"),
        ("0,,30 2 * * *", "cannot be read"),
        ("0, 2 * * *", "cannot be read"),
        ("-5 2 * * *", "cannot be read"),
        ("*/ 2 * * *", "cannot be read"),
        ("*/2/3 2 * * *", "cannot be read"),
        ("1-5-7 2 * * *", "cannot be read"),
        ("0/15 * * * *", "cannot be read"),
        ("** 2 * * *", "\"**\""),
        ("*5 2 * * *", "\"*5\""),
        ("0 2 0 * *", "cannot be read"),
        ("0 2 * 13 *", "cannot be read"),
        ("0 2 * * 8", "cannot be read"),
        ("0 2 * MON *", "\"MON\""),
        ("0 2 * * JAN", "\"JAN\""),
        ("MON 2 * * *", "\"MON\""),
        ("\u{ff10} 2 * * *", "place"),
        ("0 2 * * *\u{a0}", "no field may hold"),
    ] {
        let error = Calendar::new(line, "Etc/UTC", 0, &uid(1)).expect_err(line);
        assert_eq!(error.field, "spec.schedule", "{line}");
        assert!(error.problem.contains(word), "{line}: {error}");
    }
    for zone in ["", "Mars/Olympus", "GMT+25", "../etc/passwd", "PRC2"] {
        let error = Calendar::new("0 2 * * *", zone, 0, &uid(1)).expect_err(zone);
        assert_eq!(error.field, "spec.timeZone", "{zone}");
    }
}

#[test]
fn named_lines_and_names_of_days_mean_what_they_say() {
    for (line, slots) in [
        ("@hourly", ["2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z"]),
        ("@daily", ["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]),
        ("@weekly", ["2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"]),
        ("@monthly", ["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"]),
        ("30 2 * * mon-wed", ["2026-01-05T02:30:00Z", "2026-01-06T02:30:00Z"]),
        ("30 2 1 JAN,jul *", ["2026-01-01T02:30:00Z", "2026-07-01T02:30:00Z"]),
        ("0 0 13 * 5", ["2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z"]),
        ("0 0 */1 * 1", ["2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z"]),
        ("0 0 * * 7", ["2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"]),
        ("0 2 29 2 *", ["2028-02-29T02:00:00Z", "2032-02-29T02:00:00Z"]),
    ] {
        let calendar = calendar(line, "Etc/UTC");
        let first = calendar.next(at("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!([first, calendar.next(first).unwrap()], slots.map(at), "{line}");
    }
}

#[test]
fn a_slot_is_due_later_by_an_offset_that_never_changes() {
    let spread = |n| Calendar::new("0 2 * * *", "Etc/UTC", 600, &uid(n)).unwrap();
    let slot = at("2026-01-01T02:00:00Z");
    let offsets: Vec<i64> = (0..200).map(|n| spread(n).due(slot).as_second() - slot.as_second()).collect();
    assert!(offsets.iter().all(|offset| (0..=600).contains(offset)), "{offsets:?}");
    let distinct: std::collections::BTreeSet<_> = offsets.iter().collect();
    assert!(distinct.len() > 120, "they spread: {}", distinct.len());
    assert_eq!(offsets[1], spread(1).offset, "the same for the same UID");
    let late = spread(1);
    let due = late.due(slot);
    assert_eq!(late.last_due(due), Some(slot));
    assert_eq!(late.last_due(later(due, -1)), Some(at("2025-12-31T02:00:00Z")), "not before it is due");
}

/// Five zones: none, a gap at night, one at the day's first minute, half an hour, and a south one.
const ZONES: [&str; 5] =
    ["Asia/Shanghai", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "America/New_York"];

/// What the rule says, told by another way: for each day the time of day, or the first instant after the gap it is in.
fn expected(day: Date, hour: i8, minute: i8, zone: &TimeZone) -> Timestamp {
    let wanted = day.at(hour, minute, 0, 0);
    let ambiguous = zone.to_ambiguous_zoned(wanted);
    if !ambiguous.is_ambiguous() {
        return ambiguous.unambiguous().unwrap().timestamp();
    }
    let earlier = ambiguous.clone().earlier().unwrap();
    let later = ambiguous.later().unwrap();
    if earlier.datetime() == wanted {
        return earlier.timestamp();
    }
    // In a gap. The clock jumps at the only transition between the two.
    let from = earlier.timestamp().min(later.timestamp()) - 24.hours();
    zone.following(from).next().unwrap().timestamp()
}

#[test]
fn a_time_of_day_has_one_slot_a_day_over_ten_years() {
    for name in ZONES {
        let zone = TimeZone::get(name).unwrap();
        for (hour, minute) in [(0, 0), (1, 45), (2, 30), (3, 0)] {
            let calendar = calendar(&format!("{minute} {hour} * * *"), name);
            let mut day = Date::constant(2024, 12, 31);
            let mut slot = expected(day, hour, minute, &zone);
            while day.year() < 2035 {
                day = day.tomorrow().unwrap();
                let next = calendar.next(slot).unwrap();
                assert_eq!(next, expected(day, hour, minute, &zone), "{name} {hour}:{minute} on {day}");
                assert_eq!(calendar.last_due(next), Some(next), "{name} {day}");
                assert_eq!(calendar.last_due(later(next, -1)), Some(slot), "{name} {day}");
                slot = next;
            }
        }
    }
}

#[test]
fn an_interval_goes_on_through_both_nights() {
    for name in ZONES {
        let calendar = calendar("*/15 * * * *", name);
        let mut slot = at("2026-01-01T00:00:00Z");
        while slot < at("2027-01-02T00:00:00Z") {
            let next = calendar.next(slot).unwrap();
            assert_eq!(next.as_second() - slot.as_second(), 900, "{name} after {slot}");
            assert_eq!(calendar.last_due(later(next, 899)), Some(next), "{name}");
            slot = next;
        }
    }
}

#[test]
fn the_two_nights_by_hand() {
    let berlin = calendar("30 2 * * *", "Europe/Berlin");
    let spring = berlin.next(at("2026-03-28T12:00:00Z")).unwrap();
    assert_eq!(spring, at("2026-03-29T01:00:00Z"), "02:30 does not exist: 03:00 in summer time");
    let autumn = berlin.next(at("2026-10-24T12:00:00Z")).unwrap();
    assert_eq!(autumn, at("2026-10-25T00:30:00Z"), "02:30 occurs twice: the first");
    assert_eq!(berlin.next(autumn), Some(at("2026-10-26T01:30:00Z")));
    assert_eq!(berlin.last_due(at("2026-10-25T01:15:00Z")), Some(autumn), "in the repeated hour it is over");
    let hourly = calendar("0 * * * *", "Europe/Berlin");
    assert_eq!(hourly.next(at("2026-10-25T00:00:00Z")), Some(at("2026-10-25T01:00:00Z")), "every hour that passes");
}

/// What a pass may cost: a schedule that was away for a year, and the rarest of lines, in the slowest build there is.
#[test]
fn a_year_of_minutes_and_the_rarest_line_cost_little() {
    let began = std::time::Instant::now();
    let rare = calendar("0 0 29 2 *", "Europe/Berlin");
    assert_eq!(rare.last_due(at("2103-12-31T00:00:00Z")), Some(at("2096-02-28T23:00:00Z")), "2100 is no leap year");
    assert_eq!(rare.next(at("2096-02-29T00:00:00Z")), Some(at("2104-02-28T23:00:00Z")));
    let rare_minutes = calendar("* * 29 2 *", "Europe/Berlin");
    assert_eq!(rare_minutes.last_due(at("2103-12-31T00:00:00Z")), Some(at("2096-02-29T22:59:00Z")));
    assert_eq!(rare_minutes.next(at("2096-02-29T23:00:00Z")), Some(at("2104-02-28T23:00:00Z")));
    assert!(Calendar::new("0 2 31 2,4,6,9,11 *", "Europe/Berlin", 0, &uid(1)).is_err());
    let minutes = calendar("* * * * *", "Europe/Berlin");
    let mut slot = at("2026-01-01T00:00:00Z");
    for _ in 0..100_000 {
        slot = minutes.next(slot).unwrap();
    }
    assert_eq!(slot, at("2026-03-11T10:40:00Z"));
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
