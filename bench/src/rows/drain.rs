//! Many orders at once: how fast the cloud's limit is used, and what each backup costs on the way.
//!
//! The floor of the acceptances is the cloud's own: 20 in each second. Nobody can be faster without being refused.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::arena::{Arena, Plan};
use crate::bench::Bench;
use crate::clock;
use crate::contestant::{Tuning, Who};
use crate::figures::{big, number};
use crate::meter::{MB, Meter, Usage};
use crate::orders::{self, Made, Wish};
use crate::report::{Goal, Measure};
use crate::witness::Witness;

const BACKUP_SECONDS: f64 = 5.0;
/// Of `CreateBackup`, in a second.
const LIMIT: f64 = 20.0;

/// One run: who, set up how, with how many orders.
struct Run {
    row: &'static str,
    who: Who,
    tuning: Tuning,
    count: usize,
    patience: Duration,
}

/// 1 000 orders, everybody at the best settings that we know, in turns.
pub(crate) async fn play(bench: &Bench) -> Result<()> {
    for turn in 1..=bench.runs {
        for who in [Who::Ours, Who::Python, Who::Go] {
            bench.say(&format!("drain: {who}, run {turn} of {}", bench.runs))?;
            let run = Run { row: "drain", who, tuning: Tuning::Best, count: 1_000, patience: Duration::from_mins(10) };
            run.play(bench, &format!("drain-{who}-{turn}")).await.with_context(|| format!("{who}, run {turn}"))?;
        }
    }
    Ok(())
}

/// Fewer orders, everybody as it comes.
pub(crate) async fn play_defaults(bench: &Bench) -> Result<()> {
    once(bench, "defaults", &[Who::Ours, Who::Python, Who::Go], Tuning::Defaults, 300).await
}

/// Few orders, because each call of the command line is a process; everybody at their best, and then it alone as it comes.
pub(crate) async fn play_cli(bench: &Bench) -> Result<()> {
    once(bench, "cli", &[Who::Ours, Who::Cli], Tuning::Best, 20).await?;
    once(bench, "cli-defaults", &[Who::Cli], Tuning::Defaults, 20).await
}

async fn once(bench: &Bench, row: &'static str, whom: &[Who], tuning: Tuning, count: usize) -> Result<()> {
    for who in whom {
        bench.say(&format!("{row}: {who}, {count} orders"))?;
        let run = Run { row, who: *who, tuning, count, patience: Duration::from_mins(8) };
        run.play(bench, &format!("{row}-{who}")).await.with_context(|| format!("{who}, {tuning:?}"))?;
    }
    Ok(())
}

impl Run {
    async fn play(&self, bench: &Bench, name: &str) -> Result<()> {
        let mut plan = Plan::new(self.count, Some(BACKUP_SECONDS));
        plan.tls = self.who == Who::Cli;
        let mut arena = Arena::open(bench, name, plan).await?;
        let witness = Witness::start(arena.client.clone());
        let settings = self.who.in_a_hurry(self.tuning);
        let pid = arena.start(bench, (self.who, self.tuning), &settings, None).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;

        let (_, from) = arena.tally(self.who, 0)?;
        let meter = Meter::start(pid)?;
        let begin = clock::now();
        let made = orders::create_all(&arena.client, Wish::many(self.count)).await?;
        bench.say(&format!("all are created after {:.1} s", clock::seconds(begin, clock::now())))?;
        let tell = |found| bench.say(&format!("{found} of {} are done", self.count));
        let done = witness.until(self.count, |track| track.ready.is_some(), self.patience, tell).await;
        arena.must_run()?;
        done?;
        let used = meter.stop()?;
        let last = made.iter().filter_map(|made| witness.of(&made.uid).ready).max().context("nothing was made")?;
        self.note(bench, &arena, (&used, from), clock::seconds(begin, last), &made)?;
        arena.close()
    }

    fn note(&self, bench: &Bench, arena: &Arena, (used, from): (&Usage, u64), ready: f64, made: &[Made]) -> Result<()> {
        let ledger = arena.cloud.ledger();
        let mut accepted: Vec<_> = ledger.iter().filter_map(|entry| entry.accepted_at).collect();
        accepted.sort();
        let (first, last) = (accepted.first().context("no call")?, accepted.last().context("no call")?);
        ensure!(accepted.len() >= made.len(), "{} orders have {} backups", made.len(), accepted.len());
        let (tally, _) = arena.tally(self.who, from)?;
        bench.say(&format!("{:.2} s to the last Ready; API server: {}", ready, tally.shown()))?;

        let (row, count) = (self.row, number(self.count));
        let is_whole = row == "drain";
        let goal = |goal| if is_whole { goal } else { Goal::None };
        let floor = (count - 1.0) / LIMIT;
        let many = if is_whole { "1 000 orders: " } else { "" };
        let calls = big(arena.calls("CreateBackup"));
        let excess = excess_reads(tally.reads(), calls, tally.secret_reads(), ready);
        let figures = [
            ("first to last acceptance", "s", goal(Goal::Ratio(1.02)), clock::seconds(*first, *last), Some(floor)),
            ("calls refused as too fast", "", goal(Goal::AtMost(0.0)), big(arena.refused_for_pace()), None),
            ("first applied to last Ready", "s", goal(Goal::Ratio(1.10)), ready, Some(floor + BACKUP_SECONDS)),
            ("peak resident memory", "MB", goal(Goal::AtMost(16.0)), used.peak / MB, None),
            ("CPU per backup", "ms", goal(Goal::AtMost(2.5)), used.cpu * 1e3 / count, None),
            ("CreateBackup calls per backup", "", goal(Goal::AtMost(1.0)), calls / count, None),
            ("backups per order", "", goal(Goal::AtMost(1.0)), number(accepted.len()) / count, None),
            ("all cloud calls per backup", "", Goal::None, all_calls(arena) / count, None),
            ("object writes per backup", "", goal(Goal::AtMost(3.0)), number(tally.order_writes()) / count, None),
            ("other writes per backup", "", Goal::None, number(tally.writes() - tally.order_writes()) / count, None),
            ("reads beyond watch, live read, Secret", "", goal(Goal::AtMost(0.0)), excess / count, None),
        ];
        for (what, unit, goal, value, floor) in figures {
            bench.note(
                &Measure::new(row, &format!("{many}{what}"), unit, goal),
                &self.who.to_string(),
                value,
                floor,
            )?;
        }
        Ok(())
    }
}

fn all_calls(arena: &Arena) -> f64 {
    big(arena.cloud.counts().values().flat_map(|codes| codes.values()).sum())
}

/// Reads beyond one live read for each submission and one of the Secret in each minute that began.
fn excess_reads(reads: usize, submissions: f64, secrets: usize, seconds: f64) -> f64 {
    let of_secrets = (number(secrets) - (seconds / 60.0).ceil()).max(0.0);
    let others = (number(reads) - number(secrets) - submissions).max(0.0);
    of_secrets + others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_to_be_read_is_no_excess() {
        let is = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
        is(excess_reads(1_001, 1_000.0, 1, 55.0), 0.0);
        is(excess_reads(1_003, 1_000.0, 2, 55.0), 2.0);
        is(excess_reads(1_002, 1_000.0, 2, 65.0), 0.0);
        is(excess_reads(10, 1_000.0, 1, 55.0), 0.0);
    }
}
