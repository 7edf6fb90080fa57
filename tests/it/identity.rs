//! Scenario: the operator's own identity, and what a key that the cloud rejects costs.
//!
//! The real program on a real API server, with the variables that TKE's webhook sets, a token file that rotates, keys that
//! end, a strict STS and a metadata service. Each scenario ends with the check that no token and no issued key stands
//! anywhere; the simulated STS quotes a wrong token in its refusal, so that one copied as it came would be found.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tencentdb_simulator::{Effect, End, Instance, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY, Role, Rule};

use crate::recorder::condition;
use crate::world::{Order, Plan, World};

const ARN: &str = "qcs::cam::uin/100000000001:roleName/backup";
const PROVIDER: &str = "cls-simulated";
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSJ9.eyJzdWIiOiJub3QtcmVhbCJ9.Rmlyc3RUb2tlbk5vdFJlYWw";
const NEXT_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InR3byJ9.eyJzdWIiOiJub3QtcmVhbCJ9.U2Vjb25kVG9rZW5Ob3RSZWFs";
const ASSUME: &str = "AssumeRoleWithWebIdentity";

fn role(token: &str) -> Role {
    Role { arn: ARN.to_owned(), provider_id: PROVIDER.to_owned(), token: token.to_owned() }
}

/// A world whose orders may use the operator's identity; it is not started yet.
async fn world(change: impl FnOnce(&mut Plan)) -> World {
    let mut world = World::with(|plan| {
        plan.started = false;
        plan.secret = None;
        plan.cloud.roles = vec![role(TOKEN)];
        plan.environment.insert("SHARED_IDENTITY_NAMESPACES", "*".to_owned());
        change(plan);
    })
    .await;
    world.environment.insert("TENCENT_STS_ENDPOINT", world.cloud.url().to_owned());
    world.environment.insert("METADATA_ENDPOINT", world.cloud.metadata_url().to_owned());
    world.secrets.extend([TOKEN, NEXT_TOKEN].map(|token| token.rsplit('.').next().unwrap().to_owned()));
    world
}

/// What the webhook of TKE does to a pod.
fn inject(world: &mut World) {
    let token_file = world.folder.join("token");
    std::fs::write(&token_file, TOKEN).unwrap();
    world.environment.extend([
        ("TKE_REGION", "ap-guangzhou".to_owned()),
        ("TKE_PROVIDER_ID", PROVIDER.to_owned()),
        ("TKE_WEB_IDENTITY_TOKEN_FILE", token_file.display().to_string()),
        ("TKE_ROLE_ARN", ARN.to_owned()),
    ]);
}

/// A world with a pod's role, started.
async fn pod(change: impl FnOnce(&mut Plan)) -> World {
    let mut world = world(change).await;
    inject(&mut world);
    world.start().await;
    world
}

/// An order that names no Secret.
async fn keyless(world: &World, name: &str) -> Order {
    world.order(name, json!({ "credentialsRef": null })).await
}

fn count(world: &World, action: &str, code: &str) -> u64 {
    world.cloud.counts().get(action).and_then(|codes| codes.get(code)).copied().unwrap_or(0)
}

/// How many calls of any action were answered so.
fn answered(world: &World, code: &str) -> u64 {
    world.cloud.counts().values().filter_map(|codes| codes.get(code)).sum()
}

