//! What is written after each outcome, and how often.

use super::*;
use crate::core::backup::tests::{LIMITS, accepted, announced, at, before, foreign, order, row, seen, trouble};
use crate::core::backup::{self, NOT_FOUND, Step};
use crate::core::record::{FlowId, Standing};
use crate::core::seen::{Meaning, Progress, Sight};

fn submit() -> Step {
    Step::Submit { backup_name: "n".into(), attempt: 1, time: at(1) }
}

fn after(record: Record, step: &Step, outcome: &Outcome) -> Next {
    let seen = seen(10, record, Sight::Nothing { until: None });
    fold(Some(&order()), &seen, step, outcome, at(10), &LIMITS)
}

fn answer(outcome: &Outcome) -> Next {
    after(announced(1), &submit(), outcome)
}

#[test]
fn i1_an_announcement_holds_name_attempt_time_and_holder() {
    let intent = Intent { backup_name: "n_2".into(), attempt: 2, time: at(9), holder: "two".into() };
    let record = announce(&seen(9, Record { attempts: 1, ..Record::default() }, before(vec![])), &intent);
    assert_eq!(record.intent, Some(intent));
    assert_eq!((record.attempts, record.submit_time, record.reason), (2, Some(at(9)), Some(Reason::Submitting)));
}

#[test]
fn a_knock_changes_the_intent_and_not_the_row() {
    let intent = backup::tests::intent(9);
    let busy = Record { reason: Some(Reason::InstanceBusy), message: "busy".into(), ..Record::default() };
    let record = announce(&seen(9, busy, before(vec![])), &intent);
    assert_eq!((record.reason, record.message.as_str()), (Some(Reason::InstanceBusy), "busy"));
    let knock = Step::Submit { backup_name: intent.backup_name, attempt: 1, time: at(9) };
    let refused = after(record, &knock, &Outcome::Refused(trouble(Meaning::InstanceBusy)));
    assert_eq!(refused.record.reason, Some(Reason::InstanceBusy));
    assert!(refused.record.intent.is_none() && refused.record.error.is_some() && refused.news.is_none());
}

#[test]
fn an_acceptance_is_recorded_with_its_flow_and_clears_the_error() {
    let outcome = Outcome::Accepted { flow_id: FlowId::new(7).unwrap(), request_id: Some("r".into()) };
    let next = answer(&outcome);
    assert_eq!(next.record.flow_id.map(FlowId::value), Some(7));
    assert_eq!(next.record.acceptance, Some(Acceptance::Accepted));
    assert!(next.record.intent.is_none() && next.record.error.is_none());
    assert_eq!(next.news.unwrap().reason, "Accepted");
}

#[test]
fn i6_a_flow_id_is_never_replaced() {
    let outcome = Outcome::Accepted { flow_id: FlowId::new(7).unwrap(), request_id: None };
    let next = after(accepted(1), &submit(), &outcome);
    assert_eq!((next.record.flow_id, next.duplicates), (FlowId::new(5_293), 1));
    let news = next.news.unwrap();
    assert_eq!((news.reason, news.is_warning), ("DuplicateBackups", true));
    assert!(news.message.contains("5293") && news.message.contains("FlowId 7 "), "{}", news.message);
}

#[test]
fn a_doubt_keeps_the_intent() {
    let next = answer(&Outcome::InDoubt { why: "The connection was reset.".into() });
    assert_eq!(next.record.reason, Some(Reason::OutcomeUnknown));
    assert_eq!(next.record.intent, announced(1).intent);
    assert!(next.record.error.is_none(), "an error would read as an answer");
    assert_eq!(next.until, Some(at(10)), "the first look is at once");
}

