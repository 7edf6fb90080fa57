//! Two hundred orders for one instance that takes five at once: in order of creation, without hammering at its door.
//!
//! Each order is about a database of its own, because the cloud runs backups in parallel only on different ones.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tencentdb_simulator::Instance;

use crate::arena::{Arena, Plan};
use crate::bench::Bench;
use crate::clock;
use crate::contestant::{Tuning, Who};
use crate::figures::number;
use crate::orders::{self, Wish};
use crate::report::{Goal, Measure, OURS};
use crate::witness::Witness;

const ORDERS: usize = 200;
const AT_ONCE: usize = 5;
const BACKUP_SECONDS: f64 = 4.0;
/// Three times the floor. A client that waits a minute after each refusal would need hours.
const PATIENCE: Duration = Duration::from_mins(8);

/// One run, of the operator alone.
pub(crate) async fn play(bench: &Bench) -> Result<()> {
    let mut plan = Plan::new(1, Some(BACKUP_SECONDS));
    let databases: Vec<String> = (0..ORDERS).map(|number| format!("db{number:03}")).collect();
    plan.instances =
        vec![Instance { databases: databases.clone(), parallel: AT_ONCE, ..Instance::new(&orders::instance(0)) }];
    let mut arena = Arena::open(bench, "instance", plan).await?;
    let witness = Witness::start(arena.client.clone());
    arena.start(bench, (Who::Ours, Tuning::Defaults), &Who::Ours.in_a_hurry(Tuning::Best), None).await?;
    let begin = clock::now();
    let mut places = HashMap::new();
    for (number, database) in databases.into_iter().enumerate() {
        let mut wish = Wish::new(&format!("order-{number:03}"), orders::instance(0));
        wish.databases = vec![database];
        // One after the other, so that there is an order of creation; the server tells it in whole seconds.
        let made = orders::create(&arena.client, wish).await?;
        places.insert(made.uid.replace('-', ""), made.at.as_second());
    }
    let tell = |found| bench.say(&format!("{found} of {ORDERS} are done"));
    if let Err(late) = witness.until(ORDERS, |track| track.ready.is_some(), PATIENCE, tell).await {
        // What was accepted until then can be told all the same.
        bench.say(&format!("{late:#}"))?;
    }

    let ledger = arena.cloud.ledger();
    let accepted: Vec<_> = ledger.iter().filter(|entry| entry.accepted).collect();
    let place = |name: &str| places.iter().find(|(uid, _)| name.contains(uid.as_str())).map(|(_, second)| *second);
    let created: Vec<i64> = accepted.iter().filter_map(|entry| place(&entry.name)).collect();
    let last = accepted.last().and_then(|entry| entry.accepted_at).context("no call")?;
    let rounds = number(ORDERS / AT_ONCE) - 1.0;
    let missing = number(ORDERS) - number(accepted.len());
    let figures = [
        ("200 for one instance: not accepted after 8 min", "", Goal::AtMost(0.0), missing, None),
        (
            "200 for one instance: refused calls per accepted one",
            "",
            Goal::AtMost(1.0),
            number(ledger.len() - accepted.len()) / number(accepted.len()),
            None,
        ),
        ("200 for one instance: accepted before one that is older", "", Goal::AtMost(0.0), inversions(&created), None),
        (
            "200 for one instance: applied to last acceptance",
            "s",
            Goal::None,
            clock::seconds(begin, last),
            Some(rounds * BACKUP_SECONDS),
        ),
    ];
    for (what, unit, goal, value, floor) in figures {
        bench.note(&Measure::new("instance", what, unit, goal), OURS, value, floor)?;
    }
    arena.close()
}

/// How many were accepted although one that was created in an earlier second was not yet.
fn inversions(created: &[i64]) -> f64 {
    let mut least = i64::MAX;
    let mut count = 0;
    for second in created.iter().rev() {
        // Two clocks round: a neighbouring second is no proof.
        if *second > least.saturating_add(1) {
            count += 1;
        }
        least = least.min(*second);
    }
    number(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inversion_is_counted_once_and_a_neighbouring_second_is_none() {
        let is = |created: &[i64], wanted: f64| assert!((inversions(created) - wanted).abs() < 1e-9, "{created:?}");
        is(&[1, 1, 2, 2, 3], 0.0);
        is(&[2, 1, 3], 0.0);
        is(&[5, 1, 2, 3], 1.0);
        is(&[5, 6, 1, 2], 2.0);
    }
}
