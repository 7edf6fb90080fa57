//! Specs that change under the operator: values made from the schema of the definition, in chains of random order.
//!
//! For each field: another valid value, the bounds and what lies just beyond them, another type, nothing. What the schema
//! must say is known from one sentence of the documentation: only `credentialsRef` and `submitDeadlineSeconds` may be
//! changed. After each change the object must be where its spec and the ledger imply.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use sqlserver_backup_operator::api;
use tencentdb_simulator::Instance;

use crate::recorder::reason;
use crate::world::{Order, SECRET, World};

/// Changes of one object that are made and judged.
const CHAIN: u64 = 17;
/// Objects that are changed side by side.
const OBJECTS: u64 = 32;
/// Another one makes other chains.
const SEED: u64 = 20_261_124;
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the object is before its chain begins.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Finished,
    Running,
    /// Without a Secret, and so without a call.
    Keyless,
    Busy,
}

/// splitmix64: the same chains on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        let place = usize::try_from(self.next()).unwrap() % all.len();
        all[place].clone()
    }
}

/// Every field of the spec, and the values that its schema suggests.
fn candidates() -> Vec<(String, Vec<Value>)> {
    let definition = serde_json::to_value(api::all()).unwrap();
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let fields = definition[0].pointer(path).unwrap().as_object().unwrap();
    fields.iter().map(|(name, schema)| (name.clone(), values(name, schema))).collect()
}

fn values(name: &str, schema: &Value) -> Vec<Value> {
    let mut all = vec![Value::Null, json!(true)];
    match schema["type"].as_str().unwrap() {
        "string" if schema["enum"].is_array() => {
            all.extend(schema["enum"].as_array().unwrap().iter().cloned());
            all.push(json!("Nonsense"));
        }
        "string" => {
            let long = usize::try_from(schema["maxLength"].as_u64().unwrap()).unwrap();
            all.extend([json!(""), json!("mssql-other"), json!("eu-other"), json!("Other_1")]);
            all.extend([json!("a".repeat(long)), json!("a".repeat(long + 1)), json!("a\nb")]);
        }
        "integer" => {
            // They may be written with a fraction of nothing.
            let bound = |name: &str| schema[name].to_string().trim_end_matches(".0").parse::<i64>().unwrap();
            let (least, most) = (bound("minimum"), bound("maximum"));
            all.extend([least - 1, least, least * 60, most, most + 1, -1, i64::MAX].map(Value::from));
            all.push(json!("3600"));
        }
        "array" => {
            let most = schema["maxItems"].as_u64().unwrap();
            all.extend([json!([]), json!(["orders", "orders"]), json!(["other"]), json!([""]), json!([5])]);
            all.extend([json!(["stock", "orders"]), json!(["orders", "stock"])]);
            all.push((0..=most).map(|number| format!("database{number}")).collect());
        }
        "object" => {
            all.extend([json!({}), json!({ "name": "" }), json!({ "name": "a/b" }), json!({ "name": 5 })]);
            all.extend([json!({ "name": "nobody" }), json!({ "name": SECRET }), json!({ "name": "a".repeat(254) })]);
        }
        other => panic!("{name} is of type {other}"),
    }
    all
}

/// A field and a value for it.
fn roll(dice: &mut Dice, all: &[(String, Vec<Value>)]) -> (String, Value) {
    let (field, values) = dice.pick(all);
    (field, dice.pick(&values))
}

