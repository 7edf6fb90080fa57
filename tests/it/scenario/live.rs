//! Scenario: a schedule's time is due while the cache of the backups is behind. What is decided then rests on a live read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::promises::{Schedules, is, minute_with_room, name_of};
use super::status::row;
use crate::cluster;
use crate::proxy::{self, Fate};
use crate::world::{Order, World};

/// A backup of `schedule` that somebody else made, as a second operator may have.
async fn child(world: &World, schedule: &Order, name: &str, annotations: Value) -> Order {
    let mut object = world.object(name, json!({}));
    let owner = json!([{
        "apiVersion": "tencentdb.dev/v1alpha1", "kind": "SqlServerBackupSchedule", "name": schedule.name,
        "uid": schedule.uid, "controller": true,
    }]);
    object.metadata.owner_references = serde_json::from_value(owner).unwrap();
    object.metadata.annotations = serde_json::from_value(annotations).unwrap();
    object.labels_mut().insert("tencentdb.dev/schedule".to_owned(), schedule.name.clone());
    let created = world.api.create(&PostParams::default(), &object).await.unwrap();
    Order { name: name.to_owned(), uid: created.uid().unwrap() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_cache_does_not_show_is_neither_overlapped_nor_made_again() {
    let mut world = World::with(|plan| plan.started = false).await;
    let control_plane = &cluster::get().control_plane;
    let (ca, holds) = (std::fs::read(control_plane.ca_file()).unwrap(), Arc::new(AtomicBool::new(false)));
    let (server, pass) = (control_plane.server_url(), Arc::new(|_: &str, _| Fate::Pass));
    let address = proxy::start_holding(server, &ca, pass, holds.clone()).await;
    world.admit(cluster::get(), &address).await;
    world.start().await;
    let schedules = Schedules::of(&world);
    let (slot, hourly) = minute_with_room();
    let busy = schedules.create("busy", json!({}), hourly.clone()).await;
    let made = schedules.create("made", json!({}), hourly).await;
    for name in ["busy", "made"] {
        schedules.until(name, "followed", |object| is(object, "Ready", "True", "Scheduled")).await;
    }
    holds.store(true, Ordering::SeqCst);
    let at_work = child(&world, &busy, "busy-now", json!({ "tencentdb.dev/run-now": "earlier" })).await;
    let again = format!("{}-r1", name_of("made", slot));
    let of_the_slot = json!({ "tencentdb.dev/scheduled-for": slot.to_string(), "tencentdb.dev/retry": "1" });
    let again = child(&world, &made, &again, of_the_slot).await;
    let failed = row("Failed", ["True", "False", "False", "True"]);
    world.patch_status(&again, json!({ "conditions": failed })).await.unwrap();

    let settled = |object: &Value| {
        let cursor = object["status"]["cursor"]["time"].as_str().map(|time| time.parse::<Timestamp>().unwrap());
        cursor >= Some(slot)
    };
    let busy = schedules.until("busy", "settled", settled).await;
    let made = schedules.until("made", "settled", settled).await;
    let hidden = !world.lines().iter().any(|line| line["order"].as_str().is_some_and(|it| it.ends_with("busy-now")));
    assert!(hidden, "the cache was not behind");
    holds.store(false, Ordering::SeqCst);
    assert_eq!(
        (&busy["status"]["missedRuns"], &busy["status"]["lastMissedRun"]["reason"]),
        (&json!(1), &json!("Overlap"))
    );
    assert_eq!(made["status"]["lastScheduleTime"], json!(slot.to_string()));
    assert_eq!(made["status"]["missedRuns"], 0);
    assert_eq!(schedules.names("busy").await, ["busy-now"]);
    assert_eq!(schedules.names("made").await, [&*again.name]);
    world.reaches(&at_work, "Completed").await;
    world.finish_forged(&[(&at_work, 1), (&again, 0)]).await;
}
