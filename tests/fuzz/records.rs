//! `fold` and `announce` over anything: I6 holds for every step and outcome, and an end is an end (I5).

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sqlserver_backup_operator::core::backup::{Step, decide};
use sqlserver_backup_operator::core::fold::{announce, fold};
use sqlserver_backup_operator::core::record::{Intent, Record, Standing};
use sqlserver_backup_operator::core::seen::Outcome;

use crate::protocol::cases;
use crate::strategy::{LIMITS, at, instant, order, outcome, record, seen};

fn nothing_is_hidden(old: &Record, new: &Record) -> Result<(), TestCaseError> {
    prop_assert!(old.flow_id.is_none() || old.flow_id == new.flow_id, "I6, the FlowId changed");
    prop_assert!(old.attempts <= new.attempts, "I6, attempts went back");
    prop_assert!(old.submit_time <= new.submit_time, "I6, submitTime went back");
    prop_assert!(old.acceptance.is_none() || old.acceptance == new.acceptance, "I6, acceptance left");
    prop_assert!(!old.is_accepted() || new.is_accepted(), "I6, accepted no more");
    Ok(())
}

/// The step is decided on one record and folded into another as well, as after a conflict.
#[test]
fn i6_no_fold_hides_anything() {
    let input = (order(), seen(), outcome(), record(), instant());
    let tried = TestRunner::new(cases()).run(&input, |(order, mut seen, outcome, other, now)| {
        let step = decide(order.as_ref(), &seen, &LIMITS);
        let answer = outcome.clone();
        let outcome = if matches!(step, Step::Submit { .. }) { outcome } else { Outcome::None };
        if let Step::Submit { backup_name, attempt, time } = &step {
            let intent =
                Intent { backup_name: backup_name.clone(), attempt: *attempt, time: *time, holder: "h".to_owned() };
            let announced = announce(&seen, &intent);
            nothing_is_hidden(&seen.record, &announced)?;
            prop_assert_eq!(announced.standing(seen.now, LIMITS.fence()), Standing::InDoubt, "I1, I4");
            seen.record = announced;
        }
        let next = fold(order.as_ref().ok(), &seen, &step, &outcome, now, &LIMITS);
        nothing_is_hidden(&seen.record, &next.record)?;
        let is_finished = seen.record.standing(seen.now, LIMITS.fence()) == Standing::Finished;
        let same = Record { observed_generation: seen.record.observed_generation, ..next.record.clone() };
        prop_assert!(!is_finished || same == seen.record, "I5");
        if let Outcome::Accepted { flow_id, .. } = &outcome {
            prop_assert!(next.record.flow_id == seen.record.flow_id.or(Some(*flow_id)) && next.record.is_accepted());
        }
        if matches!(outcome, Outcome::InDoubt { .. }) && !seen.record.is_accepted() {
            prop_assert_eq!(next.record.standing(now, LIMITS.fence()), Standing::InDoubt, "I4");
        }
        seen.record = other;
        let next = fold(order.as_ref().ok(), &seen, &step, &outcome, now, &LIMITS);
        nothing_is_hidden(&seen.record, &next.record)?;
        // Most records lead to no submission, but the answer to one may meet any of them.
        let submit = Step::Submit { backup_name: "n".to_owned(), attempt: 3, time: at(0) };
        let next = fold(order.as_ref().ok(), &seen, &submit, &answer, now, &LIMITS);
        nothing_is_hidden(&seen.record, &next.record)
    });
    tried.unwrap();
}

/// Whoever looks at an ended order later, or with a clock that is behind by as much as is allowed, sees an ended order.
#[test]
fn i5_an_end_is_an_end_by_every_clock() {
    let input = (order(), seen(), -300_000_i64..200_000_000);
    let tried = TestRunner::new(cases()).run(&input, |(order, seen, later)| {
        let step = decide(order.as_ref(), &seen, &LIMITS);
        let Step::End { .. } = step else { return Ok(()) };
        let next = fold(order.as_ref().ok(), &seen, &step, &Outcome::None, seen.now, &LIMITS);
        let then = seen.now.saturating_add(SignedDuration::from_millis(later)).unwrap_or(Timestamp::MAX);
        prop_assert_eq!(next.record.standing(then, LIMITS.fence()), Standing::Finished, "{:?}", next.record);
        prop_assert_eq!(next.until, None);
        Ok(())
    });
    tried.unwrap();
}
