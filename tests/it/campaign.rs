//! The campaign: every fault at every place of every story, on the real API server, against the simulated cloud; no plan
//! makes two backups, loses one, or needs a person (I1 to I7).
//!
//! The list of plans is made, not written: each story is played once without a fault, the places it passes are recorded,
//! and each place is multiplied by the faults that fit it. [`oracle`] says what must then be true.
//!
//! `CAMPAIGN` chooses: nothing, a sample by a fixed stride over the list; `broad`, about a third of it; `all`; `pairs`, two faults a run, drawn by the
//! seed `SEED`; anything else, the plans whose name contains it, or the pair of that name. `PLANS_AT_ONCE` says how many run side by side. A plan that
//! fails keeps its folder, with its trace beside the log.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::cluster;

mod director;
mod faults;
mod oracle;
mod plan;
mod stage;
mod story;
mod wire;

use director::Director;
use plan::{Fault, Place, Plan};
use stage::Run;
use story::Story;

/// Plans of the sample.
const SAMPLE: usize = 160;
/// Of the plans that only change an answer, every so-manieth is played in a broad campaign.
const BROAD: usize = 7;
/// Pairs in one run.
const PAIRS: usize = 520;

/// The last row of the table: `~` sorts after every letter.
const TOTAL: &str = "~ all";

/// One plan's end: what is wrong with it, whether its fault happened, how long it took.
struct Verdict {
    plan: Plan,
    wrong: Option<String>,
    struck: bool,
    took: Duration,
}

#[test]
fn a_sample_of_plans_passes() {
    let wish = setting("CAMPAIGN").unwrap_or_default();
    let begin = Instant::now();
    cluster::get();
    let all = record();
    let seconds = begin.elapsed().as_secs();
    eprintln!("{} plans in the list, after {seconds} s for the traces: {}", all.len(), counts(&all));
    let chosen = choose(all, &wish);
    eprintln!("{} of them are played: {}", chosen.len(), counts(&chosen));
    assert!(!chosen.is_empty(), "no plan's name contains {wish}");
    let verdicts = play(chosen);
    table(&verdicts, begin.elapsed());
    let failed: Vec<String> =
        verdicts.iter().filter(|verdict| verdict.wrong.is_some()).map(|verdict| verdict.plan.to_string()).collect();
    assert!(failed.is_empty(), "{} plans failed:\n{}", failed.len(), failed.join("\n"));
    let reached = verdicts.iter().filter(|verdict| verdict.struck).count();
    assert!(reached * 100 >= verdicts.len() * 85, "only {reached} of {} faults happened", verdicts.len());
}

#[expect(clippy::disallowed_methods, reason = "which plans are played is a setting of the test, not of the program")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// How many plans run side by side: they wait most of the time.
fn width() -> usize {
    setting("PLANS_AT_ONCE").and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// Runs something of a plan in a runtime of its own, so that nothing of it outlives it; the message of its panic.
fn apart(story: Story, plan: Option<Plan>, kept: &Mutex<Option<Arc<Director>>>) -> Result<Run, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let keep = |director| *kept.lock().unwrap() = Some(director);
    let run = catch_unwind(AssertUnwindSafe(|| runtime.block_on(stage::run(story, plan, keep))));
    runtime.shutdown_background();
    run.map_err(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map_or_else(|_| "a panic".to_owned(), |text| (*text).to_owned()),
    })
}

/// Plays every story without a fault; all plans that follow.
fn record() -> Vec<Plan> {
    let plans: Mutex<BTreeMap<Story, Vec<Plan>>> = Mutex::default();
    std::thread::scope(|scope| {
        for story in Story::ALL {
            let plans = &plans;
            scope.spawn(move || {
                let run = apart(story, None, &Mutex::default());
                let run = run.unwrap_or_else(|wrong| panic!("{story:?} without a fault: {wrong}"));
                plans.lock().unwrap().insert(story, faults::plans(story, run.director.passed()));
            });
        }
    });
    plans.into_inner().unwrap().into_values().flatten().collect()
}

/// How many plans of each class.
fn counts(plans: &[Plan]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for plan in plans {
        *counts.entry(plan.class()).or_default() += 1;
    }
    counts.iter().map(|(class, count)| format!("{count} {class}")).collect::<Vec<_>>().join("; ")
}

fn choose(all: Vec<Plan>, wish: &str) -> Vec<Plan> {
    match wish {
        "" => {
            let stride = (all.len() / SAMPLE).max(1);
            all.into_iter().filter(|plan| !plan.story.is_large()).step_by(stride).collect()
        }
        "all" => all,
        "broad" => {
            // Every death, stop and watch event; a prime step through the others, so that it does not meet the same fault
            // of each place.
            let is_whole =
                |plan: &Plan| matches!(plan.fault, Fault::Kill | Fault::KillLate | Fault::Stop(_) | Fault::Watch(_));
            let (whole, rest): (Vec<Plan>, Vec<Plan>) = all.into_iter().partition(is_whole);
            whole.into_iter().chain(rest.into_iter().step_by(BROAD)).collect()
        }
        "pairs" => pairs(&all),
        name if name.contains(" then ") => pair(&all, name).into_iter().collect(),
        name => all.into_iter().filter(|plan| plan.to_string().contains(name)).collect(),
    }
}

