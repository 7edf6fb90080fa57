//! Connections to the API server that go silent: no byte, no end. How long until an order is seen that came afterwards?
//!
//! What a load balancer that forgets its table, or a node that loses power, does to a watch. The bench cuts all
//! connections that are there, twice over in different states: at rest, and with a backup under way.

use std::time::Duration;

use anyhow::Result;

use crate::arena::{Arena, Plan};
use crate::bench::Bench;
use crate::clock;
use crate::contestant::{Tuning, Who};
use crate::figures::number;
use crate::orders::{self, Wish};
use crate::report::{Goal, Measure, OURS};
use crate::silence::Wire;
use crate::witness::Witness;

const CUTS: usize = 3;
const PATIENCE: Duration = Duration::from_mins(6);

/// One run with several cuts, of the operator alone.
pub(crate) async fn play(bench: &Bench) -> Result<()> {
    let mut arena = Arena::open(bench, "silent", Plan::new(2 * CUTS, Some(20.0))).await?;
    let witness = Witness::start(arena.client.clone());
    let wire = Wire::to(arena.server()).await?;
    arena.start(bench, (Who::Ours, Tuning::Defaults), &[], Some(&wire.url())).await?;
    for cut in 0..CUTS {
        let early =
            orders::create(&arena.client, Wish::new(&format!("early-{cut}"), orders::instance(2 * cut))).await?;
        witness.until_accepted(&early.uid, PATIENCE).await?;
        tokio::time::sleep(Duration::from_secs(3 + 7 * u64::try_from(cut)?)).await;
        wire.cut();
        let at = clock::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let late =
            orders::create(&arena.client, Wish::new(&format!("late-{cut}"), orders::instance(2 * cut + 1))).await?;
        witness.until_accepted(&late.uid, PATIENCE).await?;
        let took = clock::seconds(at, clock::now());
        bench.say(&format!("silent for {took:.1} s"))?;
        let measure = Measure::new("silent", "connections go silent, to recovery", "s", Goal::AtMost(60.0));
        bench.note(&measure, OURS, took, None)?;
    }
    let tell = |found| bench.say(&format!("{found} of {} are done", 2 * CUTS));
    let ended = witness.until(2 * CUTS, |track| track.ready.is_some(), Duration::from_mins(3), tell).await;
    let stuck = witness.all().iter().filter(|track| track.ready.is_none()).count();
    let measure = Measure::new("silent", "connections go silent: orders that are stuck", "", Goal::AtMost(0.0));
    bench.note(&measure, OURS, number(stuck), None)?;
    drop(ended);
    arena.close()
}
