//! The campaign for schedules: a fault at every write of a schedule's life, two operators, nobody there over three slots,
//! people who delete, hundreds due in one second; no slot is run twice, and none is lost.
//!
//! A plan is a tale, a place in its trace and a fault, as in the rest of the campaign. But a slot is a whole minute of the
//! real clock, so all plans wait for their minutes side by side. `make test` plays a fixed sample; `CAMPAIGN=broad` and
//! `schedules` first record the tales and play a part of every place by every fault, `all` the whole list, with the plans
//! that take eleven minutes. `CAMPAIGN='schedules Life/create'` plays what bears that name.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::director::Director;
use super::plan::{Cue, Fault, Place};
use super::play::{Row, table};
use super::{alone, apart, setting};
use crate::cluster;

mod list;
mod oracle;
mod stage;
mod tale;
mod wires;

use tale::Tale;

/// What `CAMPAIGN` begins with to play these plans alone.
pub(super) const WISH: &str = "schedules";
/// Plans that wait for their minutes side by side: an operator that waits costs nothing, but all wake in one second.
const SIDE_BY_SIDE: usize = 48;

/// One run.
#[derive(Clone, Debug)]
struct Plan {
    tale: Tale,
    place: Option<Place>,
    fault: Option<Fault>,
}

impl Plan {
    fn cue(&self) -> Option<Cue> {
        let (place, fault) = (self.place.clone()?, self.fault.clone()?);
        Some(Cue { place, fault, second: None })
    }

    fn class(&self) -> &'static str {
        match (self.tale, &self.fault) {
            (Tale::Pruned | Tale::PrunedPair, _) => "schedules: old backups removed (660 s)",
            (_, Some(Fault::Kill | Fault::KillLate)) => "schedules: killed (SIGKILL)",
            (_, Some(Fault::Stop(_))) => "schedules: stopped and resumed (SIGSTOP)",
            (_, Some(Fault::Watch(_))) => "schedules: watch events",
            (_, Some(_)) => "schedules: API server: lost, refused, cut, slow",
            (Tale::Away | Tale::Dead | Tale::Frozen, None) => "schedules: nobody there over three slots",
            (Tale::Clock(_), None) => "schedules: the clock set forth and back",
            (Tale::Persons, None) => "schedules: people who delete",
            (Tale::Crowd(_), None) => "schedules: hundreds due in one second",
            (Tale::Life | Tale::Pair | Tale::Retry, None) => "schedules: no fault",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.tale)?;
        match (&self.place, &self.fault) {
            (Some(place), Some(fault)) => write!(f, "/{place}/{fault}"),
            _ => Ok(()),
        }
    }
}

/// How a plan ended.
struct Verdict {
    plan: Plan,
    wrong: Option<String>,
    struck: bool,
    took: Duration,
    passed: Vec<(String, usize)>,
}

#[test]
fn no_slot_is_run_twice_and_none_is_lost() {
    let wish = setting("CAMPAIGN").unwrap_or_default();
    let named = wish.strip_prefix(WISH).map(str::trim_start);
    if named.is_none() && !["", "broad", "all", "real"].contains(&wish.as_str()) {
        return;
    }
    let _alone = alone(&wish);
    let begin = Instant::now();
    cluster::get();
    let plans = match (wish.as_str(), named) {
        ("", _) => list::sample(),
        ("real", _) => list::long(),
        (_, Some("")) | ("broad", _) => list::part(&traces()),
        (_, None) => list::whole(&traces()),
        (_, Some(name)) => {
            let all = list::sample().into_iter().chain(list::whole(&traces()));
            let mut named: Vec<Plan> = all.filter(|plan| plan.to_string().contains(name)).collect();
            named.sort_by_key(ToString::to_string);
            named.dedup_by_key(|plan| plan.to_string());
            named
        }
    };
    eprintln!("{} plans for schedules", plans.len());
    assert!(!plans.is_empty(), "no plan's name contains {wish}");
    let verdicts = play(plans);
    let row = |verdict: &Verdict| Row {
        class: verdict.plan.class(),
        has_failed: verdict.wrong.is_some(),
        struck: verdict.struck,
        took: verdict.took,
    };
    table(&verdicts.iter().map(row).collect::<Vec<_>>(), begin.elapsed());
    let failed: Vec<String> =
        verdicts.iter().filter(|verdict| verdict.wrong.is_some()).map(|verdict| verdict.plan.to_string()).collect();
    assert!(failed.is_empty(), "{} plans failed:\n{}", failed.len(), failed.join("\n"));
    let struck = verdicts.iter().filter(|verdict| verdict.struck).count();
    let idle: Vec<String> =
        verdicts.iter().filter(|verdict| !verdict.struck).map(|verdict| verdict.plan.to_string()).collect();
    assert!(struck * 100 >= verdicts.len() * 85, "only {struck} of {} faults happened, not {idle:?}", verdicts.len());
}

/// The places of the tales that are played with faults.
fn traces() -> Vec<(Tale, Vec<(String, usize)>)> {
    let tales = [Tale::Life, Tale::Pair, Tale::Retry].map(|tale| Plan { tale, place: None, fault: None });
    let recorded = play(tales.to_vec());
    let place = |verdict: Verdict| {
        assert!(verdict.wrong.is_none(), "{} without a fault failed", verdict.plan);
        (verdict.plan.tale, verdict.passed)
    };
    recorded.into_iter().map(place).collect()
}

/// Plays plans side by side; those that take longest begin first.
fn play(mut plans: Vec<Plan>) -> Vec<Verdict> {
    plans.sort_by_key(|plan| std::cmp::Reverse(plan.tale.patience()));
    // Those that take eleven minutes sleep side by side beyond the others.
    let (long, plans): (Vec<_>, Vec<_>) = plans.into_iter().partition(|plan| plan.tale.goes_on());
    let done: Mutex<Vec<Verdict>> = Mutex::default();
    let queue = Mutex::new(VecDeque::from(plans));
    std::thread::scope(|scope| {
        for plan in long {
            scope.spawn(|| {
                let verdict = try_out(plan);
                done.lock().unwrap().push(verdict);
            });
        }
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let Some(plan) = queue.lock().unwrap().pop_front() else { return };
                    let verdict = try_out(plan);
                    done.lock().unwrap().push(verdict);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

fn try_out(plan: Plan) -> Verdict {
    let (begin, kept): (_, Mutex<Option<Arc<Director>>>) = (Instant::now(), Mutex::default());
    let keep = |director| *kept.lock().unwrap() = Some(director);
    let run = apart(|| stage::run(plan.clone(), keep));
    let director = kept.into_inner().unwrap();
    let (wrong, struck) = match run {
        Ok(struck) => (None, struck),
        Err(wrong) => {
            let trace = director.as_ref().map(|director| director.trace()).unwrap_or_default();
            let from = trace.len().saturating_sub(60);
            eprintln!("=== failed: {plan}\n{wrong}\n--- trace, its end: {}", trace[from..].join(", "));
            (Some(wrong), true)
        }
    };
    let passed = director.map(|director| director.passed().into_iter().collect()).unwrap_or_default();
    Verdict { plan, wrong, struck, took: begin.elapsed(), passed }
}
