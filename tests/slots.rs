//! Exploration of schedules: no slot twice, none lost, nothing that is not owed, and each guard is needed.
//!
//! A search over the shipped `decide` of `core::schedule`; only the effects between them are played
//! (`slots/world.rs`). What must hold in each world: no backup of a slot, a further try or a token is made twice; a slot that
//! runs is the latest one that is due, and later than the last edit, suspension and resumption; each slot that the cursor
//! has passed has had a backup or is counted; the cursor never goes back; and with good behaviour from there on the next
//! slot runs. Taken away, each guard leads to a world that breaks one of these, and the way to it is printed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by panicking"
)]

#[path = "slots/world.rs"]
mod world;

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::Write;
use std::time::Instant;

use sqlserver_backup_operator::core::schedule::State;
use world::{Guard, Operator, Plans, Setting, World, at};

/// Worlds of one setting after which a deep search ends.
const MOST: usize = 1_000_000;

/// Whether to look further: a slot more in each setting, and the nearest worlds where they are too many.
fn is_deep() -> bool {
    std::env::var("MODEL").is_ok_and(|depth| depth == "deep")
}

fn quiet(operators: usize) -> Setting {
    Setting {
        operators,
        end: 4,
        jumps: 0,
        turns: 0,
        tokens: 0,
        deletions: 1,
        refusals: 1,
        retries: 0,
        keep_failed: 3,
        stale: true,
        without: None,
    }
}

fn settings() -> Vec<(&'static str, Setting)> {
    vec![
        ("one operator", Setting { end: 5, ..quiet(1) }),
        ("one, with a further try", Setting { end: 5, retries: 1, ..quiet(1) }),
        ("one, suspended, resumed and edited", Setting { end: 3, turns: 2, ..quiet(1) }),
        ("one, its clock stepped", Setting { end: 2, jumps: 2, ..quiet(1) }),
        ("one, its clock stepped once", Setting { end: 3, jumps: 1, ..quiet(1) }),
        ("one, with a token", Setting { end: 3, tokens: 1, ..quiet(1) }),
        ("one, with tokens", Setting { end: 2, tokens: 2, ..quiet(1) }),
        ("one that keeps no failed backup", Setting { end: 5, keep_failed: 0, ..quiet(1) }),
        ("two operators", quiet(2)),
        ("two, with a further try", Setting { retries: 1, deletions: 0, ..quiet(2) }),
        ("two, suspended, resumed and edited", Setting { end: 3, turns: 1, ..quiet(2) }),
        ("two, the clock stepped", Setting { end: 2, jumps: 1, ..quiet(2) }),
        ("two, with a token", Setting { end: 2, tokens: 1, ..quiet(2) }),
        ("two that keep no failed backup", Setting { end: 5, keep_failed: 0, deletions: 0, refusals: 0, ..quiet(2) }),
    ]
}

/// Past the capture of the test runner: the figures and traces are for people, also where all is well.
fn say(words: &str) {
    drop(std::io::stderr().write_all(format!("{words}\n").as_bytes()));
}

/// Each slot that was passed has had a backup or is counted.
fn lost(world: &World, setting: &Setting) -> Option<&'static str> {
    // A jump of the clock and an edit pass over slots that are owed to nobody.
    if setting.jumps + setting.turns > 0 {
        return None;
    }
    let passed = world.record.settled.map_or(0, |settled| (settled - at(0)).get_seconds() / 600);
    let ran = world.made.keys().filter(|name| !name.contains("-now-") && !name.contains("-r")).count();
    let told = i64::try_from(ran).unwrap() + world.record.missed;
    (told < passed).then_some("a slot is lost")
}

/// From here on all goes well: the operators are started anew, what runs completes, and two slots later the last one has run.
fn stuck(world: &World, setting: &Setting, plans: &Plans) -> Option<&'static str> {
    let mut world = world.clone();
    world.operators = vec![Operator::Idle];
    world.spec.1 = false;
    world.left = [0; 5];
    let setting = Setting { stale: false, end: 100, ..*setting };
    // A cursor that a clock has carried ahead is waited for.
    let behind = world.record.settled.map_or(0, |settled| (settled - at(0)).get_seconds() / 300);
    let end = (world.tick + 4).max(behind - world.offset + 4);
    loop {
        for child in world.children.values_mut().filter(|child| child.state == State::AtWork) {
            child.state = State::Good(at(world.tick));
        }
        for _ in 0..40 {
            let Some(next) = world.work(&setting, plans) else { break };
            world = next;
        }
        if world.tick >= end {
            break;
        }
        world.tick += 1;
    }
    let last = (world.tick + world.offset).div_euclid(2) * 2;
    let has_run = world.record.last_run >= Some(at(last));
    world.wrong.or((!has_run).then_some("the next slot does not run"))
}