/// What the spec becomes by a merge patch of one field; `None` if the schema must refuse it.
fn after(spec: &Value, field: &str, value: &Value) -> Option<Value> {
    let mut next = spec.clone();
    match (field, value) {
        ("submitDeadlineSeconds", Value::Null) => next[field] = json!(86_400),
        ("submitDeadlineSeconds", value) => {
            value.as_i64().filter(|seconds| (60..=2_592_000).contains(seconds))?;
            next[field] = value.clone();
        }
        ("credentialsRef", Value::Null) => drop(next.as_object_mut().unwrap().remove(field)),
        ("credentialsRef", Value::Object(given)) => {
            let name = given.get("name").or(spec[field].get("name"))?.as_str()?;
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            (!name.is_empty() && name.len() <= 253 && name.chars().all(plain)).then_some(())?;
            next[field] = json!({ "name": name });
        }
        ("storageStrategy", Value::Null) => (spec[field] == "InstanceRetention").then_some(())?,
        ("databases", Value::Array(given)) => {
            let sorted = |names: &[Value]| {
                let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
                names.sort();
                names
            };
            (sorted(spec[field].as_array()?) == sorted(given)).then_some(())?;
            next[field] = value.clone();
        }
        (_, value) => (spec[field] == *value).then_some(())?,
    }
    Some(next)
}

/// The rows that the spec and the ledger allow now.
fn implied(world: &World, place: Place, object: &Value, order: &Order) -> Vec<&'static str> {
    let spec = &object["spec"];
    let has_key = spec["credentialsRef"]["name"] == SECRET;
    let created: jiff::Timestamp = object["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap();
    let age = world.cloud.now().duration_since(created).as_secs();
    let left = spec["submitDeadlineSeconds"].as_i64().unwrap() - age;
    match place {
        Place::Finished => vec!["Completed"],
        Place::Running if has_key => vec!["Running"],
        Place::Running => vec!["Unobservable"],
        Place::Keyless | Place::Busy if left < -2 => vec!["DeadlineExceeded"],
        Place::Keyless if has_key || world.accepted(order) > 0 => vec!["Completed"],
        Place::Keyless if left < 3 => vec!["CredentialsUnavailable", "DeadlineExceeded"],
        Place::Keyless => vec!["CredentialsUnavailable"],
        Place::Busy => vec!["InstanceBusy", "DeadlineExceeded"],
    }
}

async fn bring(world: &World, place: Place, number: u64) -> Order {
    let id = format!("mssql-edited{number}");
    let mut instance = Instance::new(&id);
    instance.parallel = 1;
    instance.backup_seconds = Some(if place == Place::Running { 1e6 } else { 0.5 });
    world.cloud.put_instance(instance);
    if place == Place::Busy {
        world.cloud.begin_nightly(&id, Some(1e6)).unwrap();
    }
    let mut spec = json!({ "instanceId": id });
    if number.is_multiple_of(2) {
        spec["strategy"] = json!("Databases");
        spec["databases"] = json!(["orders", "stock"]);
    }
    if number.is_multiple_of(3) {
        spec["backupNamePrefix"] = json!("Other_1");
    }
    let row = match place {
        Place::Finished => "Completed",
        Place::Running => "Running",
        Place::Keyless => {
            spec["credentialsRef"] = json!({ "name": "nobody" });
            "CredentialsUnavailable"
        }
        Place::Busy => "InstanceBusy",
    };
    let order = world.order(&format!("edited-{number}"), spec).await;
    world.reaches(&order, row).await;
    order
}

/// What a chain came to.
#[derive(Default)]
struct Made {
    honoured: u64,
    refused: u64,
    /// The fields, and whether they were removed.
    touched: BTreeSet<(String, bool)>,
}

