//! What is written reads back as it was, every mistake names its field, and a backup carries what it should and no more.

use super::*;
use crate::api::gist::Owned;
use crate::core::order::Uid;
use serde_json::{Value, json};

const UID: &str = "0123456789abcdef0123456789abcdef";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn night() -> Timestamp {
    at("2026-11-24T18:30:00Z")
}

/// A stored schedule; `change` is merged over its spec, `metadata` over its metadata.
fn stored(change: &Value, metadata: &Value) -> StoredSchedule {
    let mut object = json!({
        "apiVersion": "tencentdb.dev/v1alpha1",
        "kind": "SqlServerBackupSchedule",
        "metadata": {
            "name": "nightly", "namespace": "shop", "uid": UID, "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "schedule": "30 2 * * *",
            "timeZone": "Asia/Shanghai",
            "template": { "spec": { "instanceId": "mssql-a1", "region": "ap-guangzhou", "strategy": "Instance" } },
        },
    });
    for (part, over) in [("spec", change), ("metadata", metadata)] {
        for (name, value) in over.as_object().into_iter().flatten() {
            object[part][name] = value.clone();
        }
    }
    serde_json::from_value(object).unwrap()
}

fn subject() -> Subject {
    Subject {
        uid: Uid::new(UID).unwrap(),
        name: "nightly".to_owned(),
        created: at("2026-01-01T00:00:00Z"),
        generation: 3,
        deleting: false,
    }
}

fn plan_of(change: &Value) -> Result<Plan, Invalid> {
    plan(&stored(change, &Value::Null), &subject())
}

fn told(record: Record) -> Told {
    Told {
        record,
        place: (Place::Scheduled, "It is followed.".to_owned()),
        next: None,
        active: vec![],
        last_result: None,
        missed: None,
        protected: None,
        last: None,
    }
}

fn read(status: &SqlServerBackupScheduleStatus) -> ReadStatus<SqlServerBackupScheduleStatus> {
    serde_json::from_value(serde_json::to_value(status).unwrap()).unwrap()
}

fn written(told: &Told, before: &SqlServerBackupScheduleStatus) -> SqlServerBackupScheduleStatus {
    status(told, before, 3, night())
}

