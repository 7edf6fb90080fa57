//! What a schedule's backups are called: a function of the schedule's name and the cause, so that asking twice makes one.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::core::hash::fnv1a;
use crate::core::order::Uid;

/// Longest name of a Kubernetes object.
const LONGEST: usize = 253;
/// Longest value of a label.
const LONGEST_LABEL: usize = 63;

/// The backup of a slot: `nightly-20261124-1800`, in UTC, and `-r2` for its second further try. Slots lie on whole minutes,
/// so no two of them share a name.
pub fn for_slot(schedule: &str, slot: Timestamp, number: i64) -> String {
    let slot = slot.to_zoned(TimeZone::UTC).strftime("-%Y%m%d-%H%M").to_string();
    let again = if number > 0 { format!("-r{number}") } else { String::new() };
    fitted(schedule, &(slot + &again))
}

/// The backup that a token asked for: `nightly-now-` and the token's hash.
pub fn for_token(schedule: &str, token: &str) -> String {
    fitted(schedule, &format!("-now-{:016x}", fnv1a(token.bytes())))
}

/// The event that tells of what was missed up to this slot: however often it is told, there is one.
pub fn for_missed(schedule: &str, uid: &Uid, settled: Timestamp) -> String {
    let which = fnv1a(format!("{}/{}", uid.as_str(), settled.as_second()).bytes());
    fitted(schedule, &format!("-missed-{which:016x}"))
}

/// The label by which a schedule's backups are found: its name, if it fits.
pub fn label(schedule: &str) -> String {
    cut(schedule, "", LONGEST_LABEL)
}

fn fitted(schedule: &str, tail: &str) -> String {
    cut(schedule, tail, LONGEST)
}

/// Cut, two schedules of a long common beginning could meet, so a cut name carries a hash of the whole.
fn cut(schedule: &str, tail: &str, longest: usize) -> String {
    let whole = format!("{schedule}{tail}");
    if whole.len() <= longest {
        return whole;
    }
    let tail = format!("-{:016x}{tail}", fnv1a(schedule.bytes()));
    let head: String = schedule.chars().take(longest.saturating_sub(tail.len())).collect();
    format!("{}{tail}", head.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_slot_and_the_try() {
        let slot: Timestamp = "2026-11-24T18:00:00Z".parse().unwrap();
        assert_eq!(for_slot("nightly", slot, 0), "nightly-20261124-1800");
        assert_eq!(for_slot("nightly", slot, 2), "nightly-20261124-1800-r2");
        assert_eq!(for_token("nightly", "a"), for_token("nightly", "a"));
        assert_ne!(for_token("nightly", "a"), for_token("nightly", "b"));
    }

    #[test]
    fn what_was_missed_is_told_under_one_name_for_each_schedule_and_slot() {
        let [one, other] = ["ab", "cd"].map(|part| Uid::new(&part.repeat(16)).unwrap());
        let name = |uid, slot| for_missed("nightly", uid, Timestamp::from_second(slot).unwrap());
        assert_eq!(name(&one, 60), name(&one, 60));
        assert_ne!(name(&one, 60), name(&one, 120));
        assert_ne!(name(&one, 60), name(&other, 60), "one that was deleted and created anew has a past of its own");
    }

    #[test]
    fn long_names_fit_and_stay_apart() {
        let slot = Timestamp::UNIX_EPOCH;
        let (one, other) = (format!("{}1", "a".repeat(252)), format!("{}2", "a".repeat(252)));
        for name in [for_slot(&one, slot, 0), for_slot(&one, slot, i64::MAX), for_token(&one, "t")] {
            assert!(name.len() <= LONGEST, "{name}");
        }
        assert_ne!(for_slot(&one, slot, 0), for_slot(&other, slot, 0));
        let dotted = format!("{}.b", "a".repeat(LONGEST - 34));
        assert!(!for_slot(&dotted, slot, 0).contains(".-"), "a name's parts begin and end with a letter or digit");
    }
}