/// One chain.
async fn chain(world: &World, number: u64) -> Made {
    let mut dice = Dice(SEED ^ (number << 32));
    let mut place =
        [Place::Finished, Place::Running, Place::Keyless, Place::Busy][usize::try_from(number % 4).unwrap()];
    let order = bring(world, place, number).await;
    let (all, mut made) = (candidates(), Made::default());
    let mut sticky = None;
    while made.honoured + made.refused < CHAIN {
        let before = world.read(&order).await;
        let (mut field, mut value) = roll(&mut dice, &all);
        if after(&before["spec"], &field, &value).is_none() && dice.pick(&[true, false]) {
            // Most values are refused: a second roll makes the honoured ones less rare.
            (field, value) = roll(&mut dice, &all);
        }
        // The key of an order that knocks stays: that it would be honoured is tried where nothing else happens.
        if place == Place::Busy && field == "credentialsRef" {
            continue;
        }
        let step = made.honoured + made.refused;
        let said = format!("seed {SEED}, object {number}, step {step}: {place:?} {field} = {value}");
        made.touched.insert((field.clone(), value.is_null()));
        let patch = Patch::Merge(json!({ "spec": { &field: value } }));
        let answer = world.api.patch(&order.name, &PatchParams::default(), &patch).await;
        let expected = after(&before["spec"], &field, &value);
        let Some(expected) = expected else {
            let fault = answer.err().unwrap_or_else(|| panic!("{said}: accepted")).to_string();
            assert!(fault.contains(&field), "{said}: the refusal names no field: {fault}");
            let object = settle(world, place, &order, sticky.as_deref(), &said).await;
            assert_eq!(object["spec"], before["spec"], "{said}: refused, and changed");
            made.refused += 1;
            (sticky, place) = went_on(place, &object, sticky);
            continue;
        };
        let object = answer.unwrap_or_else(|fault| panic!("{said}: {fault}"));
        assert_eq!(object.data["spec"], expected, "{said}");
        let object = settle(world, place, &order, sticky.as_deref(), &said).await;
        assert_eq!(
            before["status"]["flowId"].is_null() || place == Place::Keyless,
            before["status"]["flowId"].is_null()
        );
        made.honoured += 1;
        (sticky, place) = went_on(place, &object, sticky);
    }
    made
}

/// The row that an order cannot leave any more, and its place.
fn went_on(place: Place, object: &Value, sticky: Option<String>) -> (Option<String>, Place) {
    match reason(object) {
        "DeadlineExceeded" => (Some("DeadlineExceeded".to_owned()), place),
        "Completed" if place == Place::Keyless => (sticky, Place::Finished),
        _ => (sticky, place),
    }
}

/// Waits until the change was seen and the row is one that is implied.
async fn settle(world: &World, place: Place, order: &Order, sticky: Option<&str>, said: &str) -> Value {
    let begin = Instant::now();
    loop {
        let object = world.read(order).await;
        let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        let implied = implied(world, place, &object, order);
        let fits = sticky.map_or(implied.contains(&reason(&object)), |row| row == reason(&object));
        if seen && fits {
            return object;
        }
        assert!(begin.elapsed() < PATIENCE, "{said}: {implied:?}, {sticky:?}, but {:#}", object["status"]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_a_spec_is_refused_or_honoured() {
    let began = Instant::now();
    let world = World::with(|plan| {
        plan.cloud.switches.enforce_rates = false;
        plan.environment.insert("API_SHARE", "1".to_owned());
    })
    .await;
    let chains = futures::stream::iter(0..OBJECTS).map(|number| chain(&world, number));
    let made: Vec<Made> = chains.buffer_unordered(32).collect().await;
    let [honoured, refused] =
        [|made: &Made| made.honoured, |made: &Made| made.refused].map(|of| made.iter().map(of).sum());
    let (honoured, refused): (u64, u64) = (honoured, refused);
    println!(
        "{} changes of {OBJECTS} specs were made and judged, {refused} of them refused by the API server, {:.0} s",
        honoured + refused,
        began.elapsed().as_secs_f64()
    );
    assert!(honoured + refused >= 500 && honoured >= 100, "{honoured} honoured, {refused} refused");
    let touched: BTreeSet<(String, bool)> = made.into_iter().flat_map(|made| made.touched).collect();
    for (field, _) in candidates() {
        for removed in [false, true] {
            assert!(touched.contains(&(field.clone(), removed)), "{field} was never changed, removed: {removed}");
        }
    }
    for uid in world.histories.uids() {
        crate::recorder::check(&world.histories.of(&uid));
    }
    let signatures = world.cloud.ledger();
    for uid in world.histories.uids() {
        let mark = uid.replace('-', "");
        let of = signatures.iter().filter(|entry| entry.name.contains(&mark));
        assert!(of.map(|entry| entry.flow_ids.len()).sum::<usize>() <= 1, "two backups of one order");
    }
}
