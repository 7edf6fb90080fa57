//! Deletion at any point, and what comes after it: the order is forgotten, its backup stays, nothing is sent for an object
//! that goes, and a new UID is a new order.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tencentdb_simulator::{Effect, End, Rule};

use crate::world::{INSTANCE, Order, SECRET, World};

async fn delete(world: &World, order: &Order) {
    world.api.delete(&order.name, &DeleteParams::default()).await.unwrap();
}

async fn finalizers(world: &World, order: &Order, names: serde_json::Value) {
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": names } }));
    world.api.patch(&order.name, &PatchParams::default(), &patch).await.unwrap();
}

/// The Secret, the service account of the operator and its rights.
async fn hold_what_it_needs(world: &World, names: serde_json::Value) {
    for object in [&format!("secret/{SECRET}"), "serviceaccount/operator", "rolebinding/operator-clusterrole"] {
        let patch = json!({ "metadata": { "finalizers": names } }).to_string();
        world.kubectl(&["patch", object, "--type=merge", "--patch", &patch]).await.unwrap();
    }
}

/// The object is gone, not merely marked.
async fn is_gone(world: &World, order: &Order) {
    world.wait_for("deletion", |world| world.history(order).last().is_some_and(|version| version.deleted)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_acceptance_nothing_is_ever_sent() {
    let world = World::usual().await;
    let nightly = world.cloud.begin_nightly(INSTANCE, Some(1e6)).unwrap();
    let order = world.order("early", json!({})).await;
    world.reaches(&order, "InstanceBusy").await;
    delete(&world, &order).await;
    is_gone(&world, &order).await;
    world.cloud.finish(nightly, End::Success);
    world.finish(&[(&order, 0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_call_is_under_way_the_backup_stays_and_nobody_looks_after_it() {
    let world = World::usual().await;
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::None).answer_delay(2_000));
    let order = world.order("under-way", json!({})).await;
    world.wait_for("acceptance", |world| world.accepted(&order) == 1).await;
    delete(&world, &order).await;
    is_gone(&world, &order).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.finish(&[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_doubt_and_running_are_forgotten() {
    let world = World::usual().await;
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::DropAfter { reset: false }).instance("mssql-sim00002"));
    world.cloud.add_fault(Rule::new("DescribeBackups", Effect::Throttle).instance("mssql-sim00002").skip(2).forever());
    world.cloud.change_instance(INSTANCE, |instance| instance.backup_seconds = Some(1e6));
    let doubt = world.order("doubt", json!({ "instanceId": "mssql-sim00002" })).await;
    let running = world.order("running", json!({})).await;
    world.reaches(&doubt, "OutcomeUnknown").await;
    world.reaches(&running, "Running").await;
    let begin = std::time::Instant::now();
    let in_doubt = format!("orders_in_doubt{{namespace=\"{}\"}} 1\n", world.namespace);
    while !world.metrics().await.contains(&in_doubt) {
        assert!(begin.elapsed() < Duration::from_secs(20), "a doubt counts: {}", world.metrics().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for order in [&doubt, &running] {
        delete(&world, order).await;
        is_gone(&world, order).await;
    }
    assert!(world.cloud.backups().iter().any(tencentdb_simulator::Backup::is_running), "it cannot be cancelled");
    world.is_silent(Duration::from_secs(3)).await;
    assert!(!world.metrics().await.contains("orders_in_doubt{"), "what is gone counts no more");
    world.finish(&[(&doubt, 1), (&running, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_held_by_a_finalizer_is_not_submitted_and_still_followed() {
    let world = World::usual().await;
    let nightly = world.cloud.begin_nightly("mssql-sim00002", Some(1e6)).unwrap();
    world.cloud.change_instance(INSTANCE, |instance| instance.backup_seconds = Some(1e6));
    let waiting = world.order("waiting", json!({ "instanceId": "mssql-sim00002" })).await;
    let running = world.order("running", json!({})).await;
    world.reaches(&waiting, "InstanceBusy").await;
    world.reaches(&running, "Running").await;
    for order in [&waiting, &running] {
        finalizers(&world, order, json!(["example.com/somebody-else"])).await;
        delete(&world, order).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let calls = world.calls(&waiting).len();
    world.cloud.finish(nightly, End::Success);
    world.cloud.finish(world.calls(&running)[0].flow_ids[0], End::Success);
    let object = world.reaches(&running, "Completed").await;
    world.tells_the_truth(&running, &object);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.calls(&waiting).len(), calls, "a knock of an order that goes");
    world.is_silent(Duration::from_secs(2)).await;
    for order in [&waiting, &running] {
        finalizers(&world, order, json!(null)).await;
        is_gone(&world, order).await;
    }
    world.finish(&[(&waiting, 0), (&running, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doubt_of_an_object_that_goes_is_resolved_and_not_sent_again() {
    let world = World::usual().await;
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::DropBefore { reset: true }));
    let order = world.order("held", json!({})).await;
    world.reaches(&order, "OutcomeUnknown").await;
    finalizers(&world, &order, json!(["example.com/somebody-else"])).await;
    delete(&world, &order).await;
    world.reaches(&order, "CloudUnreachable").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.calls(&order).len(), 1, "sent again for an object that goes");
    finalizers(&world, &order, json!(null)).await;
    is_gone(&world, &order).await;
    world.finish(&[(&order, 0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminating_namespace_ends_and_begins_nothing() {
    let world = World::usual().await;
    let nightly = world.cloud.begin_nightly("mssql-sim00002", Some(1e6)).unwrap();
    let done = world.order("done", json!({})).await;
    world.reaches(&done, "Completed").await;
    let waiting = world.order("waiting", json!({ "instanceId": "mssql-sim00002" })).await;
    world.reaches(&waiting, "InstanceBusy").await;
    finalizers(&world, &waiting, json!(["example.com/somebody-else"])).await;
    // The key and the operator's own rights outlive the order's turn as well, or their absence alone would keep it quiet.
    hold_what_it_needs(&world, json!(["example.com/somebody-else"])).await;
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.delete(&world.namespace, &DeleteParams::default()).await.unwrap();
    is_gone(&world, &done).await;
    let calls = world.calls(&waiting).len();
    world.cloud.finish(nightly, End::Success);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(world.calls(&waiting).len() <= calls + 1, "at most the knock that was under way");
    assert_eq!(world.accepted(&waiting), 0, "a backup for a namespace that ends");
    hold_what_it_needs(&world, json!(null)).await;
    finalizers(&world, &waiting, json!(null)).await;
    is_gone(&world, &waiting).await;
    world.finish(&[(&done, 1), (&waiting, 0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_uid_is_a_new_order() {
    let world = World::usual().await;
    let first = world.order("again", json!({})).await;
    world.reaches(&first, "Completed").await;
    delete(&world, &first).await;
    is_gone(&world, &first).await;
    let second = world.order("again", json!({})).await;
    assert_ne!(first.uid, second.uid);
    let object = world.reaches(&second, "Completed").await;
    world.tells_the_truth(&second, &object);
    world.finish(&[(&first, 1), (&second, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_uid_under_a_doubt_of_the_old_one_is_a_new_order() {
    let world = World::usual().await;
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::DropAfter { reset: true }));
    let first = world.order("again", json!({ "strategy": "Databases", "databases": ["orders"] })).await;
    world.reaches(&first, "OutcomeUnknown").await;
    delete(&world, &first).await;
    let second = world.order("again", json!({ "strategy": "Databases", "databases": ["stock"] })).await;
    let object = world.reaches(&second, "Completed").await;
    world.tells_the_truth(&second, &object);
    assert_eq!(object["status"]["attempts"], 1, "it has nothing of the old one's");
    world.finish(&[(&first, 1), (&second, 1)]).await;
}
