//! The rate budget for real: eight identities in four regions at once, two operators during a rollout, and a person who
//! uses half of one quota. Nobody is refused a call, and nobody starves.
//!
//! The two operators are candidates for one lease. The first is asked to end in the middle, as in a rollout, so that the
//! second takes over while budgets are spent; that it starts with empty ones is what keeps the sum below the limit. What
//! the person uses is taken off the cloud's limit, in each second, which leaves less room than any person does.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tencentdb_simulator::{Instance, Key};

use crate::arena::{Arena, Plan, secret_of};
use crate::bench::Bench;
use crate::contestant::{Tuning, Who};
use crate::figures::{big, number, quantile};
use crate::orders::{self, Wish};
use crate::report::{Goal, Measure, OURS};
use crate::witness::Witness;

const KEYS: usize = 8;
const REGIONS: [&str; 4] = ["ap-guangzhou", "ap-shanghai", "ap-singapore", "eu-frankfurt"];
/// For each identity and region.
const EACH: usize = 100;
/// What is left to people and other tools, in calls of `CreateBackup` a second.
const PERSON: u64 = 10;

/// Keys that the cloud knows beside the usual one.
pub(crate) fn identities(count: usize) -> Vec<Key> {
    (0..count).map(|number| Key::new(&format!("AKIDbench{number:02}"), "notarealkeynotarealkeynotarealke")).collect()
}

/// So many orders, in turns over all keys of the plan and all regions, each on an instance of its own, which the plan gets.
pub(crate) fn spread_out(plan: &mut Plan, count: usize) -> Vec<Wish> {
    let mut wishes = Wish::many(count);
    let places = plan.keys.iter().flat_map(|key| REGIONS.map(|region| (secret_of(key), region))).collect::<Vec<_>>();
    for (wish, (secret, region)) in wishes.iter_mut().zip(places.iter().cycle()) {
        wish.secret.clone_from(secret);
        (*region).clone_into(&mut wish.region);
        plan.instances.push(Instance { region: (*region).to_owned(), ..Instance::new(&wish.instance) });
    }
    wishes
}

/// One run, of the operator alone.
pub(crate) async fn play(bench: &Bench) -> Result<()> {
    let mut plan = Plan::new(0, Some(5.0));
    plan.keys = identities(KEYS);
    let count = KEYS * REGIONS.len() * EACH;
    let wishes = spread_out(&mut plan, count);
    let mut arena = Arena::open(bench, "budget", plan).await?;
    // The person's calls count like any other of the same key, region and action.
    arena.cloud.switch(|switches| {
        if let Some(limit) = switches.rates.get_mut("CreateBackup") {
            *limit = limit.saturating_sub(u32::try_from(PERSON).unwrap_or(0));
        }
    });
    let witness = Witness::start(arena.client.clone());
    arena.start(bench, (Who::Ours, Tuning::Defaults), &[], None).await?;
    arena.start_as(bench, "operator-1", &[]).await?;
    orders::create_all(&arena.client, wishes).await?;
    let tell = |found| bench.say(&format!("{found} of {count} are accepted"));
    witness.until(count / 2, |track| track.accepted.is_some(), Duration::from_mins(5), tell).await?;
    arena.end_first().await?;
    bench.say("the first operator has ended; the second one takes over")?;
    witness.until(count, |track| track.accepted.is_some(), Duration::from_mins(10), tell).await?;
    let mut ends: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
    let ledger = arena.cloud.ledger();
    let begin = ledger.first().context("no call")?.received;
    for entry in &ledger {
        let at = crate::clock::seconds(begin, entry.received);
        ends.entry((entry.secret_id.clone(), entry.region.clone())).or_default().push(at);
    }
    let last: Vec<f64> = ends.values().filter_map(|times| quantile(times, 1.0)).collect();
    let (earliest, latest) = (quantile(&last, 0.0).context("no key")?, quantile(&last, 1.0).context("no key")?);
    let duplicates = ledger.iter().map(|entry| entry.flow_ids.len()).sum::<usize>().saturating_sub(count);
    let figures = [
        (
            "8 keys × 4 regions, two operators: calls refused as too fast",
            "",
            Goal::AtMost(0.0),
            big(arena.refused_for_pace()),
        ),
        ("8 keys × 4 regions, two operators: backups too many", "", Goal::AtMost(0.0), number(duplicates)),
        ("8 keys × 4 regions: last acceptance of the slowest key and region", "s", Goal::None, latest),
        ("8 keys × 4 regions: slowest / fastest key and region", "", Goal::AtMost(1.5), latest / earliest),
    ];
    for (what, unit, goal, value) in figures {
        bench.note(&Measure::new("budget", what, unit, goal), OURS, value, None)?;
    }
    arena.close()
}
