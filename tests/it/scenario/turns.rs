//! Turns at a busy instance: each order gets its own, in order of creation; at most one knocks at a time; what waits for
//! something else, or is deleted, holds nobody up.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tencentdb_simulator::{End, Instance};

use crate::recorder::condition;
use crate::world::{INSTANCE, Order, World};

/// A world whose instance takes one backup at a time and is at its nightly one; the flow of that.
async fn busy() -> (World, i64) {
    let world = World::usual().await;
    world.cloud.change_instance(INSTANCE, |instance| instance.parallel = 1);
    let nightly = world.cloud.begin_nightly(INSTANCE, Some(1e6)).unwrap();
    (world, nightly)
}

/// Creation is told in seconds: orders that are to differ in age need one between them.
async fn a_second() {
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

async fn waits(world: &World, order: &Order) {
    world.reaches(order, "InstanceBusy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_orders_and_the_nightly_backup_each_get_their_turn() {
    let (world, nightly) = busy().await;
    let first = world.order("first", json!({})).await;
    waits(&world, &first).await;
    a_second().await;
    let second = world.order("second", json!({})).await;
    waits(&world, &second).await;
    let message = condition(&world.read(&second).await, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("older order") && !message.contains("first"), "names no other object: {message}");
    world.wait_for("a second knock", |world| world.calls(&first).len() >= 2).await;
    world.cloud.finish(nightly, End::Success);
    for order in [&first, &second] {
        world.reaches(order, "Completed").await;
    }
    let ledger = world.cloud.ledger();
    let accepted: Vec<_> = ledger.iter().filter(|entry| entry.accepted).collect();
    assert!(accepted[0].name.contains("first") && accepted[1].name.contains("second"), "{accepted:#?}");
    let began = accepted[0].accepted_at;
    let hasty = world.calls(&second).into_iter().find(|call| Some(call.received) < began);
    assert!(hasty.is_none(), "the younger knocked before its turn: {hasty:?}");
    for order in [&first, &second] {
        let knocks = world.calls(order).iter().filter(|call| !call.accepted).count();
        let rows = world.reasons(order).len() - 1;
        // A row costs a write; a refused knock two, one for its intent and one for its answer, of which the first
        // enters the row; the accepted one adds its intent, which after a busy answer enters none.
        let limit = rows + 2 * knocks + 1;
        assert!(world.writes(order) <= limit, "{} writes, {knocks} knocks, {rows} rows", world.writes(order));
        let events = world.events(order).await;
        assert_eq!(events.iter().filter(|(reason, _)| reason == "InstanceBusy").count(), 1, "told once: {events:?}");
    }
    world.finish(&[(&first, 1), (&second, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_were_created_together_knock_one_at_a_time() {
    let (world, nightly) = busy().await;
    let mut orders = vec![];
    for number in 0..5 {
        orders.push(world.order(&format!("crowd-{number}"), json!({})).await);
    }
    for order in &orders {
        waits(&world, order).await;
    }
    // The first answers came before anybody was known to wait; what follows is one order's.
    let before = world.cloud.ledger().len();
    world.wait_for("three knocks", |world| world.cloud.ledger().len() >= before + 3).await;
    let whose = |name: &str| orders.iter().position(|order| name.contains(&order.uid.replace('-', "")));
    let mut knocking: Vec<_> = world.cloud.ledger()[before..].iter().map(|call| whose(&call.name)).collect();
    knocking.sort();
    knocking.dedup();
    assert_eq!(knocking.len(), 1, "{knocking:?}");
    world.cloud.change_instance(INSTANCE, |instance| instance.backup_seconds = Some(0.5));
    world.cloud.finish(nightly, End::Success);
    for order in &orders {
        world.reaches(order, "Completed").await;
    }
    world.finish(&orders.iter().map(|order| (order, 1)).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_order_that_is_deleted_lets_the_younger_go() {
    let (world, nightly) = busy().await;
    let gone = world.order("gone", json!({})).await;
    waits(&world, &gone).await;
    a_second().await;
    let leaving = world.order("leaving", json!({})).await;
    waits(&world, &leaving).await;
    a_second().await;
    let young = world.order("young", json!({})).await;
    waits(&world, &young).await;
    // One disappears, the other stays with a deletion timestamp for a foreign finalizer's sake.
    world.api.delete("gone", &DeleteParams::default()).await.unwrap();
    let held = Patch::Merge(json!({ "metadata": { "finalizers": ["example.com/somebody-else"] } }));
    world.api.patch("leaving", &PatchParams::default(), &held).await.unwrap();
    world.api.delete("leaving", &DeleteParams::default()).await.unwrap();
    world.cloud.finish(nightly, End::Success);
    let begin = std::time::Instant::now();
    world.reaches(&young, "Completed").await;
    assert!(begin.elapsed() < Duration::from_secs(20), "its turn comes with the deletion: {:?}", begin.elapsed());
    let freed = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    world.api.patch("leaving", &PatchParams::default(), &freed).await.unwrap();
    world.finish(&[(&gone, 0), (&leaving, 0), (&young, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_database_holds_nobody_up() {
    let world = World::usual().await;
    world.cloud.change_instance(INSTANCE, |instance| instance.bad_databases = vec!["stock".to_owned()]);
    let alone = world.order("alone", json!({ "strategy": "Databases", "databases": ["stock"] })).await;
    world.reaches(&alone, "DatabaseBusy").await;
    a_second().await;
    let other = world.order("other", json!({ "strategy": "Databases", "databases": ["orders"] })).await;
    world.reaches(&other, "Completed").await;
    assert_eq!(world.reasons(&other), ["Pending", "Submitting", "Running", "Completed"], "never waited");
    world.cloud.change_instance(INSTANCE, |instance| instance.bad_databases.clear());
    world.reaches(&alone, "Completed").await;
    world.finish(&[(&alone, 1), (&other, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cloud_decides_how_many_run_at_once() {
    let world = World::usual().await;
    let mut orders = vec![];
    for name in ["orders", "stock", "users"] {
        orders.push(world.order(name, json!({ "strategy": "Databases", "databases": [name] })).await);
    }
    for order in &orders {
        world.reaches(order, "Running").await;
    }
    for order in &orders {
        world.reaches(order, "Completed").await;
        assert_eq!(world.reasons(order), ["Pending", "Submitting", "Running", "Completed"], "never waited");
    }
    world.finish(&orders.iter().map(|order| (order, 1)).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_isolated_instance_is_not_knocked_at() {
    let world = World::usual().await;
    let id = "mssql-isolated";
    world.cloud.put_instance(Instance { status: 4, ..Instance::new(id) });
    let order = world.order("isolated", json!({ "instanceId": id })).await;
    waits(&world, &order).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(world.calls(&order).len() <= 1, "after the first answer its state is looked at first");
    let looked = &world.cloud.counts()["DescribeDBInstances"];
    assert!(looked["OK"] >= 1, "{looked:?}");
    world.finish(&[(&order, 0)]).await;
}
