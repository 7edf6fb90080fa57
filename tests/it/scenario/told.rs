//! Scenario: the operator dies around the write that counts a missed time. The event comes before it, and is one event.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::promises::{Schedules, minute_with_room, name_of};
use crate::cluster;
use crate::proxy::{self, Fate, Phase};
use crate::world::World;

/// What the next status write is: nothing special, lost together with its writer, or the last that its writer does.
const HARMLESS: usize = 0;
const LOST: usize = 1;
const LAST: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_told_once_wherever_its_witness_dies() {
    let mut world = World::with(|plan| plan.started = false).await;
    let control_plane = &cluster::get().control_plane;
    let ca = std::fs::read(control_plane.ca_file()).unwrap();
    let (write, victim) = (Arc::new(AtomicUsize::new(HARMLESS)), Arc::new(Mutex::new(None::<Pid>)));
    let (next, known) = (write.clone(), victim.clone());
    let listener: proxy::Listener = Arc::new(move |what, phase| {
        let strikes = [(LOST, Phase::Before), (LAST, Phase::After)];
        if what == "PATCH status" && strikes.contains(&(next.load(Ordering::SeqCst), phase)) {
            next.store(HARMLESS, Ordering::SeqCst);
            kill_process(known.lock().unwrap().unwrap(), Signal::KILL).unwrap();
            return Fate::Lose;
        }
        Fate::Pass
    });
    let address = proxy::start(control_plane.server_url(), &ca, listener).await;
    world.admit(cluster::get(), &address).await;
    world.start().await;
    *victim.lock().unwrap() = Some(world.operator.as_ref().unwrap().pid());
    let (slot, hourly) = minute_with_room();
    let theirs = world.order(&name_of("taken", slot), json!({})).await;
    let schedule = Schedules::of(&world).create("taken", json!({}), hourly).await;
    Schedules::of(&world).until("taken", "seen", |object| object["status"]["cursor"]["time"].is_string()).await;
    world.reaches(&theirs, "Completed").await;
    world.is_silent(Duration::from_secs(1)).await;
    write.store(LOST, Ordering::SeqCst);
    for strike in [LOST, LAST] {
        let ended = world.operator.as_mut().unwrap().ended(Duration::from_secs(90)).await;
        assert!(ended.is_some(), "nothing was written");
        assert_eq!(world.told(&schedule, "RunMissed").await.len(), 1, "it is told before it is written");
        let written = Schedules::of(&world).read("taken").await["status"]["missedRuns"].clone();
        assert_eq!(written, usize::from(strike == LAST));
        if strike == LOST {
            // Before it begins: its first write of consequence comes at once.
            write.store(LAST, Ordering::SeqCst);
        }
        world.spawn();
        *victim.lock().unwrap() = Some(world.operator.as_ref().unwrap().pid());
    }
    world.operator.as_mut().unwrap().ready().await;
    world.is_silent(Duration::from_secs(3)).await;
    assert_eq!(world.events(&schedule).await.len(), 1);
    world.finish_quietly(&[(&theirs, 1)]).await;
}
