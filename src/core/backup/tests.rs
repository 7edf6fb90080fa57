//! Each cell of the state table, one row a line, over small builders of what a pass sees.

#![allow(clippy::wildcard_enum_match_arm, reason = "any other step is the failure that the test names")]

use super::*;
use crate::core::record::Copy;
use crate::core::seen::{InstanceStatus, Meaning, Progress};

pub(crate) use given::*;

mod edges;
mod given;

fn doubt(rows: Vec<Row>, status: i64) -> Sight {
    Sight::Doubt { listing: Ok(full(rows)), instance: Ok(Some(InstanceStatus(status))) }
}

/// A record whose last call was refused.
fn refused(reason: Reason, time: i64) -> Record {
    let note = Note { time: at(time), ..trouble(Meaning::InstanceBusy).note };
    Record { reason: Some(reason), intent: None, error: Some(note), ..announced(time) }
}

fn step(seen: &Seen) -> Step {
    decide(Ok(&order()), seen, &LIMITS)
}

fn reason(step: &Step) -> Reason {
    match step {
        Step::Wait { reason, .. }
        | Step::Adopt { reason, .. }
        | Step::Follow { reason, .. }
        | Step::End { reason, .. } => *reason,
        other => panic!("no reason in {other:?}"),
    }
}

#[test]
fn i3_only_a_complete_listing_without_ours_leads_to_a_submission() {
    let fresh = |sight| step(&seen(1, Record::default(), sight));
    let others = vec![foreign("nightly", Progress::Running), foreign("", Progress::Succeeded)];
    assert!(matches!(fresh(before(others)), Step::Submit { attempt: 1, time, .. } if time == at(1)));
    assert!(matches!(fresh(before(vec![row(1, Progress::Running)])), Step::Adopt { .. }));
    let partial = Listing { rows: vec![], complete: false };
    assert_eq!(reason(&fresh(Sight::Before { listing: Ok(partial), instance: Ok(None) })), Reason::CloudUnreachable);
    for sight in [
        Sight::Nothing { until: None },
        Sight::NoRoom { until: at(2) },
        Sight::Flow { flow: None, listing: Some(Ok(full(vec![]))) },
        doubt(vec![], 2),
    ] {
        assert!(matches!(fresh(sight.clone()), Step::Rest { .. }), "{sight:?}");
    }
}

#[test]
fn a_failed_look_waits_or_ends_by_its_meaning() {
    use Meaning::{
        AccessDenied, ClockSkew, Credentials, DatabaseNotFound, InstanceNotFound, InvalidRequest, NoCredentials,
        Throttled, Unavailable,
    };
    for (meaning, expected) in [
        (Throttled, Reason::Throttled),
        (Unavailable, Reason::CloudUnreachable),
        (NoCredentials, Reason::CredentialsUnavailable),
        (Credentials, Reason::CredentialsUnavailable),
        (AccessDenied, Reason::AccessDenied),
        (ClockSkew, Reason::ClockSkew),
        (InstanceNotFound, Reason::InstanceNotFound),
        (DatabaseNotFound, Reason::DatabaseNotFound),
        (InvalidRequest, Reason::InvalidRequest),
    ] {
        let sight = Sight::Before { listing: Err(trouble(meaning)), instance: Ok(None) };
        assert_eq!(reason(&step(&seen(1, Record::default(), sight))), expected);
    }
}

