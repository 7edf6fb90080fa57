//! Status to record to status is identity, and every row has the conditions of the table.

use super::*;
use crate::core::backup::tests::{LIMITS, accepted, announced, at, trouble};
use crate::core::backup::{Aim, Step, aim, decide};
use crate::core::fold::fold;
use crate::core::seen::{Meaning, Outcome, Seen, Sight};
use serde_json::json;

fn read(status: SqlServerBackupStatus) -> ReadStatus {
    let json = serde_json::to_value(status).unwrap();
    serde_json::from_value(json).unwrap()
}

/// What a second process reads of what a first one wrote.
fn round_trip(record: &Record) -> Record {
    super::record(&read(status(record, &SqlServerBackupStatus::default(), 3, at(50))))
}

fn samples() -> Vec<Record> {
    let copy = Copy {
        backup_id: Some(9),
        group_id: Some("g".into()),
        file_name: Some("f.bak".into()),
        size_kb: Some(2_560),
        start_time: Some(at(3)),
        completion_time: Some(at(40)),
    };
    let error = Some(trouble(Meaning::InstanceBusy).note);
    vec![
        Record::default(),
        announced(1),
        accepted(1),
        Record { copy, request_id: Some("r".into()), ..accepted(1) },
        Record { reason: Some(Reason::InstanceBusy), intent: None, error, message: "busy".into(), ..announced(1) },
    ]
}

#[test]
fn i7_a_record_reads_back_as_it_was_written() {
    for sample in samples() {
        let expected = Record { observed_generation: Some(3), since: Some(at(50)), ..sample };
        assert_eq!(round_trip(&expected), expected);
    }
}

#[test]
fn every_row_has_its_four_conditions() {
    for reason in Reason::ALL {
        let record = Record { reason: Some(*reason), ..Record::default() };
        let conditions = status(&record, &SqlServerBackupStatus::default(), 3, at(1)).conditions.unwrap();
        let row = reason.verdicts(None);
        let expected = [row.submitted, row.ready, row.reconciling, row.stalled].map(Verdict::as_str);
        assert_eq!(conditions.iter().map(|c| &*c.status).collect::<Vec<_>>(), expected, "{reason:?}");
        assert!(conditions.iter().all(|c| c.reason == reason.as_str() && c.observed_generation == Some(3)));
        assert_eq!(round_trip(&record).ended, reason.is_final());
    }
}

#[test]
fn a_condition_keeps_its_time_while_it_keeps_its_value() {
    let first = status(&announced(1), &SqlServerBackupStatus::default(), 1, at(10));
    let second = status(&accepted(1), &first, 1, at(20)).conditions.unwrap();
    let times: Vec<_> = second.iter().map(|condition| condition.last_transition_time.0).collect();
    assert_eq!(times, [at(20), at(10), at(10), at(10)], "only Submitted changed");
}

#[test]
fn the_time_of_a_default_is_no_transition() {
    let mut default = status(&Record::default(), &SqlServerBackupStatus::default(), 0, at(0));
    for condition in default.conditions.iter_mut().flatten() {
        condition.last_transition_time = Time(Timestamp::UNIX_EPOCH);
    }
    let conditions = status(&announced(1), &default, 1, at(10)).conditions.unwrap();
    assert!(conditions.iter().all(|condition| condition.last_transition_time.0 == at(10)));
}

#[test]
fn i5_a_row_of_a_newer_version_is_kept_and_its_end_respected() {
    let mut newer =
        status(&Record { reason: Some(Reason::Failed), ..accepted(1) }, &SqlServerBackupStatus::default(), 1, at(9));
    for condition in newer.conditions.iter_mut().flatten() {
        condition.reason = "Expired".into();
    }
    let record = super::record(&read(newer.clone()));
    assert_eq!((record.reason, record.ended), (None, true));
    let kept = status(&record, &newer, 2, at(99)).conditions.unwrap();
    assert!(
        kept.iter()
            .all(|c| c.reason == "Expired" && c.observed_generation == Some(2) && c.last_transition_time.0 == at(9))
    );
}

#[test]
fn i4_an_intent_that_cannot_be_read_is_a_doubt() {
    let json = serde_json::json!({ "submitTime": "yesterday", "attempts": 1 });
    let read: ReadStatus = serde_json::from_value(json).unwrap();
    assert_eq!(super::record(&read).reason, Some(Reason::OutcomeUnknown));
}

#[test]
fn a_spec_that_cannot_be_sent_names_the_field_and_the_cure() {
    let stored = |spec: serde_json::Value| -> StoredBackup {
        serde_json::from_value(serde_json::json!({ "metadata": {}, "spec": spec })).unwrap()
    };
    let good = || serde_json::json!({ "instanceId": "mssql-a", "region": "ap-a", "strategy": "Instance" });
    assert!(order(&stored(good()), at(0)).is_ok());
    for (field, value) in [
        ("instanceId", serde_json::json!("mssql-a/../b")),
        ("instanceId", serde_json::json!("")),
        ("region", serde_json::json!("ap-a.example")),
        ("databases", serde_json::json!(["a"])),
        ("strategy", serde_json::json!("Databases")),
        ("strategy", serde_json::json!("Everything")),
        ("backupNamePrefix", serde_json::json!("a-b")),
    ] {
        let mut spec = good();
        spec[field] = value;
        let invalid = order(&stored(spec), at(0)).unwrap_err();
        assert!(invalid.field.starts_with("spec") && !invalid.cure.is_empty(), "{invalid}");
    }
}

