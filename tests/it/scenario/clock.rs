//! Scenario: the operator's wall clock is set by hours while a schedule of every minute is followed. The API server and the
//! cloud keep the true time, so the cloud takes nothing from it meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::{Value, json};
use sqlserver_backup_operator::runtime::clock;

use super::promises::{Schedules, name_of, next_minute, order};
use crate::cluster;
use crate::proxy::{self, Fate};
use crate::recorder::Histories;
use crate::wall_clock::WallClock;
use crate::world::{Order, World};

const HOURS: i64 = 3 * 3_600;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A world whose operator has a clock of its own. It speaks through a proxy without TLS: set back, it would take the API
/// server's certificate for one of the future.
async fn world() -> (World, WallClock) {
    let mut world = World::with(|plan| plan.started = false).await;
    let control_plane = &cluster::get().control_plane;
    let ca = std::fs::read(control_plane.ca_file()).unwrap();
    let address = proxy::start(control_plane.server_url(), &ca, Arc::new(|_, _| Fate::Pass)).await;
    world.admit(cluster::get(), &address).await;
    let clock = WallClock::new(&world.folder, &mut world.environment);
    world.start().await;
    (world, clock)
}

/// A schedule of every minute whose first backup is complete: the time of that, and every version of the schedule.
async fn followed(schedules: &Schedules<'_>) -> (Timestamp, Order, Histories) {
    let histories = Histories::record(schedules.api.clone());
    let first = next_minute().await;
    let schedule = schedules.create("timed", json!({}), json!({})).await;
    has_copy_of(schedules, first).await;
    (first, schedule, histories)
}

async fn has_copy_of(schedules: &Schedules<'_>, slot: Timestamp) {
    let name = name_of("timed", slot);
    let is_told = |object: &Value| {
        object["status"]["lastResult"]["name"] == name && object["status"]["lastResult"]["reason"] == "Completed"
    };
    schedules.until("timed", &format!("a copy of {name}"), is_told).await;
}

async fn pass(until: Timestamp) {
    while clock::now() < until {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Waits until the cloud has refused the backup of a slot for its time.
async fn is_refused(schedules: &Schedules<'_>, slot: Timestamp) {
    let name = name_of("timed", slot);
    schedules.until("timed", &name, |object| object["status"]["active"] == json!([name])).await;
    let backup = schedules.backups("timed").await.into_iter().find(|backup| backup.name_any() == name).unwrap();
    schedules.world.reaches(&order(&backup), "ClockSkew").await;
}

/// The clock is right again: the backup that the cloud refused is made, and so is that of the next time. How many are counted.
async fn goes_on(schedules: &Schedules<'_>, first: Timestamp) -> usize {
    has_copy_of(schedules, first + MINUTE).await;
    let settled = |object: &Value| object["status"]["cursor"]["time"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let now = settled(&schedules.read("timed").await);
    has_copy_of(schedules, now + MINUTE).await;
    let missed = schedules.read("timed").await["status"]["missedRuns"].as_u64().unwrap();
    usize::try_from(missed).unwrap()
}

/// The end of each of these: each time up to the last that was settled has one backup or is counted, each backup is one in
/// the cloud, and nothing was ever settled that the true time had not reached.
async fn ends(world: World, first: Timestamp, schedule: &Order, histories: &Histories, missed: usize) {
    let schedules = Schedules::of(&world);
    let object = schedules.read("timed").await;
    schedules.change("timed", json!({ "spec": { "suspend": true } })).await;
    schedules.until("timed", "suspended", |object| object["status"]["cursor"]["suspended"] == true).await;
    let backups = schedules.backups("timed").await;
    let last: Timestamp = object["status"]["lastScheduleTime"].as_str().unwrap().parse().unwrap();
    let mut owed = BTreeSet::new();
    let mut slot = first;
    while slot <= last {
        owed.insert(name_of("timed", slot));
        slot += MINUTE;
    }
    let made: BTreeSet<String> = backups.iter().map(ResourceExt::name_any).collect();
    assert!(made.is_subset(&owed), "{made:?} were made, of {owed:?}");
    assert_eq!(object["status"]["missedRuns"], json!(missed), "{made:?} were made, of {owed:?}");
    assert_eq!(made.len() + missed, owed.len(), "{made:?} were made, of {owed:?}");
    for version in histories.of(&schedule.uid) {
        let settled =
            version.object["status"]["cursor"]["time"].as_str().map(|time| time.parse::<Timestamp>().unwrap());
        assert!(settled.is_none_or(|settled| settled <= version.seen), "settled ahead of time: {:#}", version.object);
    }
    let orders: Vec<Order> = backups.iter().map(order).collect();
    for order in &orders {
        world.reaches(order, "Completed").await;
    }
    let expected: Vec<(&Order, usize)> = orders.iter().map(|order| (order, 1)).collect();
    world.finish(&expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_forward_it_runs_nothing_ahead_of_time_and_goes_on_when_it_is_right_again() {
    let (world, clock) = world().await;
    let schedules = Schedules::of(&world);
    let (first, schedule, histories) = followed(&schedules).await;
    clock.set(HOURS);
    is_refused(&schedules, first + MINUTE).await;
    schedules.until("timed", "the next one skipped", |object| object["status"]["missedRuns"] == 1).await;
    clock.set(0);
    let missed = goes_on(&schedules, first).await;
    ends(world, first, &schedule, &histories, missed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_back_it_waits_and_makes_up_for_the_latest_time_when_it_is_right_again() {
    let (world, clock) = world().await;
    let schedules = Schedules::of(&world);
    let (first, schedule, histories) = followed(&schedules).await;
    clock.set(-HOURS);
    pass(first + MINUTE * 2 + SignedDuration::from_secs(5)).await;
    assert_eq!(schedules.names("timed").await, [name_of("timed", first)], "it waits");
    clock.set(0);
    has_copy_of(&schedules, first + MINUTE * 2).await;
    has_copy_of(&schedules, first + MINUTE * 3).await;
    ends(world, first, &schedule, &histories, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_forth_and_back_it_doubles_nothing_and_loses_nothing() {
    let (world, clock) = world().await;
    let schedules = Schedules::of(&world);
    let (first, schedule, histories) = followed(&schedules).await;
    clock.set(HOURS);
    is_refused(&schedules, first + MINUTE).await;
    clock.set(-HOURS);
    pass(first + MINUTE * 2 + SignedDuration::from_secs(5)).await;
    assert_eq!(schedules.names("timed").await.len(), 2, "it waits");
    clock.set(0);
    let missed = goes_on(&schedules, first).await;
    ends(world, first, &schedule, &histories, missed).await;
}
