//! Exploration of the protocol: no reachable world has two backups of one order or is stuck, and each guard is needed.
//!
//! A search over the shipped `aim`, `decide`, `announce` and `fold`; only the effects between them are played. A world
//! holds the stored record, up to three controllers at any point of a pass, requests on their way, and what the cloud
//! accepted. Every step that the shell takes between two `.await`s is a step here, and a crash may follow each of them.
//! Times are scaled down: a signature is good for 1 or 2, clocks are 1 apart, a listing lags by 1.
//!
//! What must hold in each world: at most one backup for an order, over all its attempts; the status says nothing that the
//! cloud does not; no FlowId is replaced, and attempts and submitTime never go back; and if no further fault comes, the
//! order ends by itself and in the truth (`model/fair.rs`). A guard that is taken away must lead to two backups, and the
//! plainest trace to them is printed.
//!
//! `MODEL=deep` explores twenty times as much.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::similar_names,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by panicking, reads its own switch, and packs small numbers tightly"
)]

#[path = "model/explore.rs"]
mod explore;
#[path = "model/fair.rs"]
mod fair;
#[path = "model/moves.rs"]
mod moves;
#[path = "model/outside.rs"]
mod outside;
#[path = "model/setting.rs"]
mod setting;
#[path = "model/shelf.rs"]
mod shelf;
#[path = "model/sight.rs"]
mod sight;
#[path = "model/steps.rs"]
mod steps;
#[path = "model/tables.rs"]
mod tables;
#[path = "model/world.rs"]
mod world;

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

use explore::{Found, Plan, beginning, explore};
use fair::Plays;
use setting::Setting;
use shelf::Shelf;
use tables::{GUARDS, Row, outside_of_the_assumptions, settings};

/// Most worlds of one setting.
fn most() -> usize {
    let is_deep = std::env::var("MODEL").is_ok_and(|how| how == "deep");
    if is_deep { 3_000_000 } else { 150_000 }
}

/// Past the capture of the test runner: the figures and traces are for people, also where all is well.
fn say(words: &str) {
    drop(std::io::stderr().write_all(format!("{words}\n").as_bytes()));
}

/// Explores settings side by side, on two cores.
fn side_by_side<T: Send>(all: Vec<(String, T)>, one: impl Fn(&str, T) + Sync) {
    let queue = Mutex::new(VecDeque::from(all));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop_front();
                    let Some((name, setting)) = next else { break };
                    one(&name, setting);
                }
            });
        }
    });
}

fn told(name: &str, found: &Found, began: Instant) -> String {
    format!(
        "{name}: {} states{}, up to {} steps, {:.1} s",
        found.states,
        match found.surprises {
            None => ", which are all".to_owned(),
            Some(surprises) => format!(", all with less than {surprises} surprises"),
        },
        found.depth,
        began.elapsed().as_secs_f64()
    )
}

#[test]
fn no_world_has_two_backups_or_is_stuck() {
    let (total, began) = (Mutex::new(0), Instant::now());
    let plan = Plan { most: most(), is_played: true, stops_at_two: true };
    side_by_side(settings(), |name, setting: Setting| {
        let began = Instant::now();
        let found = explore(&setting, plan);
        say(&told(name, &found, began));
        if let Some((what, trace)) = found.wrong {
            panic!("{name}: {what}\n  {}", trace.join("\n  "));
        }
        assert!(found.accepted > 0 && found.resubmitted > 0 && found.ended > 0, "{name}: it must get somewhere");
        *total.lock().unwrap() += found.states;
    });
    let total = total.into_inner().unwrap();
    say(&format!("{total} states in all, {:.1} s", began.elapsed().as_secs_f64()));
    assert!(total >= 2_000_000, "{total} states are too few to speak of");
}

#[test]
fn each_guard_is_needed() {
    side_by_side(GUARDS.iter().map(|row| (row.name.to_owned(), row)).collect(), |name, row: &Row| {
        let plan = Plan { most: 2_000_000, is_played: row.is_played, stops_at_two: true };
        let found = explore(&(row.setting)().lacking(row.without), plan);
        let Some((what, trace)) = found.wrong else { panic!("without {name} nothing happens: is it needed?") };
        say(&format!(
            "without {name}: {what}, after {} states, in {} steps:\n  {}",
            found.states,
            trace.len(),
            trace.join("\n  ")
        ));
        for alone in row.harmless_alone {
            let plan = Plan { most: 200_000, is_played: false, stops_at_two: true };
            let found = explore(&(row.setting)().lacking(&[*alone]), plan);
            assert!(found.wrong.is_none(), "{alone:?} alone is needed: {:?}", found.wrong);
        }
    });
}

/// Where the token is waited for after the intent, the signature keeps a late request from being accepted, so there is
/// never a second backup; but with a queue longer than a signature is good for, there is never a first one either.
#[test]
fn a_token_after_the_intent_never_gets_through() {
    let play = |setting: Setting| Plays::default().end_well(&beginning(&setting), &mut Shelf::new(setting), false);
    assert_eq!(play(Setting::default()), Ok(()));
    let stuck = play(Setting::default().lacking(&[setting::Guard::TokenBeforeIntent])).unwrap_err();
    say(&format!("without TokenBeforeIntent, in a world without a fault: {stuck}"));
    assert!(stuck.starts_with("stuck as Some(ClockSkew)"), "{stuck}");
}

/// Nothing prevents a second backup there, and a pass that sees both must say so (I6).
#[test]
fn outside_of_the_assumptions_a_second_backup_is_told() {
    side_by_side(outside_of_the_assumptions(), |name, setting: Setting| {
        let began = Instant::now();
        let found = explore(&setting, Plan { most: 200_000, is_played: false, stops_at_two: false });
        if let Some((what, trace)) = &found.wrong {
            panic!("{name}: {what}\n  {}", trace.join("\n  "));
        }
        let trace = found.first_two.as_ref().unwrap_or_else(|| panic!("{name}: no second backup"));
        say(&format!(
            "{}; two backups in {}, told in {} of them; the plainest way:\n  {}",
            told(name, &found, began),
            found.twos,
            found.told,
            trace.join("\n  ")
        ));
        assert!(found.told > 0, "{name}: it is never told");
    });
}
