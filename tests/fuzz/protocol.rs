//! `aim` and `decide` over anything: they are total, and I3, I4 and I5 hold in every cell.

use std::cell::Cell;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlserver_backup_operator::core::backup::{Aim, Step, aim, decide};
use sqlserver_backup_operator::core::record::{Record, Standing};
use sqlserver_backup_operator::core::seen::{Listing, Progress, Seen, Sight};

use crate::strategy::{LIMITS, UID, order, seen};

/// How many inputs each property is tried on.
pub(crate) fn cases() -> Config {
    Config { cases: Config::default().cases.max(2_000), failure_persistence: None, ..Config::default() }
}

/// Whether a name in the cloud ends in our UID and a number, said in other words than the core's.
fn is_ours(name: &str) -> bool {
    let parts: Vec<&str> = name.split('_').collect();
    match parts.as_slice() {
        [_, .., uid, digits] => {
            uid.eq_ignore_ascii_case(UID) && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
        }
        _ => false,
    }
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// Whether a call was announced, may still take effect, and nothing says how it was answered.
fn hangs(record: &Record, now: Timestamp) -> bool {
    let accepted = record.acceptance.is_some()
        || record.flow_id.is_some()
        || record.copy.backup_id.is_some()
        || record.copy.group_id.is_some();
    let answered = record.intent.is_none() && record.error.as_ref().map(|note| note.time) >= record.submit_time;
    !accepted && !answered && record.submit_time.is_some_and(|time| now < after(time, 660))
}

fn shows_nothing_of_ours(listing: &Listing) -> bool {
    listing.complete && !listing.rows.iter().any(|row| is_ours(&row.name))
}

fn shows_no_nameless_work(listing: &Listing) -> bool {
    let busy = |progress| matches!(progress, Progress::Running | Progress::Unheard);
    !listing.rows.iter().any(|row| row.name.is_empty() && busy(row.progress))
}

fn check_submission(seen: &Seen, deadline: Timestamp, step: &Step) -> Result<(), TestCaseError> {
    let Step::Submit { backup_name, attempt, time } = step else { return Ok(()) };
    let record = &seen.record;
    prop_assert!(!record.ended && record.intent.is_none() && record.acceptance.is_none(), "I5, I4, I6");
    prop_assert!(record.flow_id.is_none() && record.copy.backup_id.is_none() && record.copy.group_id.is_none(), "I6");
    prop_assert!(!hangs(record, seen.now), "I6, a call may still take effect");
    prop_assert!(!seen.subject.deleting && seen.now < deadline);
    match &seen.sight {
        Sight::Before { listing: Ok(listing), instance: Ok(_) } => {
            prop_assert!(shows_nothing_of_ours(listing), "I3");
            prop_assert!(record.attempts == 0 || shows_no_nameless_work(listing), "I3, a refusal that was none");
        }
        other => prop_assert!(false, "I3, submitted after {other:?}"),
    }
    prop_assert!(*attempt > record.attempts && *attempt >= 1, "I6, a number that was used");
    prop_assert!(is_ours(backup_name) && backup_name.ends_with(&format!("_{attempt}")), "{backup_name}");
    let documented = backup_name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    prop_assert!(documented && backup_name.len() <= 128, "{backup_name}");
    prop_assert!(*time <= seen.now && record.submit_time.is_none_or(|last| last <= *time), "I6");
    prop_assert!(time.subsec_nanosecond() == 0 && after(*time, 1) > seen.now, "I2, signed for another second");
    Ok(())
}

fn check_doubt(seen: &Seen, step: &Step) -> Result<(), TestCaseError> {
    match step {
        Step::Adopt { .. } | Step::StayInDoubt { .. } | Step::Rest { .. } => return Ok(()),
        Step::End { reason, .. } if reason.as_str() == "Missing" => return Ok(()),
        Step::Absent => {}
        Step::End { reason, .. } => prop_assert_eq!(reason.as_str(), "DeadlineExceeded"),
        other => prop_assert!(false, "I4, a doubt came to {other:?}"),
    }
    let Sight::Doubt { listing: Ok(listing), instance: Ok(Some(instance)) } = &seen.sight else {
        return Err(TestCaseError::fail("I4, absence without a look"));
    };
    prop_assert!(shows_nothing_of_ours(listing) && shows_no_nameless_work(listing), "I4");
    let busy = listing.rows.iter().any(|row| matches!(row.progress, Progress::Running | Progress::Unheard));
    prop_assert!(instance.0 != 7 || busy, "I4, at work on something that is not listed");
    let call = seen.record.submit_time.max(seen.record.intent.as_ref().map(|intent| intent.time));
    prop_assert!(call.is_none_or(|call| seen.now >= after(call, 660)), "I4, before the fence");
    Ok(())
}

#[test]
fn i3_i4_i5_hold_for_every_record_and_sight() {
    let (submitted, absent) = (Cell::new(0), Cell::new(0));
    let tried = TestRunner::new(cases()).run(&(order(), seen()), |(order, seen)| {
        let step = decide(order.as_ref(), &seen, &LIMITS);
        let standing = seen.record.standing(seen.now, LIMITS.fence());
        prop_assert!(!hangs(&seen.record, seen.now) || standing == Standing::InDoubt, "I6");
        let deadline = order.as_ref().map_or(Timestamp::MIN, |order| order.deadline);
        check_submission(&seen, deadline, &step)?;
        match standing {
            Standing::Finished => prop_assert_eq!(&step, &Step::Rest { until: None }, "I5"),
            Standing::InDoubt => check_doubt(&seen, &step)?,
            Standing::Following => {
                let fits = match &step {
                    // Two backups are told of at the end, whichever of them was followed (I6).
                    Step::Adopt { others, .. } => !others.is_empty(),
                    step => matches!(step, Step::Follow { .. } | Step::End { .. } | Step::Rest { .. }),
                };
                prop_assert!(fits, "{:?}", step);
            }
            Standing::Waiting => {
                let is_of_a_doubt = matches!(step, Step::Absent | Step::StayInDoubt { .. });
                prop_assert!(!is_of_a_doubt, "{:?}", step);
            }
        }
        if let (Standing::InDoubt, Aim::Before { .. }) = (standing, aim(order.as_ref(), &seen, &LIMITS)) {
            prop_assert!(false, "a doubt is looked at as if it were none");
        }
        submitted.set(submitted.get() + i32::from(matches!(step, Step::Submit { .. })));
        absent.set(absent.get() + i32::from(step == Step::Absent));
        Ok(())
    });
    tried.unwrap();
    let (submitted, absent) = (submitted.get(), absent.get());
    assert!(submitted > 10 && absent > 0, "hardly tried: {submitted} submissions, {absent} absences");
}
