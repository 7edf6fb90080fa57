//! What goes well: each form of an order is accepted by one call, costs three status writes and at most two events, and
//! its status tells what the cloud holds.

use std::time::Duration;

use serde_json::json;
use tencentdb_simulator::{Key, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY};

use crate::world::{INSTANCE, Order, World};

/// The figures of a fault-free backup: calls 1, status writes 3, events at most 2, a pass to submit and one for each look.
async fn costs_the_least(world: &World, order: &Order) {
    let reasons = world.reasons(order);
    assert_eq!(reasons, ["Pending", "Submitting", "Running", "Completed"]);
    assert_eq!(world.writes(order), 3, "status writes");
    let calls = world.calls(order);
    assert_eq!(calls.len(), 1, "calls of CreateBackup");
    let status = world.history(order).last().unwrap().object["status"].clone();
    assert_eq!((&status["attempts"], &status["requestId"]), (&json!(1), &json!(calls[0].request_id)));
    let events: Vec<String> = world.told(order, "Completed").await.into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(events, ["Accepted", "Completed"]);
    world.is_silent(Duration::from_millis(100)).await;
    let (decisions, looks) = (world.decisions(order), world.cloud.counts()["DescribeBackupByFlowId"]["OK"]);
    assert_eq!(
        u64::try_from(decisions.len()),
        Ok(1 + looks),
        "a pass found only what was written here: {decisions:#?}"
    );
}

async fn succeeds(world: World, order: Order) {
    let object = world.reaches(&order, "Completed").await;
    world.tells_the_truth(&order, &object);
    costs_the_least(&world, &order).await;
    world.finish(&[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_instance() {
    let world = World::usual().await;
    let order = world.order("whole", json!({})).await;
    let object = world.reaches(&order, "Completed").await;
    let name = object["status"]["backupName"].as_str().unwrap();
    assert_eq!(name, format!("k8s_whole_{}_1", order.uid.replace('-', "")));
    let backup = world.cloud.backups().pop().unwrap();
    assert_eq!((backup.strategy, backup.storage_strategy, backup.way), (0, 0, 1));
    succeeds(world, order).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_databases_kept_for_the_life_of_the_instance() {
    let world = World::usual().await;
    let spec = json!({
        "strategy": "Databases", "databases": ["stock", "orders"], "storageStrategy": "InstanceLifetime",
        "backupNamePrefix": "Before_Release",
    });
    let order = world.order("two", spec).await;
    world.reaches(&order, "Completed").await;
    let backup = world.cloud.backups().pop().unwrap();
    assert_eq!((backup.strategy, backup.storage_strategy), (1, 1));
    assert_eq!(backup.databases, ["stock", "orders"]);
    assert_eq!(backup.name, format!("Before_Release_{}_1", order.uid.replace('-', "")));
    succeeds(world, order).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpackaged_instance_is_known_by_its_group() {
    let world = World::usual().await;
    let order = world.order("unpackaged", json!({ "instanceId": "mssql-sim00002" })).await;
    succeeds(world, order).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_token_is_sent_with_its_key() {
    let temporary =
        Key { token: Some("TemporaryTokenNotReal000".to_owned()), ..Key::new("AKIDTEMPORARY", "TemporaryKey0000") };
    let secret = json!({
        "secretId": temporary.secret_id, "secretKey": temporary.secret_key, "token": temporary.token.clone().unwrap(),
    });
    let world = World::with(|plan| {
        plan.cloud.keys = vec![temporary];
        plan.secret = Some(secret);
    })
    .await;
    let order = world.order("token", json!({})).await;
    succeeds(world, order).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_own_identity_is_for_the_namespaces_that_may_share_it() {
    let own = |plan: &mut crate::world::Plan| {
        plan.secret = None;
        plan.environment.insert("TENCENTCLOUD_SECRET_ID", PLAYGROUND_SECRET_ID.to_owned());
        plan.environment.insert("TENCENTCLOUD_SECRET_KEY", PLAYGROUND_SECRET_KEY.to_owned());
    };
    let refused = World::with(|plan| {
        own(plan);
        plan.environment.insert("SHARED_IDENTITY_NAMESPACES", "somebody-else".to_owned());
    })
    .await;
    let left_out = json!({ "credentialsRef": null, "submitDeadlineSeconds": 60 });
    let order = refused.order("not-shared", left_out.clone()).await;
    let object = refused.reaches(&order, "CredentialsUnavailable").await;
    let message = crate::recorder::condition(&object, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("credentialsRef") && message.contains("secretId"), "{message}");
    assert_eq!(refused.cloud.calls().len(), 0, "not one call under an identity that is not lent");
    refused.finish(&[(&order, 0)]).await;

    let shared = World::with(|plan| {
        own(plan);
        plan.environment.insert("SHARED_IDENTITY_NAMESPACES", "*".to_owned());
    })
    .await;
    let order = shared.order("shared", left_out).await;
    succeeds(shared, order).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_orders_cost_a_hundred_calls() {
    let world = World::with(|plan| plan.cloud.switches.backup_seconds = Some(0.5)).await;
    let mut orders = vec![];
    for number in 0..100 {
        let id = format!("mssql-many{number:04}");
        world.cloud.put_instance(tencentdb_simulator::Instance::new(&id));
        orders.push(world.order(&format!("many-{number}"), json!({ "instanceId": id })).await);
    }
    for order in &orders {
        world.reaches(order, "Completed").await;
    }
    assert!(world.cloud.instance(INSTANCE).is_some());
    assert_eq!(world.cloud.ledger().len(), 100, "1.000 calls for each backup");
    for order in &orders {
        assert_eq!(world.writes(order), 3, "{:?}", world.reasons(order));
    }
    let codes = &world.cloud.counts()["CreateBackup"];
    assert_eq!(codes.keys().collect::<Vec<_>>(), ["OK"], "never above the rate");
    let expected: Vec<_> = orders.iter().map(|order| (order, 1)).collect();
    world.finish(&expected).await;
}
