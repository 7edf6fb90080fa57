//! What is stored arrives, whatever it holds.

use super::*;
use serde_json::json;

fn stored(spec: &Value, status: &Value) -> StoredBackup {
    let object = json!({
        "apiVersion": "tencentdb.dev/v1alpha1",
        "kind": "SqlServerBackup",
        "metadata": { "name": "nightly", "uid": "3c5d" },
        "spec": spec,
        "status": status,
    });
    serde_json::from_value(object).unwrap()
}

fn spec() -> Value {
    json!({ "instanceId": "mssql-a1", "region": "ap-guangzhou", "strategy": "Instance" })
}

fn status() -> Value {
    json!({
        "observedGeneration": 1,
        "attempts": 2,
        "submitTime": "2026-11-24T10:00:00Z",
        "flowId": 5293,
        "size": "1536Ki",
        "intent": { "backupName": "k8s_a_1", "attempt": 2, "time": "2026-11-24T10:00:00Z", "holder": "a" },
        "error": { "code": "InternalError", "time": "2026-11-24T10:00:00Z" },
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "Running", "message": "",
            "lastTransitionTime": "2026-11-24T10:00:00Z", "observedGeneration": 1,
        }],
    })
}

#[test]
fn a_good_object_reads_as_the_typed_one_does() {
    let object = stored(&spec(), &status());
    assert_eq!(object.spec.0, serde_json::from_value(spec()).map_err(|_| String::new()));
    assert_eq!(object.status.fields, serde_json::from_value(status()).unwrap());
    assert_eq!(object.status.unreadable, Vec::<String>::new());
    assert_eq!(object.spec.0.unwrap().submit_deadline_seconds, 86_400);
}

#[test]
fn a_status_survives_reading_and_writing() {
    assert_eq!(serde_json::to_value(stored(&spec(), &status()).status.fields).unwrap(), status());
}

#[test]
fn any_spec_decodes_and_a_wrong_one_says_why() {
    let wrong = [
        (Value::Null, "null"),
        (json!("text"), "string"),
        (json!([]), "invalid length 0"),
        (json!({}), "missing field `instanceId`"),
        (json!({ "instanceId": "mssql-a1", "region": "r", "strategy": "Everything" }), "unknown variant `Everything`"),
        (json!({ "instanceId": "mssql-a1", "region": "r", "strategy": null }), "null"),
        (json!({ "instanceId": 5, "region": "r", "strategy": "Instance" }), "integer `5`"),
        (json!({ "instanceId": "i", "region": "r", "strategy": "Databases", "databases": "all" }), "\"all\""),
    ];
    for (value, fragment) in wrong {
        let said = stored(&value, &status()).spec.0.unwrap_err();
        assert!(said.contains(fragment), "{value}: {said}");
    }
}

#[test]
fn an_object_without_spec_and_status_decodes() {
    let object: StoredBackup = serde_json::from_value(json!({ "metadata": { "name": "bare" } })).unwrap();
    assert_eq!(object.spec.0.unwrap_err(), "it is missing");
    assert_eq!(object.status, ReadStatus::default());
}

#[test]
fn the_sentence_is_one_bounded_line() {
    let long = json!({ "instanceId": "i", "region": "r", "strategy": format!("a\nb{}", "x".repeat(9999)) });
    let said = stored(&long, &Value::Null).spec.0.unwrap_err();
    assert!(said.chars().count() <= LONGEST && !said.contains('\n'), "{said}");
}

/// Each field of the status in turn is spoilt; all the others must still be there (I6).
#[test]
fn i6_one_unreadable_field_hides_no_other() {
    let names: Vec<String> = status().as_object().unwrap().keys().cloned().collect();
    for name in names {
        let (mut spoilt, mut without) = (status(), status());
        spoilt[&name] = json!({ "no": ["such", "form"], "time": 5, "type": true });
        without.as_object_mut().unwrap().remove(&name);
        let read = stored(&spec(), &spoilt).status;
        let rest = serde_json::to_value(&read.fields).unwrap();
        let intact = rest.as_object().unwrap().iter().filter(|(field, _)| **field != name);
        assert_eq!(intact.count(), without.as_object().unwrap().len(), "{name}: {rest}");
        assert!(read.unreadable.iter().all(|path| path.starts_with(&name)), "{name}: {:?}", read.unreadable);
        assert!(!read.unreadable.is_empty(), "{name}");
    }
}

#[test]
fn i6_an_intent_keeps_what_can_be_read_of_it() {
    let mut spoilt = status();
    spoilt["intent"]["time"] = json!("yesterday");
    let read = stored(&spec(), &spoilt).status;
    assert_eq!(read.unreadable, ["intent.time"]);
    assert_eq!(read.fields.intent.as_ref().unwrap().attempt, Some(2));
    assert_eq!(read.fields.flow_id, Some(5293));
}

