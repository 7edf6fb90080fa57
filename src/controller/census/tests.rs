//! Each rule of the census as a small world of objects, and the count as the decisions see it.

use serde_json::{Value, json};

use super::*;
use crate::api::key::Key;
use crate::api::{StoredBackup, Strategy};
use crate::core::reason::Verdict;

const FENCE: i64 = 660;
const START: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

/// An order of namespace `n`, created at `second`, in the row of `reason`, with `status` over it.
fn order(second: i64, instance: &str, reason: Reason, status: &Value) -> StoredBackup {
    let verdicts = reason.verdicts(None);
    let condition = |kind: &str, verdict: Verdict| {
        json!({
            "type": kind, "status": verdict.as_str(), "reason": reason.as_str(), "message": "",
            "lastTransitionTime": at(second + 1_000).to_string(),
        })
    };
    let mut whole = json!({ "conditions": [
        condition("Submitted", verdicts.submitted), condition("Ready", verdicts.ready),
        condition("Reconciling", verdicts.reconciling), condition("Stalled", verdicts.stalled),
    ] });
    for (field, value) in status.as_object().unwrap() {
        whole[field] = value.clone();
    }
    serde_json::from_value(json!({
        "metadata": { "name": "o", "namespace": "n", "creationTimestamp": at(second).to_string() },
        "spec": { "instanceId": instance, "region": "ap-a", "strategy": "Instance" },
        "status": whole,
    }))
    .unwrap()
}

fn plain(second: i64, instance: &str, reason: Reason) -> StoredBackup {
    order(second, instance, reason, &json!({}))
}

fn databases(mut object: StoredBackup, names: &[&str]) -> StoredBackup {
    let spec = object.spec.0.as_mut().unwrap();
    spec.strategy = Strategy::Databases;
    spec.databases = Some(names.iter().map(|name| (*name).to_owned()).collect());
    object
}

fn deleted(mut object: StoredBackup) -> StoredBackup {
    object.metadata.deletion_timestamp.clone_from(&object.metadata.creation_timestamp);
    object
}

fn gists(objects: &[StoredBackup]) -> Vec<Gist> {
    objects.iter().map(|object| Gist::of(object, &Key::of(object))).collect()
}

/// Namespace `n` of the census, long after everything.
fn count(objects: &[StoredBackup]) -> Namespace {
    census(&gists(objects), at(1_000_000), FENCE).remove("n").unwrap()
}

#[test]
fn every_object_counts_under_its_reason() {
    let mut objects: Vec<_> = Reason::ALL.iter().map(|reason| plain(0, "mssql-a", *reason)).collect();
    objects.push(plain(0, "mssql-a", Reason::Running));
    for condition in objects[0].status.fields.conditions.iter_mut().flatten() {
        condition.reason = "OfANewerVersion".into();
    }
    let backups = count(&objects).backups;
    assert_eq!((backups.get("Other"), backups.get("Pending"), backups.get("Running")), (Some(&1), None, Some(&2)));
    assert_eq!(backups.len(), Reason::ALL.len());
}

#[test]
fn namespaces_are_counted_apart() {
    let mut other = plain(0, "mssql-a", Reason::Completed);
    other.metadata.namespace = Some("m".to_owned());
    let counted = census(&gists(&[other, plain(0, "mssql-a", Reason::Failed)]), at(9), FENCE);
    assert_eq!(counted["n"].unresolved, [("Failed", 1)].into(), "a copy elsewhere makes up for nothing");
    assert_eq!((counted["m"].last_success, counted["m"].oldest_unmet), (Some(at(1_000)), None));
}

