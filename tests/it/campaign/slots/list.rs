//! Which plans for schedules there are, and which of them are played.

use super::Plan;
use super::tale::Tale;
use crate::campaign::plan::{Api, Fault, Place, Watch};

/// Plans of a broad campaign with a fault.
const BROAD: usize = 190;

fn plain(tale: Tale) -> Plan {
    Plan { tale, place: None, fault: None }
}

fn plan(tale: Tale, label: &str, nth: usize, fault: Fault) -> Plan {
    Plan { tale, place: Some(Place { label: label.to_owned(), nth }), fault: Some(fault) }
}

/// What every test run plays: deaths around the writes, answers lost, and what needs no place. Larger crowds would take the
/// machine away from the tests beside them.
pub(super) fn sample() -> Vec<Plan> {
    let lose = || Fault::Api(Api::Lose);
    let tales = [Tale::Crowd(50), Tale::Away, Tale::Persons, Tale::Life, Tale::Pair, Tale::Retry];
    let mut plans: Vec<Plan> = tales.map(plain).to_vec();
    for nth in 1..=2 {
        plans.push(plan(Tale::Life, "create before", nth, Fault::Kill));
        plans.push(plan(Tale::Life, "create after", nth, Fault::Kill));
        plans.push(plan(Tale::Life, "schedule status before", nth, Fault::Kill));
        plans.push(plan(Tale::Life, "schedule status after", nth, Fault::Kill));
    }
    for fault in [Fault::KillLate, lose(), Fault::Api(Api::Status(500)), Fault::Api(Api::Silent)] {
        plans.push(plan(Tale::Life, "create before", 1, fault));
    }
    for nth in 1..=2 {
        plans.push(plan(Tale::Life, "create after", nth, lose()));
    }
    plans.extend([
        plan(Tale::Life, "create after", 1, Fault::Api(Api::Silent)),
        plan(Tale::Life, "schedule status after", 2, lose()),
        plan(Tale::Life, "schedule status before", 2, Fault::Api(Api::Status(409))),
        plan(Tale::Life, "children after", 1, Fault::Stop(65)),
        plan(Tale::Retry, "create before", 2, Fault::Kill),
        plan(Tale::Retry, "create after", 2, Fault::Kill),
        plan(Tale::Retry, "create after", 2, lose()),
        plan(Tale::Retry, "schedule status after", 3, Fault::Kill),
        plan(Tale::Pair, "create before", 1, Fault::Kill),
        plan(Tale::Pair, "create after", 1, Fault::Kill),
        plan(Tale::Pair, "create before", 1, Fault::KillLate),
        plan(Tale::Pair, "children after", 1, Fault::Stop(5)),
    ]);
    plans
}

/// What takes as long as an object is kept at least.
pub(super) fn long() -> Vec<Plan> {
    let of = |label: &str, fault| plan(Tale::Pruned, label, 1, fault);
    let mut plans = vec![plain(Tale::Pruned), plain(Tale::PrunedPair)];
    let before = [Fault::Kill, Fault::KillLate, Fault::Api(Api::Lose), Fault::Api(Api::Status(500))];
    plans.extend(before.into_iter().map(|fault| of("remove before", fault)));
    let after = [Fault::Kill, Fault::Api(Api::Lose), Fault::Api(Api::Silent)];
    plans.extend(after.into_iter().map(|fault| of("remove after", fault)));
    plans.push(plan(Tale::PrunedPair, "remove after", 1, Fault::Kill));
    plans
}

/// Every place of the recorded tales by every fault that fits it, and all that needs no place.
pub(super) fn whole(traces: &[(Tale, Vec<(String, usize)>)]) -> Vec<Plan> {
    let mut plans = long();
    let tales = [Tale::Away, Tale::Dead, Tale::Frozen, Tale::Clock(24), Tale::Persons];
    plans.extend([Tale::Crowd(500), Tale::Crowd(200)].into_iter().chain(tales).map(plain));
    for (tale, places) in traces {
        for (label, times) in places {
            for nth in 1..=*times {
                plans.extend(fitting(label).into_iter().map(|fault| plan(*tale, label, nth, fault)));
            }
        }
    }
    plans
}

/// A part of it: each death around a creation, and of the rest as many as there is time for, scattered.
pub(super) fn part(traces: &[(Tale, Vec<(String, usize)>)]) -> Vec<Plan> {
    let (mut chosen, rest): (Vec<Plan>, Vec<Plan>) =
        whole(traces).into_iter().partition(|plan| plan.place.as_ref().is_none_or(is_of_a_creation));
    chosen.retain(|plan| plan.place.is_none() || !matches!(plan.fault, Some(Fault::Api(Api::Slow(_)))));
    let mut rest: Vec<(u64, Plan)> = (1_u64..).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).zip(rest).collect();
    rest.sort_by_key(|(key, _)| *key);
    let room = BROAD.saturating_sub(chosen.len());
    chosen.extend(rest.into_iter().map(|(_, plan)| plan).take(room));
    chosen
}

fn is_of_a_creation(place: &Place) -> bool {
    ["create ", "other's create ", "remove "].iter().any(|label| place.label.starts_with(label))
}

fn fitting(label: &str) -> Vec<Fault> {
    let api = |faults: &[Api]| faults.iter().cloned().map(Fault::Api).collect::<Vec<_>>();
    let label = label.strip_prefix("other's ").unwrap_or(label);
    let (mut faults, more) = match label {
        "create before" | "remove before" | "schedule status before" => (
            vec![Fault::Kill, Fault::KillLate, Fault::Stop(5)],
            api(&[Api::Lose, Api::Status(409), Api::Status(500), Api::Slow(3), Api::Silent]),
        ),
        "create after" | "remove after" | "schedule status after" => {
            (vec![Fault::Kill, Fault::Stop(5)], api(&[Api::Lose, Api::Status(503), Api::Truncate, Api::Silent]))
        }
        "schedule read before" | "children before" => {
            (vec![Fault::Kill], api(&[Api::Lose, Api::Status(500), Api::Silent]))
        }
        "schedule read after" | "children after" => (vec![Fault::Kill, Fault::Stop(65)], api(&[Api::Truncate])),
        "watched" => (vec![], [Watch::Delayed, Watch::Doubled, Watch::Gone, Watch::Cut].map(Fault::Watch).to_vec()),
        "CreateBackup received" | "CreateBackup decided" => (vec![Fault::Kill], vec![]),
        _ => (vec![], vec![]),
    };
    faults.extend(more);
    faults
}
