//! Two thousand backups in flight on a thousand instances, at the default share: when is their end seen?
//!
//! The orders' past is made up, their backups really run in the cloud, and they end one after the other. What it takes at
//! best is set by the budget: half of 20 looks a second, so each backup is looked at every 200 s.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::arena::{Arena, Plan};
use crate::bench::Bench;
use crate::clock;
use crate::contestant::{Tuning, Who};
use crate::figures::{big, number, quantile};
use crate::orders::{self, Made, Wish};
use crate::report::{Goal, Measure, OURS};
use crate::witness::Witness;

const INSTANCES: usize = 1_000;
const FLYING: usize = 2_000;
/// Looks in a second at the default share.
const BUDGET: f64 = 10.0;
/// The ends are spread over this time, from the first on.
const FIRST_END: f64 = 60.0;
const ENDS_SECONDS: f64 = 200.0;

/// Begins a backup in the cloud for each order, with an end of its own, and writes it into its status.
pub(crate) async fn launch(
    arena: &Arena,
    count: usize,
    seconds: impl Fn(usize) -> Option<f64>,
) -> Result<Vec<(Made, i64)>> {
    let instances = arena.cloud.backups().len();
    let mut wishes = Wish::many(count);
    for (number, wish) in wishes.iter_mut().enumerate() {
        wish.instance = orders::instance(number % INSTANCES);
        wish.name = format!("flying-{:05}", instances + number);
    }
    let made = orders::create_all(&arena.client, wishes).await?;
    let mut all = Vec::with_capacity(count);
    for (number, made) in made.into_iter().enumerate() {
        let flow = arena.cloud.begin_nightly(&made.wish.instance, seconds(number)).context("no such instance")?;
        all.push((made, flow));
    }
    // They were accepted a while ago, not all at once.
    let now = clock::now();
    let since = |number: usize| clock::moved(now, -300 - i64::try_from(number % 300).unwrap_or(0));
    let pasts =
        all.iter().enumerate().map(|(number, (made, flow))| (made, orders::running(made, *flow, since(number))));
    orders::pretend(&arena.client, pasts.collect::<Vec<_>>()).await?;
    Ok(all)
}

/// One run, of the operator alone.
pub(crate) async fn play(bench: &Bench) -> Result<()> {
    let mut arena = Arena::open(bench, "flight", Plan::new(INSTANCES, None)).await?;
    let witness = Witness::start(arena.client.clone());
    // Setting up takes a while as well.
    let setup = 30.0;
    let step = ENDS_SECONDS / number(FLYING);
    let all = launch(&arena, FLYING, |number| Some(setup + FIRST_END + step * self::number(number))).await?;
    bench.say("all are in flight")?;
    arena.start(bench, (Who::Ours, Tuning::Defaults), &[], None).await?;
    let patience = Duration::from_mins(12);
    let tell = |found| bench.say(&format!("the end of {found} of {FLYING} is seen"));
    witness.until(FLYING, |track| track.ready.is_some(), patience, tell).await?;

    let ends: HashMap<i64, _> = arena.cloud.backups().iter().filter_map(|it| Some((it.flow_id, it.due?.0))).collect();
    let late =
        all.iter().filter_map(|(made, flow)| Some(clock::seconds(*ends.get(flow)?, witness.of(&made.uid).ready?)));
    let late: Vec<f64> = late.collect();
    let floor = (number(FLYING) / BUDGET).max(60.0);
    let measure = Measure::new("flight", "2 000 in flight: end to seen, 99 of 100", "s", Goal::Ratio(1.2));
    bench.note(&measure, OURS, quantile(&late, 0.99).context("no end")?, Some(floor))?;
    let measure = Measure::new("flight", "2 000 in flight: end to seen, median", "s", Goal::None);
    bench.note(&measure, OURS, quantile(&late, 0.5).context("no end")?, None)?;
    let measure = Measure::new("flight", "2 000 in flight: calls refused as too fast", "", Goal::AtMost(0.0));
    bench.note(&measure, OURS, big(arena.refused_for_pace()), None)?;
    let measure = Measure::new("flight", "2 000 in flight: looks per backup", "", Goal::None);
    bench.note(&measure, OURS, big(arena.calls("DescribeBackupByFlowId")) / number(FLYING), None)?;
    arena.close()
}