#[test]
fn a_failure_counts_until_a_newer_order_for_the_same_has_a_copy() {
    let failed = || plain(10, "mssql-a", Reason::Failed);
    let copy = |second, instance: &str| plain(second, instance, Reason::Completed);
    let is_open = |others: &[StoredBackup]| {
        let all: Vec<_> = others.iter().cloned().chain([failed()]).collect();
        let counted = count(&all);
        assert_eq!(counted.oldest_unmet == Some(at(10)), !counted.unresolved.is_empty(), "ended is unmet too");
        counted.unresolved.get("Failed") == Some(&1)
    };
    assert!(is_open(&[]));
    assert!(is_open(&[copy(9, "mssql-a")]), "an older order, however late its copy was complete");
    assert!(is_open(&[copy(20, "mssql-b")]), "another instance");
    assert!(is_open(&[databases(copy(20, "mssql-a"), &["x"])]), "less than all of it");
    assert!(is_open(&[plain(20, "mssql-a", Reason::Running)]), "no copy yet");
    assert!(!is_open(&[copy(9, "mssql-a"), copy(20, "mssql-a")]));
}

#[test]
fn databases_are_made_up_for_by_the_same_ones_or_by_the_whole_instance() {
    let failed = databases(plain(10, "mssql-a", Reason::DatabaseNotFound), &["x", "y"]);
    let copy = plain(20, "mssql-a", Reason::Completed);
    let open = |copy: StoredBackup| !count(&[failed.clone(), copy]).unresolved.is_empty();
    assert!(open(databases(copy.clone(), &["x"])));
    assert!(!open(databases(copy.clone(), &["x", "y"])));
    assert!(!open(copy));
}

#[test]
fn what_is_deleted_is_not_asked_for_any_more() {
    let counted = count(&[
        deleted(plain(0, "mssql-a", Reason::Failed)),
        deleted(plain(0, "mssql-a", Reason::InstanceBusy)),
        plain(5, "mssql-a", Reason::InstanceBusy),
        plain(3, "mssql-a", Reason::Running),
    ]);
    assert!(counted.unresolved.is_empty(), "{counted:?}");
    assert_eq!((counted.oldest_waiting, counted.oldest_unmet), (Some(at(5)), Some(at(3))));
}

#[test]
fn a_doubt_counts_from_its_submission_and_in_whatever_row_it_is() {
    let intent = |second: i64| json!({ "submitTime": at(second).to_string(), "intent": { "attempt": 1 } });
    let counted = count(&[
        order(0, "mssql-a", Reason::OutcomeUnknown, &intent(300)),
        // A knock changes the intent and not the row.
        order(0, "mssql-a", Reason::InstanceBusy, &intent(200)),
        order(0, "mssql-a", Reason::Running, &json!({ "submitTime": at(100).to_string() })),
    ]);
    assert_eq!((counted.in_doubt, counted.oldest_doubt), (2, Some(at(200))));
    let timeless = count(&[plain(7, "mssql-a", Reason::OutcomeUnknown)]);
    assert_eq!((timeless.in_doubt, timeless.oldest_doubt), (1, Some(at(7))), "since its creation at most");
}

#[test]
fn the_latest_copy_is_dated_by_the_cloud_if_it_told() {
    let told = json!({ "completionTime": at(40).to_string() });
    assert_eq!(count(&[order(0, "mssql-a", Reason::Completed, &told)]).last_success, Some(at(40)));
    let both = [order(0, "mssql-a", Reason::Completed, &told), plain(0, "mssql-a", Reason::Completed)];
    assert_eq!(count(&both).last_success, Some(at(1_000)), "else by when it was written down");
    assert_eq!(count(&[order(0, "mssql-a", Reason::Failed, &told)]).last_success, None);
}

#[test]
fn an_object_that_cannot_be_read_is_counted_and_made_up_for_by_none() {
    let odd: StoredBackup = serde_json::from_value(json!({
        "metadata": { "name": "odd", "namespace": "n", "creationTimestamp": at(1).to_string() },
        "spec": { "strategy": 5 }, "status": "gone",
    }))
    .unwrap();
    let counted = count(&[odd, plain(20, "mssql-a", Reason::Completed)]);
    assert_eq!(counted.backups, [("Completed", 1), ("OutcomeUnknown", 1)].into(), "as the decisions read it");
    assert_eq!((counted.in_doubt, counted.oldest_unmet), (1, Some(at(1))));
}
