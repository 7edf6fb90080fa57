//! Plays plans side by side, shows how far it is, and counts what they came to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::director::Director;
use super::plan::{Lane, Plan};
use super::story::Story;
use super::{apart, room, stage};

/// The last row of the table: `~` sorts after every letter.
const TOTAL: &str = "~ all";

/// One plan's end: what is wrong with it, whether its fault happened, how long it took.
pub(super) struct Verdict {
    pub(super) plan: Plan,
    pub(super) wrong: Option<String>,
    struck: bool,
    took: Duration,
}

impl Verdict {
    pub(super) fn row(&self) -> Row {
        let class = self.plan.class();
        Row { class, has_failed: self.wrong.is_some(), struck: self.struck, took: self.took }
    }

    /// Its fault happened, and nothing was wrong.
    pub(super) fn has_passed(&self) -> bool {
        self.struck && self.wrong.is_none()
    }
}

/// The ones that take longest begin first.
pub(super) fn play(plans: Vec<Plan>) -> Vec<Verdict> {
    let (total, begin) = (plans.len(), Instant::now());
    let mut lanes: BTreeMap<usize, (usize, VecDeque<Plan>)> = BTreeMap::new();
    for plan in plans {
        // What shares room shares a queue.
        let (at, width) = match plan.lane() {
            lane @ Lane::Long => (0, room::runs(lane)),
            lane @ Lane::Halting => (1, room::runs(lane)),
            lane @ (Lane::Shared | Lane::Newer) => (2, room::runs(lane)),
        };
        lanes.entry(at).or_insert_with(|| (width, VecDeque::new())).1.push_back(plan);
    }
    let done: Mutex<Vec<Verdict>> = Mutex::default();
    let lanes: Vec<(usize, Mutex<VecDeque<Plan>>)> =
        lanes.into_values().map(|(width, queue)| (width, Mutex::new(queue))).collect();
    std::thread::scope(|scope| {
        for (width, queue) in &lanes {
            for _ in 0..*width {
                scope.spawn(|| {
                    loop {
                        let Some(plan) = queue.lock().unwrap().pop_front() else { return };
                        let verdict = try_out(plan);
                        done.lock().unwrap().push(verdict);
                    }
                });
            }
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
                let missed = done.iter().filter(|verdict| !verdict.struck).count();
                let left = begin.elapsed().as_secs() * u64::try_from(total - done.len()).unwrap()
                    / u64::try_from(done.len()).unwrap();
                eprintln!("{} of {total} done, {failed} failed, {missed} not reached, {left} s to go", done.len());
            }
        }
    });
    done.into_inner().unwrap()
}

fn try_out(plan: Plan) -> Verdict {
    let (begin, kept): (_, Mutex<Option<Arc<Director>>>) = (Instant::now(), Mutex::default());
    let keep = |director| *kept.lock().unwrap() = Some(director);
    let run = apart(|| stage::run(plan.story, Some(plan.clone()), 1, keep));
    let (wrong, struck, took) = match run {
        Ok(run) => (None, run.struck, run.took),
        Err(wrong) => {
            let trace = kept.into_inner().unwrap().map(|director| director.trace()).unwrap_or_default();
            let from = trace.len().saturating_sub(40);
            eprintln!("=== failed: {plan}\n{wrong}\n--- trace, its end: {}", trace[from..].join(", "));
            (Some(wrong), true, begin.elapsed())
        }
    };
    Verdict { plan, wrong, struck, took }
}

/// How many faults of each story did not happen, and of how many.
pub(super) fn not_reached(verdicts: &[Verdict]) -> String {
    let mut stories: BTreeMap<Story, [usize; 2]> = BTreeMap::new();
    for verdict in verdicts {
        let counts = stories.entry(verdict.plan.story).or_default();
        *counts = [counts[0] + usize::from(!verdict.struck), counts[1] + 1];
    }
    let met = stories.into_iter().filter(|(_, [missed, _])| *missed > 0);
    met.map(|(story, [missed, all])| format!("{missed} of {all} {story:?}")).collect::<Vec<_>>().join("; ")
}

/// What one plan adds to the table.
pub(super) struct Row {
    pub(super) class: &'static str,
    pub(super) has_failed: bool,
    pub(super) struck: bool,
    pub(super) took: Duration,
}

/// Plans, passed, failed, not reached, by class.
pub(super) fn table(rows: &[Row], took: Duration) {
    eprintln!("| class | plans | passed | failed | fault not reached | seconds |\n|---|---|---|---|---|---|");
    let mut classes: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut seconds: BTreeMap<&str, f64> = BTreeMap::new();
    for Row { class, has_failed, struck, took } in rows {
        let [passed, failed] = [*struck && !has_failed, *has_failed].map(usize::from);
        for class in [*class, TOTAL] {
            let row = classes.entry(class).or_default();
            *row = [row[0] + 1, row[1] + passed, row[2] + failed, row[3] + usize::from(!struck)];
            *seconds.entry(class).or_default() += took.as_secs_f64();
        }
    }
    for (class, [plans, passed, failed, missed]) in &classes {
        eprintln!("| {class} | {plans} | {passed} | {failed} | {missed} | {:.0} |", seconds[class]);
    }
    eprintln!("{:.0} s in all; the seconds of the plans are counted side by side", took.as_secs_f64());
}
