//! What goes well: each form of an order is accepted by one call, costs three status writes and at most two events, and
//! its status tells what the cloud holds.

use serde_json::{Value, json};
use tencentdb_simulator::{Key, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY};

use crate::world::{INSTANCE, Order, World};

/// The figures of a fault-free backup: calls 1, status writes 3, events at most 2.
async fn costs_the_least(world: &World, order: &Order) {
    let reasons = world.reasons(order);
    assert_eq!(reasons, ["Pending", "Submitting", "Running", "Completed"]);
    assert_eq!(world.writes(order), 3, "status writes");
    assert_eq!(world.calls(order).len(), 1, "calls of CreateBackup");
    let events: Vec<String> = world.events(order).await.into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(events, ["Accepted", "Completed"]);
}

/// What the status of a completed order says of the cloud's backup.
fn tells_the_truth(world: &World, order: &Order, object: &Value) {
    let status = &object["status"];
    let flow = world.calls(order)[0].flow_ids[0];
    let backup = world.cloud.backups().into_iter().find(|backup| backup.flow_id == flow).unwrap();
    assert_eq!(status["flowId"], json!(flow));
    assert_eq!(status["backupName"], json!(backup.name));
    assert_eq!(status["attempts"], 1);
    assert_eq!(status["requestId"], json!(world.calls(order)[0].request_id));
    let second = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    assert_eq!(second(&status["startTime"]), backup.started.as_second());
    assert_eq!(second(&status["completionTime"]), backup.ended.unwrap().0.as_second());
    assert!(status["intent"].is_null() && status["error"].is_null(), "{status:#}");
    assert_eq!(status["observedGeneration"], object["metadata"]["generation"]);
    if backup.unpackaged {
        assert!(status["groupId"].is_string());
        assert!(status["size"].is_null() && status["fileName"].is_null(), "of one file only: {status:#}");
    } else {
        assert_eq!(status["backupId"], json!(backup.id));
        assert_eq!(kilobytes(status["size"].as_str().unwrap()), backup.size_kb);
        assert!(status["fileName"].is_string() && status["groupId"].is_null(), "{status:#}");
    }
}

/// The quantities that stand in a status are whole powers of 1 024.
fn kilobytes(quantity: &str) -> u64 {
    let (number, unit) = quantity.split_at(quantity.len() - 2);
    let unit = ["Ki", "Mi", "Gi", "Ti"].into_iter().position(|known| known == unit).unwrap();
    number.parse::<u64>().unwrap() << (10 * unit)
}

async fn succeeds(world: World, order: Order) {
    let object = world.reaches(&order, "Completed").await;
    tells_the_truth(&world, &order, &object);
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
