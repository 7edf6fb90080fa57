//! Golden: what `docs/schedules.md` says of zones, words and keys is what the program does, says and writes.
//!
//! The table of the two nights is read from the page and computed anew, row by row; the words of the conditions and of
//! the reasons of a missed time have a row each, and no row is left over.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use sqlserver_backup_operator::api::schedule::conversion;
use sqlserver_backup_operator::core::calendar::Calendar;
use sqlserver_backup_operator::core::order::Uid;
use sqlserver_backup_operator::core::protected;
use sqlserver_backup_operator::core::schedule::{self, Place, Why};

const PAGE: &str = include_str!("../../docs/schedules.md");

/// The cells of the table below the heading that is given.
fn table(heading: &str) -> Vec<Vec<String>> {
    let (_, below) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    let section = below.split("\n## ").next().unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.skip(2).map(cells).collect()
}

fn words(heading: &str) -> Vec<String> {
    table(heading).into_iter().map(|row| row[0].trim_matches('`').to_owned()).collect()
}

/// The slots of `line` on the day, from midnight to midnight of the zone, as the page writes them: in the zone's time, with
/// the offset where the clock shows that time twice.
fn slots(line: &str, zone: &str, day: Date) -> Vec<String> {
    let uid = Uid::new("0123456789abcdef0123456789abcdef").unwrap();
    let calendar = Calendar::new(line, zone, 0, &uid).unwrap();
    let zone = TimeZone::get(zone).unwrap();
    let midnight = |day: Date| day.to_zoned(zone.clone()).unwrap().timestamp();
    let (from, until) = (midnight(day), midnight(day.tomorrow().unwrap()));
    let first = from.checked_sub(1.second()).unwrap();
    let all: Vec<Timestamp> = std::iter::successors(calendar.next(first), |slot| calendar.next(*slot))
        .take_while(|slot| *slot < until)
        .collect();
    all.iter().map(|slot| slot.to_zoned(zone.clone()).strftime("%H:%M%:z").to_string()).collect()
}

#[test]
fn the_two_nights_are_as_the_page_says() {
    let rows = table("The two nights");
    assert!(rows.len() >= 12, "the table was not found: {rows:?}");
    for row in rows {
        let [night, line, slots_told] = &row[..] else { panic!("{row:?}") };
        let (zone, day) = night.split_once(' ').unwrap();
        let all = slots(line.trim_matches('`'), zone, day.parse().unwrap());
        // A long list is told by what is around the change.
        let told: Vec<&str> = slots_told.split_whitespace().collect();
        let at = all.iter().position(|slot| slot == told[0]).unwrap_or_else(|| panic!("{night} {line}: {all:?}"));
        let around = &all[at..(at + told.len()).min(all.len())];
        assert_eq!(around, told, "{night} {line}");
        if told.len() == 1 {
            assert_eq!(all.len(), 1, "once a day, on this one too: {night} {line}");
        }
    }
}

#[test]
fn every_place_and_every_cause_of_a_missed_time_has_its_row() {
    assert_eq!(words("Ready"), Place::ALL.map(|place| place.as_str().to_owned()), "in this order");
    let causes = [Why::Late, Why::Overlap, Why::NameTaken].map(|why| why.as_str().to_owned());
    assert_eq!(words("Missed runs"), causes, "in this order");
    for row in table("Ready") {
        let place = Place::ALL.into_iter().find(|place| row[0].contains(&format!("`{}`", place.as_str()))).unwrap();
        let (ready, stalled) = place.verdicts();
        assert_eq!(row[1..3], [ready.as_str(), stalled.as_str()], "{}", row[0]);
    }
    assert_eq!(words("Protected"), protected::Reason::ALL.map(|reason| reason.as_str().to_owned()), "in this order");
    for row in table("Protected") {
        let reason = protected::Reason::parse(row[0].trim_matches('`')).unwrap();
        assert_eq!(row[1], reason.verdict().as_str(), "{}", row[0]);
    }
}

#[test]
fn the_keys_and_names_of_the_page_are_those_of_the_program() {
    let mut keys = words("What its backups carry");
    keys.sort();
    let mut own =
        [conversion::RUN_NOW, conversion::SCHEDULED_FOR, conversion::RETRY, conversion::SCHEDULE].map(str::to_owned);
    own.sort();
    assert_eq!(keys, own);
    let slot: Timestamp = "2026-11-24T18:30:00Z".parse().unwrap();
    for name in [
        schedule::for_slot("nightly", slot, 0),
        schedule::for_slot("nightly", slot, 2),
        schedule::for_token("nightly", "release-42"),
    ] {
        assert!(PAGE.contains(&format!("`{name}`")), "{name} is not on the page");
    }
}

/// Every event that a schedule can have.
#[test]
fn every_event_has_its_row() {
    let told = words("Events");
    for reason in ["BackupCreated", "BackupRetried", "BackupRequested", "RunMissed", "Suspended", "Resumed"] {
        assert!(told.iter().any(|word| word == reason), "{reason}");
        let source = include_str!("../../src/core/schedule/standing.rs");
        assert!(source.contains(&format!("\"{reason}\"")), "{reason} is told by nobody");
    }
}
