//! The calendar against a second implementation, whose answers `tests/fixtures/cron/generate.py` wrote down.

use jiff::{Timestamp, ToSpan, tz::TimeZone};

use super::{at, calendar};
use crate::core::calendar::Calendar;

const ANSWERS: &str = include_str!("../../../../tests/fixtures/cron/slots.tsv");

/// The windows that a row was walked over: ten years, or the day around each change of the clock in them.
fn windows(over: &str, zone: &TimeZone) -> Vec<(Timestamp, Timestamp)> {
    let (from, until) = (at("2026-01-01T00:00:00Z"), at("2036-01-01T00:00:00Z"));
    if over == "all" {
        return vec![(from, until)];
    }
    let changes = zone.following(from).map(|change| change.timestamp()).take_while(|change| *change < until);
    changes.map(|change| (change - 12.hours(), change + 12.hours())).collect()
}

/// How many slots, and the hash of them; forth by `next` and back by `last_due`.
fn walk(calendar: &Calendar, windows: &[(Timestamp, Timestamp)]) -> (usize, String) {
    let mut slots = vec![];
    for (from, until) in windows {
        let begin = slots.len();
        let mut slot = *from;
        while let Some(next) = calendar.next(slot).filter(|next| next <= until) {
            slots.push(next.as_second());
            slot = next;
        }
        // Sparse lines over ten years are walked back as well; the dense ones are few here.
        let mut back = *until;
        for expected in slots[begin..].iter().rev() {
            back = calendar.last_due(back).unwrap();
            assert_eq!(back.as_second(), *expected, "{back} is not what the way forth met");
            back -= 1.nanoseconds();
        }
        assert!(calendar.last_due(back).unwrap() <= *from);
    }
    let bytes = slots.iter().flat_map(|slot| slot.to_le_bytes());
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    (slots.len(), format!("{:016x}", bytes.fold(0xcbf2_9ce4_8422_2325_u64, fnv)))
}

#[test]
fn a_second_implementation_names_the_same_slots_over_ten_years() {
    let mut rows = 0;
    let mut wrong = vec![];
    for row in ANSWERS.lines().skip(1) {
        let [zone, line, over, count, hash, told] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let windows = windows(over, &TimeZone::get(zone).unwrap());
        let found = walk(&calendar(line, zone), &windows);
        if found != (count.parse().unwrap(), hash.to_owned()) {
            wrong.push(format!("{zone} {line} ({over}): {} slots, not {count}; on the nights {told}", found.0));
        }
        rows += 1;
    }
    assert!(wrong.is_empty(), "{} of {rows}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows > 300, "{rows}");
}