#[test]
fn one_unreadable_condition_leaves_the_others() {
    let mut spoilt = status();
    spoilt["conditions"].as_array_mut().unwrap().insert(0, json!({ "type": "Submitted" }));
    let read = stored(&spec(), &spoilt).status;
    assert_eq!(read.unreadable, ["conditions[0]"]);
    assert_eq!(read.fields.conditions.unwrap()[0].type_, "Ready");
}

#[test]
fn a_status_that_is_no_object_is_noted() {
    for odd in [json!(5), json!("gone"), json!([1]), json!(true)] {
        let read = stored(&spec(), &odd).status;
        assert_eq!((read.fields, read.unreadable), (SqlServerBackupStatus::default(), vec!["status".to_owned()]));
    }
}

#[test]
fn numbers_that_do_not_fit_are_unreadable_and_not_wrapped() {
    let read = stored(&spec(), &json!({ "flowId": 9_223_372_036_854_775_808_u64, "attempts": 1.5 })).status;
    assert_eq!(read.unreadable.len(), 2, "{:?}", read.unreadable);
}

fn schedule(spec: &Value, status: &Value) -> StoredSchedule {
    serde_json::from_value(json!({ "metadata": { "name": "nightly" }, "spec": spec, "status": status })).unwrap()
}

fn full_schedule_status() -> Value {
    let time = "2026-11-24T10:00:00Z";
    json!({
        "observedGeneration": 1,
        "lastScheduleTime": time,
        "lastSuccessfulTime": time,
        "nextScheduleTime": time,
        "active": ["nightly-20261124-1000"],
        "lastResult": { "name": "a", "reason": "Completed", "time": time },
        "missedRuns": 3,
        "lastMissedRun": { "time": time, "reason": "Late" },
        "lastRunNow": "a",
        "latestCopy": { "startTime": time, "lookTime": time, "lookedFor": "f00" },
        "cursor": { "time": time, "schedule": "30 2 * * * Etc/UTC", "suspended": false, "retries": 1 },
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Scheduled", "message": "", "lastTransitionTime": time,
        }],
    })
}

#[test]
fn any_spec_of_a_schedule_decodes_and_a_wrong_one_says_why() {
    let promise = json!({ "schedule": "@daily", "template": { "spec": spec() } });
    let read = schedule(&promise, &Value::Null).spec.0.unwrap();
    assert_eq!((read.time_zone.as_str(), read.successful_history_limit, read.retries), ("Etc/UTC", 3, 0));
    for (field, value, fragment) in [
        ("schedule", json!(5), "integer `5`"),
        ("schedule", Value::Null, "null"),
        ("spreadSeconds", json!("long"), "\"long\""),
        ("objective", json!({}), "missing field `maxAge`"),
        ("template", json!({ "spec": { "instanceId": "i" } }), "missing field `region`"),
        ("template", json!([]), "BackupTemplate"),
    ] {
        let mut wrong = promise.clone();
        wrong[field] = value;
        let said = schedule(&wrong, &full_schedule_status());
        assert_eq!(said.status.unreadable, Vec::<String>::new());
        let said = said.spec.0.unwrap_err();
        assert!(said.contains(fragment), "{wrong}: {said}");
    }
}

#[test]
fn of_a_schedule_one_unreadable_field_hides_no_other() {
    let whole = schedule(&spec(), &full_schedule_status()).status;
    assert_eq!(serde_json::to_value(&whole.fields).unwrap(), full_schedule_status(), "and it survives the way");
    let odd = json!({ "no": ["such", "form"], "time": 5, "type": true });
    for (name, field) in full_schedule_status().as_object().unwrap() {
        let parts = field.as_object().into_iter().flat_map(|part| part.keys());
        let places = std::iter::once(format!("/{name}")).chain(parts.map(|part| format!("/{name}/{part}")));
        for place in places {
            let (mut spoilt, mut rest) = (full_schedule_status(), full_schedule_status());
            let (outer, last) = place.rsplit_once('/').unwrap();
            let is_part = outer.is_empty() && field.is_object();
            *spoilt.pointer_mut(&place).unwrap() = if is_part { json!(5) } else { odd.clone() };
            rest.pointer_mut(outer).unwrap().as_object_mut().unwrap().remove(last);
            let read = schedule(&spec(), &spoilt).status;
            let mut left = serde_json::to_value(&read.fields).unwrap();
            if name == "conditions" {
                // One by one: of none that can be read an empty list is left, or nothing.
                left.as_object_mut().unwrap().remove(name);
            }
            assert_eq!(left, rest, "{place}");
            assert!(read.unreadable.iter().all(|path| path.starts_with(name)), "{place}: {:?}", read.unreadable);
            assert!(!read.unreadable.is_empty(), "{place}");
        }
    }
}

#[test]
fn it_stands_for_the_same_resource() {
    assert_eq!(StoredBackup::url_path(&(), Some("a")), SqlServerBackup::url_path(&(), Some("a")));
    assert_eq!(StoredSchedule::url_path(&(), Some("a")), SqlServerBackupSchedule::url_path(&(), Some("a")));
}
