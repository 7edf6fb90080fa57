//! Which plans of the list are played.
//!
//! A part of the list is a stratified one: the strata are the classes of faults in each story, and plans are taken from
//! them in turn, from each in an order that is scattered over its places and faults. So a part of any size holds something
//! of everything, and the same list yields the same part.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::plan::{Fault, Lane, Place, Plan};
use super::setting;
use super::story::Story;

/// Plans of the sample.
const SAMPLE: usize = 176;
/// Single faults of a broad campaign: the promise is 2 400 that pass, and some are not reached.
const BROAD: usize = 2_640;
/// Pairs in one run: the promise is 500 of which both faults happen, and about every sixth recovery is a shorter way.
const PAIRS: usize = 660;

/// The places that each story passed, in their order.
pub(super) type Traces = BTreeMap<Story, Vec<String>>;

/// What `CAMPAIGN` asks for.
pub(super) fn choose(all: Vec<Plan>, traces: &Traces, wish: &str) -> Vec<Plan> {
    match wish {
        // A test waits for nothing that takes minutes.
        "" => stratified(all.into_iter().filter(|plan| plan.lane() != Lane::Long), SAMPLE),
        "all" => all,
        "broad" => {
            let pairs = pairs(&all, traces);
            let mut chosen = stratified(all, BROAD);
            chosen.extend(pairs);
            scattered(chosen)
        }
        "pairs" => pairs(&all, traces),
        "real" => all.into_iter().filter(|plan| plan.lane() == Lane::Long).collect(),
        name if name.contains(" then ") => pair(&all, name).into_iter().collect(),
        name => {
            let is_named = |plan: &Plan| name.split(" & ").all(|part| plan.to_string().contains(part));
            all.into_iter().filter(is_named).collect()
        }
    }
}

/// Whether the chosen plans must hold something of every class and story.
pub(super) fn is_stratified(wish: &str) -> bool {
    matches!(wish, "" | "broad" | "all")
}

/// In an order that has nothing to do with where they stand.
fn scattered<T>(all: Vec<T>) -> Vec<T> {
    let mut keyed: Vec<(u64, T)> = (1_u64..).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).zip(all).collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, plan)| plan).collect()
}

fn stratified(all: impl IntoIterator<Item = Plan>, target: usize) -> Vec<Plan> {
    let mut strata: BTreeMap<(&str, Story), Vec<Plan>> = BTreeMap::new();
    for plan in all {
        strata.entry((plan.class(), plan.story)).or_default().push(plan);
    }
    let strata: Vec<_> = strata.into_iter().map(|(of, plans)| (of, VecDeque::from(scattered(plans)))).collect();
    let mut strata = scattered(strata);
    let mut chosen = vec![];
    // The ones that take eleven minutes sleep side by side: all of them, or none.
    for (_, plans) in &mut strata {
        if plans.front().is_some_and(|plan| plan.lane() == Lane::Long) {
            chosen.extend(plans.drain(..));
        }
    }
    let (mut classes, mut stories) = (BTreeSet::new(), BTreeSet::new());
    for ((class, story), plans) in &mut strata {
        if classes.insert(*class) | stories.insert(*story) {
            chosen.extend(plans.pop_front());
        }
    }
    for round in 1.. {
        let before = chosen.len();
        for ((class, story), plans) in &mut strata {
            if chosen.len() >= target {
                return chosen;
            }
            // Twenty orders cost as much as ten plans of one.
            if story.is_large() && round % 4 != 0 {
                continue;
            }
            // A death has more places than it has kinds.
            let share = if class.starts_with("killed") { 3 } else { 1 };
            for _ in 0..share {
                chosen.extend(plans.pop_front());
            }
        }
        if before == chosen.len() && round % 4 == 0 {
            return chosen;
        }
    }
    chosen
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

/// Pairs by the seed: a plan, and the fault of another of the same story at a place that comes after, counted from the
/// first fault on, for then the recovery is what passes it.
fn pairs(all: &[Plan], traces: &Traces) -> Vec<Plan> {
    let seed: u64 = setting("SEED").and_then(|text| text.parse().ok()).unwrap_or(1);
    eprintln!("pairs of the seed {seed}");
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut of_story: BTreeMap<Story, Vec<&Plan>> = BTreeMap::new();
    // What needs limits, a server or a version of its own is no part of a pair; and a second backup is expected in one
    // class only.
    let is_apart = |plan: &Plan| plan.lane() != Lane::Shared || matches!(plan.fault, Fault::Twice | Fault::Watch(_));
    for plan in all.iter().filter(|plan| !plan.story.is_large() && !is_apart(plan) && !plan.is_real()) {
        of_story.entry(plan.story).or_default().push(plan);
    }
    let stories: Vec<(Story, Vec<&Plan>)> = of_story.into_iter().collect();
    let mut pairs: Vec<Plan> = vec![];
    while pairs.len() < PAIRS {
        let (story, of_one) = &stories[draw(stories.len())];
        let (first, other) = (of_one[draw(of_one.len())], of_one[draw(of_one.len())]);
        let Some(nth) = nth_after(&traces[story], &first.place, &other.place) else { continue };
        let place = Place { label: other.place.label.clone(), nth };
        let pair = Plan { second: Some((place, other.fault.clone())), ..first.clone() };
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs
}

/// The how-manieth place of its label `other` is once `first` was passed, if it comes after that at all.
fn nth_after(trace: &[String], first: &Place, other: &Place) -> Option<usize> {
    let at = |place: &Place| trace.iter().position(|passed| *passed == place.to_string());
    let (first, last) = (at(first)?, at(other)?);
    let is_its = |passed: &&String| passed.rsplit_once('#').is_some_and(|(label, _)| label == other.label);
    (first < last).then(|| trace[first + 1..=last].iter().filter(is_its).count())
}
