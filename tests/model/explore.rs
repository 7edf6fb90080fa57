//! Breadth-first search: every reachable world once, and the shortest way to a bad one.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::world::{Setting, World};

/// What an exploration came to.
pub(crate) struct Found {
    /// Distinct worlds.
    pub(crate) states: usize,
    /// Steps to the furthest one.
    pub(crate) depth: usize,
    /// Worlds with a backup.
    pub(crate) accepted: usize,
    /// Worlds in which the order was submitted again.
    pub(crate) resubmitted: usize,
    /// The steps to two backups, if there are any.
    pub(crate) trace: Option<Vec<String>>,
}

/// Explores from the beginning, at most `most` worlds.
pub(crate) fn explore(setting: &Setting, most: usize) -> Found {
    let hasher = BuildHasherDefault::<DefaultHasher>::new();
    let first = World::new(setting);
    let mut seen = HashSet::from([hasher.hash_one(&first)]);
    // Each entry: the parent and the step from it.
    let mut ways: Vec<(usize, String)> = vec![(0, String::new())];
    let mut queue = VecDeque::from([(0, 0, first)]);
    let mut found = Found { states: 1, depth: 0, accepted: 0, resubmitted: 0, trace: None };
    while let Some((at, depth, world)) = queue.pop_front() {
        found.depth = depth;
        found.accepted += usize::from(!world.backups.is_empty());
        found.resubmitted += usize::from(world.record.attempts > 1);
        for (step, next) in world.steps(setting) {
            if !seen.insert(hasher.hash_one(&next)) {
                continue;
            }
            ways.push((at, step));
            let here = ways.len() - 1;
            if next.backups.len() > 1 {
                found.trace = Some(trace(&ways, here));
                found.states = seen.len();
                return found;
            }
            if seen.len() < most {
                queue.push_back((here, depth + 1, next));
            }
        }
    }
    found.states = seen.len();
    found
}

fn trace(ways: &[(usize, String)], mut at: usize) -> Vec<String> {
    let mut steps = vec![];
    while at > 0 {
        steps.push(ways[at].1.clone());
        at = ways[at].0;
    }
    steps.reverse();
    steps
}
