//! Search by surprise: every reachable world once, first those that few surprises lead to, and so the plainest way to a bad
//! one.
//!
//! A surprise is a fault, a switch to another process in the middle of a pass, or time that goes on meanwhile. By steps
//! alone the search would drown in the first seconds of an order: the plain story of a lost answer has thirty steps.

use std::collections::{HashMap, VecDeque};

use super::fair::{Plays, lie};
use super::setting::Setting;
use super::shelf::{Quick, Shelf};
use super::steps::{Scratch, steps};
use super::world::{Backup, CONTROLLERS, Controller, Late, NONE, Object, Request, World};

/// How an exploration goes about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// At most so many worlds.
    pub(crate) most: usize,
    /// Whether each world is played to its end.
    pub(crate) is_played: bool,
    /// Whether two backups are the end of it.
    pub(crate) stops_at_two: bool,
}

/// What an exploration came to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Distinct worlds.
    pub(crate) states: usize,
    /// Steps to the furthest one.
    pub(crate) depth: usize,
    /// Worlds with fewer surprises are all explored; none if that was all of them.
    pub(crate) surprises: Option<u8>,
    /// Worlds with a backup, with a second attempt, and with an end.
    pub(crate) accepted: usize,
    pub(crate) resubmitted: usize,
    pub(crate) ended: usize,
    /// Worlds with two backups of one order, and those in which that was told.
    pub(crate) twos: usize,
    pub(crate) told: usize,
    /// What went wrong first, and the steps to it.
    pub(crate) wrong: Option<(String, Vec<String>)>,
    /// The steps to the first two backups.
    pub(crate) first_two: Option<Vec<String>>,
}

/// The beginning: an order that nobody looked at.
pub(crate) fn beginning(setting: &Setting) -> World {
    World {
        time: 0,
        object: Object::There,
        of: 0,
        record: 0,
        cache: (NONE, 0),
        snapshot: NONE,
        late: Late { record: NONE, is_fresh: false },
        quiet: 0,
        left: [setting.deaths, setting.jumps.1, setting.damages, setting.lies],
        is_forged: false,
        is_told: false,
        offsets: setting.offsets,
        controllers: [Controller::default(); CONTROLLERS],
        requests: [Request::default(); 4],
        backups: [Backup::default(); 4],
    }
}

/// Explores from the beginning.
pub(crate) fn explore(setting: &Setting, plan: Plan) -> Found {
    let shelf = &mut Shelf::new(*setting);
    let mut scratch = Scratch::new();
    let mut plays = Plays::default();
    let first = beginning(setting);
    // How many surprises lead to a world, and whether it is done.
    let mut seen: HashMap<u64, (u8, bool), Quick> = HashMap::default();
    seen.insert(first.key(), (0, false));
    // Each entry: the parent, and which of its steps led here.
    let mut ways: Vec<(u32, u16)> = vec![(0, 0)];
    let mut queue = Queue::default();
    queue.push(0, (0, 0, first));
    let mut found = Found::default();
    while let Some((surprises, (at, depth, world))) = queue.pop() {
        if std::mem::replace(&mut seen.get_mut(&world.key()).unwrap().1, true) {
            continue;
        }
        found.depth = found.depth.max(depth);
        count(&mut found, &world, shelf);
        if world.has_two() && found.first_two.is_none() {
            found.first_two = Some(trace(setting, &ways, at));
        }
        if let Some(wrong) = wrong(&world, shelf, plan, &mut plays) {
            found.wrong = Some((wrong, trace(setting, &ways, at)));
            break;
        }
        steps(&world, shelf, &mut scratch);
        for (ordinal, (step, next)) in (0..).zip(&scratch.next) {
            let surprises = surprises.saturating_add(u8::from(step.is_surprise(&world)));
            let key = next.key();
            let known = seen.get(&key).copied();
            if known.is_some_and(|(known, is_done)| is_done || known <= surprises) {
                continue;
            }
            if known.is_none() && seen.len() >= plan.most {
                found.surprises.get_or_insert(surprises);
                continue;
            }
            seen.insert(key, (surprises, false));
            let here = u32::try_from(ways.len()).unwrap();
            ways.push((at, ordinal));
            queue.push(surprises, (here, depth + 1, *next));
        }
    }
    found.states = seen.len();
    found
}

/// Worlds that wait, by surprises.
#[derive(Default)]
struct Queue(Vec<VecDeque<(u32, usize, World)>>);

impl Queue {
    fn push(&mut self, surprises: u8, entry: (u32, usize, World)) {
        let surprises = usize::from(surprises);
        self.0.resize_with(self.0.len().max(surprises + 1), VecDeque::new);
        self.0[surprises].push_back(entry);
    }

    fn pop(&mut self) -> Option<(u8, (u32, usize, World))> {
        let mut all = (0..).zip(&mut self.0);
        all.find_map(|(surprises, queue)| Some((surprises, queue.pop_front()?)))
    }
}

fn wrong(world: &World, shelf: &mut Shelf, plan: Plan, plays: &mut Plays) -> Option<String> {
    if plan.stops_at_two && world.has_two() {
        return Some("two backups of one order".to_owned());
    }
    let broken = shelf.broken.take();
    if broken.is_some() || !plan.is_played {
        return broken;
    }
    lie(world, shelf)
        .or_else(|| plays.end_well(world, shelf, false).err())
        .or_else(|| plays.end_well(world, shelf, true).err())
}

fn count(found: &mut Found, world: &World, shelf: &Shelf) {
    let says = shelf.says(world.record);
    found.accepted += usize::from(world.backups[0].attempt > 0);
    found.resubmitted += usize::from(says.attempts > 1);
    found.ended += usize::from(says.is_ended);
    found.twos += usize::from(world.has_two());
    found.told += usize::from(world.has_two() && world.is_told);
}

/// The steps to a world, told anew from the beginning.
fn trace(setting: &Setting, ways: &[(u32, u16)], mut at: u32) -> Vec<String> {
    let mut ordinals = vec![];
    while at > 0 {
        let (parent, ordinal) = ways[at as usize];
        ordinals.push(ordinal);
        at = parent;
    }
    let shelf = &mut Shelf::new(*setting);
    let mut scratch = Scratch::new();
    let mut world = beginning(setting);
    let mut told = vec![];
    for ordinal in ordinals.into_iter().rev() {
        steps(&world, shelf, &mut scratch);
        let (step, next) = scratch.next[usize::from(ordinal)];
        told.push(format!("[{}] {}", world.time, step.words(shelf, &next)));
        world = next;
    }
    told
}
