//! One order in namespace B while namespace A has a thousand queued, both under one key.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::arena::{Arena, Plan};
use crate::bench::Bench;
use crate::clock;
use crate::contestant::{Tuning, Who};
use crate::orders::{self, Wish};
use crate::report::{Goal, Measure, OURS};
use crate::witness::Witness;

const QUEUED: usize = 1_000;
const PROBES: usize = 6;
const OTHER: &str = "other";

/// Several probes, spread over the time in which A's orders wait.
pub(crate) async fn play(bench: &Bench) -> Result<()> {
    let mut plan = Plan::new(QUEUED + PROBES, Some(60.0));
    plan.namespaces.push(OTHER.to_owned());
    let mut arena = Arena::open(bench, "fair", plan).await?;
    let witness = Witness::start(arena.client.clone());
    arena.start(bench, (Who::Ours, Tuning::Defaults), &[], None).await?;
    orders::create_all(&arena.client, Wish::many(QUEUED)).await?;
    for probe in 0..PROBES {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let mut wish = Wish::new(&format!("probe-{probe}"), orders::instance(QUEUED + probe));
        OTHER.clone_into(&mut wish.namespace);
        let instance = wish.instance.clone();
        let made = orders::create(&arena.client, wish).await?;
        witness.until_accepted(&made.uid, Duration::from_mins(2)).await?;
        let ledger = arena.cloud.ledger();
        let entry = ledger.iter().find(|entry| entry.instance == instance).context("no call")?;
        let took = clock::seconds(made.at, entry.accepted_at.context("not accepted")?);
        let waiting = QUEUED.saturating_sub(ledger.len());
        bench.say(&format!("accepted after {took:.2} s, with {waiting} orders of the other namespace waiting"))?;
        let measure =
            Measure::new("fair", "one in B while A has 1 000 queued, applied to accepted", "s", Goal::AtMost(1.0));
        bench.note(&measure, OURS, took, None)?;
    }
    arena.close()
}
