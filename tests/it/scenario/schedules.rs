//! Schedules, with the real operator, a real garbage collector, and slots of a minute.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::{Value, json};

use tencentdb_simulator::End;

use super::promises::{MINUTES, Schedules, condition, is, name_of, next_minute, order};
use crate::world::{INSTANCE, Order, Plan, SECRET, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_made_at_its_time_belongs_to_the_schedule_and_goes_with_it() {
    let world = World::usual().await;
    let schedules = Schedules::of(&world);
    let template = json!({
        "metadata": {
            "labels": { "team": "a", "app.kubernetes.io/instance": "argo" },
            "annotations": { "note": "b", "argocd.argoproj.io/tracking-id": "x" },
        },
        "spec": { "instanceId": INSTANCE, "region": "ap-guangzhou", "strategy": "Instance", "credentialsRef": { "name": SECRET } },
    });
    let spec = json!({ "template": template, "objective": { "maxAge": "1h" } });
    let slot = next_minute().await;
    let schedule = schedules.create("minutely", json!({ "argocd.argoproj.io/tracking-id": "mine" }), spec).await;
    let fresh = schedules.until("minutely", "followed", |object| is(object, "Ready", "True", "Scheduled")).await;
    assert!(schedules.names("minutely").await.is_empty(), "nothing runs on create");
    assert_eq!(fresh["status"]["nextScheduleTime"].as_str().unwrap().parse::<Timestamp>().unwrap(), slot);
    assert_eq!(condition(&fresh, "Stalled"), ("False".into(), "Scheduled".into()));
    let object = schedules
        .until("minutely", "a copy of its own", |object| object["status"]["lastSuccessfulTime"].is_string())
        .await;
    let backup = schedules.backups("minutely").await.remove(0);
    assert_eq!(backup.name_any(), name_of("minutely", slot));
    let late = backup.creation_timestamp().unwrap().0.duration_since(slot);
    assert!(late < SignedDuration::from_secs(5), "created {late:#} after its time");
    let owner = &backup.owner_references()[0];
    assert_eq!((&owner.uid, owner.controller, &*owner.kind), (&schedule.uid, Some(true), "SqlServerBackupSchedule"));
    let labels: Vec<&str> = backup.labels().keys().map(String::as_str).collect();
    assert_eq!(labels, ["team", "tencentdb.dev/schedule"]);
    let annotations: Vec<&str> = backup.annotations().keys().map(String::as_str).collect();
    assert_eq!(annotations, ["note", "tencentdb.dev/scheduled-for"]);
    assert_eq!(object["status"]["lastScheduleTime"].as_str().unwrap().parse::<Timestamp>().unwrap(), slot);
    assert_eq!((&object["status"]["missedRuns"], &object["status"]["active"]), (&json!(0), &json!([])));
    assert_eq!(object["status"]["lastResult"]["reason"], "Completed");
    let events = world.told(&schedule, "BackupCreated").await;
    assert_eq!(events.iter().filter(|(reason, _)| reason == "BackupCreated").count(), 1, "{events:?}");
    schedules.until("minutely", "protected", |object| is(object, "Protected", "True", "WithinObjective")).await;
    let expected = order(&backup);
    schedules.change("minutely", json!({ "spec": { "suspend": true } })).await;
    schedules.until("minutely", "suspended", |object| is(object, "Ready", "True", "Suspended")).await;
    let all: Vec<Order> = schedules.backups("minutely").await.iter().map(order).collect();
    schedules.api.delete("minutely", &kube::api::DeleteParams::default()).await.unwrap();
    let begin = Instant::now();
    while !schedules.backups("minutely").await.is_empty() {
        assert!(begin.elapsed() < MINUTES, "the garbage collector takes its backups along");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(all[0].uid, expected.uid);
    let accepted: Vec<(&Order, usize)> = all.iter().map(|order| (order, world.accepted(order))).collect();
    world.finish(&accepted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_token_makes_one_backup_whether_or_not_it_is_suspended() {
    let world = World::usual().await;
    let schedules = Schedules::of(&world);
    let token = |token: &str| json!({ "tencentdb.dev/run-now": token });
    let spec = json!({ "schedule": "@monthly", "suspend": true });
    let schedule = schedules.create("paused", token("old"), spec).await;
    let first = schedules.until("paused", "looked at", |object| is(object, "Ready", "True", "Suspended")).await;
    assert_eq!((&first["status"]["lastRunNow"], &first["status"]["nextScheduleTime"]), (&json!("old"), &Value::Null));
    schedules.change("paused", json!({ "metadata": { "annotations": token("new") } })).await;
    let ran = schedules.until("paused", "run", |object| object["status"]["lastRunNow"] == "new").await;
    assert_eq!(ran["status"]["lastScheduleTime"], Value::Null, "no time of the schedule was run");
    schedules.change("paused", json!({ "metadata": { "annotations": token("new"), "labels": { "a": "b" } } })).await;
    schedules.until("paused", "a copy", |object| object["status"]["lastResult"]["reason"] == "Completed").await;
    let backups = schedules.backups("paused").await;
    let names: Vec<String> = backups.iter().map(ResourceExt::name_any).collect();
    assert!(names.len() == 1 && names[0].starts_with("paused-now-"), "{names:?}");
    assert_eq!(backups[0].annotations()["tencentdb.dev/run-now"], "new");
    world.told(&schedule, "BackupRequested").await;
    let order = order(&backups[0]);
    world.finish(&[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_can_follow_says_so_and_holds_up_nobody() {
    let world = World::usual().await;
    let schedules = Schedules::of(&world);
    let nowhere = schedules.create("nowhere", json!({}), json!({ "timeZone": "Mars/Olympus" })).await;
    schedules.create("never", json!({}), json!({ "schedule": "0 0 30 2 *" })).await;
    schedules.create("good", json!({}), json!({ "schedule": "@daily" })).await;
    let odd = schedules.until("nowhere", "said", |object| is(object, "Ready", "False", "InvalidTimeZone")).await;
    assert_eq!(condition(&odd, "Stalled").0, "True");
    let message = odd["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("spec.timeZone") && message.contains("Asia/Shanghai"), "{message}");
    schedules.until("never", "said", |object| is(object, "Ready", "False", "InvalidSchedule")).await;
    schedules.until("good", "followed", |object| is(object, "Ready", "True", "Scheduled")).await;
    world.told(&nowhere, "InvalidTimeZone").await;
    schedules.change("nowhere", json!({ "spec": { "timeZone": "Europe/Berlin", "schedule": "@monthly" } })).await;
    schedules.until("nowhere", "followed", |object| is(object, "Ready", "True", "Scheduled")).await;
    world.finish(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_still_at_work_costs_the_slot_and_is_told() {
    let world = World::with(|plan| plan.cloud.switches.backup_seconds = Some(75.0)).await;
    let schedules = Schedules::of(&world);
    let first = next_minute().await;
    let schedule = schedules.create("long", json!({}), json!({})).await;
    let skipped = schedules.until("long", "a slot skipped", |object| object["status"]["missedRuns"] == 1).await;
    schedules.change("long", json!({ "spec": { "suspend": true } })).await;
    let missed = &skipped["status"]["lastMissedRun"];
    assert_eq!(missed["reason"], "Overlap");
    let time: Timestamp = missed["time"].as_str().unwrap().parse().unwrap();
    assert_eq!(time, first + SignedDuration::from_mins(1));
    assert_eq!(skipped["status"]["active"], json!([name_of("long", first)]));
    assert_eq!(schedules.names("long").await, [name_of("long", first)]);
    let told = world.told(&schedule, "RunMissed").await;
    assert_eq!(told.iter().filter(|(reason, _)| reason == "RunMissed").count(), 1, "{told:?}");
    let order = order(&schedules.backups("long").await[0]);
    world.reaches(&order, "Completed").await;
    world.finish(&[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_object_of_that_name_is_reported_and_left_alone() {
    let world = World::usual().await;
    let schedules = Schedules::of(&world);
    let slot = next_minute().await;
    let theirs = world.order(&name_of("taken", slot), json!({})).await;
    let schedule = schedules.create("taken", json!({}), json!({ "successfulHistoryLimit": 0 })).await;
    let found = schedules.until("taken", "a name taken", |object| object["status"]["missedRuns"] == 1).await;
    schedules.change("taken", json!({ "spec": { "suspend": true } })).await;
    assert_eq!(found["status"]["lastMissedRun"]["reason"], "NameTaken");
    assert_eq!(found["status"]["lastScheduleTime"], Value::Null);
    world.told(&schedule, "RunMissed").await;
    assert!(world.read(&theirs).await["metadata"]["ownerReferences"].is_null());
    world.finish(&[(&theirs, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_backup_is_made_once_more_and_keeps_no_promise_until_then() {
    let world = World::with(looks_often).await;
    let ends = |end| world.cloud.change_instance(INSTANCE, |instance| instance.backups_end = end);
    ends(End::Failed);
    let schedules = Schedules::of(&world);
    let slot = next_minute().await;
    let hourly = format!("{} * * * *", slot.strftime("%-M"));
    let spec = json!({ "schedule": hourly, "retries": 1, "objective": { "maxAge": "1h" } });
    let schedule = schedules.create("again", json!({}), spec).await;
    schedules.until("again", "no copy", |object| is(object, "Protected", "Unknown", "NoBackupYet")).await;
    schedules.until("again", "a failure", |object| object["status"]["lastResult"]["reason"] == "Failed").await;
    ends(End::Success);
    let object = schedules.until("again", "a copy", |object| object["status"]["lastSuccessfulTime"].is_string()).await;
    let first = name_of("again", slot);
    assert_eq!(schedules.names("again").await, [first.clone(), format!("{first}-r1")]);
    assert_eq!((&object["status"]["missedRuns"], &object["status"]["cursor"]["retries"]), (&json!(0), &json!(1)));
    world.told(&schedule, "BackupRetried").await;
    schedules.until("again", "protected", |object| is(object, "Protected", "True", "WithinObjective")).await;
    schedules.change("again", json!({ "spec": { "suspend": true, "objective": null } })).await;
    schedules.until("again", "no objective", |object| is(object, "Protected", "Unknown", "NoObjective")).await;
    let all: Vec<Order> = schedules.backups("again").await.iter().map(order).collect();
    world.finish(&[(&all[0], 1), (&all[1], 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_whatever_source_keeps_the_promise_and_its_loss_is_told() {
    let world = World::with(looks_often).await;
    let schedules = Schedules::of(&world);
    let spec = json!({ "schedule": "@monthly", "suspend": true, "objective": { "maxAge": "1h" } });
    let schedule = schedules.create("watched", json!({}), spec.clone()).await;
    schedules.create("beside", json!({}), spec).await;
    schedules.until("watched", "no copy", |object| is(object, "Protected", "Unknown", "NoBackupYet")).await;
    let nightly = world.cloud.begin_nightly(INSTANCE, None).unwrap();
    world.cloud.finish(nightly, End::Success);
    schedules.until("watched", "protected", |object| is(object, "Protected", "True", "WithinObjective")).await;
    schedules.until("beside", "protected", |object| is(object, "Protected", "True", "WithinObjective")).await;
    // A round is four queries; both schedules share it.
    let rounds = |world: &World| world.cloud.calls().iter().filter(|call| call.action == "DescribeBackups").count() / 4;
    let (before, begin) = (rounds(&world), Instant::now());
    tokio::time::sleep(Duration::from_secs(35)).await;
    let most = begin.elapsed().as_secs() / 10 + 1;
    let made = u64::try_from(rounds(&world) - before).unwrap();
    assert!((2..=most).contains(&made), "{made} rounds in {:?}", begin.elapsed());
    world.put_secret(SECRET, &json!({ "secretId": "", "secretKey": "" })).await;
    schedules.until("watched", "blind", |object| is(object, "Protected", "Unknown", "Unobservable")).await;
    world.told(&schedule, "Unobservable").await;
    schedules.change("watched", json!({ "spec": { "objective": null } })).await;
    schedules.change("beside", json!({ "spec": { "objective": null } })).await;
    schedules.until("beside", "no objective", |object| is(object, "Protected", "Unknown", "NoObjective")).await;
    world.finish(&[]).await;
}

/// A world whose schedules look at the cloud every ten seconds.
fn looks_often(plan: &mut Plan) {
    plan.environment.insert("PROTECTED_INTERVAL_SECONDS", "10".to_owned());
}