struct Found {
    states: usize,
    is_all: bool,
    wrong: Option<(&'static str, Vec<String>)>,
    runs: usize,
}

fn explore(setting: &Setting, most: usize) -> Found {
    let plans = Plans::new(setting);
    let hash = |world: &World| BuildHasherDefault::<DefaultHasher>::new().hash_one(world);
    let first = World::new(setting);
    let mut ways: HashMap<u64, (u64, String)> = HashMap::from([(hash(&first), (0, String::new()))]);
    let (mut queue, mut played) = (VecDeque::from([first]), HashSet::new());
    let mut found = Found { states: 0, is_all: true, wrong: None, runs: 0 };
    while let Some(world) = queue.pop_front() {
        found.runs += usize::from(!world.made.is_empty());
        let mut rest = world.clone();
        rest.operators.clear();
        let is_new = played.insert(hash(&rest));
        let wrong = world.wrong.or_else(|| lost(&world, setting));
        if let Some(wrong) = wrong.or_else(|| is_new.then(|| stuck(&world, setting, &plans)).flatten()) {
            let (mut at, mut trace) = (hash(&world), vec![]);
            while let Some((before, label)) = ways.get(&at).filter(|(before, _)| *before != 0) {
                trace.push(label.clone());
                at = *before;
            }
            trace.reverse();
            found.wrong = Some((wrong, trace));
            break;
        }
        let here = hash(&world);
        for (label, next) in world.steps(setting, &plans) {
            if ways.len() >= most {
                found.is_all = false;
                break;
            }
            if let std::collections::hash_map::Entry::Vacant(free) = ways.entry(hash(&next)) {
                free.insert((here, label));
                queue.push_back(next);
            }
        }
    }
    found.states = ways.len();
    found
}

#[test]
fn no_slot_is_made_twice_or_lost() {
    let began = Instant::now();
    let all = settings();
    std::thread::scope(|scope| {
        for first in 0..2 {
            let all = &all;
            scope.spawn(move || {
                for (name, setting) in all.iter().skip(first).step_by(2) {
                    let began = Instant::now();
                    let further = if is_deep() { 2 } else { 0 };
                    let found = explore(&Setting { end: setting.end + further, ..*setting }, MOST);
                    let extent = if found.is_all { "which are all" } else { "the nearest ones" };
                    assert!(found.is_all || is_deep(), "{name}: {} states and more", found.states);
                    say(&format!("{name}: {} states, {extent}, {:.1} s", found.states, began.elapsed().as_secs_f64()));
                    if let Some((what, trace)) = found.wrong {
                        panic!("{name}: {what}\n  {}", trace.join("\n  "));
                    }
                    assert!(found.runs > 20, "{name}: it must get somewhere");
                }
            });
        }
    });
    say(&format!("all in {:.1} s", began.elapsed().as_secs_f64()));
}

#[test]
fn each_guard_is_needed() {
    let few = Setting { refusals: 0, ..quiet(2) };
    for (guard, setting) in [
        (Guard::LiveRead, few),
        (Guard::Freshness, few),
        (Guard::Version, few),
        (Guard::Name, few),
        (Guard::Adoption, few),
        (Guard::Youngest, Setting { keep_failed: 0, deletions: 0, ..few }),
        (Guard::Cursor, Setting { jumps: 2, operators: 1, ..few }),
    ] {
        let found = explore(&Setting { without: Some(guard), ..setting }, 200_000);
        let Some((what, trace)) = found.wrong else { panic!("without {guard:?} nothing happens: is it needed?") };
        say(&format!("without {guard:?}: {what}, after {} states:\n  {}", found.states, trace.join("\n  ")));
    }
}
