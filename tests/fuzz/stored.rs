//! Stored objects: anything decodes, nothing readable is lost, and what is written back is what the schema takes.
//!
//! A status that the API server let pass must never lead to one that it refuses: the order would be stuck, since each
//! pass would try the same write again. The schema that is asked here is the one that is installed.

use jiff::{Timestamp, tz::Offset};
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use sqlserver_backup_operator::api::{self, StoredBackup, conversion};
use sqlserver_backup_operator::core::backup::decide;
use sqlserver_backup_operator::core::fold::fold;
use sqlserver_backup_operator::core::seen::{Outcome, Seen};

use crate::protocol::cases;
use crate::strategy::{LIMITS, UID, instant, order, reason, seen};

fn anything() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        instant().prop_map(|time| json!(time.to_string())),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let field = prop_oneof![
            prop::sample::select(vec!["attempt", "time", "type", "status", "reason", "code", "name", "conditions"])
                .prop_map(str::to_owned),
            ".{0,6}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((field, inner), 0..5).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
    .boxed()
}

/// A time in any spelling that RFC 3339 has for it.
fn time() -> BoxedStrategy<Value> {
    // The first and the last year have spellings that are not everybody's.
    let common = instant().prop_filter("year", |time| (1..9_999).contains(&Offset::UTC.to_datetime(*time).year()));
    (common, 0_u8..3)
        .prop_map(|(time, spelling)| {
            let civil = |hours| Offset::constant(hours).to_datetime(time);
            json!(match spelling {
                0 => time.to_string(),
                // Only where the local year still has four digits.
                1 if (1970..9_000).contains(&civil(0).year()) => format!("{}+08:00", civil(8)),
                _ => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            })
        })
        .boxed()
}

fn object(fields: Vec<(&'static str, Option<Value>)>) -> Value {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
}

fn text() -> BoxedStrategy<Value> {
    ".{0,12}".prop_map(Value::from).boxed()
}

fn whole(least: i64) -> BoxedStrategy<Value> {
    prop_oneof![6 => least..least + 5, 1 => Just(i64::MAX), 1 => least..i64::MAX].prop_map(Value::from).boxed()
}

fn condition(kind: &'static str) -> BoxedStrategy<Value> {
    let reason =
        prop_oneof![9 => reason().prop_map(|it| it.as_str().to_owned()), 1 => Just("FromTheFuture".to_owned())];
    (prop::sample::select(vec!["True", "False", "Unknown"]), reason, text(), time(), of(whole(0)))
        .prop_map(move |(status, reason, message, since, generation)| {
            object(vec![
                ("type", Some(json!(kind))),
                ("status", Some(json!(status))),
                ("reason", Some(json!(reason))),
                ("message", Some(message)),
                ("lastTransitionTime", Some(since)),
                ("observedGeneration", generation),
            ])
        })
        .boxed()
}

/// Any status that the schema lets pass.
fn status() -> BoxedStrategy<Value> {
    let intent = (of(text()), of(whole(1)), of(time()), of(text())).prop_map(|(name, attempt, time, holder)| {
        object(vec![("backupName", name), ("attempt", attempt), ("time", time), ("holder", holder)])
    });
    let error = (of(text()), of(text()), of(text()), of(time())).prop_map(|(code, message, id, time)| {
        object(vec![("code", code), ("message", message), ("requestId", id), ("time", time)])
    });
    let kinds = ["Submitted", "Ready", "Reconciling", "Stalled"].map(|kind| weighted(0.9, condition(kind)));
    let conditions = kinds.prop_map(|all| Value::from(all.into_iter().flatten().collect::<Vec<_>>()));
    let size = prop_oneof![Just("1536Ki".to_owned()), Just("99999999999Pi".to_owned()), ".{0,64}"];
    let first = (of(whole(0)), of(text()), of(whole(0)), of(time()), weighted(0.2, whole(1)));
    let second = (of(text()), weighted(0.1, whole(i64::MIN)), weighted(0.1, text()), of(text()));
    let third = (of(size.prop_map(Value::from)), of(time()), of(time()), of(error), of(intent), conditions);
    (first, second, third)
        .prop_map(|(first, second, third)| {
            object(vec![
                ("observedGeneration", first.0),
                ("backupName", first.1),
                ("attempts", first.2),
                ("submitTime", first.3),
                ("flowId", first.4),
                ("requestId", second.0),
                ("backupId", second.1),
                ("groupId", second.2),
                ("fileName", second.3),
                ("size", third.0),
                ("startTime", third.1),
                ("completionTime", third.2),
                ("error", third.3),
                ("intent", third.4),
                ("conditions", Some(third.5)),
            ])
        })
        .boxed()
}

fn stored(spec: &Value, status: &Value) -> StoredBackup {
    let metadata =
        json!({ "name": "fuzzed", "uid": UID, "creationTimestamp": "2023-11-14T22:13:20Z", "generation": 1 });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec, "status": status })).unwrap()
}