#[test]
fn intervals_of_a_lasting_trouble_grow_from_the_time_it_began() {
    let wait = |now| {
        let record = Record {
            reason: Some(Reason::AccessDenied),
            error: Some(trouble(Meaning::AccessDenied).note),
            ..Record::default()
        };
        let sight = Sight::Before { listing: Err(trouble(Meaning::AccessDenied)), instance: Ok(None) };
        match step(&seen(now, record, sight)) {
            Step::Wait { until, .. } => until.as_second() - at(now).as_second(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([wait(6), wait(245), wait(5_000)], [60, 120, 600]);
}

#[test]
fn the_deadline_ends_an_order_after_a_last_look() {
    let late = |record, sight| step(&seen(86_400, record, sight));
    assert_eq!(reason(&late(Record::default(), before(vec![]))), Reason::DeadlineExceeded);
    assert!(matches!(late(Record::default(), before(vec![row(1, Progress::Running)])), Step::Adopt { .. }));
    let unread = Sight::Before { listing: Err(trouble(Meaning::Unavailable)), instance: Ok(None) };
    assert_eq!(reason(&late(Record::default(), unread.clone())), Reason::DeadlineExceeded, "it never called");
    let called = refused(Reason::InstanceBusy, 100);
    assert_eq!(reason(&late(called.clone(), unread.clone())), Reason::CloudUnreachable, "its last look is owed");
    assert_eq!(reason(&step(&seen(87_000, called, unread))), Reason::DeadlineExceeded);
}

#[test]
fn an_order_that_is_being_deleted_is_never_submitted() {
    let mut gone = seen(1, Record::default(), before(vec![]));
    gone.subject.deleting = true;
    assert_eq!(aim(Ok(&order()), &gone, &LIMITS), Aim::Nothing(None));
    assert_eq!(step(&gone), Step::Rest { until: None });
    gone.record = announced(0);
    assert_eq!(aim(Ok(&order()), &gone, &LIMITS), Aim::Doubt, "what can still be recorded is");
}

#[test]
fn only_the_oldest_order_of_a_busy_instance_knocks() {
    let mut young = seen(1, Record::default(), Sight::Nothing { until: None });
    young.is_its_turn = false;
    assert_eq!(aim(Ok(&order()), &young, &LIMITS), Aim::Nothing(Some(at(61))));
    assert_eq!(reason(&step(&young)), Reason::InstanceBusy);
    young.now = at(86_400);
    assert_eq!(aim(Ok(&order()), &young, &LIMITS), Aim::Before { instance: false }, "its last look is its own");
}

#[test]
fn a_refused_order_rests_at_least_the_listing_lag() {
    let record = refused(Reason::DatabaseBusy, 100);
    assert_eq!(aim(Ok(&order()), &seen(159, record.clone(), before(vec![])), &LIMITS), Aim::Nothing(Some(at(160))));
    assert_eq!(aim(Ok(&order()), &seen(160, record, before(vec![])), &LIMITS), Aim::Before { instance: true });
}

#[test]
fn i3_what_could_hide_a_backup_of_ours_holds_the_order_back() {
    let again = |rows, status| {
        let sight = Sight::Before { listing: Ok(full(rows)), instance: Ok(Some(InstanceStatus(status))) };
        step(&seen(500, refused(Reason::Throttled, 100), sight))
    };
    assert!(matches!(again(vec![], 2), Step::Submit { attempt: 2, .. }));
    assert!(matches!(again(vec![foreign("nightly", Progress::Running)], 7), Step::Submit { attempt: 2, .. }));
    assert_eq!(reason(&again(vec![foreign("", Progress::Running)], 7)), Reason::InstanceBusy);
    assert_eq!(reason(&again(vec![], 7)), Reason::InstanceBusy);
    let first = before(vec![foreign("", Progress::Running)]);
    let step = step(&seen(1, Record::default(), first));
    assert_eq!(reason(&step), Reason::InstanceBusy, "the status may be older than its backup");
}

#[test]
fn i3_only_an_order_that_called_waits_for_what_an_instance_is_at_work_on() {
    let at_work = |record| {
        let sight = Sight::Before { listing: Ok(full(vec![])), instance: Ok(Some(InstanceStatus(7))) };
        step(&seen(500, record, sight))
    };
    let waits = || Record { reason: Some(Reason::InstanceBusy), since: Some(at(10)), ..Record::default() };
    assert!(matches!(at_work(waits()), Step::Submit { attempt: 1, .. }), "nothing of its own can be there");
    let damaged = Record { submit_time: Some(at(490)), error: refused(Reason::Throttled, 490).error, ..waits() };
    assert_eq!(reason(&at_work(damaged)), Reason::InstanceBusy, "a trace of a call is a call");
    let until = |call| match at_work(refused(Reason::InstanceBusy, call)) {
        Step::Wait { until, .. } => until.as_second() - at(500).as_second(),
        other => panic!("{other:?}"),
    };
    assert!((7..=8).contains(&until(440)) && (60..=66).contains(&until(0)), "an eighth of the time since the call");
}

#[test]
fn an_instance_out_of_service_is_not_knocked_at() {
    for (status, submits) in [(2, true), (9, true), (4, false), (5, false), (6, false), (8, false)] {
        let sight = Sight::Before { listing: Ok(full(vec![])), instance: Ok(Some(InstanceStatus(status))) };
        let step = step(&seen(500, refused(Reason::InstanceBusy, 100), sight));
        assert_eq!(matches!(step, Step::Submit { attempt: 2, .. }), submits, "{status}");
    }
}

#[test]
fn no_room_is_told_after_a_minute_and_only_by_orders_that_wait() {
    let sight = || Sight::NoRoom { until: at(70) };
    assert_eq!(step(&seen(59, Record::default(), sight())), Step::Rest { until: Some(at(60)) }, "to say it in time");
    assert_eq!(step(&seen(59, Record::default(), Sight::NoRoom { until: at(59) })), Step::Rest { until: Some(at(59)) });
    assert_eq!(reason(&step(&seen(60, Record::default(), sight()))), Reason::Queued);
    assert_eq!(step(&seen(60, accepted(0), sight())), Step::Rest { until: Some(at(70)) });
}

#[test]
fn an_invalid_spec_ends_a_waiting_order_and_no_other() {
    let invalid = Invalid::new("spec.region", "is an address", "name a region such as ap-guangzhou");
    let step = |record| decide(Err(&invalid), &seen(1, record, Sight::Nothing { until: None }), &LIMITS);
    assert_eq!(reason(&step(Record::default())), Reason::InvalidRequest);
    assert!(matches!(step(announced(0)), Step::StayInDoubt { message, .. } if message.contains("spec.region")));
    assert_eq!(reason(&step(accepted(0))), Reason::Unobservable);
    let ended = Record { reason: Some(Reason::Failed), ended: true, ..accepted(0) };
    assert_eq!(step(ended), Step::Rest { until: None });
}

#[test]
fn i4_an_announced_call_without_an_answer_is_a_doubt_and_never_a_submission() {
    for now in [1, 659, 660, 90_000] {
        let seen = seen(now, announced(0), before(vec![]));
        assert_eq!(aim(Ok(&order()), &seen, &LIMITS), Aim::Doubt);
        assert!(matches!(step(&seen), Step::StayInDoubt { .. }), "{now}");
    }
}

#[test]
fn i4_a_doubt_ends_in_adoption_absence_or_after_a_day() {
    let doubt_at = |now, sight| step(&seen(now, announced(0), sight));
    assert!(matches!(doubt_at(5, doubt(vec![row(1, Progress::Running)], 7)), Step::Adopt { .. }));
    assert!(matches!(doubt_at(659, doubt(vec![], 2)), Step::StayInDoubt { .. }));
    assert_eq!(doubt_at(660, doubt(vec![], 2)), Step::Absent);
    assert_eq!(reason(&doubt_at(86_400, doubt(vec![], 2))), Reason::DeadlineExceeded);
    let invisible = || Sight::Doubt { listing: Ok(full(vec![])), instance: Ok(None) };
    assert!(matches!(doubt_at(659, invisible()), Step::StayInDoubt { note: None, .. }), "it would read as an answer");
    let Step::StayInDoubt { note: Some(note), .. } = doubt_at(700, invisible()) else { panic!("not dated") };
    assert_eq!((note.code.as_str(), note.time), (NOT_FOUND, at(700)));
    let dated = |now| step(&seen(now, Record { error: Some(note.clone()), ..announced(0) }, invisible()));
    assert!(matches!(dated(87_099), Step::StayInDoubt { .. }));
    assert_eq!(reason(&dated(87_100)), Reason::Missing);
    let denied = Sight::Doubt { listing: Err(trouble(Meaning::AccessDenied)), instance: Ok(None) };
    assert!(matches!(doubt_at(661, denied), Step::StayInDoubt { .. }));
}

#[test]
fn i4_a_look_falls_on_the_fence_itself() {
    match step(&seen(650, announced(0), doubt(vec![], 2))) {
        Step::StayInDoubt { until, .. } => assert_eq!(until, at(660)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn i6_a_running_fence_means_doubt_whatever_a_damaged_status_says() {
    let damaged = |reason: Reason| Record {
        reason: Some(reason),
        ended: reason.is_final(),
        submit_time: Some(at(0)),
        ..Record::default()
    };
    let step = |record, sight| step(&seen(300, record, sight));
    for reason in [Reason::Pending, Reason::Queued, Reason::InstanceBusy] {
        assert!(matches!(step(damaged(reason), before(vec![])), Step::StayInDoubt { .. }), "{reason:?}");
    }
    for reason in [Reason::InvalidRequest, Reason::DeadlineExceeded, Reason::Missing] {
        assert_eq!(aim(Ok(&order()), &seen(300, damaged(reason), before(vec![])), &LIMITS), Aim::Doubt);
        let found = step(damaged(reason), doubt(vec![row(1, Progress::Running)], 7));
        assert!(matches!(found, Step::Adopt { .. }), "what is there is told, {reason:?}");
        let looked = step(damaged(reason), doubt(vec![], 2));
        assert!(matches!(looked, Step::Rest { until: Some(_) }), "what is over does not begin again, {reason:?}");
    }
}

#[test]
fn a_call_that_claims_to_lie_days_ahead_ends_as_missing() {
    assert_eq!(reason(&step(&seen(1, announced(200_000), doubt(vec![], 2)))), Reason::Missing);
}

#[test]
fn a_clock_that_went_back_waits_for_its_last_call() {
    let record = Record { error: Some(Note { time: at(900), ..trouble(Meaning::Throttled).note }), ..announced(800) };
    let record = Record { intent: None, reason: Some(Reason::Throttled), ..record };
    let step = step(&seen(700, record, before(vec![])));
    assert_eq!(reason(&step), Reason::ClockSkew);
}

#[test]
fn a_look_that_a_clock_ahead_spoilt_holds_nobody_up_once_the_clock_is_right() {
    let note = Note { time: at(10_800), ..trouble(Meaning::ClockSkew).note };
    let record = Record { reason: Some(Reason::ClockSkew), error: Some(note), ..Record::default() };
    let seen = seen(10, record, Sight::Nothing { until: None });
    assert_eq!(aim(Ok(&order()), &seen, &LIMITS), Aim::Before { instance: false });
}

#[test]
fn i6_two_failed_backups_that_look_alike_are_two() {
    let rows = vec![row(1, Progress::Failed), row(1, Progress::Failed)];
    assert!(matches!(step(&seen(5, announced(0), doubt(rows, 7))), Step::Adopt { others, .. } if others.len() == 1));
}

#[test]
fn of_two_backups_the_earliest_good_one_is_followed_and_the_others_are_told() {
    let rows = vec![
        row(1, Progress::Failed),
        row(2, Progress::Running),
        row(3, Progress::Succeeded),
        row(4, Progress::Succeeded),
    ];
    match step(&seen(5, announced(0), doubt(rows, 7))) {
        Step::Adopt { row: followed, others, reason, .. } => {
            assert_eq!(followed, row(3, Progress::Succeeded));
            assert_eq!((others.len(), reason), (3, Reason::Completed));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_accepted_backup_ends_as_the_cloud_says() {
    let by_flow = |now, row| step(&seen(now, accepted(0), Sight::Flow { flow: Some(Ok(row)), listing: None }));
    assert_eq!(reason(&by_flow(20, row(1, Progress::Running))), Reason::Running);
    assert_eq!(reason(&by_flow(7_200, row(1, Progress::Running))), Reason::Overdue);
    assert_eq!(reason(&by_flow(99_999, row(1, Progress::Succeeded))), Reason::Completed);
    assert_eq!(reason(&by_flow(20, row(1, Progress::Failed))), Reason::Failed);
    assert_eq!(reason(&by_flow(20, row(1, Progress::Unheard))), Reason::Running);
}

#[test]
fn an_accepted_backup_that_cannot_be_read_is_never_failed_for_it() {
    let by_flow = |failing_since, meaning| {
        let sight = Sight::Flow { flow: Some(Err(trouble(meaning))), listing: None };
        step(&Seen { failing_since, ..seen(1_000, accepted(0), sight) })
    };
    for meaning in [Meaning::AccessDenied, Meaning::Credentials, Meaning::BackupNotFound, Meaning::InstanceNotFound] {
        assert_eq!(reason(&by_flow(None, meaning)), Reason::Unobservable, "{meaning:?}");
    }
    assert!(matches!(by_flow(Some(at(701)), Meaning::Unavailable), Step::Rest { .. }));
    assert_eq!(reason(&by_flow(Some(at(700)), Meaning::Unavailable)), Reason::Unobservable);
}

#[test]
fn missing_takes_a_day_in_which_every_handle_answered() {
    let note = Note { code: NOT_FOUND.into(), time: at(0), ..trouble(Meaning::BackupNotFound).note };
    let record = Record { reason: Some(Reason::Unobservable), error: Some(note), ..accepted(0) };
    let look = |now, listing| {
        let flow = Some(Err(trouble(Meaning::BackupNotFound)));
        step(&seen(now, record.clone(), Sight::Flow { flow, listing: Some(listing) }))
    };
    assert_eq!(reason(&look(86_400, Ok(full(vec![])))), Reason::Missing);
    assert_eq!(reason(&look(86_399, Ok(full(vec![])))), Reason::Unobservable);
    assert_eq!(reason(&look(86_400, Ok(Listing { rows: vec![], complete: false }))), Reason::Unobservable);
    assert_eq!(reason(&look(86_400, Err(trouble(Meaning::Unavailable)))), Reason::Unobservable);
    assert_eq!(reason(&look(86_400, Ok(full(vec![row(1, Progress::Succeeded)])))), Reason::Completed);
}

#[test]
fn a_day_without_permission_is_no_day_in_which_nothing_was_found() {
    let note = Note { time: at(0), ..trouble(Meaning::AccessDenied).note };
    let record = Record { reason: Some(Reason::Unobservable), error: Some(note), ..accepted(0) };
    let sight = Sight::Flow { flow: Some(Err(trouble(Meaning::BackupNotFound))), listing: Some(Ok(full(vec![]))) };
    match step(&seen(90_000, record, sight)) {
        Step::Follow { reason: Reason::Unobservable, note: Some(note), .. } => {
            assert_eq!((note.code.as_str(), note.time), (NOT_FOUND, at(90_000)), "the day begins now");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_renamed_backup_is_found_by_its_id() {
    let copy = Copy { backup_id: Some(7), ..Copy::default() };
    let record = Record { flow_id: None, copy: copy.clone(), ..accepted(0) };
    let renamed = Row { name: "before_the_migration".into(), progress: Progress::Succeeded, copy };
    let sight = Sight::Flow { flow: None, listing: Some(Ok(full(vec![renamed]))) };
    assert_eq!(reason(&step(&seen(20, record, sight))), Reason::Completed);
}

#[test]
fn i5_a_finished_order_rests_for_ever() {
    for reason in Reason::ALL.iter().filter(|reason| reason.is_final()) {
        let record = Record { reason: Some(*reason), ended: true, ..Record::default() };
        let seen = seen(99_999, record, before(vec![]));
        assert_eq!(aim(Ok(&order()), &seen, &LIMITS), Aim::Nothing(None));
        assert_eq!(step(&seen), Step::Rest { until: None }, "{reason:?}");
    }
    let unheard = Record { reason: None, ended: true, ..Record::default() };
    assert_eq!(step(&seen(1, unheard, before(vec![]))), Step::Rest { until: None }, "a newer version ended it");
}

#[test]
fn i6_an_attempt_is_numbered_from_1_whatever_a_damaged_status_counts() {
    let record = Record { attempts: -5, ..Record::default() };
    let step = decide(Ok(&order()), &seen(1, record, before(vec![])), &LIMITS);
    assert!(matches!(step, Step::Submit { attempt: 1, .. }), "{step:?}");
}

#[test]
fn i3_an_instance_that_cannot_be_read_holds_a_later_attempt_back() {
    let look = |rows| Sight::Before { listing: Ok(full(rows)), instance: Err(trouble(Meaning::AccessDenied)) };
    let again = |rows| step(&seen(500, refused(Reason::Throttled, 100), look(rows)));
    assert_eq!(reason(&again(vec![])), Reason::AccessDenied, "it may be at work on a backup that no row shows");
    assert!(matches!(again(vec![row(1, Progress::Running)]), Step::Adopt { .. }), "what is there is told");
}

#[test]
fn i6_a_second_backup_that_was_listed_later_is_told_at_the_end() {
    let record = Record { flow_id: None, acceptance: Some(crate::core::reason::Acceptance::Adopted), ..accepted(0) };
    let look = |one, other| {
        let rows = full(vec![row(1, one), row(2, other)]);
        step(&seen(20, record.clone(), Sight::Flow { flow: None, listing: Some(Ok(rows)) }))
    };
    assert!(matches!(look(Progress::Running, Progress::Running), Step::Follow { .. }), "once, not at each look");
    let end = look(Progress::Succeeded, Progress::Running);
    assert!(matches!(&end, Step::Adopt { others, reason: Reason::Completed, .. } if others.len() == 1), "{end:?}");
}
