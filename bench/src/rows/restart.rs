//! Killed and started again with a thousand backups in flight: how soon it goes on, and whether a call is wasted.
//!
//! Going on is: a look at a backup that runs, and the acceptance of an order that came while nobody was there. Wasted is
//! every call that an operator which had never died would not have made.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::flight;
use crate::arena::{Arena, Plan};
use crate::bench::Bench;
use crate::clock;
use crate::contestant::{Tuning, Who};
use crate::figures::big;
use crate::meter;
use crate::orders::{self, Wish};
use crate::report::{Goal, Measure, OURS};
use crate::witness::Witness;

const FLYING: usize = 1_000;
const RUNS: usize = 3;

/// Three restarts in the same cluster.
pub(crate) async fn play(bench: &Bench) -> Result<()> {
    let mut arena = Arena::open(bench, "restart", Plan::new(FLYING + RUNS, None)).await?;
    let witness = Witness::start(arena.client.clone());
    flight::launch(&arena, FLYING, |_| None).await?;
    arena.start(bench, (Who::Ours, Tuning::Defaults), &[], None).await?;
    for run in 0..RUNS {
        tokio::time::sleep(Duration::from_secs(10)).await;
        arena.kill();
        let before = calls(&arena);
        // An instance of its own: the others are at work.
        let wish = Wish::new(&format!("fresh-{run}"), orders::instance(FLYING + run));
        let made = orders::create(&arena.client, wish).await?;
        let since = arena.cloud.now();
        let pid = arena.start(bench, (Who::Ours, Tuning::Defaults), &[], None).await?;
        let begin = meter::started(pid).context("it is gone")?;
        witness.until_accepted(&made.uid, Duration::from_mins(1)).await?;
        let accepted = clock::seconds(begin, witness.of(&made.uid).accepted.context("not seen")?);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let looks = arena.cloud.calls();
        let look = looks.iter().find(|call| call.received > since && call.action == "DescribeBackupByFlowId");
        let look = look.map(|call| clock::seconds(begin, call.received)).context("no look")?;
        // The fresh order needs one call and two listings.
        let wasted: u64 = calls(&arena)
            .iter()
            .map(|(action, count)| {
                let due = match action.as_str() {
                    "CreateBackup" => 1,
                    "DescribeBackups" => 2,
                    "DescribeBackupByFlowId" => *count,
                    _ => 0,
                };
                count.saturating_sub(before.get(action).copied().unwrap_or_default()).saturating_sub(due)
            })
            .sum();
        bench.say(&format!("first look after {look:.2} s, the waiting order accepted after {accepted:.2} s"))?;
        let figures = [
            ("restart with 1 000 in flight, to the first look", "s", 2.0, look),
            ("restart with 1 000 in flight, to an order that waited", "s", 2.0, accepted),
            ("restart with 1 000 in flight, wasted calls", "", 0.0, big(wasted)),
        ];
        for (what, unit, most, value) in figures {
            bench.note(&Measure::new("restart", what, unit, Goal::AtMost(most)), OURS, value, None)?;
        }
    }
    arena.close()
}

/// Calls by action.
fn calls(arena: &Arena) -> BTreeMap<String, u64> {
    arena.cloud.counts().into_iter().map(|(action, codes)| (action, codes.values().sum())).collect()
}
