//! The operator is killed (SIGKILL) at every position, started again, and must have made exactly one backup whose status
//! tells the truth (I1, I4, I7).
//!
//! A position is one of three stages of a call to the cloud (it arrived and nothing is done, it took effect and nothing is
//! answered, the answer is out), or a write to the API server: not passed on, passed on a little after the death, or done
//! and not answered. Positions are not chosen: a first run records them all, then each gets a run of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use futures::StreamExt;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tencentdb_simulator::{Effect, Event, Rule};
use tokio::sync::Semaphore;

use crate::cluster;
use crate::proxy::{self, Fate, Phase};
use crate::world::{PATIENCE, World};

/// Runs at once, over all campaigns: more of them only wait for two cores.
static ROOM: Semaphore = Semaphore::const_new(9);

/// Where to die.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    /// `CreateBackup Decided`, `PATCH status Before`, …
    place: String,
    /// The how-manieth of these.
    nth: usize,
    /// A write that leaves the operator arrives this much after its death.
    late: bool,
}

/// Kills the operator at its position; records all positions that are passed.
#[derive(Default)]
struct Reaper {
    victim: AtomicI32,
    at: Option<Position>,
    passed: Mutex<BTreeMap<String, usize>>,
    struck: AtomicBool,
    /// The victim is gone. Before that no other may start, for a start reaps it, and its id is then somebody else's.
    dead: AtomicBool,
}

impl Reaper {
    /// The operator comes by. True if it was killed here.
    fn passes(&self, place: &str) -> bool {
        let nth = {
            let mut passed = self.passed.lock().unwrap();
            let count = passed.entry(place.to_owned()).or_default();
            *count += 1;
            *count
        };
        let here = self.at.as_ref().is_some_and(|at| at.place == place && at.nth == nth);
        if !here || self.struck.swap(true, Ordering::SeqCst) {
            return false;
        }
        self.strike();
        self.dead.store(true, Ordering::SeqCst);
        true
    }

    /// Kills, and returns when it is dead.
    fn strike(&self) {
        let pid = loop {
            match Pid::from_raw(self.victim.load(Ordering::SeqCst)) {
                Some(pid) => break pid,
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        kill_process(pid, Signal::KILL).unwrap();
        let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn cloud_event(&self, event: &Event) {
        self.passes(&format!("{} {:?}", event.action, event.stage));
    }

    fn write(&self, what: &str, phase: Phase) -> Fate {
        if !self.passes(&format!("{what} {phase:?}")) {
            return Fate::Pass;
        }
        match &self.at {
            Some(at) if at.late => Fate::Delay(Duration::from_millis(700)),
            _ => Fate::Lose,
        }
    }

    /// Every position that was passed.
    fn positions(&self) -> Vec<Position> {
        let mut all = vec![];
        for (place, count) in &*self.passed.lock().unwrap() {
            for nth in 1..=*count {
                all.push(Position { place: place.clone(), nth, late: false });
                if place.ends_with("Before") {
                    all.push(Position { place: place.clone(), nth, late: true });
                }
            }
        }
        all
    }
}

/// One run, through `faults`, with a death at `at`; what was passed, and whether the operator died.
async fn run(faults: &[Rule], at: Option<Position>) -> (Vec<Position>, bool) {
    let _room = ROOM.acquire().await.unwrap();
    let mut world = World::with(|plan| {
        plan.started = false;
        plan.cloud.switches.backup_seconds = Some(1.2);
        plan.cloud.switches.listing_lag_seconds = 0.4;
        for name in ["SIGNATURE_VALIDITY_SECONDS", "CLOCK_SKEW_SECONDS", "LISTING_LAG_SECONDS"] {
            plan.environment.insert(name, "1".to_owned());
        }
    })
    .await;
    let reaper = Arc::new(Reaper { at, ..Reaper::default() });
    let (in_cloud, in_proxy) = (reaper.clone(), reaper.clone());
    world.cloud.on_event(move |event| in_cloud.cloud_event(event));
    for fault in faults {
        world.cloud.add_fault(fault.clone());
    }
    let control_plane = &cluster::get().control_plane;
    let ca = std::fs::read(control_plane.ca_file()).unwrap();
    let listener: proxy::Listener = Arc::new(move |what, phase| in_proxy.write(what, phase));
    let address = proxy::start(control_plane.server_url(), &ca, listener).await;
    world.admit(cluster::get(), &address).await;

    world.spawn();
    let victim = world.operator.as_ref().unwrap().pid();
    reaper.victim.store(victim.as_raw_nonzero().get(), Ordering::SeqCst);
    let order = world.order("crash", json!({})).await;
    let is_complete = |world: &World| world.reasons(&order).last().is_some_and(|reason| reason == "Completed");
    let died = || reaper.dead.load(Ordering::SeqCst);
    let begin = Instant::now();
    loop {
        if died() && world.operator.as_ref().unwrap().pid() == victim {
            world.spawn();
        }
        // A death at the last event comes after the end.
        if is_complete(&world) && (died() || begin.elapsed() > Duration::from_secs(1)) {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{:?}: not completed, {:?}", reaper.at, world.reasons(&order));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.is_silent(Duration::from_millis(1_500)).await;
    if died() && world.operator.as_ref().unwrap().pid() == victim {
        world.start().await;
        world.is_silent(Duration::from_millis(1_500)).await;
    }
    let object = world.read(&order).await;
    assert_eq!(world.accepted(&order), 1, "{:?}", reaper.at);
    world.tells_the_truth(&order, &object);
    let names: Vec<_> = world.calls(&order).into_iter().map(|call| call.name).collect();
    assert!(
        names.iter().enumerate().all(|(at, name)| !names[..at].contains(name)),
        "a name was signed twice: {names:?}"
    );
    world.finish_quietly(&[(&order, 1)]).await;
    (reaper.positions(), died())
}

/// The trace, then a run for each of its positions.
async fn campaign(name: &str, faults: &[Rule]) {
    let (positions, _) = run(faults, None).await;
    let begin = Instant::now();
    let count = positions.len();
    let runs = positions.into_iter().map(|at| async { (at.clone(), run(faults, Some(at)).await.1) });
    let ends: Vec<(Position, bool)> = futures::stream::iter(runs).buffer_unordered(9).collect().await;
    let deaths = ends.iter().filter(|(_, died)| *died).count();
    eprintln!("{name}: {count} positions, {deaths} deaths, {:.0} s", begin.elapsed().as_secs_f64());
    // How often a doubt and a running backup are looked at depends on the pace of the machine, so of the later positions
    // some never come, and how many says nothing. What every run comes by must have been reached.
    let every_run_has = |place: &str| match place.split(' ').next() {
        Some("CreateBackup") => usize::MAX,
        Some("PATCH") => 3,
        Some("POST" | "DescribeBackups") => 2,
        _ => 1,
    };
    let on_the_way = |at: &Position| at.nth <= every_run_has(&at.place);
    let missed: Vec<_> = ends.iter().filter(|(at, died)| on_the_way(at) && !died).collect();
    assert!(missed.is_empty(), "{name}: never reached {missed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_killed_anywhere_on_the_way_to_success() {
    campaign("success", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_killed_anywhere_around_a_lost_answer() {
    campaign("lost answer", &[Rule::new("CreateBackup", Effect::DropAfter { reset: false })]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_killed_anywhere_around_a_refusal() {
    let busy = Effect::Error {
        code: "ResourceUnavailable.InstanceStatusInvalid".to_owned(),
        message: "Busy.".to_owned(),
        accept: false,
    };
    campaign("refusal", &[Rule::new("CreateBackup", busy)]).await;
}
