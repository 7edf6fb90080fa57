//! Who comes before whom among claims of one urgency: round-robin over namespaces, the oldest order first within one.
//!
//! Rounds are numbered. A namespace with `n` waiting claims holds the turns of `n` rounds in a row; its `i`-th oldest
//! claim has the `i`-th of them. So a claim's rank is the number of turns before its own, and an older claim that arrives
//! later moves ahead of its namespace's younger ones without touching anybody else's turn.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::ranked::Ranked;
use crate::tencent::action::Action;

/// An order's place within its namespace: when it was created, then its UID.
pub(super) type Age = (Timestamp, Arc<str>);

/// The claims of one urgency.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    namespaces: HashMap<Arc<str>, Namespace>,
    /// Every turn: its round, and whose it is.
    turns: Ranked<(u64, Arc<str>)>,
    /// The last round in which somebody was served.
    round: u64,
    /// What all claims together need.
    demand: BTreeMap<Action, u64>,
}

#[derive(Debug)]
struct Namespace {
    /// The round of its first turn.
    first: u64,
    members: Ranked<Age>,
}

/// How a claim leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It got what it needs: its namespace's first turn is over.
    Served,
    /// It is gone: its namespace holds one turn less.
    Gone,
}

impl Rotation {
    pub(super) fn enter(&mut self, namespace: &Arc<str>, age: Age, needs: &[(Action, u8)]) {
        let next = self.round.saturating_add(1);
        let entry = self.namespaces.entry(Arc::clone(namespace));
        let space = entry.or_insert_with(|| Namespace { first: next, members: Ranked::default() });
        let turn = space.first.saturating_add(count(space.members.len()));
        if space.members.insert(age) {
            self.turns.insert((turn, Arc::clone(namespace)));
            for (action, need) in needs {
                *self.demand.entry(*action).or_default() += u64::from(*need);
            }
        }
    }

    pub(super) fn leave(&mut self, namespace: &Arc<str>, age: &Age, needs: &[(Action, u8)], exit: Exit) {
        let Some(space) = self.namespaces.get_mut(namespace) else {
            return;
        };
        if !space.members.remove(age) {
            return;
        }
        let turn = match exit {
            Exit::Served => space.first,
            Exit::Gone => space.first.saturating_add(count(space.members.len())),
        };
        self.turns.remove(&(turn, Arc::clone(namespace)));
        if exit == Exit::Served {
            self.round = self.round.max(space.first);
            space.first = space.first.saturating_add(1);
        }
        if space.members.is_empty() {
            self.namespaces.remove(namespace);
        }
        for (action, need) in needs {
            if let Some(demand) = self.demand.get_mut(action) {
                *demand = demand.saturating_sub(u64::from(*need));
            }
        }
    }

    /// How many claims have their turn before this one.
    pub(super) fn rank(&self, namespace: &Arc<str>, age: &Age) -> u64 {
        let Some(space) = self.namespaces.get(namespace) else {
            return 0;
        };
        let turn = space.first.saturating_add(count(space.members.before(age)));
        count(self.turns.before(&(turn, Arc::clone(namespace))))
    }

    /// What all claims together need of one action.
    pub(super) fn demand(&self, action: Action) -> u64 {
        self.demand.get(&action).copied().unwrap_or(0)
    }

    /// What those before a claim need of one action: their number times what the others need on average. Exact where all
    /// need the same, and always nothing for the first; to know it exactly in a mixture would cost O(n).
    pub(super) fn demand_before(&self, rank: u64, action: Action, own: u64) -> u64 {
        let others = count(self.turns.len()).saturating_sub(1);
        let theirs = self.demand(action).saturating_sub(own);
        rank.saturating_mul(theirs).checked_div(others).unwrap_or(0)
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: &[(Action, u8)] = &[(Action::DescribeBackups, 2)];

    fn age(second: i64) -> Age {
        (Timestamp::from_second(second).unwrap(), Arc::from(second.to_string()))
    }

    /// Serves everybody in order of rank and returns the ages in that order.
    fn drain(rotation: &mut Rotation, mut waiting: Vec<(Arc<str>, i64)>) -> Vec<i64> {
        let mut served = vec![];
        while !waiting.is_empty() {
            let first = waiting.iter().position(|(space, second)| rotation.rank(space, &age(*second)) == 0).unwrap();
            let (space, second) = waiting.remove(first);
            rotation.leave(&space, &age(second), NEEDS, Exit::Served);
            served.push(second);
        }
        served
    }

    #[test]
    fn namespaces_take_turns_and_the_oldest_goes_first_within_one() {
        let mut rotation = Rotation::default();
        let waiting: Vec<(Arc<str>, i64)> =
            [("a", 3), ("a", 1), ("a", 2), ("b", 9), ("b", 8), ("c", 7)].map(|(space, s)| (Arc::from(space), s)).into();
        for (space, second) in &waiting {
            rotation.enter(space, age(*second), NEEDS);
        }
        assert_eq!(rotation.demand(Action::DescribeBackups), 12);
        assert_eq!(rotation.demand_before(3, Action::DescribeBackups, 2), 6);
        assert_eq!(drain(&mut rotation, waiting), [1, 8, 7, 2, 9, 3]);
        assert_eq!(rotation.demand(Action::DescribeBackups), 0);
        assert!(rotation.namespaces.is_empty() && rotation.turns.is_empty());
    }

    #[test]
    fn a_namespace_that_keeps_coming_back_does_not_push_in() {
        let (mut rotation, a, b) = (Rotation::default(), Arc::<str>::from("a"), Arc::<str>::from("b"));
        for second in 0..10 {
            rotation.enter(&b, age(second), NEEDS);
        }
        let (mut of_a, mut of_b) = (0, 0);
        for turn in 0..20 {
            rotation.enter(&a, age(100 + of_a), NEEDS);
            if rotation.rank(&a, &age(100 + of_a)) == 0 {
                rotation.leave(&a, &age(100 + of_a), NEEDS, Exit::Served);
                of_a += 1;
            } else {
                assert_eq!(rotation.rank(&b, &age(of_b)), 0, "turn {turn}");
                rotation.leave(&b, &age(of_b), NEEDS, Exit::Served);
                of_b += 1;
            }
        }
        assert_eq!((of_a, of_b), (10, 10));
    }

    #[test]
    fn one_that_is_gone_costs_its_namespace_the_last_turn() {
        let (mut rotation, a, b) = (Rotation::default(), Arc::<str>::from("a"), Arc::<str>::from("b"));
        for (space, second) in [(&a, 1), (&a, 2), (&b, 3)] {
            rotation.enter(space, age(second), NEEDS);
        }
        rotation.leave(&a, &age(1), NEEDS, Exit::Gone);
        assert_eq!((rotation.rank(&a, &age(2)), rotation.rank(&b, &age(3))), (0, 1));
        rotation.leave(&a, &age(1), NEEDS, Exit::Gone);
        assert_eq!(rotation.demand(Action::DescribeBackups), 4, "leaving twice changes nothing");
    }
}
