//! Scenario: the API server refuses the backup that is due, by a policy or by a quota, and takes it later.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::promises::{Schedules, condition, is, minute_with_room, name_of, order};
use crate::cluster;
use crate::world::{Order, PATIENCE, World};

const SENTENCE: &str = "the team is not to make backups on a Sunday";

/// A policy that refuses the backups whose names begin with `refused-`, in force when this returns.
async fn policy(world: &World) {
    let name = &world.namespace;
    let rule = json!({
        "apiGroups": ["tencentdb.dev"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["sqlserverbackups"],
    });
    let validation = json!({ "expression": "!object.metadata.name.startsWith('refused-')", "message": SENTENCE });
    let here = json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } } });
    let objects = [
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": { "name": name },
            "spec": { "matchConstraints": { "resourceRules": [rule] }, "validations": [validation] },
        }),
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": { "name": name },
            "spec": { "policyName": name, "validationActions": ["Deny"], "matchResources": here },
        }),
    ];
    for object in objects {
        feed(&["create", "--filename", "-"], &object).await.unwrap();
    }
    let probe = serde_json::to_value(world.object("refused-probe", json!({}))).unwrap();
    let begin = Instant::now();
    while feed(&["create", "--dry-run=server", "--filename", "-"], &probe).await.is_ok() {
        assert!(begin.elapsed() < PATIENCE, "the policy never came into force");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn feed(arguments: &'static [&'static str], object: &Value) -> Result<String, String> {
    let object = object.to_string();
    tokio::task::spawn_blocking(move || cluster::get().kubectl_reading(arguments, &object)).await.unwrap()
}

/// How many creations the policy of this world has refused.
async fn refusals(world: &World) -> u64 {
    let metrics = world.kubectl(&["get", "--raw", "/metrics"]).await.unwrap();
    let policy = format!("policy=\"{}\"", world.namespace);
    let checks = metrics.lines().filter(|line| line.starts_with("apiserver_validating_admission_policy_check_total{"));
    let denied = checks.filter(|line| line.contains(&policy) && line.contains("enforcement_action=\"deny\""));
    denied.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_is_asked_once_a_minute_holds_up_nobody_else_and_is_done_with_when_it_goes() {
    let world = World::usual().await;
    policy(&world).await;
    let before = refusals(&world).await;
    let schedules = Schedules::of(&world);
    let (slot, hourly) = minute_with_room();
    let refused = schedules.create("refused", json!({}), hourly.clone()).await;
    schedules.create("other", json!({}), hourly).await;
    let said = schedules.until("refused", "told", |object| is(object, "Ready", "False", "CreationRefused")).await;
    let begin = Instant::now();
    let message = said["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains(SENTENCE), "{message}");
    assert_eq!(condition(&said, "Stalled").0, "False", "it is tried again");
    schedules.until("other", "a copy", |object| object["status"]["lastResult"]["name"] == name_of("other", slot)).await;
    // Whatever brings another pass brings no other try.
    for number in 0..15 {
        schedules.change("refused", json!({ "metadata": { "labels": { "number": number.to_string() } } })).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!(begin.elapsed() < Duration::from_secs(50), "this machine is too slow to tell");
    assert_eq!(refusals(&world).await - before, 1);
    for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
        world.kubectl(&["delete", kind, &world.namespace]).await.unwrap();
    }
    schedules.until("refused", "followed again", |object| is(object, "Ready", "True", "Scheduled")).await;
    let object =
        schedules.until("refused", "a copy", |object| object["status"]["lastSuccessfulTime"].is_string()).await;
    assert_eq!((&object["status"]["missedRuns"], &object["status"]["active"]), (&json!(0), &json!([])));
    let told = world.told(&refused, "BackupCreated").await;
    assert_eq!(told.iter().filter(|(reason, _)| reason == "CreationRefused").count(), 1, "{told:?}");
    let [one, other] = [schedules.backups("refused").await, schedules.backups("other").await].map(|it| order(&it[0]));
    world.finish(&[(&one, 1), (&other, 1)]).await;
}

/// How many backups the quota has counted; null before it has.
async fn used(world: &World) -> Value {
    let quota = world.kubectl(&["get", "resourcequota", "backups", "--output", "json"]).await.unwrap();
    let quota: Value = serde_json::from_str(&quota).unwrap();
    quota["status"]["used"]["count/sqlserverbackups.tencentdb.dev"].clone()
}

async fn run_now(schedules: &Schedules<'_>, token: &str) {
    let annotations = json!({ "tencentdb.dev/run-now": token });
    schedules.change("tight", json!({ "metadata": { "annotations": annotations } })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_quota_is_told_and_made_room_in_as_far_as_the_limits_allow() {
    let mut world = World::usual().await;
    let spec = json!({ "schedule": "@monthly", "suspend": true, "successfulHistoryLimit": 1 });
    let schedule = Schedules::of(&world).create("tight", json!({}), spec).await;
    let mut kept: Vec<Order> = vec![];
    for token in ["one", "two"] {
        let schedules = Schedules::of(&world);
        schedules.until("tight", "followed", |object| is(object, "Ready", "True", "Suspended")).await;
        run_now(&schedules, token).await;
        schedules.until("tight", token, |object| object["status"]["lastRunNow"] == token).await;
        kept.extend(schedules.backups("tight").await.iter().skip(kept.len()).map(order));
        world.reaches(kept.last().unwrap(), "Completed").await;
    }
    world.kubectl(&["create", "quota", "backups", "--hard=count/sqlserverbackups.tencentdb.dev=2"]).await.unwrap();
    let begin = Instant::now();
    while used(&world).await != "2" {
        assert!(begin.elapsed() < PATIENCE, "the quota is never counted: {}", used(&world).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    run_now(&Schedules::of(&world), "three").await;
    let is_refused = |object: &Value| is(object, "Ready", "False", "CreationRefused");
    let said = Schedules::of(&world).until("tight", "a full quota", is_refused).await;
    let message = said["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("exceeded quota: backups"), "{message}");
    assert_eq!(Schedules::of(&world).backups("tight").await.len(), 2, "both are too young to be removed");
    // Nobody is there when the first is old enough, so it is still there when the third is tried again.
    world.kill();
    cluster::get().backdate(&world.namespace, &kept[0].name, SignedDuration::from_secs(661)).await;
    world.start().await;
    let schedules = Schedules::of(&world);
    schedules.until("tight", "made", |object| object["status"]["lastRunNow"] == "three").await;
    schedules.until("tight", "told", |object| is(object, "Ready", "True", "Suspended")).await;
    let names = schedules.names("tight").await;
    assert!(names.len() == 2 && !names.contains(&kept[0].name), "{names:?}");
    let third = order(&schedules.backups("tight").await[1]);
    world.reaches(&third, "Completed").await;
    schedules.until("tight", "a result", |object| object["status"]["lastResult"]["name"] == third.name).await;
    let told = world.events(&schedule).await;
    assert_eq!(told.iter().filter(|(reason, _)| reason == "Suspended").count(), 1, "{told:?}");
    world.finish(&[(&kept[0], 1), (&kept[1], 1), (&third, 1)]).await;
}
