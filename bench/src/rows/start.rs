//! A start with ten thousand finished objects: how soon the first pass over a new order is made, and what it holds then.
//!
//! The floor is the list alone: how long the same API server takes to hand it out whole to a reader who looks at nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::arena::{Arena, Plan};
use crate::bench::Bench;
use crate::clock;
use crate::contestant::{Tuning, Who};
use crate::meter::{self, MB};
use crate::orders::{self, Wish};
use crate::report::{Goal, Measure, OURS};

/// Finished objects.
pub(crate) const FINISHED: usize = 10_000;
const RUNS: usize = 3;

/// Three starts in the same cluster.
pub(crate) async fn play(bench: &Bench) -> Result<()> {
    let mut arena = Arena::open(bench, "start", Plan::new(RUNS, Some(5.0))).await?;
    fill(bench, &arena, FINISHED).await?;
    let called = Arc::new(Mutex::new(None));
    let first = Arc::clone(&called);
    arena.cloud.on_event(move |_| {
        first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(clock::now);
    });
    for run in 0..RUNS {
        orders::create(&arena.client, Wish::new(&format!("fresh-{run}"), orders::instance(run))).await?;
        let floor = orders::listing(&arena.client).await?;
        *called.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let begin = clock::now();
        let pid = arena.launch(bench, (Who::Ours, Tuning::Defaults), &["--leader-elect=false".to_owned()], None)?;
        let patience = Instant::now();
        let at = loop {
            if let Some(at) = *called.lock().unwrap_or_else(PoisonError::into_inner) {
                break at;
            }
            if patience.elapsed() > Duration::from_mins(2) {
                bail!("no call");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        // Making a token with kubectl comes before the start of the program.
        let begin = meter::started(pid).unwrap_or(begin);
        let took = clock::seconds(begin, at);
        let measure = Measure::new("start", "10 000 finished objects: start to first call", "s", Goal::AtMost(0.7));
        bench.note(&measure, OURS, took, Some(floor))?;
        tokio::time::sleep(Duration::from_secs(20)).await;
        arena.must_run()?;
        let reading = meter::read(pid)?;
        let (now, peak) = (reading.resident / MB, reading.peak / MB);
        bench.say(&format!("first call after {took:.3} s; the list alone takes {floor:.3} s"))?;
        bench.say(&format!("{now:.2} MB resident, {peak:.2} MB at most"))?;
        let measure = Measure::new("start", "10 000 finished objects: resident memory", "MB", Goal::AtMost(16.0));
        bench.note(&measure, OURS, now, None)?;
        let measure = Measure::new("start", "10 000 finished objects: peak at the start", "MB", Goal::None);
        bench.note(&measure, OURS, peak, None)?;
        arena.kill();
    }
    arena.close()
}

/// Makes finished objects, in chunks, so that progress shows.
pub(crate) async fn fill(bench: &Bench, arena: &Arena, count: usize) -> Result<()> {
    let since = clock::moved(clock::now(), -3_600);
    let mut wishes = Wish::many(count);
    let mut flow = 1_000_000;
    while !wishes.is_empty() {
        let rest = wishes.split_off(wishes.len().min(2_000));
        for wish in &mut wishes {
            wish.name = format!("finished-{}", wish.name);
        }
        let made = orders::create_all(&arena.client, wishes).await?;
        let pasts: Vec<_> =
            made.iter().zip(flow..).map(|(made, flow)| (made, orders::finished(made, flow, since))).collect();
        orders::pretend(&arena.client, pasts).await.context("finished objects")?;
        flow += 2_000;
        wishes = rest;
        bench.say(&format!("{} finished objects are still to be made", wishes.len()))?;
    }
    Ok(())
}