/// What the schema says against a value: as much of OpenAPI as the definition uses.
fn objection(schema: &Value, value: &Value, path: &str) -> Option<String> {
    let no = |what: &str| Some(format!("{path}: {what}: {value}"));
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        _ => true,
    };
    let text = value.as_str().unwrap_or_default();
    let within = |name: &str| schema[name].as_u64().unwrap_or(u64::MAX);
    match () {
        () if !fits => return no("type"),
        () if value.is_i64() && value.as_f64() < schema["minimum"].as_f64() => return no("minimum"),
        () if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) => return no("enum"),
        () if u64::try_from(text.chars().count()).unwrap() > within("maxLength") => return no("maxLength"),
        () if value.is_string() && (text.is_empty() && schema["minLength"] == 1) => return no("minLength"),
        () if schema["format"] == "date-time" && text.parse::<Timestamp>().is_err() => {
            return no("date-time");
        }
        () => {}
    }
    let required = schema["required"].as_array().into_iter().flatten();
    if let Some(name) = required.filter_map(Value::as_str).find(|name| value.is_object() && value[*name].is_null()) {
        return no(&format!("lacks {name}"));
    }
    let fields = value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let within = fields.map(|(name, value)| objection(&schema["properties"][name], value, &format!("{path}.{name}")));
    let items = value.as_array().into_iter().flatten().map(|item| objection(&schema["items"], item, path));
    within.chain(items).flatten().next()
}

/// The four transition rules.
fn refusal(old: &Value, new: &Value) -> Option<&'static str> {
    let time = |status: &Value| status["submitTime"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let submitted = |status: &Value| {
        let mut all = status["conditions"].as_array().into_iter().flatten();
        all.any(|condition| condition["type"] == "Submitted" && condition["status"] == "True")
    };
    match () {
        () if !old["flowId"].is_null() && old["flowId"] != new["flowId"] => Some("flowId"),
        () if old["attempts"].as_i64() > new["attempts"].as_i64() => Some("attempts"),
        () if time(old) > time(new) => Some("submitTime"),
        () if submitted(old) && !submitted(new) => Some("Submitted"),
        () => None,
    }
}