/// The pair of this name. Traces differ by a look more or less, so a seed alone does not bring a pair back.
fn pair(all: &[Plan], name: &str) -> Option<Plan> {
    let (first, second) = name.split_once(" then ")?;
    let (place, fault) = second.split_once('/')?;
    let (label, nth) = place.split_once('#')?;
    let first = all.iter().find(|plan| plan.to_string() == first)?;
    let like = |plan: &&Plan| plan.story == first.story && plan.place.label == label && plan.fault.to_string() == fault;
    let place = Place { label: label.to_owned(), nth: nth.parse().ok()? };
    Some(Plan { second: Some((place, all.iter().find(like)?.fault.clone())), ..first.clone() })
}

/// Pairs by the seed: a plan, and the fault of another of the same story when its label is passed after the first.
fn pairs(all: &[Plan]) -> Vec<Plan> {
    let seed: u64 = setting("SEED").and_then(|text| text.parse().ok()).unwrap_or(1);
    eprintln!("pairs of the seed {seed}");
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut pairs: Vec<Plan> = vec![];
    while pairs.len() < PAIRS {
        let first = &all[draw(all.len())];
        let others: Vec<&Plan> = all.iter().filter(|plan| plan.story == first.story).collect();
        let other = others[draw(others.len())];
        let is_apart = |plan: &Plan| matches!(plan.fault, Fault::Twice | Fault::Watch(_));
        if first.story.is_large() || is_apart(first) || is_apart(other) {
            continue;
        }
        let mut place = other.place.clone();
        // Counted from the first fault on: the recovery passes few places.
        place.nth = draw(2) + 1;
        let pair = Plan { second: Some((place, other.fault.clone())), ..first.clone() };
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs
}

fn play(plans: Vec<Plan>) -> Vec<Verdict> {
    let (total, begin) = (plans.len(), Instant::now());
    let queue = Mutex::new(VecDeque::from(plans));
    let done: Mutex<Vec<Verdict>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..width() {
            scope.spawn(|| {
                loop {
                    let Some(plan) = queue.lock().unwrap().pop_front() else { return };
                    let verdict = try_out(plan);
                    done.lock().unwrap().push(verdict);
                }
            });
        }
        let mut told = Instant::now();
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let done = done.lock().unwrap();
            if done.len() == total {
                return;
            }
            if told.elapsed() > Duration::from_secs(5) && !done.is_empty() {
                told = Instant::now();
                let failed = done.iter().filter(|verdict| verdict.wrong.is_some()).count();
                let left = begin.elapsed().as_secs() * u64::try_from(total - done.len()).unwrap()
                    / u64::try_from(done.len()).unwrap();
                eprintln!("{} of {total} done, {failed} failed, {left} s to go", done.len());
            }
        }
    });
    done.into_inner().unwrap()
}

fn try_out(plan: Plan) -> Verdict {
    let (begin, kept) = (Instant::now(), Mutex::default());
    let run = apart(plan.story, Some(plan.clone()), &kept);
    let (wrong, struck) = match run {
        Ok(run) => (None, run.struck),
        Err(wrong) => {
            let trace = kept.into_inner().unwrap().map(|director| director.trace()).unwrap_or_default();
            let from = trace.len().saturating_sub(40);
            eprintln!("=== failed: {plan}\n{wrong}\n--- trace, its end: {}", trace[from..].join(", "));
            (Some(wrong), true)
        }
    };
    Verdict { plan, wrong, struck, took: begin.elapsed() }
}

fn table(verdicts: &[Verdict], took: Duration) {
    eprintln!("| class | plans | passed | failed | fault not reached | seconds |\n|---|---|---|---|---|---|");
    let mut classes: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut seconds: BTreeMap<&str, f64> = BTreeMap::new();
    for verdict in verdicts {
        let failed = usize::from(verdict.wrong.is_some());
        for class in [verdict.plan.class(), TOTAL] {
            let row = classes.entry(class).or_default();
            *row = [row[0] + 1, row[1] + 1 - failed, row[2] + failed, row[3] + usize::from(!verdict.struck)];
            *seconds.entry(class).or_default() += verdict.took.as_secs_f64();
        }
    }
    for (class, [plans, passed, failed, missed]) in &classes {
        eprintln!("| {class} | {plans} | {passed} | {failed} | {missed} | {:.0} |", seconds[class]);
    }
    eprintln!("{:.0} s in all; the seconds of the plans are counted side by side", took.as_secs_f64());
}