fn stored(status: &serde_json::Value) -> ReadStatus {
    serde_json::from_value(status.clone()).unwrap()
}

/// A generation that moves must not bring an order back to life that somebody else's row calls ended.
#[test]
fn i5_a_row_whose_word_and_values_contradict_each_other_is_kept_as_it_stands() {
    let condition = |kind: &str, value: &str| {
        json!({
            "type": kind, "status": value, "reason": "Pending", "message": "", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let old = stored(&json!({ "conditions": [condition("Ready", "False"), condition("Stalled", "True")] }));
    let record = record(&old);
    assert_eq!((record.reason, record.ended), (None, true));
    let after = status(&record, &old.fields, 2, Timestamp::UNIX_EPOCH).conditions.unwrap();
    assert_eq!((&*after[1].type_, &*after[1].status, after[1].observed_generation), ("Stalled", "True", Some(2)));
}

/// The API server refuses a `submitTime` that goes back, also by half a second, and an attempt of 0.
#[test]
fn i6_what_was_written_by_hand_is_not_written_back_smaller() {
    let old = stored(&json!({ "submitTime": "2026-01-01T00:00:00.5Z", "intent": { "holder": "somebody" } }));
    let after = status(&record(&old), &old.fields, 1, Timestamp::UNIX_EPOCH);
    assert_eq!(after.submit_time.unwrap().0, "2026-01-01T00:00:01Z".parse().unwrap());
    assert_eq!(after.intent.unwrap().attempt, None);
    let beyond = record(&stored(&json!({ "submitTime": "9999-12-31T23:59:59Z" })));
    assert!(beyond.submit_time > Some("9999-01-01T00:00:00Z".parse().unwrap()), "{beyond:?}");
}

#[test]
fn signs_are_those_of_the_record() {
    for sample in samples() {
        let status = read(status(&sample, &SqlServerBackupStatus::default(), 3, at(50)));
        assert_eq!(signs(&status), record(&status).signs());
    }
}

/// An object whose status says what `record` says, of generation 3.
fn object(record: &Record, generation: i64) -> StoredBackup {
    let status = status(record, &SqlServerBackupStatus::default(), 3, at(50));
    serde_json::from_value(json!({
        "metadata": { "uid": "ab".repeat(16), "name": "nightly", "generation": generation },
        "spec": { "instanceId": "mssql-a", "region": "ap-a", "strategy": "Instance" },
        "status": status,
    }))
    .unwrap()
}

/// What the cache relies on when it keeps only the gist of such an order, and asks for no pass over it.
#[test]
fn i5_a_pass_over_an_order_that_is_over_would_rest_for_ever_and_write_nothing() {
    let note = || Some(crate::core::record::Note { time: at(9), ..trouble(Meaning::InvalidRequest).note });
    let ended = |reason, record: Record| Record { reason: Some(reason), ended: true, intent: None, ..record };
    let records = [
        ended(Reason::Completed, accepted(1)),
        ended(Reason::Failed, accepted(1)),
        ended(Reason::Missing, Record { error: note(), ..announced(5) }),
        ended(Reason::InvalidRequest, Record { error: note(), ..announced(5) }),
        ended(Reason::DeadlineExceeded, Record::default()),
        // These are not, at some time or other.
        ended(Reason::Missing, announced(5)),
        accepted(1),
    ];
    let objects = records.iter().flat_map(|record| [object(record, 3), object(record, 4)]);
    let over: Vec<_> = objects.filter(is_over).collect();
    assert_eq!(over.len(), 5);
    for stored in over {
        let subject = subject(&stored).unwrap();
        let order = order(&stored, at(0));
        for now in [-9_999_999, 0, 6, 60, 9_999_999].map(at) {
            let record = super::record(&stored.status);
            let sight = Sight::Nothing { until: None };
            let seen = Seen { now, subject: subject.clone(), record, is_its_turn: true, failing_since: None, sight };
            assert_eq!(aim(order.as_ref(), &seen, &LIMITS), Aim::Nothing(None));
            let step = decide(order.as_ref(), &seen, &LIMITS);
            assert_eq!(step, Step::Rest { until: None });
            let next = fold(order.as_ref().ok(), &seen, &step, &Outcome::None, now, &LIMITS);
            assert!(!seen.record.differs(&next.record), "{:?}", seen.record);
            assert_eq!((next.news, next.until), (None, None));
        }
    }
}

#[test]
fn an_order_is_not_over_while_a_pass_may_find_something_to_do() {
    let completed = Record { reason: Some(Reason::Completed), ended: true, ..accepted(1) };
    assert!(is_over(&object(&completed, 3)));
    assert!(!is_over(&object(&completed, 4)), "its conditions speak of another generation");
    assert!(!is_over(&object(&accepted(1), 3)), "it runs");
    let unanswered = Record { reason: Some(Reason::Missing), ended: true, intent: None, ..announced(5) };
    assert!(!is_over(&object(&unanswered, 3)), "a clock that is set back sees the fence run");
    let mut unreadable = object(&completed, 3);
    unreadable.status.unreadable.push("size".to_owned());
    assert!(!is_over(&unreadable));
    let mut unreadable = object(&completed, 3);
    unreadable.spec = crate::api::Lenient::default();
    assert!(!is_over(&unreadable));
}