#[test]
fn each_refusal_has_its_row_and_clears_the_intent() {
    for (meaning, reason) in [
        (Meaning::InstanceBusy, Reason::InstanceBusy),
        (Meaning::DatabaseBusy, Reason::DatabaseBusy),
        (Meaning::Throttled, Reason::Throttled),
        (Meaning::Unavailable, Reason::CloudUnreachable),
        (Meaning::Credentials, Reason::CredentialsUnavailable),
        (Meaning::AccessDenied, Reason::AccessDenied),
        (Meaning::ClockSkew, Reason::ClockSkew),
        (Meaning::InstanceNotFound, Reason::InstanceNotFound),
        (Meaning::DatabaseNotFound, Reason::DatabaseNotFound),
        (Meaning::InvalidRequest, Reason::InvalidRequest),
    ] {
        let next = answer(&Outcome::Refused(trouble(meaning)));
        assert_eq!(next.record.reason, Some(reason));
        assert!(next.record.intent.is_none() && next.record.error.is_some(), "{meaning:?}");
        assert_eq!(next.record.ended, reason.is_final());
        assert_eq!(next.until.is_none(), reason.is_final(), "{meaning:?}");
        if let Some(until) = next.until {
            assert!(until >= at(65), "answer and listing lag, {meaning:?}");
        }
    }
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let running = Record { observed_generation: Some(1), ..accepted(1) };
    let step = |row| Step::Follow { reason: Reason::Running, message: "m".into(), row, note: None, until: at(20) };
    let mut shown = row(1, Progress::Running);
    shown.copy.group_id = Some("g".into());
    let next = after(running.clone(), &step(Some(shown)), &Outcome::None);
    assert!(!running.differs(&next.record) && next.news.is_none());
    let waiting = Record { observed_generation: Some(1), reason: Some(Reason::Throttled), ..Record::default() };
    let again = Step::Wait { reason: Reason::Throttled, message: "other text".into(), note: None, until: at(20) };
    assert!(!waiting.differs(&after(waiting.clone(), &again, &Outcome::None).record));
}

#[test]
fn a_new_generation_is_a_transition_also_at_the_end() {
    let ended = Record { reason: Some(Reason::Failed), ended: true, observed_generation: Some(0), ..accepted(1) };
    let next = after(ended.clone(), &Step::Rest { until: None }, &Outcome::None);
    assert!(ended.differs(&next.record));
    assert_eq!(next.record.observed_generation, Some(1));
}

#[test]
fn the_end_takes_over_the_copy_and_leaves_out_impossible_times() {
    let mut done = row(1, Progress::Succeeded);
    done.copy = Copy {
        backup_id: Some(9),
        start_time: Some(at(-700)),
        completion_time: Some(at(11)),
        size_kb: Some(4),
        ..Copy::default()
    };
    let step = |row| Step::End { reason: Reason::Completed, message: "The copy is complete.".into(), row, note: None };
    let record = after(accepted(1), &step(Some(done.clone())), &Outcome::None).record;
    assert_eq!((record.copy.backup_id, record.copy.size_kb), (Some(9), Some(4)));
    assert_eq!((record.copy.start_time, record.copy.completion_time), (None, None));
    done.copy.start_time = Some(at(2));
    done.copy.completion_time = Some(at(9));
    let record = after(accepted(1), &step(Some(done)), &Outcome::None).record;
    assert_eq!((record.copy.start_time, record.copy.completion_time), (Some(at(2)), Some(at(9))));
}

#[test]
fn an_altered_name_is_reported_once_with_the_end() {
    let done = foreign("renamed_by_hand", Progress::Succeeded);
    let step = Step::End { reason: Reason::Completed, message: "Done.".into(), row: Some(done), note: None };
    let before = Record { backup_name: Some("ours".into()), ..accepted(1) };
    let next = after(before, &step, &Outcome::None);
    assert!(next.record.message.contains("renamed_by_hand"));
    assert_eq!(next.record.backup_name.as_deref(), Some("renamed_by_hand"));
}

#[test]
fn i6_two_backups_of_one_order_are_both_named() {
    let step = Step::Adopt {
        row: row(1, Progress::Running),
        others: vec![row(2, Progress::Running)],
        reason: Reason::Running,
        message: "m".into(),
        until: at(20),
    };
    let next = after(announced(1), &step, &Outcome::None);
    let news = next.news.unwrap();
    assert_eq!((news.reason, news.is_warning, next.duplicates), ("DuplicateBackups", true, 1));
    assert!(
        news.message.contains(&row(1, Progress::Running).name)
            && news.message.contains(&row(2, Progress::Running).name)
    );
}