#[test]
fn i7_a_record_reads_back_as_it_was_written() {
    let full = Record {
        line: Some("30 2 * * * Asia/Shanghai".into()),
        is_suspended: true,
        settled: Some(night()),
        last_run: Some(at("2026-11-23T18:30:00Z")),
        tried_again: 2,
        missed: 7,
        run_now: Some("a".into()),
        last_success: Some(at("2026-11-23T19:00:00Z")),
    };
    for sample in [Record::default(), full.clone(), Record { is_suspended: false, tried_again: 0, ..full }] {
        let status = read(&written(&told(sample.clone()), &<_>::default()));
        assert_eq!(record(&StoredSchedule { status, ..stored(&Value::Null, &Value::Null) }), sample);
    }
    let last = Last { of: "f00".into(), looked: Some(night()), newest: Some(at("2026-11-23T18:31:02Z")) };
    for sample in [None, Some(last.clone()), Some(Last { newest: None, ..last })] {
        let status = written(&Told { last: sample.clone(), ..told(Record::default()) }, &<_>::default());
        assert_eq!(super::last(&read(&status)), sample);
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_taken_for_the_token_that_is_there() {
    let metadata = json!({ "annotations": { "tencentdb.dev/run-now": "b" } });
    let with = |last: Value| {
        let status = serde_json::from_value(json!({ "lastRunNow": last })).unwrap();
        record(&StoredSchedule { status, ..stored(&Value::Null, &metadata) }).run_now
    };
    assert_eq!(with(json!({ "odd": 1 })).as_deref(), Some("b"));
    assert_eq!((with(json!("a")).as_deref(), with(Value::Null)), (Some("a"), None));
}

#[test]
fn what_a_pass_does_not_know_stays_as_it_was() {
    let result = LastResult { name: Some("a".into()), reason: Some("Completed".into()), time: Some(Time(night())) };
    let first = Told {
        last_result: Some(result.clone()),
        missed: Some((night(), Why::Overlap)),
        protected: Some((protected::Reason::WithinObjective, "so".into())),
        ..told(Record::default())
    };
    let before = written(&first, &<_>::default());
    let after = written(&told(Record::default()), &before);
    assert_eq!(after.last_result, Some(result));
    assert_eq!(after.last_missed_run.unwrap().reason.as_deref(), Some("Overlap"));
    let kind = |status: &[Condition]| {
        status.iter().map(|one| (one.type_.to_string(), one.reason.to_string())).collect::<Vec<_>>()
    };
    let expected = [(READY, "Scheduled"), (PROTECTED, "WithinObjective"), (STALLED, "Scheduled")];
    assert_eq!(kind(&after.conditions.unwrap()), expected.map(|(kind, reason)| (kind.to_owned(), reason.to_owned())));
}

#[test]
fn every_place_has_its_three_conditions_and_others_stay() {
    let foreign = Condition { type_: "Reviewed".into(), status: "True".into(), ..no_condition() };
    let before = SqlServerBackupScheduleStatus { conditions: Some(vec![foreign.clone()]), ..<_>::default() };
    for place in Place::ALL {
        let one = Told { place: (place, "so".into()), ..told(Record::default()) };
        let conditions = written(&one, &before).conditions.unwrap();
        let (ready, stalled) = place.verdicts();
        assert_eq!(conditions[0].status, ready.as_str(), "{place:?}");
        assert_eq!((&*conditions[1].status, &*conditions[1].reason), ("Unknown", "Pending"));
        assert_eq!(conditions[2].status, stalled.as_str(), "{place:?}");
        assert!(conditions[..3].iter().all(|one| one.observed_generation == Some(3)));
        assert_eq!(conditions[3..], *std::slice::from_ref(&foreign));
    }
}

fn no_condition() -> Condition {
    Condition {
        type_: "".into(),
        status: "".into(),
        reason: "Word".into(),
        message: "".into(),
        observed_generation: None,
        last_transition_time: Time(night()),
    }
}

#[test]
fn a_mistake_names_its_field() {
    assert!(plan_of(&json!({})).is_ok());
    let wish = |change: Value| {
        let mut wish = json!({ "instanceId": "mssql-a1", "region": "ap-guangzhou", "strategy": "Instance" });
        wish.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({ "template": { "spec": wish } })
    };
    for (change, field) in [
        (json!({ "schedule": "30 2 * *" }), "spec.schedule"),
        (json!({ "schedule": "0 0 31 2 *" }), "spec.schedule"),
        (json!({ "timeZone": "Mars/Olympus" }), "spec.timeZone"),
        (json!({ "objective": { "maxAge": "soon" } }), "spec.objective.maxAge"),
        (json!({ "objective": { "maxAge": "0s" } }), "spec.objective.maxAge"),
        (wish(json!({ "strategy": "Databases" })), "spec.template.spec.databases"),
        (wish(json!({ "instanceId": "" })), "spec.template.spec.instanceId"),
        (wish(json!({ "region": "" })), "spec.template.spec.region"),
        (json!({ "schedule": 5 }), "spec"),
        (json!({ "template": {} }), "spec"),
    ] {
        let mistake = plan_of(&change).err().unwrap_or_else(|| panic!("{change} is taken"));
        assert_eq!(mistake.field, field, "{change}: {mistake}");
    }
}

#[test]
fn an_objective_is_read_in_seconds() {
    for (text, seconds) in [("26h", 93_600), ("90m", 5_400), ("1h30m", 5_400), ("600s", 600), ("8784h", 31_622_400)] {
        let object = stored(&json!({ "objective": { "maxAge": text } }), &Value::Null);
        assert_eq!(max_age(&object), Some(seconds), "{text}");
    }
    assert_eq!(max_age(&stored(&json!({}), &Value::Null)), None);
}

#[test]
fn a_token_is_what_the_annotation_says_within_bounds() {
    let of = |value: &Value| {
        let annotations = json!({ "annotations": { "tencentdb.dev/run-now": value } });
        plan(&stored(&json!({}), &annotations), &subject()).unwrap().run_now
    };
    assert_eq!(of(&json!("a")).as_deref(), Some("a"));
    assert_eq!(of(&json!("")), None, "an empty one asks for nothing");
    assert_eq!(of(&json!("é".repeat(300))), Some("é".repeat(256)));
    assert_eq!(plan_of(&json!({})).unwrap().run_now, None);
}

#[test]
fn a_backup_carries_the_template_and_ours_and_nothing_that_a_tool_would_prune() {
    let theirs = [
        "argocd.argoproj.io/instance",
        "argocd.argoproj.io/tracking-id",
        "kustomize.toolkit.fluxcd.io/name",
        "helm.toolkit.fluxcd.io/name",
        "meta.helm.sh/release-name",
        "helm.sh/chart",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/managed-by",
        "kubectl.kubernetes.io/last-applied-configuration",
    ];
    let mut keys: BTreeMap<String, String> = theirs.map(|key| (key.to_owned(), "x".to_owned())).into();
    keys.insert("team".into(), "shop".into());
    keys.insert("app.kubernetes.io/name".into(), "shop".into());
    let template = json!({
        "metadata": { "labels": keys, "annotations": keys },
        "spec": { "instanceId": "mssql-a1", "region": "ap-guangzhou", "strategy": "Instance" },
    });
    let own = json!({ "labels": { "of": "the schedule" }, "annotations": { "of": "the schedule" } });
    let object = stored(&json!({ "template": template }), &own);
    let carried = |cause: &Cause| {
        let made = backup(&object, "nightly-1", cause).unwrap();
        assert_eq!(made.metadata.namespace.as_deref(), Some("shop"));
        assert_eq!(made.spec.instance_id, "mssql-a1");
        let owner = made.owner_references().first().unwrap().clone();
        assert_eq!(
            (owner.kind.as_str(), owner.name.as_str(), owner.uid.as_str()),
            ("SqlServerBackupSchedule", "nightly", UID)
        );
        assert_eq!((owner.controller, owner.block_owner_deletion), (Some(true), None));
        let pairs = |map: Option<BTreeMap<String, String>>| -> Vec<String> {
            map.unwrap().into_iter().map(|(key, value)| format!("{key}={value}")).collect()
        };
        (pairs(made.metadata.labels), pairs(made.metadata.annotations))
    };
    let common = ["app.kubernetes.io/name=shop", "team=shop"];
    let with = |ours: &[&str]| {
        let mut all = [&common[..1], &common[1..], ours].concat();
        all.sort_unstable();
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (labels, first) = carried(&Cause::Slot(night(), 0));
    assert_eq!(labels, with(&["tencentdb.dev/schedule=nightly"]));
    let slot = "tencentdb.dev/scheduled-for=2026-11-24T18:30:00Z";
    assert_eq!(first, with(&[slot]));
    assert_eq!(carried(&Cause::Slot(night(), 2)).1, with(&[slot, "tencentdb.dev/retry=2"]));
    assert_eq!(carried(&Cause::Token("a".into())).1, with(&["tencentdb.dev/run-now=a"]));
}

/// A stored backup of the schedule, made by its own code, with these conditions in its status.
fn child_of(cause: &Cause, conditions: &[(&str, &str, &str)], metadata: &Value) -> StoredBackup {
    let made = backup(&stored(&json!({}), &Value::Null), "nightly-1", cause).unwrap();
    let mut object = serde_json::to_value(made).unwrap();
    object["metadata"]["creationTimestamp"] = json!("2026-11-24T18:30:05Z");
    for (name, value) in metadata.as_object().into_iter().flatten() {
        object["metadata"][name] = value.clone();
    }
    let condition = |(kind, value, reason): &(&str, &str, &str)| {
        json!({
            "type": kind, "status": value, "reason": reason, "message": "", "lastTransitionTime": "2026-11-24T19:00:00Z",
        })
    };
    object["status"] = json!({ "conditions": conditions.iter().map(condition).collect::<Vec<_>>() });
    serde_json::from_value(object).unwrap()
}

/// Type, status and reason of each.
type Conditions<'a> = &'a [(&'a str, &'a str, &'a str)];

#[test]
fn a_child_is_what_it_was_made_for_and_how_far_it_is() {
    let ended = at("2026-11-24T19:00:00Z");
    let cause = Cause::Slot(night(), 1);
    let states: [(Conditions<'_>, State); 5] = [
        (&[], State::AtWork),
        (&[(READY, "Unknown", "Pending"), (STALLED, "False", "Pending")], State::AtWork),
        (
            &[(READY, "True", "Completed"), (STALLED, "False", "Completed"), ("Submitted", "True", "Accepted")],
            State::Good(ended),
        ),
        (
            &[(READY, "False", "Failed"), (STALLED, "True", "Failed"), ("Submitted", "True", "Accepted")],
            State::Bad(ended, true),
        ),
        (&[(READY, "False", "InvalidRequest"), (STALLED, "True", "InvalidRequest")], State::Bad(ended, false)),
    ];
    for (conditions, state) in states {
        let found = child(&child_of(&cause, conditions, &Value::Null));
        assert_eq!((found.state, &found.cause, found.deleting), (state, &cause, false), "{conditions:?}");
        assert_eq!(found.created, at("2026-11-24T18:30:05Z"));
    }
    for cause in [Cause::Slot(night(), 0), Cause::Token("a b".into())] {
        assert_eq!(child(&child_of(&cause, &[], &Value::Null)).cause, cause);
    }
    let deleting = json!({ "deletionTimestamp": "2026-11-24T20:00:00Z" });
    assert!(child(&child_of(&cause, &[], &deleting)).deleting);
}

#[test]
fn without_its_annotations_a_child_is_of_no_slot_and_with_another_owner_it_is_none() {
    let cause = Cause::Slot(night(), 1);
    for annotations in [json!({}), json!({ SCHEDULED_FOR: "last night" }), json!({ RETRY: "1" })] {
        let found = child(&child_of(&cause, &[], &json!({ "annotations": annotations })));
        assert_eq!(found.cause, Cause::Token(String::new()), "{annotations}");
    }
    let odd = json!({ "annotations": { SCHEDULED_FOR: "2026-11-24T18:30:00Z", RETRY: "many" } });
    assert_eq!(child(&child_of(&cause, &[], &odd)).cause, Cause::Slot(night(), 0));
    let made = child_of(&cause, &[], &Value::Null);
    assert!(is_owned(&made, UID) && !is_owned(&made, "another"));
    assert!(Owned::of(&made).is_some());
    assert!(Owned::of(&child_of(&cause, &[], &json!({ "ownerReferences": null }))).is_none());
    assert_eq!(owner(&made), Some("nightly"));
    let shared = json!({ "ownerReferences": [
        { "apiVersion": "apps/v1", "kind": "Deployment", "name": "other", "uid": "u", "controller": true },
    ] });
    assert_eq!(owner(&child_of(&cause, &[], &shared)), None);
}

#[test]
fn the_last_result_is_of_the_one_that_ended_last() {
    let cause = Cause::Slot(night(), 0);
    let at_work = child_of(&cause, &[(READY, "False", "Running")], &Value::Null);
    let last = |backups: &[&StoredBackup]| {
        let results: Vec<Ended> = backups.iter().filter_map(|backup| result(backup)).collect();
        last_result(results.iter())
    };
    assert_eq!(last(&[&at_work]), None);
    let failed = child_of(&cause, &[(READY, "False", "Failed"), (STALLED, "True", "Failed")], &Value::Null);
    let mut good = child_of(&cause, &[(READY, "True", "Completed")], &json!({ "name": "nightly-2" }));
    good.status.fields.completion_time = Some(Time(at("2026-11-24T18:59:59Z")));
    let of = |result: Option<LastResult>| result.unwrap().reason.unwrap();
    assert_eq!(of(last(&[&good, &failed, &at_work])), "Failed");
    good.status.fields.completion_time = Some(Time(at("2026-11-24T19:00:01Z")));
    assert_eq!(of(last(&[&good, &failed, &at_work])), "Completed");
}

#[test]
fn a_deleted_child_that_was_never_sent_holds_up_nobody() {
    let cause = Cause::Slot(night(), 0);
    let deleting = json!({ "deletionTimestamp": "2026-11-24T18:31:00Z" });
    let state = |conditions: Conditions<'_>| child(&child_of(&cause, conditions, &deleting)).state;
    assert!(matches!(
        state(&[(READY, "False", "InstanceBusy"), (STALLED, "False", "InstanceBusy")]),
        State::Bad(_, false)
    ));
    for reason in ["Submitting", "OutcomeUnknown"] {
        assert_eq!(state(&[(READY, "False", reason), (STALLED, "False", reason)]), State::AtWork, "{reason}");
    }
    let accepted: Conditions<'_> = &[(READY, "False", "Running"), ("Submitted", "True", "Accepted")];
    assert_eq!(state(accepted), State::AtWork);
}

#[test]
fn a_cursor_that_nobody_can_read_is_a_mistake_and_no_first_look() {
    for (path, value) in [("cursor", json!({ "time": "once" })), ("missedRuns", json!("many"))] {
        let mut damaged = stored(&json!({}), &Value::Null);
        damaged.status = serde_json::from_value(json!({ path: value })).unwrap();
        let mistake = plan(&damaged, &subject()).unwrap_err();
        assert!(mistake.field.starts_with(&format!("status.{path}")), "{mistake}");
        assert_eq!(Place::of(&mistake), Place::InvalidSpec);
    }
}

#[test]
fn an_older_result_does_not_take_the_place_of_the_last_one() {
    let result = |name: &str, time: &str| {
        let time = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(time)));
        Some(LastResult { name: Some(name.to_owned()), reason: None, time })
    };
    let (old, new) = (result("old", "2026-11-24T01:00:00Z"), result("new", "2026-11-24T02:00:00Z"));
    let shown = |now: &Option<LastResult>, before: &Option<LastResult>| {
        let before = SqlServerBackupScheduleStatus { last_result: before.clone(), ..<_>::default() };
        written(&Told { last_result: now.clone(), ..told(Record::default()) }, &before).last_result
    };
    assert_eq!(shown(&old, &new), new, "its object was removed");
    assert_eq!(shown(&new, &old), new);
    assert_eq!(shown(&None, &old), old);
}
