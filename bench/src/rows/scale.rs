//! How cost grows: the same life of an order, for a hundred to thirty thousand of them.
//!
//! At 20 calls a second for one key and region, thirty thousand would take 25 minutes; so the orders are spread over keys
//! and regions, each with limits of its own, and what the machine gives is the limit. Memory is told twice: at the worst
//! moment, when all are active, and afterwards, when all are finished.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::budget::{identities, spread_out};
use crate::arena::{Arena, Plan};
use crate::bench::Bench;
use crate::clock;
use crate::contestant::{Tuning, Who};
use crate::figures::{big, number};
use crate::meter::{self, MB, Meter};
use crate::orders;
use crate::plot::{Panel, svg, told};
use crate::report::{Goal, Measure, OURS};
use crate::witness::Witness;

const SIZES: [usize; 4] = [100, 1_000, 10_000, 30_000];
const KEYS: usize = 8;
const WHATS: [(&str, &str); 6] = [
    ("peak memory", "MB"),
    ("memory afterwards", "MB"),
    ("CPU", "s"),
    ("cloud calls", "calls"),
    ("object writes", "writes"),
    ("time", "s"),
];

/// One run for each size, and the plot.
pub(crate) async fn play(bench: &Bench) -> Result<()> {
    let mut all: Vec<(f64, [f64; 6])> = Vec::new();
    for size in SIZES {
        let values = run(bench, size).await.with_context(|| format!("{size} orders"))?;
        for ((what, unit), value) in WHATS.iter().zip(values) {
            let measure = Measure::new("scale", &format!("{size} orders: {what}"), unit, Goal::None);
            bench.note(&measure, OURS, value, None)?;
        }
        all.push((number(size), values));
        let panels: Vec<Panel> = WHATS
            .iter()
            .enumerate()
            .map(|(place, (title, unit))| Panel {
                title: (*title).to_owned(),
                unit,
                points: all.iter().filter_map(|(size, values)| Some((*size, *values.get(place)?))).collect(),
            })
            .collect();
        fs::write(bench.logs.join("scale.svg"), svg(&panels))?;
        for panel in &panels {
            bench.say(&format!("{}: {}", panel.title, told(panel)))?;
        }
    }
    Ok(())
}

async fn run(bench: &Bench, size: usize) -> Result<[f64; 6]> {
    let mut plan = Plan::new(0, Some(5.0));
    plan.keys = identities(KEYS);
    let wishes = spread_out(&mut plan, size);
    let mut arena = Arena::open(bench, &format!("scale-{size}"), plan).await?;
    let witness = Witness::start(arena.client.clone());
    let pid = arena.start(bench, (Who::Ours, Tuning::Best), &Who::Ours.in_a_hurry(Tuning::Best), None).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (_, from) = arena.tally(Who::Ours, 0)?;
    let (meter, begin) = (Meter::start(pid)?, clock::now());
    orders::create_all(&arena.client, wishes).await?;
    let tell = |found| bench.say(&format!("{found} of {size} are done"));
    witness.until(size, |track| track.ready.is_some(), Duration::from_mins(40), tell).await?;
    let took = clock::seconds(begin, clock::now());
    arena.must_run()?;
    let used = meter.stop()?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let after = meter::read(pid)?.resident;
    let (tally, _) = arena.tally(Who::Ours, from)?;
    let calls: u64 = arena.cloud.counts().values().flat_map(|codes| codes.values()).sum();
    arena.close()?;
    Ok([used.peak / MB, after / MB, used.cpu, big(calls), number(tally.order_writes()), took])
}