#[test]
fn a_proven_absence_clears_the_intent_and_submits_again_at_once() {
    let next = after(announced(1), &Step::Absent, &Outcome::None);
    assert!(next.record.intent.is_none());
    assert_eq!((next.record.reason, next.until), (Some(Reason::CloudUnreachable), Some(at(10))));
}

#[test]
fn a_backup_seen_again_is_no_longer_unobservable() {
    let step = |reason, row, note| Step::Follow { reason, message: "m".into(), row, note, until: at(20) };
    let lost = after(
        accepted(1),
        &step(Reason::Unobservable, None, Some(trouble(Meaning::AccessDenied).note)),
        &Outcome::None,
    );
    assert!(lost.record.error.is_some());
    assert_eq!(lost.news.unwrap().reason, "Unobservable");
    let found = after(lost.record, &step(Reason::Running, Some(row(1, Progress::Running)), None), &Outcome::None);
    assert_eq!((found.record.error, found.record.reason), (None, Some(Reason::Running)));
}

#[test]
fn an_answer_that_comes_after_another_replica_saw_the_end_adds_only_the_flow() {
    let ended = Record { reason: Some(Reason::Completed), ended: true, flow_id: None, ..accepted(1) };
    let outcome = Outcome::Accepted { flow_id: FlowId::new(7).unwrap(), request_id: None };
    let next = after(ended.clone(), &submit(), &outcome);
    assert_eq!(next.record.flow_id, FlowId::new(7));
    assert_eq!((next.record.reason, next.record.ended), (Some(Reason::Completed), true));
    let running = Record { observed_generation: Some(1), backup_name: Some("n".into()), ..accepted(1) };
    for late in [Outcome::Refused(trouble(Meaning::InstanceBusy)), Outcome::InDoubt { why: "Lost.".into() }] {
        assert!(!running.differs(&after(running.clone(), &submit(), &late).record), "{late:?}");
    }
}

/// A process announces a call, sleeps, and is refused because its signature expired; meanwhile another one has proven the
/// absence and announced the next call, whose fate is open.
#[test]
fn i4_a_late_refusal_does_not_answer_the_next_call() {
    let next_call = Intent { attempt: 2, holder: "two".into(), ..backup::tests::intent(9) };
    let in_flight = Record { intent: Some(next_call), attempts: 2, observed_generation: Some(1), ..announced(9) };
    let in_flight = Record { backup_name: Some("n_2".into()), ..in_flight };
    for late in [Outcome::Refused(trouble(Meaning::ClockSkew)), Outcome::InDoubt { why: "Lost.".into() }] {
        let next = after(in_flight.clone(), &submit(), &late);
        assert_eq!(next.record, in_flight, "{late:?}");
        assert_eq!(next.record.standing(at(11), LIMITS.fence()), Standing::InDoubt);
    }
    let bare = Record { intent: None, reason: Some(Reason::OutcomeUnknown), ..in_flight };
    assert_eq!(after(bare.clone(), &submit(), &Outcome::Refused(trouble(Meaning::ClockSkew))).record, bare);
}

#[test]
fn i5_a_late_answer_opens_no_finished_order_unless_it_is_an_acceptance() {
    let over = Record { reason: Some(Reason::DeadlineExceeded), ended: true, intent: None, ..announced(1) };
    let over = Record { observed_generation: Some(1), backup_name: Some("n".into()), ..over };
    for late in [Outcome::Refused(trouble(Meaning::ClockSkew)), Outcome::InDoubt { why: "Lost.".into() }] {
        assert_eq!(after(over.clone(), &submit(), &late).record, over, "{late:?}");
    }
    let accepted = Outcome::Accepted { flow_id: FlowId::new(7).unwrap(), request_id: None };
    assert_eq!(after(over, &submit(), &accepted).record.reason, Some(Reason::Running));
}

#[test]
fn i5_a_refusal_is_an_answer_also_where_the_clock_was_set_back() {
    let announced = Record { intent: Some(backup::tests::intent(8)), ..announced(8) };
    let step = Step::Submit { backup_name: "n".into(), attempt: 1, time: at(8) };
    let refused = after(announced, &step, &Outcome::Refused(trouble(Meaning::DatabaseNotFound)));
    assert_eq!(refused.record.standing(at(9), LIMITS.fence()), Standing::Finished, "heard at 5, called at 8");
}

