//! Real answers, mutated: nothing panics, and only what is exactly a refusal, or exactly a success, is taken for one (I4).
//!
//! The exact forms are read here a second time, from the tree that a JSON library makes of the body, and not by the types
//! that are tried. A mutant that becomes a refusal by chance costs a second backup; one that becomes a success costs the
//! order its backup.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;
use crate::tencent::codes::{self, Class};
use crate::tencent::sqlserver::{CreateBackup, DescribeBackupByFlowId, DescribeBackups, DescribeDBInstances};

/// Answers as the cloud gives them.
const REAL: [&str; 6] = [
    r#"{"Response":{"FlowId":5293,"RequestId":"4be5990d-1"}}"#,
    r#"{"Response":{"FlowId":"5293","RequestId":"4be5990d-1"}}"#,
    r#"{"Response":{"Error":{"Code":"ResourceUnavailable.InstanceStatusInvalid","Message":"busy"},"RequestId":"r-1"}}"#,
    r#"{"Response":{"Error":{"Code":"InternalError.DBError","Message":"m"},"RequestId":"r-1"}}"#,
    r#"{"code":4000,"message":"(4000)m","codeDesc":"InvalidParameter"}"#,
    r#"{"Response":{"TotalCount":1,"Backups":[{"Id":1,"BackupName":"n","Status":0}],"RequestId":"r-1"}}"#,
];

/// Puts `odd` into some place of the tree, takes something out, renames, doubles, or makes a list of an object.
fn mutate(value: &mut Value, path: &[u8], how: u8, odd: &Value) {
    let (Some((first, rest)), true) = (path.split_first(), value.is_object() || value.is_array()) else {
        *value = odd.clone();
        return;
    };
    if rest.is_empty() && how == 1 {
        let fields = value.as_object().into_iter().flat_map(|fields| fields.values().cloned());
        *value = fields.collect();
        return;
    }
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let name = fields.keys().nth(usize::from(*first) % fields.len()).cloned().unwrap();
            match (rest.is_empty(), how) {
                (true, 2) => drop(fields.remove(&name)),
                (true, 3) => drop(fields.insert("FlowId".to_owned(), odd.clone())),
                (true, 4) => drop(fields.insert("Error".to_owned(), serde_json::json!({ "Code": "InvalidParameter" }))),
                (true, 5) => {
                    let moved = fields.remove(&name).unwrap();
                    fields.insert(name.to_lowercase(), moved);
                }
                _ => mutate(&mut fields[&name], rest, how, odd),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let place = usize::from(*first) % items.len();
            mutate(&mut items[place], rest, how, odd);
        }
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            *value = odd.clone();
        }
    }
}

fn odd() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9]{0,20}".prop_map(Value::from),
        prop::sample::select(vec!["InvalidParameter", "InternalError", "Success", "InvalidParameterX"])
            .prop_map(Value::from),
        Just(serde_json::json!([])),
        Just(serde_json::json!({})),
    ]
    .boxed()
}

/// A mutated body: of the tree, of the bytes, or of both.
fn body() -> BoxedStrategy<Vec<u8>> {
    let tree = (prop::sample::select(&REAL[..]), prop::collection::vec(any::<u8>(), 0..5), 0_u8..7, odd());
    let changes = prop::collection::vec((tree, any::<bool>()), 1..3);
    let bytes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..3);
    (changes, prop::bool::weighted(0.4), bytes)
        .prop_map(|(changes, also_bytes, bytes)| {
            let mut value: Value = serde_json::from_str(changes[0].0.0).unwrap();
            for ((_, path, how, odd), skipped) in &changes {
                if !skipped {
                    mutate(&mut value, path, *how, odd);
                }
            }
            let mut body = value.to_string().into_bytes();
            for (place, byte, how) in bytes.into_iter().filter(|_| also_bytes) {
                let place = place.index(body.len().max(1));
                match how {
                    0 => body.truncate(place),
                    1 => body.insert(place.min(body.len()), byte),
                    2 if place < body.len() => drop(body.remove(place)),
                    _ => body.iter_mut().skip(place).take(1).for_each(|it| *it = byte),
                }
            }
            body
        })
        .boxed()
}

fn status() -> BoxedStrategy<u16> {
    prop_oneof![4 => Just(200_u16), 1 => 100_u16..600].boxed()
}

/// Whether the body says, in one of the two documented forms and in nothing else, that nothing was begun.
fn is_exactly_a_refusal(body: &[u8]) -> bool {
    let Ok(Value::Object(whole)) = serde_json::from_slice(body) else { return false };
    let holds_flow = |fields: &serde_json::Map<String, Value>| fields.get("FlowId").is_some_and(|flow| !flow.is_null());
    let code = match whole.get("Response") {
        Some(Value::Object(response)) if !holds_flow(response) => match response.get("Error") {
            Some(Value::Object(error)) => error.get("Code"),
            _ => None,
        },
        None | Some(Value::Null) => whole.get("codeDesc"),
        Some(_) => None,
    };
    let code = code.and_then(Value::as_str).unwrap_or_default();
    !holds_flow(&whole) && codes::lookup(code).is_some_and(|row| row.class != Class::Doubt)
}

/// The flow of a body that is exactly a success.
fn flow_of(body: &[u8]) -> Option<i64> {
    let whole: Value = serde_json::from_slice(body).ok()?;
    let response = whole.as_object()?.get("Response")?.as_object()?;
    let flow = response.get("FlowId")?;
    let number = flow.as_i64().or_else(|| flow.as_str().and_then(|digits| digits.parse().ok()))?;
    (response.get("Error").is_none_or(Value::is_null) && number > 0).then_some(number)
}

fn is_one_line(text: &str) -> bool {
    text.chars().count() <= 800 && !text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

proptest! {
    #![proptest_config(Config { cases: Config::default().cases.max(2_000), failure_persistence: None, ..Config::default() })]

    #[test]
    fn i4_only_what_is_exactly_a_refusal_or_a_success_is_taken_for_one(status in status(), body in body()) {
        let text = String::from_utf8_lossy(&body).into_owned();
        match read::<CreateBackup>(StatusCode::from_u16(status).unwrap(), &body) {
            Ok(answer) => {
                prop_assert_eq!((status, Some(answer.value.flow_id.value())), (200, flow_of(&body)), "{}", text);
                prop_assert!(answer.request_id.is_none_or(|id| is_one_line(&id)));
            }
            Err(fault) => {
                let is_refusal = status == 200 && is_exactly_a_refusal(&body);
                prop_assert!(fault.may_have_taken_effect() || is_refusal, "{}: {}", text, fault);
                prop_assert!(is_one_line(&fault.to_string()), "{:?}", fault);
            }
        }
    }

    /// Reads promise less: an answer, or none.
    #[test]
    fn no_mutant_makes_a_read_panic(status in status(), body in body()) {
        let status = StatusCode::from_u16(status).unwrap();
        let faults = [
            read::<DescribeBackups>(status, &body).err(),
            read::<DescribeBackupByFlowId>(status, &body).err(),
            read::<DescribeDBInstances>(status, &body).err(),
        ];
        prop_assert!(faults.iter().flatten().all(|fault| is_one_line(&fault.to_string())));
    }
}
