//! A status that somebody wiped, forged or edited, and a spec that changed: an input like any other, never two backups.

use std::time::Duration;

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tencentdb_simulator::{End, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY};

use crate::recorder::{condition, reason};
use crate::world::{INSTANCE, Order, World};

/// An order that was accepted and runs until it is ended by hand, and that the listing shows.
async fn running(world: &World, name: &str) -> (Order, i64) {
    world.cloud.change_instance(INSTANCE, |instance| instance.backup_seconds = Some(1e6));
    let order = world.order(name, json!({})).await;
    world.reaches(&order, "Running").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    (order.clone(), world.calls(&order)[0].flow_ids[0])
}

/// Conditions of one row, as nobody but the operator should write them.
pub(super) fn row(reason: &str, verdicts: [&str; 4]) -> Value {
    let condition = |(kind, status): (&str, &str)| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": "Forged.", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let kinds = ["Submitted", "Ready", "Reconciling", "Stalled"].into_iter().zip(verdicts);
    kinds.map(condition).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_the_schema_refuses_to_wipe_what_was_announced() {
    let world = World::usual().await;
    let (order, flow) = running(&world, "guarded").await;
    for (field, status) in [
        ("flowId", json!({ "flowId": null })),
        ("flowId", json!({ "flowId": flow + 1 })),
        ("attempts", json!({ "attempts": 0 })),
        ("submitTime", json!({ "submitTime": "2026-01-01T00:00:00Z" })),
        ("Submitted", json!({ "conditions": row("Pending", ["Unknown", "Unknown", "True", "False"]) })),
    ] {
        let refused = world.patch_status(&order, status).await.unwrap_err().to_string();
        assert!(refused.contains(field), "{refused}");
    }
    let all = Patch::Merge(json!({ "status": null }));
    assert!(world.api.patch_status(&order.name, &PatchParams::default(), &all).await.is_err(), "wiped as a whole");
    world.cloud.finish(flow, End::Success);
    world.reaches(&order, "Completed").await;
    world.finish(&[(&order, 1)]).await;
}

/// What an etcd that is restored from an old snapshot looks like: the object under its UID, and of its status nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_backup_whose_status_was_lost_as_a_whole_is_adopted_before_the_first_call() {
    let mut world = World::with(|plan| plan.started = false).await;
    let order = world.order("restored", json!({})).await;
    let flow = world.cloud.begin_nightly(INSTANCE, Some(5.0)).unwrap();
    let name = format!("Renamed_Prefix_{}_3", order.uid.replace('-', "").to_uppercase());
    world.cloud.change_backup(flow, |backup| {
        backup.way = 1;
        backup.name = name;
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    world.start().await;
    let object = world.reaches(&order, "Completed").await;
    crate::recorder::tells_the_truth(&object, &world.cloud.backups()[0]);
    assert_eq!(world.reasons(&order), ["Pending", "Running", "Completed"]);
    world.finish(&[(&order, 0)]).await;
}

/// The schema protects some of a status; here goes the rest, while nobody is there to see it go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_status_that_lost_all_it_may_lose_is_found_again() {
    let mut world = World::usual().await;
    let (order, flow) = running(&world, "wiped").await;
    world.kill();
    let wiped = json!({
        "backupName": null, "requestId": null, "error": null, "intent": null, "observedGeneration": 0,
        "conditions": row("Pending", ["True", "Unknown", "True", "False"]),
    });
    world.patch_status(&order, wiped).await.unwrap();
    world.start().await;
    world
        .until(&order, "Running again", |object| {
            reason(object) == "Running" && condition(object, "Ready")["message"] != "Forged."
        })
        .await;
    world.cloud.finish(flow, End::Success);
    let object = world.reaches(&order, "Completed").await;
    world.tells_the_truth(&order, &object);
    world.is_silent(Duration::from_secs(3)).await;
    world.finish_forged(&[(&order, 1)]).await;
}

/// A new object takes the place of a wiped one: its status is written by hand before any operator has seen it.
async fn forged(name: &str, status: Value) -> (World, Order) {
    forged_at(name, |_| status).await
}

/// The same with a status that depends on the time.
async fn forged_at(name: &str, status: impl FnOnce(jiff::Timestamp) -> Value) -> (World, Order) {
    let world = World::with(|plan| plan.started = false).await;
    let order = world.order(name, json!({})).await;
    world.patch_status(&order, status(world.cloud.now())).await.unwrap();
    let mut world = world;
    world.start().await;
    (world, order)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i5_what_says_that_it_ended_is_over() {
    for (name, verdicts) in
        [("Completed", ["True", "True", "False", "False"]), ("InvalidRequest", ["False", "False", "False", "True"])]
    {
        let status = json!({ "observedGeneration": 1, "conditions": row(name, verdicts) });
        let (world, order) = forged("ended", status).await;
        world.is_silent(Duration::from_secs(3)).await;
        assert_eq!(world.cloud.calls().len(), 0, "{name}: a finished order is not looked at");
        world.finish_forged(&[(&order, 0)]).await;
    }
}

/// The instant of a refusal is one of the clock that heard it. How long ago that is, only a clock of our own can say: were
/// the refusal none, its backup might not be listed yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_refusal_that_another_process_heard_settles_by_our_own_clock() {
    let (world, order) = forged_at("heir", |now| {
        let heard = jiff::Timestamp::from_second(now.as_second() - 3_600).unwrap().to_string();
        json!({
            "observedGeneration": 1, "attempts": 1, "submitTime": heard,
            "error": { "code": "RequestLimitExceeded", "message": "Too many.", "time": heard },
            "conditions": row("Throttled", ["False", "False", "True", "False"]),
        })
    })
    .await;
    let started = world.cloud.now();
    world.reaches(&order, "Running").await;
    let waited = world.calls(&order)[0].received.duration_since(started).as_secs_f64();
    assert!(waited > 1.5, "{waited} s after the start");
    world.finish_forged(&[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_running_without_a_flow_is_looked_for_and_not_submitted() {
    let status = json!({ "observedGeneration": 1, "conditions": row("Running", ["True", "False", "True", "False"]) });
    let (world, order) = forged("running", status).await;
    let object = world.reaches(&order, "Unobservable").await;
    assert!(object["status"]["flowId"].is_null(), "{object:#}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.finish_forged(&[(&order, 0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_an_announced_call_without_an_answer_is_a_doubt_whatever_else_is_said() {
    for (name, verdicts) in [
        ("Pending", ["Unknown", "Unknown", "True", "False"]),
        ("CloudUnreachable", ["False", "False", "True", "False"]),
    ] {
        let mut call = 0;
        // Far enough ahead of the start that its fence still runs when the operator comes.
        let announced = |now: jiff::Timestamp| {
            call = now.as_second() + 12;
            let time = jiff::Timestamp::from_second(call).unwrap().to_string();
            json!({ "observedGeneration": 1, "attempts": 1, "submitTime": time, "conditions": row(name, verdicts) })
        };
        let (world, order) = forged_at("announced", announced).await;
        world.reaches(&order, "OutcomeUnknown").await;
        let object = world.reaches(&order, "Completed").await;
        assert_eq!(object["status"]["attempts"], 2);
        let signed: i64 = world.calls(&order)[0].signed_at.parse().unwrap();
        assert!(signed >= call + 6, "{name}: before the fence of the announced call");
        world.is_silent(Duration::from_secs(2)).await;
        world.finish_forged(&[(&order, 1)]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i5_an_ended_order_whose_call_may_have_landed_tells_of_it_and_sends_nothing() {
    let announced = |now: jiff::Timestamp| {
        let time = jiff::Timestamp::from_second(now.as_second() + 12).unwrap().to_string();
        let ended = row("InvalidRequest", ["False", "False", "False", "True"]);
        json!({ "observedGeneration": 1, "attempts": 1, "submitTime": time, "conditions": ended })
    };
    let (world, order) = forged_at("ended", announced).await;
    // Past the fence it is over for good.
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(world.reasons(&order), ["Pending", "InvalidRequest"]);
    world.is_silent(Duration::from_secs(3)).await;
    world.finish_forged(&[(&order, 0)]).await;

    let (world, order) = forged_at("landed", announced).await;
    let flow = world.cloud.begin_nightly(INSTANCE, Some(4.0)).unwrap();
    let name = format!("k8s_landed_{}_1", order.uid.replace('-', ""));
    world.cloud.change_backup(flow, |backup| backup.name = name);
    world.until(&order, "adoption", |object| condition(object, "Submitted")["reason"] == "Adopted").await;
    world.reaches(&order, "Completed").await;
    world.finish_forged(&[(&order, 0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_cannot_be_read_harms_no_other_order() {
    let status = json!({
        "observedGeneration": 1, "size": "not a size", "conditions": row("FromTheFuture", ["False", "False", "True", "False"]),
    });
    let (world, order) = forged("odd", status).await;
    let other = world.order("other", json!({ "instanceId": "mssql-sim00002" })).await;
    world.reaches(&other, "Completed").await;
    assert!(world.accepted(&order) <= 1);
    let accepted = world.accepted(&order);
    world.finish_forged(&[(&order, accepted), (&other, 1)]).await;
}

async fn edit(world: &World, order: &Order, spec: Value) {
    let patch = Patch::Merge(json!({ "spec": spec }));
    world.api.patch(&order.name, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_of_the_spec_is_answered_at_once() {
    let world = World::usual().await;
    let order = world.order("edited", json!({ "credentialsRef": { "name": "mistyped" } })).await;
    world.reaches(&order, "CredentialsUnavailable").await;
    let good = json!({ "secretId": PLAYGROUND_SECRET_ID, "secretKey": PLAYGROUND_SECRET_KEY });
    world.put_secret("right", &good).await;
    let begin = std::time::Instant::now();
    edit(&world, &order, json!({ "credentialsRef": { "name": "right" } })).await;
    world.reaches(&order, "Completed").await;
    assert!(begin.elapsed() < Duration::from_secs(20), "not a minute later: {:?}", begin.elapsed());

    let late =
        world.order("late", json!({ "credentialsRef": { "name": "nobody" }, "submitDeadlineSeconds": 3_600 })).await;
    world.reaches(&late, "CredentialsUnavailable").await;
    edit(&world, &late, json!({ "submitDeadlineSeconds": 7_200 })).await;
    world.until(&late, "the new generation", |object| object["status"]["observedGeneration"] == 2).await;
    world.finish(&[(&order, 1), (&late, 0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_generation_of_a_finished_order_is_seen_and_changes_nothing_else() {
    let world = World::usual().await;
    let order = world.order("finished", json!({})).await;
    let before = world.reaches(&order, "Completed").await;
    edit(&world, &order, json!({ "submitDeadlineSeconds": 100 })).await;
    let wait = ["wait", "ssb/finished", "--for=condition=Ready", "--timeout=20s"];
    world.kubectl(&wait).await.unwrap();
    let after = world.read(&order).await;
    assert_eq!(after["status"]["observedGeneration"], 2);
    for field in ["flowId", "backupId", "attempts", "submitTime", "completionTime", "size"] {
        assert_eq!(before["status"][field], after["status"][field], "{field}");
    }
    let since = |object: &Value| condition(object, "Ready")["lastTransitionTime"].clone();
    assert_eq!(since(&before), since(&after), "it did not become ready anew");
    assert_eq!(world.writes(&order), 4, "the usual three, and one for the new generation");
    world.finish(&[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_status_that_changes_under_a_submission_is_read_again() {
    let world = World::usual().await;
    // Somebody writes to every object all the time: each guarded write meets a conflict now and then.
    let (api, busy) = (world.api.clone(), json!({ "metadata": { "annotations": {} } }));
    let disturber = tokio::spawn(async move {
        for number in 0_u64.. {
            for object in api.list(&kube::api::ListParams::default()).await.unwrap() {
                let mut patch = busy.clone();
                patch["metadata"]["annotations"]["example.com/disturbed"] = json!(number.to_string());
                let name = object.metadata.name.unwrap();
                drop(api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await);
            }
        }
    });
    let mut orders = vec![];
    for number in 0..6 {
        let id = format!("mssql-disturbed{number}");
        world.cloud.put_instance(tencentdb_simulator::Instance::new(&id));
        orders.push(world.order(&format!("disturbed-{number}"), json!({ "instanceId": id })).await);
    }
    for order in &orders {
        let object = world.reaches(order, "Completed").await;
        assert_eq!(object["status"]["flowId"], json!(world.calls(order)[0].flow_ids[0]));
    }
    disturber.abort();
    world.finish(&orders.iter().map(|order| (order, 1)).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_of_the_users_own_is_ignored_when_an_object_is_created() {
    let world = World::usual().await;
    let mut object = world.object("prefilled", json!({}));
    object.data["status"] = json!({ "flowId": 1, "conditions": row("Completed", ["True", "True", "False", "False"]) });
    let created = world.api.create(&PostParams::default(), &object).await.unwrap();
    let order = Order { name: "prefilled".to_owned(), uid: created.metadata.uid.unwrap() };
    world.reaches(&order, "Completed").await;
    assert_eq!(world.reasons(&order), ["Pending", "Submitting", "Running", "Completed"]);
    world.finish(&[(&order, 1)]).await;
}
