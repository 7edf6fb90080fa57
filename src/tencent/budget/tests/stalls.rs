//! A process that stands still, and whose every step is late: what arrives at the cloud then.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{Order, World, at, order};
use super::*;

/// What one order waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Room for all of its calls.
    Room,
    /// The instant of its next call.
    Instant,
    /// Its turn among those that are ready to leave.
    Turn,
}

/// A process whose timers ring late, whose steps all wait while it stands still, and a way to the cloud that is not the
/// same for every call.
struct Machine {
    /// From when, for how long, in milliseconds.
    stalls: Vec<(u64, u64)>,
    /// How late timers ring, in milliseconds, in turns.
    late: Vec<u64>,
    /// How long the calls are on their way, in milliseconds, in turns.
    ways: Vec<u64>,
    turns: usize,
    world: World,
    agenda: BinaryHeap<Reverse<(Timestamp, usize, Step)>>,
    granted: BTreeMap<usize, VecDeque<(Action, Timestamp)>>,
    arrivals: BTreeMap<Action, Vec<Timestamp>>,
}

impl Machine {
    fn new(share: f64, stalls: Vec<(u64, u64)>, late: Vec<u64>, ways: Vec<u64>) -> Self {
        let (agenda, granted, arrivals) = (BinaryHeap::new(), BTreeMap::new(), BTreeMap::new());
        Self { stalls, late, ways, turns: 0, world: World::new(share), agenda, granted, arrivals }
    }

    fn add(&mut self, milliseconds: u64, order: Order) {
        let index = self.world.add(at(milliseconds), order);
        self.agenda.push(Reverse((at(milliseconds), index, Step::Room)));
    }

    /// When a step is made that is due at `time`.
    fn wakes(&mut self, time: Timestamp) -> Timestamp {
        self.turns += 1;
        let rings = later(time, Duration::from_millis(self.late[self.turns % self.late.len()]));
        let (mut awake, mut begin) = (rings, 0);
        for (pause, length) in &self.stalls {
            begin += pause;
            let end = begin + length;
            if awake >= at(begin) && awake < at(end) {
                awake = at(end);
            }
            begin = end;
        }
        awake
    }

    /// Something that is due since before `now` is done next.
    fn next(&mut self, now: Timestamp, due: Timestamp, index: usize, step: Step) {
        let wakes = self.wakes(due.max(now));
        self.agenda.push(Reverse((wakes, index, step)));
    }

    /// Plays until every call has left.
    fn run(&mut self) {
        while let Some(Reverse((now, index, step))) = self.agenda.pop() {
            match step {
                Step::Room => match self.world.ask(now, index) {
                    Grant::RestUntil(until) => self.next(now, until, index, Step::Room),
                    Grant::Granted(instants) => {
                        self.granted.insert(index, instants.0.into());
                        self.go_on(now, index);
                    }
                },
                Step::Instant => self.depart(now, index, false),
                Step::Turn => self.depart(now, index, true),
            }
        }
    }

    fn go_on(&mut self, now: Timestamp, index: usize) {
        if let Some((_, instant)) = self.granted[&index].front().copied() {
            self.next(now, instant, index, Step::Instant);
        }
    }

    fn depart(&mut self, now: Timestamp, index: usize, waited: bool) {
        let order = self.world.orders[index].clone();
        let action = self.granted[&index][0].0;
        match self.world.budget.depart(&order.identity, &order.region, action, now, waited) {
            Some(turn) => self.next(now, turn, index, Step::Turn),
            None => self.leave(now, index),
        }
    }

    fn leave(&mut self, now: Timestamp, index: usize) {
        let (action, _) = self.granted.get_mut(&index).unwrap().pop_front().unwrap();
        self.turns += 1;
        let way = Duration::from_millis(self.ways[self.turns % self.ways.len()]);
        self.arrivals.entry(action).or_default().push(later(now, way));
        self.go_on(now, index);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn i8_no_stall_and_no_lateness_makes_one_call_too_many_in_a_second(
        share in prop_oneof![Just(1.0), 0.5..1.0],
        stalls in vec((0_u64..1_500, 0_u64..=1_000), 0..8),
        late in vec(prop_oneof![4 => 0_u64..=3, 1 => 0_u64..=25], 1..40),
        ways in vec(20_u64..=30, 1..40),
    ) {
        let mut machine = Machine::new(share, stalls, late, ways);
        for number in 0..120_u64 {
            machine.add(number % 40, order("a", number, Urgency::Look, &[(List, 2), (Create, 1)]));
        }
        for number in 0..20_u64 {
            machine.add(number * 100, order("b", number, Urgency::Resolve, &[(List, 4)]));
        }
        machine.run();
        for (action, mut arrivals) in machine.arrivals {
            arrivals.sort();
            prop_assert_eq!(arrivals.len(), if action == Create { 120 } else { 320 });
            // Wherever the cloud's second begins.
            let most = usize::try_from(action.documented_rate()).unwrap();
            for calls in arrivals.windows(most + 1) {
                prop_assert!(span(calls[0], calls[most]) >= Duration::from_secs(1), "{} {:?}", action, calls);
            }
        }
    }
}
