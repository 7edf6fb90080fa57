//! Exploration of the protocol: no reachable world has two backups of one order, and each guard is needed.
//!
//! Breadth-first over the shipped `aim`, `decide`, `announce` and `fold`; only the effects between them are played. A world
//! holds the stored record and its version, controllers at any point of a pass, requests on their way, and what the cloud
//! accepted. Every step that the shell takes between two `.await`s is a step here, and a crash may follow each of them.
//! Times are scaled down: a signature is good for 2, clocks are 1 apart, a listing lags by 1.
//!
//! A guard that is taken away must lead to two backups; the shortest trace to them is printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking, and its figures are for people"
)]

#[path = "model/explore.rs"]
mod explore;
#[path = "model/world.rs"]
mod world;

use explore::explore;
use world::{Guard, Setting};

/// Most worlds of one setting: the debug build sees about twenty thousand a second.
const MOST: usize = 100_000;

/// Worlds that are explored whole, with all guards.
fn settings() -> Vec<(&'static str, Setting)> {
    let base = Setting { end: 5, ..Setting::default() };
    vec![
        ("one controller", Setting { end: 7, ..base }),
        ("one controller, rows without a name", Setting { end: 7, nameless: true, ..base }),
        ("one controller, rows not listed while running", Setting { end: 7, unlisted: true, ..base }),
        ("one controller, listings with holes", Setting { end: 7, holes: true, ..base }),
        ("two controllers", Setting { controllers: 2, ..base }),
        ("two controllers, clocks apart", Setting { controllers: 2, offsets: [1, -1], honest: true, ..base }),
        (
            "two controllers, clocks apart the other way",
            Setting { controllers: 2, offsets: [-1, 1], honest: true, ..base },
        ),
        ("two controllers, rows without a name", Setting { controllers: 2, nameless: true, ..base }),
    ]
}

#[test]
fn no_world_has_two_backups() {
    let mut total = 0;
    for (name, setting) in settings() {
        let began = std::time::Instant::now();
        let found = explore(&setting, MOST);
        println!(
            "{name}: {}{} states, depth {}, {:.1} s",
            if found.states < MOST { "all " } else { "the first " },
            found.states,
            found.depth,
            began.elapsed().as_secs_f64()
        );
        if let Some(trace) = found.trace {
            panic!("{name}: two backups\n{}", trace.join("\n"));
        }
        assert!(found.accepted > 0 && found.resubmitted > 0, "{name}: the exploration must get somewhere");
        total += found.states;
    }
    println!("{total} states in all");
}

#[test]
fn each_guard_is_needed() {
    let one = Setting { end: 7, ..Setting::default() };
    let two = Setting { controllers: 2, end: 5, ..Setting::default() };
    for (guard, setting) in [
        (Guard::ResourceVersion, two),
        (Guard::LookBefore, one),
        (Guard::Fence, one),
        (Guard::SignedForIntent, one),
        (Guard::CompleteListing, Setting { holes: true, ..one }),
        (Guard::Unattributed, Setting { nameless: true, ..one }),
        (Guard::Unexplained, Setting { unlisted: true, ..one }),
        (Guard::ReadAgain, one),
        (Guard::WriteAhead, one),
    ] {
        let found = explore(&Setting { without: Some(guard), ..setting }, 2_000_000);
        let trace = found.trace.unwrap_or_else(|| panic!("without {guard:?} nothing happens: is it needed?"));
        println!(
            "without {guard:?}, after {} states, in {} steps:\n  {}",
            found.states,
            trace.len(),
            trace.join("\n  ")
        );
    }
}