#[test]
fn i6_what_is_written_over_a_status_is_what_the_schema_takes() {
    let definition = serde_json::to_value(api::all()).unwrap();
    let schema = definition[0].pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status").unwrap();
    let spec = json!({ "instanceId": "mssql-a1", "region": "ap-guangzhou", "strategy": "Instance" });
    // No clock and no row shows a year before our era, and RFC 3339 has no spelling for it.
    let seen = seen().prop_filter("our era", |seen| !format!("{seen:?}").contains("-009999"));
    let tried = TestRunner::new(cases()).run(&(status(), order(), seen), |(before, order, seen)| {
        prop_assert_eq!(objection(schema, &before, "status"), None, "the input itself");
        let object = stored(&spec, &before);
        prop_assert!(object.status.unreadable.is_empty(), "{:?}", object.status.unreadable);
        let seen = Seen { record: conversion::record(&object.status), ..seen };
        prop_assert_eq!(conversion::signs(&object.status), seen.record.signs(), "the figures count what is decided on");
        let step = decide(order.as_ref(), &seen, &LIMITS);
        let next = fold(order.as_ref().ok(), &seen, &step, &Outcome::None, seen.now, &LIMITS);
        let status = conversion::status(&next.record, &object.status.fields, 1, seen.now);
        let after = serde_json::to_value(&status).unwrap();
        prop_assert_eq!(objection(schema, &after, "status"), None);
        prop_assert_eq!(refusal(&before, &after), None, "{:#} becomes {:#}", before, after);
        // I7: what was written reads as what was meant.
        let again = conversion::record(&stored(&spec, &after).status);
        let (now, fence) = (seen.now, LIMITS.fence());
        prop_assert_eq!(again.standing(now, fence), next.record.standing(now, fence), "{:?}", next.record);
        Ok(())
    });
    tried.unwrap();
}

/// One field holds anything; every other one is read as before.
#[test]
fn i6_anything_in_one_field_hides_no_other() {
    let fields = vec![
        "observedGeneration",
        "backupName",
        "attempts",
        "submitTime",
        "flowId",
        "requestId",
        "backupId",
        "groupId",
        "fileName",
        "size",
        "startTime",
        "completionTime",
        "error",
        "intent",
        "conditions",
        "unheard",
    ];
    let input = (status(), prop::sample::select(fields), anything(), anything());
    let tried = TestRunner::new(cases()).run(&input, |(before, field, odd, spec)| {
        let read = |status: &Value| serde_json::to_value(stored(&spec, status).status.fields).unwrap();
        let mut spoilt = before.clone();
        spoilt[field] = odd;
        let (mut whole, mut rest) = (read(&before), read(&spoilt));
        let object = stored(&spec, &spoilt);
        let record = conversion::record(&object.status);
        prop_assert_eq!(conversion::signs(&object.status), record.signs());
        drop(serde_json::to_value(conversion::status(&record, &object.status.fields, 1, Timestamp::MAX)).unwrap());
        drop((whole.as_object_mut().unwrap().remove(field), rest.as_object_mut().unwrap().remove(field)));
        prop_assert_eq!(whole, rest);
        Ok(())
    });
    tried.unwrap();
}

/// Whatever the spec holds, it is an order that can be sent, or one that says what is wrong.
#[test]
fn any_spec_is_an_order_or_says_why_not() {
    let fields = vec![
        "instanceId",
        "region",
        "strategy",
        "databases",
        "backupNamePrefix",
        "storageStrategy",
        "credentialsRef",
        "submitDeadlineSeconds",
    ];
    let odd = prop::collection::vec((prop::sample::select(fields), anything()), 0..3);
    let tried = TestRunner::new(cases()).run(&(odd, "[a-z0-9-]{0,66}"), |(odd, region)| {
        let mut spec = json!({ "instanceId": "mssql-a1", "region": region, "strategy": "Instance" });
        for (field, value) in odd {
            spec[field] = value;
        }
        let object = stored(&spec, &Value::Null);
        match conversion::order(&object, instant_of(&object)) {
            Ok(order) => {
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                prop_assert!(!order.instance.is_empty() && order.instance.bytes().all(plain));
                prop_assert!(!order.region.is_empty() && order.region.bytes().all(plain));
            }
            Err(invalid) => prop_assert!(!invalid.to_string().contains('\n') && invalid.to_string().len() < 2_000),
        }
        Ok(())
    });
    tried.unwrap();
}

fn instant_of(object: &StoredBackup) -> Timestamp {
    conversion::subject(object).unwrap().created
}
