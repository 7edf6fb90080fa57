//! Cells that no story of one fault comes to: a note that is out of date, a damaged time, two rows out of order.

use super::*;
use crate::core::reason::Acceptance;

fn dated(second: i64) -> Note {
    Note { code: NOT_FOUND.into(), time: at(second), ..trouble(Meaning::BackupNotFound).note }
}

fn adopted() -> Record {
    Record { flow_id: None, acceptance: Some(Acceptance::Adopted), ..accepted(0) }
}

fn in_the_listing(record: Record, listing: Result<Listing, crate::core::seen::Trouble>) -> Step {
    step(&seen(20, record, Sight::Flow { flow: None, listing: Some(listing) }))
}

#[test]
fn i4_a_day_without_sight_ends_no_doubt_about_an_instance_that_is_seen_again() {
    let record = Record { error: Some(dated(700)), ..announced(0) };
    let again = step(&seen(90_000, record, doubt(vec![foreign("", Progress::Running)], 7)));
    assert!(matches!(again, Step::StayInDoubt { .. }), "{again:?}");
}

#[test]
fn i4_no_doubt_began_before_its_order() {
    let damaged = |now| step(&seen(now, announced(-5_000), doubt(vec![], 2)));
    assert!(matches!(damaged(659), Step::StayInDoubt { .. }));
    assert_eq!(damaged(660), Step::Absent);
}

#[test]
fn an_adopted_backup_is_not_unobservable_for_one_listing_that_failed() {
    let once = in_the_listing(adopted(), Err(trouble(Meaning::Unavailable)));
    assert!(matches!(once, Step::Rest { .. }), "{once:?}");
}

#[test]
fn missing_is_only_what_was_unobservable_before() {
    let record = Record { error: Some(dated(0)), ..accepted(0) };
    let flow = Some(Err(trouble(Meaning::BackupNotFound)));
    let step = step(&seen(90_000, record, Sight::Flow { flow, listing: Some(Ok(full(vec![]))) }));
    assert_eq!(reason(&step), Reason::Unobservable);
}

#[test]
fn a_renamed_unpackaged_backup_is_found_by_its_group() {
    let copy = Copy { group_id: Some("g".into()), ..Copy::default() };
    let renamed = Row { name: "by_hand".into(), progress: Progress::Succeeded, copy: copy.clone() };
    let found = in_the_listing(Record { copy, ..adopted() }, Ok(full(vec![renamed])));
    assert_eq!(reason(&found), Reason::Completed);
}

#[test]
fn of_two_backups_a_running_one_is_followed_before_a_failed_one_and_an_early_before_a_late_one() {
    let followed = |rows| match step(&seen(5, announced(0), doubt(rows, 7))) {
        Step::Adopt { row, .. } => row,
        other => panic!("{other:?}"),
    };
    for progress in [Progress::Running, Progress::Unheard] {
        assert_eq!(followed(vec![row(1, Progress::Failed), row(2, progress)]), row(2, progress));
    }
    for progress in [Progress::Running, Progress::Succeeded, Progress::Failed] {
        assert_eq!(followed(vec![row(2, progress), row(1, progress)]), row(1, progress));
    }
}

#[test]
fn what_is_looked_at_follows_from_the_record_alone() {
    let aims = |record: Record| aim(Ok(&order()), &seen(500, record, Sight::Nothing { until: None }), &LIMITS);
    let never_called = Record { reason: Some(Reason::InstanceBusy), ..Record::default() };
    assert_eq!(aims(never_called), Aim::Before { instance: true }, "busy behind an older order");
    assert_eq!(aims(Record::default()), Aim::Before { instance: false });
    let flow = accepted(0).flow_id;
    assert_eq!(aims(accepted(0)), Aim::Flow { flow, listing: false });
    let lost = Record { reason: Some(Reason::Unobservable), ..accepted(0) };
    assert_eq!(aims(lost), Aim::Flow { flow, listing: true }, "by every handle");
    assert_eq!(aims(adopted()), Aim::Flow { flow: None, listing: true });
}

#[test]
fn no_refusal_rests_beyond_the_deadline() {
    let denied = Sight::Before { listing: Err(trouble(Meaning::AccessDenied)), instance: Ok(None) };
    let step = step(&seen(86_390, Record::default(), denied));
    assert!(matches!(step, Step::Wait { until, .. } if until == at(86_400)), "{step:?}");
}
