//! The campaign: every fault at every place of every story, on the real API server, against the simulated cloud; no plan
//! makes two backups, loses one, or needs a person (I1 to I7).
//!
//! The list of plans is made, not written: each story is played once without a fault, the places it passes are recorded,
//! and each place is multiplied by the faults that fit it. [`oracle`] says what must then be true.
//!
//! `CAMPAIGN` chooses: nothing, a sample; `broad`, a larger part and pairs; `all`; `pairs`, two faults a run, drawn by the
//! seed `SEED`; `real`, what needs the real fence; `schedules`, the plans of [`slots`]; anything else, the plans whose name
//! contains it (or each part of it, with ` & ` between them), or the pair of that name. `PLANS_AT_ONCE` says how many
//! run side by side. A plan that fails keeps its folder, with its trace beside the log.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::cluster;

mod choice;
mod director;
mod faults;
mod oracle;
mod plan;
mod play;
mod room;
mod slots;
mod stage;
mod story;
mod version;
mod wire;

use choice::Traces;
use plan::Plan;
use stage::Run;
use story::Story;

/// How often a story is played until its trace is taken, each time more patiently: a busy machine is nobody's fault.
const RECORDINGS: u32 = 3;

#[test]
fn a_sample_of_plans_passes() {
    let wish = setting("CAMPAIGN").unwrap_or_default();
    if wish.starts_with(slots::WISH) {
        return;
    }
    let _alone = alone(&wish);
    let begin = Instant::now();
    cluster::get();
    let (all, traces) = record(&wish);
    let seconds = begin.elapsed().as_secs();
    eprintln!("{} plans in the list, after {seconds} s for the traces: {}", all.len(), counts(&all));
    let classes: BTreeSet<&str> = all.iter().map(Plan::class).collect();
    let chosen = choice::choose(all, &traces, &wish);
    eprintln!("{} of them are played: {}", chosen.len(), counts(&chosen));
    assert!(!chosen.is_empty(), "no plan's name contains {wish}");
    if choice::is_stratified(&wish) {
        let stories: BTreeSet<Story> = chosen.iter().map(|plan| plan.story).collect();
        assert_eq!(stories.len(), Story::ALL.len(), "only {stories:?}");
        let met: BTreeSet<&str> = chosen.iter().map(Plan::class).collect();
        let left: Vec<_> =
            classes.difference(&met).filter(|class| !wish.is_empty() || !class.contains("real fence")).collect();
        assert!(left.is_empty(), "nothing of {left:?}");
    }
    let verdicts = play::play(chosen);
    play::table(&verdicts.iter().map(play::Verdict::row).collect::<Vec<_>>(), begin.elapsed());
    eprintln!("not reached: {}", play::not_reached(&verdicts));
    let failed: Vec<String> =
        verdicts.iter().filter(|verdict| verdict.wrong.is_some()).map(|verdict| verdict.plan.to_string()).collect();
    assert!(failed.is_empty(), "{} plans failed:\n{}", failed.len(), failed.join("\n"));
    let (pairs, singles): (Vec<_>, Vec<_>) = verdicts.iter().partition(|verdict| verdict.plan.second.is_some());
    let passed = |of: &[&play::Verdict]| of.iter().filter(|verdict| verdict.has_passed()).count();
    let [alone, both] = [passed(&singles), passed(&pairs)];
    assert!(alone * 100 >= singles.len() * 85, "only {alone} of {} faults happened", singles.len());
    assert!(both * 100 >= pairs.len() * 60, "only {both} of {} pairs happened", pairs.len());
    let [least_alone, least_both] = match wish.as_str() {
        "" => [150, 0],
        "broad" => [2_400, 500],
        "pairs" => [0, 500],
        _ => [0, 0],
    };
    assert!(alone >= least_alone && both >= least_both, "{alone} plans passed, and {both} pairs");
}

/// A whole campaign needs the machine for itself; a sample is one of many tests.
fn alone(wish: &str) -> Option<MutexGuard<'static, ()>> {
    static ALONE: Mutex<()> = Mutex::new(());
    (!wish.is_empty()).then(|| ALONE.lock().unwrap_or_else(PoisonError::into_inner))
}

#[expect(clippy::disallowed_methods, reason = "which plans are played is a setting of the test, not of the program")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Runs something of a plan in a runtime of its own, so that nothing of it outlives it; the message of its panic.
fn apart<T, F: Future<Output = T>>(play: impl FnOnce() -> F) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let run = catch_unwind(AssertUnwindSafe(|| runtime.block_on(play())));
    runtime.shutdown_background();
    run.map_err(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map_or_else(|_| "a panic".to_owned(), |text| (*text).to_owned()),
    })
}

/// What playing a story without a fault leads to.
struct Recorded {
    plans: Vec<Plan>,
    trace: Vec<String>,
}

/// Plays every story without a fault, or the one that a plan's name begins with; all plans that follow, and the
/// traces.
fn record(wish: &str) -> (Vec<Plan>, Traces) {
    let recorded: Mutex<BTreeMap<Story, Recorded>> = Mutex::default();
    let named = Story::ALL.into_iter().find(|story| wish.starts_with(&format!("{story:?}/")));
    std::thread::scope(|scope| {
        for story in Story::ALL.into_iter().filter(|story| named.is_none_or(|named| named == *story)) {
            let recorded = &recorded;
            scope.spawn(move || {
                let run = trace(story);
                let plans = faults::plans(story, run.director.passed());
                recorded.lock().unwrap().insert(story, Recorded { plans, trace: run.director.trace() });
            });
        }
    });
    let (mut all, mut traces) = (vec![], Traces::new());
    for (story, Recorded { plans, trace }) in recorded.into_inner().unwrap() {
        all.extend(plans);
        traces.insert(story, trace);
    }
    (all, traces)
}

fn trace(story: Story) -> Run {
    let mut wrong = String::new();
    for patience in 1..=RECORDINGS {
        match apart(|| stage::run(story, None, patience, drop)) {
            Ok(run) => return run,
            Err(words) => {
                eprintln!("{story:?} without a fault, try {patience}: {words}");
                wrong = words;
            }
        }
    }
    panic!("{story:?} without a fault, {RECORDINGS} times: {wrong}");
}

/// How many plans of each class.
fn counts(plans: &[Plan]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for plan in plans {
        *counts.entry(plan.class()).or_default() += 1;
    }
    counts.iter().map(|(class, count)| format!("{count} {class}")).collect::<Vec<_>>().join("; ")
}