#[test]
fn i6_an_answer_to_a_wiped_status_restores_what_was_announced() {
    let next = after(Record::default(), &submit(), &Outcome::InDoubt { why: "Lost.".into() });
    assert_eq!((next.record.attempts, next.record.submit_time), (1, Some(at(1))));
    assert_eq!(next.record.reason, Some(Reason::OutcomeUnknown));
}

#[test]
fn i1_a_submission_that_was_not_announced_leaves_no_trace() {
    let fresh = Record { observed_generation: Some(1), ..Record::default() };
    assert_eq!(after(fresh.clone(), &submit(), &Outcome::NotDurable).record, fresh);
}

#[test]
fn an_order_that_rests_before_its_first_look_is_not_written() {
    let fresh = Record { observed_generation: Some(0), ..Record::default() };
    let rest = Step::Rest { until: Some(at(20)) };
    assert!(!fresh.differs(&after(fresh.clone(), &rest, &Outcome::None).record), "no room in the budget yet");
    let ended = Record { reason: Some(Reason::Completed), ended: true, ..fresh };
    assert!(ended.differs(&after(ended.clone(), &rest, &Outcome::None).record), "a new generation of a finished one");
}

#[test]
fn when_nothing_was_found_is_dated_once_and_dropped_when_something_is() {
    let note = |second| Note { code: NOT_FOUND.into(), time: at(second), ..trouble(Meaning::BackupNotFound).note };
    let lost =
        |note| Step::Follow { reason: Reason::Unobservable, message: "m".into(), row: None, note, until: at(20) };
    let denied = || Some(trouble(Meaning::AccessDenied).note);
    let record = after(accepted(1), &lost(denied()), &Outcome::None).record;
    let dated = after(record.clone(), &lost(Some(note(3))), &Outcome::None).record;
    assert!(record.differs(&dated) && dated.error == Some(note(3)), "durable");
    assert_eq!(after(dated.clone(), &lost(Some(note(9))), &Outcome::None).record.error, Some(note(3)));
    assert_eq!(after(dated, &lost(denied()), &Outcome::None).record.error, denied());
    let doubt = |note| Step::StayInDoubt { message: "m".into(), note, until: at(20) };
    let dated = after(announced(1), &doubt(Some(note(3))), &Outcome::None).record;
    assert_eq!(dated.error, Some(note(3)));
    assert_eq!(after(dated, &doubt(None), &Outcome::None).record.error, None);
}

/// An order that ended out of a doubt has ended for every clock: one that is behind must not see the fence run again, and
/// the order submit after its user was told to make a new one.
#[test]
fn i5_the_end_of_a_doubt_is_the_answer_to_its_call() {
    use crate::core::record::Standing;
    let end = Step::End { reason: Reason::DeadlineExceeded, message: "Over.".into(), row: None, note: None };
    let mut seen = seen(700, announced(1), Sight::Nothing { until: None });
    seen.record.reason = Some(Reason::OutcomeUnknown);
    let next = fold(Some(&order()), &seen, &end, &Outcome::None, at(700), &LIMITS);
    for now in [0, 400, 659, 700, 10_000] {
        assert_eq!(next.record.standing(at(now), LIMITS.fence()), Standing::Finished, "{now}");
    }
}

#[test]
fn i6_no_announcement_sets_attempts_or_submit_time_back() {
    let ahead = Record { attempts: 5, submit_time: Some(at(90)), ..Record::default() };
    let record = announce(&seen(9, ahead, before(vec![])), &backup::tests::intent(9));
    assert_eq!((record.attempts, record.submit_time), (5, Some(at(90))));
}

#[test]
fn i4_a_late_refusal_does_not_answer_another_call_of_the_same_second() {
    let other = Intent { attempt: 2, holder: "two".into(), ..backup::tests::intent(1) };
    let in_flight = Record { intent: Some(other), attempts: 2, ..announced(1) };
    let next = after(in_flight.clone(), &submit(), &Outcome::Refused(trouble(Meaning::Throttled)));
    assert_eq!((next.record.intent, next.record.error), (in_flight.intent, None));
}
