//! Every field of a status in turn holds a lie: a bound, another's value, nothing; every row's conditions are forged.
//!
//! Each lie is told about an order in doubt, whose backup the cloud holds and whose answer was lost, and about one in
//! another state. Both then live on under the operator. The order in doubt is the one that a lie can talk into a second
//! backup.

use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlserver_backup_operator::core::reason::{CONDITION_TYPES, Reason};
use tencentdb_simulator::{Effect, End, Instance, Rule};

use crate::recorder::{condition, reason};
use crate::world::{Order, World};

/// Where an order is when it is lied about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    InDoubt,
    Running,
    Waiting,
    Completed,
    Refused,
}

const OTHERS: [Place; 4] = [Place::Running, Place::Waiting, Place::Completed, Place::Refused];

/// How long an order may take after a lie until it stands still.
const PATIENCE: Duration = Duration::from_secs(45);

/// The conditions of a row, as only the operator should write them.
fn conditions(place: Reason) -> Value {
    let row = place.verdicts(None);
    let verdicts = [row.submitted, row.ready, row.reconciling, row.stalled];
    let condition = |(kind, verdict): (&str, sqlserver_backup_operator::core::reason::Verdict)| {
        json!({
            "type": kind, "status": verdict.as_str(), "reason": place.as_str(), "message": "Forged.",
            "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    CONDITION_TYPES.into_iter().zip(verdicts).map(condition).collect()
}

/// All lies, as merge patches of a status.
fn lies(now: Timestamp) -> Vec<Value> {
    let at = |seconds: i64| (now + SignedDuration::from_secs(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let times = || {
        let fraction = (now + SignedDuration::from_millis(1_500)).strftime("%Y-%m-%dT%H:%M:%S%.fZ").to_string();
        let texts = [at(0), at(2), at(-86_400), at(3_600), fraction, "9999-12-31T23:59:59Z".to_owned()];
        let odd = ["2026-11-24T10:00:00", "2026-11-24t10:00:00z", "2099-06-30T23:59:60Z", "soon"].map(str::to_owned);
        texts.into_iter().chain(odd).map(Value::from).chain([Value::Null])
    };
    let texts = || [json!(""), json!("x\ny"), json!("a".repeat(5_000)), Value::Null].into_iter();
    let numbers = || [json!(0), json!(1), json!(7), json!(7.0), json!(i64::MAX), json!(-1), json!("7"), Value::Null];
    let mut all = vec![];
    for field in ["submitTime", "startTime"] {
        all.extend(times().map(|time| json!({ field: time })));
    }
    for field in ["attempts", "flowId", "backupId", "observedGeneration"] {
        all.extend(numbers().into_iter().map(|number| json!({ field: number })));
    }
    for field in ["backupName", "requestId", "groupId", "fileName", "size"] {
        all.extend(texts().map(|text| json!({ field: text })));
    }
    all.extend([at(0), at(-86_400), at(3_600)].map(|time| json!({ "completionTime": time })));
    all.extend(
        [at(-5), at(3_600)].map(|time| json!({ "error": { "code": "ResourceInUse", "message": "", "time": time } })),
    );
    all.extend([
        json!({ "error": null }),
        json!({ "error": { "code": null, "time": null } }),
        json!({ "intent": null }),
    ]);
    all.extend([at(0), at(3_600), at(-86_400)].map(|time| json!({ "intent": { "time": time } })));
    all.extend([json!(null), json!(0), json!(1), json!(9)].map(|number| json!({ "intent": { "attempt": number } })));
    all.extend([json!(null), json!("another")].map(|text| json!({ "intent": { "holder": text, "backupName": text } })));
    all.extend(Reason::ALL.iter().map(|reason| json!({ "conditions": conditions(*reason) })));
    let mut odd = conditions(Reason::Pending);
    odd[1]["status"] = json!("True");
    all.extend([json!({ "conditions": odd }), json!({ "conditions": [] }), json!({ "conditions": null })]);
    all
}

/// One order, the lie about it, and what became of it.
struct Mutant {
    place: Place,
    lie: Value,
    order: Order,
    /// Calls of `CreateBackup` before the lie.
    calls: usize,
    refused: bool,
    last: Value,
}

/// Brings an order on an instance of its own to its place.
async fn bring(world: &World, place: Place, name: &str) -> (Order, Option<i64>) {
    let id = format!("mssql-{}", name.replace('-', ""));
    let mut instance = Instance::new(&id);
    instance.parallel = 1;
    instance.backup_seconds = Some(if place == Place::Running { 1e6 } else { 1.0 });
    world.cloud.put_instance(instance);
    let nightly = (place == Place::Waiting).then(|| world.cloud.begin_nightly(&id, Some(1e6)).unwrap());
    if place == Place::InDoubt {
        world.cloud.add_fault(Rule::new("CreateBackup", Effect::DropAfter { reset: false }).instance(&id));
    }
    let spec = match place {
        Place::Refused => json!({ "instanceId": id, "strategy": "Databases", "databases": ["absent"] }),
        Place::InDoubt | Place::Running | Place::Waiting | Place::Completed => json!({ "instanceId": id }),
    };
    let order = world.order(name, spec).await;
    let row = match place {
        Place::InDoubt => "OutcomeUnknown",
        Place::Running => "Running",
        Place::Waiting => "InstanceBusy",
        Place::Completed => "Completed",
        Place::Refused => "DatabaseNotFound",
    };
    world.reaches(&order, row).await;
    let flow = (place == Place::Running).then(|| world.calls(&order)[0].flow_ids[0]);
    (order, nightly.or(flow))
}

fn ended(object: &Value) -> bool {
    ["Ready", "Stalled"].into_iter().any(|kind| condition(object, kind)["status"] == "True")
}

/// Lies about one order, lets the cloud go on, and waits until the order has ended, or said the same for long.
async fn live(world: &World, number: usize, place: Place) -> Mutant {
    let (order, flow) = bring(world, place, &format!("lie-{number}-{}", format!("{place:?}").to_lowercase())).await;
    let calls = world.calls(&order).len();
    let lie = lies(world.cloud.now()).swap_remove(number);
    let refused = world.patch_status(&order, lie.clone()).await.is_err();
    tokio::time::sleep(Duration::from_secs(2)).await;
    if let Some(flow) = flow {
        world.cloud.finish(flow, End::Success);
    }
    let (begin, mut last, mut since) = (Instant::now(), Value::Null, Instant::now());
    loop {
        let object = world.read(&order).await;
        if object["status"] != last["status"] {
            (last, since) = (object, Instant::now());
        }
        let long = if ended(&last) { 3 } else { 12 };
        if since.elapsed() > Duration::from_secs(long) {
            return Mutant { place, lie, order, calls, refused, last };
        }
        assert!(begin.elapsed() < PATIENCE, "{place:?} never stands still after {lie}: {:?}", world.reasons(&order));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What must be true of every order, whatever was said about it.
fn check(world: &World, mutant: &Mutant) {
    let Mutant { place, lie, order, calls, refused, last } = mutant;
    let said = || format!("{place:?}, {lie}: {:?}, {:#}", world.reasons(order), last["status"]);
    let accepted = world.accepted(order);
    assert!(accepted <= 1, "a second backup: {}", said());
    let may_call = matches!(place, Place::Waiting | Place::Refused);
    assert!(may_call || world.calls(order).len() == *calls, "called on a lie: {}", said());
    assert!(*place != Place::Refused || accepted == 0);
    let text = condition(last, "Ready")["message"].as_str().unwrap_or_default();
    let forged = reason(last) == lie["conditions"][1]["reason"].as_str().unwrap_or_default();
    assert!(ended(last) || forged || !["", "Forged."].contains(&text), "says nothing: {}", said());
    let usual = if *place == Place::Refused { "DatabaseNotFound" } else { "Completed" };
    assert!(!refused || reason(last) == usual, "a refused lie changed something: {}", said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lie_in_a_status_makes_a_second_backup() {
    let began = Instant::now();
    let world = World::with(|plan| {
        plan.cloud.switches.enforce_rates = false;
        // In doubt for long enough to be lied about.
        plan.cloud.switches.listing_lag_seconds = 1.5;
        plan.environment.insert("API_SHARE", "1".to_owned());
    })
    .await;
    let all = lies(world.cloud.now()).len();
    let mutants = (0..all).flat_map(|number| [(number, Place::InDoubt), (number, OTHERS[number % 4])]);
    let live = futures::stream::iter(mutants).map(|(number, place)| live(&world, number, place));
    let mutants: Vec<Mutant> = live.buffer_unordered(60).collect().await;
    for mutant in &mutants {
        check(&world, mutant);
    }
    let failed = world.lines().into_iter().filter(|line| line.to_string().contains("the API server refuses it"));
    let failed: Vec<Value> = failed.collect();
    assert!(failed.is_empty(), "{} passes could not be recorded: {:#}", failed.len(), failed[0]);
    let refused = mutants.iter().filter(|mutant| mutant.refused).count();
    let open = mutants.iter().filter(|mutant| !ended(&mutant.last)).count();
    println!(
        "{} lies, {refused} refused by the schema, {open} orders still at work, {:.0} s",
        mutants.len(),
        began.elapsed().as_secs_f64()
    );
    let counts: Vec<(Order, usize)> =
        mutants.iter().map(|mutant| (mutant.order.clone(), world.accepted(&mutant.order))).collect();
    world.finish_forged(&counts.iter().map(|(order, count)| (order, *count)).collect::<Vec<_>>()).await;
}