/// The keys that calls of the backup API were made with since the first `skip`, each once.
fn callers(world: &World, skip: usize) -> Vec<String> {
    let calls = world.cloud.calls().into_iter().skip(skip).map(|call| call.secret_id);
    let mut keys: Vec<_> = calls.filter(|id| !id.is_empty()).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn message(object: &Value) -> String {
    condition(object, "Ready")["message"].as_str().unwrap().to_owned()
}

async fn finish(mut world: World, expected: &[(&Order, usize)]) {
    let issued = world.cloud.keys().into_iter().filter(|key| key.expires.is_some());
    let issued: Vec<_> = issued.flat_map(|key| [Some(key.secret_key), key.token]).flatten().collect();
    world.secrets.extend(issued);
    world.finish(expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_with_a_role_takes_a_backup_without_any_key() {
    let world = pod(|_| {}).await;
    let order = keyless(&world, "pod").await;
    let object = world.reaches(&order, "Completed").await;
    world.tells_the_truth(&order, &object);
    assert_eq!(callers(&world, 0), ["AKIDISSUED0001"]);
    assert_eq!(count(&world, ASSUME, "OK"), 1);
    assert!(world.metrics().await.contains(r#"action="AssumeRoleWithWebIdentity",code="OK""#));
    finish(world, &[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_live_for_seconds_and_a_token_that_rotates_cost_no_failed_call() {
    let world = pod(|plan| {
        plan.cloud.switches.issued_seconds = Some(6.0);
        plan.cloud.switches.backup_seconds = Some(22.0);
    })
    .await;
    let order = keyless(&world, "short").await;
    world.wait_for("a renewal", |world| count(world, ASSUME, "OK") == 2).await;
    // The file first, as the kubelet does; the next renewal is seconds away.
    std::fs::write(world.folder.join("token"), NEXT_TOKEN).unwrap();
    world.cloud.put_role(role(NEXT_TOKEN));
    let object = world.reaches(&order, "Completed").await;
    world.tells_the_truth(&order, &object);
    assert!(count(&world, ASSUME, "OK") >= 4, "{:?}", world.cloud.counts());
    let codes: Vec<_> = world.cloud.counts().into_values().flat_map(std::collections::BTreeMap::into_keys).collect();
    assert!(codes.iter().all(|code| code == "OK"), "{codes:?}");
    assert_eq!(world.reasons(&order), ["Pending", "Submitting", "Running", "Completed"]);
    finish(world, &[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_failure_of_a_read_renews_once_and_repeats_the_read() {
    let world = pod(|plan| plan.cloud.switches.backup_seconds = None).await;
    let order = keyless(&world, "ended").await;
    let object = world.reaches(&order, "Running").await;
    world.cloud.end_issued_keys();
    world.wait_for("another key", |world| callers(world, 0).len() == 2).await;
    let flow = object["status"]["flowId"].as_i64().unwrap();
    assert!(world.cloud.finish(flow, End::Success));
    world.reaches(&order, "Completed").await;
    assert_eq!(answered(&world, "AuthFailure.TokenFailure"), 1);
    assert_eq!(count(&world, ASSUME, "OK"), 2);
    assert_eq!(world.reasons(&order), ["Pending", "Submitting", "Running", "Completed"], "nobody saw it");
    finish(world, &[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_failure_of_a_submission_begins_anew_with_a_look_and_another_intent() {
    let world = pod(|_| {}).await;
    let code = "AuthFailure.TokenFailure".to_owned();
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::Error { code, message: String::new(), accept: false }));
    let order = keyless(&world, "anew").await;
    let object = world.reaches(&order, "Completed").await;
    world.tells_the_truth(&order, &object);
    let calls = world.calls(&order);
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].name, calls[1].name);
    assert_eq!([calls[0].secret_id.as_str(), calls[1].secret_id.as_str()], ["AKIDISSUED0001", "AKIDISSUED0002"]);
    let since = calls[0].received;
    let looks = |call: &tencentdb_simulator::Call| {
        call.action == "DescribeBackups" && (since..calls[1].received).contains(&call.received)
    };
    assert!(world.cloud.calls().iter().any(looks), "a look in between");
    assert!(!world.reasons(&order).contains(&"CredentialsUnavailable".to_owned()), "nobody has to mend anything");
    finish(world, &[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sts_that_is_broken_or_slow_holds_up_nobody_who_has_a_key() {
    let world = pod(|plan| {
        plan.secret = Some(json!({ "secretId": PLAYGROUND_SECRET_ID, "secretKey": PLAYGROUND_SECRET_KEY }));
    })
    .await;
    world.cloud.add_fault(Rule::new(ASSUME, Effect::Garbage { accept: false }));
    world.cloud.add_fault(Rule::new(ASSUME, Effect::None).delay(12_000));
    let waiting = keyless(&world, "waiting").await;
    let object = world.reaches(&waiting, "CloudUnreachable").await;
    assert!(message(&object).starts_with("STS gave no usable answer"), "{object:#}");
    // Now it is slow.
    world.wait_for("the second call", |world| world.cloud.faults()[1].acted == 1).await;
    let began = Instant::now();
    let other = world.order("other", json!({ "instanceId": "mssql-sim00002" })).await;
    world.reaches(&other, "Completed").await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    world.reaches(&waiting, "Completed").await;
    finish(world, &[(&waiting, 1), (&other, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_refuses_says_whose_turn_it_is_and_heals() {
    let world = pod(|plan| plan.cloud.roles = vec![role(NEXT_TOKEN)]).await;
    let order = keyless(&world, "refused").await;
    let object = world.reaches(&order, "CredentialsUnavailable").await;
    let says = message(&object);
    assert!(says.contains("token's audience") && says.contains("InvalidParameter.WebIdentityTokenError"), "{says}");
    assert_eq!(object["status"]["error"]["message"], "The token … is not valid, or has expired.");
    assert_eq!(world.cloud.ledger().len(), 0);
    world.cloud.put_role(role(TOKEN));
    world.reaches(&order, "Completed").await;
    finish(world, &[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_given_key_comes_before_the_pods_role_and_the_nodes_role_last_if_switched_on() {
    let mut world = world(|plan| plan.cloud.node_role = Some("node".to_owned())).await;
    world.start().await;
    let first = keyless(&world, "none").await;
    let object = world.reaches(&first, "CredentialsUnavailable").await;
    assert!(message(&object).contains("lends no identity"), "{object:#}");
    assert!(world.cloud.calls().is_empty(), "a node's role is not used unasked");

    world.environment.insert("NODE_ROLE", "true".to_owned());
    world.start().await;
    world.reaches(&first, "Completed").await;
    assert_eq!((callers(&world, 0), count(&world, "NodeRole", "OK")), (vec!["AKIDISSUED0001".to_owned()], 2));

    inject(&mut world);
    let before = world.cloud.calls().len();
    world.start().await;
    let second = keyless(&world, "pod").await;
    world.reaches(&second, "Completed").await;
    assert_eq!(callers(&world, before), ["AKIDISSUED0002"]);
    assert_eq!((count(&world, ASSUME, "OK"), count(&world, "NodeRole", "OK")), (1, 2));

    world.environment.insert("TENCENTCLOUD_SECRET_ID", PLAYGROUND_SECRET_ID.to_owned());
    world.environment.insert("TENCENTCLOUD_SECRET_KEY", PLAYGROUND_SECRET_KEY.to_owned());
    let before = world.cloud.calls().len();
    world.start().await;
    let third = keyless(&world, "given").await;
    world.reaches(&third, "Completed").await;
    assert_eq!(callers(&world, before), [PLAYGROUND_SECRET_ID]);
    assert_eq!((count(&world, ASSUME, "OK"), count(&world, "NodeRole", "OK")), (1, 2));
    finish(world, &[(&first, 1), (&second, 1), (&third, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_orders_under_one_rejected_key_cost_a_few_calls_and_nobody_else_waits() {
    const REJECTED: &str = "AKIDNOBODYKNOWS";
    let world = World::usual().await;
    world.put_secret("rejected", &json!({ "secretId": REJECTED, "secretKey": "wrong" })).await;
    let mut orders = vec![];
    for number in 0..50 {
        let id = format!("mssql-held{number:04}");
        world.cloud.put_instance(Instance::new(&id));
        let spec = json!({ "instanceId": id, "credentialsRef": { "name": "rejected" } });
        orders.push(world.order(&format!("held-{number}"), spec).await);
    }
    let began = Instant::now();
    let other = world.order("other", json!({})).await;
    world.reaches(&other, "Completed").await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let mut sentences = vec![];
    for order in &orders {
        sentences.push(message(&world.reaches(order, "CredentialsUnavailable").await));
    }
    let said = |sentence: &String| sentence.split(" The order keeps").next().unwrap().to_owned();
    assert!(sentences.iter().all(|sentence| said(sentence) == said(&sentences[0])), "{sentences:?}");
    assert!(sentences[0].contains("AuthFailure.SecretIdNotFound"), "{}", sentences[0]);
    let calls = || world.cloud.calls().into_iter().filter(|call| call.secret_id == REJECTED).count();
    assert!(calls() <= 6, "{} calls with a rejected key", calls());

    // Another key in the same Secret is used by all of them as soon as they look again.
    let good = json!({ "secretId": PLAYGROUND_SECRET_ID, "secretKey": PLAYGROUND_SECRET_KEY });
    world.put_secret("rejected", &good).await;
    for order in &orders {
        world.reaches(order, "Completed").await;
    }
    assert!(calls() <= 10, "{} calls with a rejected key", calls());
    let expected: Vec<_> = orders.iter().chain([&other]).map(|order| (order, 1)).collect();
    world.finish(&expected).await;
}
