//! Ten minutes with ten thousand finished objects: nothing to do, and nothing done.

use std::time::Duration;

use anyhow::Result;

use super::start;
use crate::arena::{Arena, Plan};
use crate::bench::Bench;
use crate::contestant::{Tuning, Who};
use crate::figures::{big, number};
use crate::meter::{MB, Meter};
use crate::report::{Goal, Measure, OURS};

const MINUTES: u64 = 10;

/// One run, of the operator alone.
pub(crate) async fn play(bench: &Bench) -> Result<()> {
    let mut arena = Arena::open(bench, "idle", Plan::new(1, Some(5.0))).await?;
    start::fill(bench, &arena, start::FINISHED).await?;
    let pid = arena.start(bench, (Who::Ours, Tuning::Defaults), &[], None).await?;
    // Until what a start costs is over.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (_, from) = arena.tally(Who::Ours, 0)?;
    let meter = Meter::start(pid)?;
    for minute in 1..=MINUTES {
        tokio::time::sleep(Duration::from_mins(1)).await;
        bench.say(&format!("idle: {minute} of {MINUTES} min"))?;
    }
    arena.must_run()?;
    let used = meter.stop()?;
    let (tally, _) = arena.tally(Who::Ours, from)?;
    bench.say(&format!("API server: {}", tally.shown()))?;
    let calls: u64 = arena.cloud.counts().values().flat_map(|codes| codes.values()).sum();
    let share = used.cpu / (big(MINUTES) * 60.0) * 100.0;
    let figures = [
        ("ten idle minutes, 10 000 finished: cloud calls", "", Goal::AtMost(0.0), big(calls)),
        ("ten idle minutes, 10 000 finished: writes (lease apart)", "", Goal::AtMost(0.0), number(tally.writes())),
        ("ten idle minutes, 10 000 finished: reads (lease apart)", "", Goal::AtMost(0.0), number(tally.reads())),
        ("ten idle minutes, 10 000 finished: lists and watches", "", Goal::None, number(tally.watches())),
        ("ten idle minutes, 10 000 finished: share of a core", "%", Goal::AtMost(0.1), share),
        ("ten idle minutes, 10 000 finished: peak resident memory", "MB", Goal::AtMost(16.0), used.peak / MB),
    ];
    for (what, unit, goal, value) in figures {
        bench.note(&Measure::new("idle", what, unit, goal), OURS, value, None)?;
    }
    arena.close()
}
