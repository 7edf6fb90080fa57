//! Whose turn it is at one instance.
//!
//! The cloud alone decides how many backups an instance makes at once. What can be known of it is what it documents, and
//! where it last said busy: how many of ours it was making then. While it makes fewer, the oldest that wait go at once, as
//! many as there is room for. Otherwise one order asks, the oldest, and as often as a refusal must be apart from the next
//! attempt anyway; where all that is documented is taken, seldom, because whoever asks in vain loses its place meanwhile.
//!
//! An order that was refused waits for its own time and is passed over until then (I3); which ones may be sent is not
//! decided here, only which ones are not sent yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::api::key::Key;
use crate::core::pace::later;

/// By creation, then UID.
pub(super) type Age = (i64, Arc<str>);

/// How many backups an instance makes at once, as the vendor documents: more would only be refused.
const AT_ONCE: usize = 5;
/// Refusals in a row stretch the time to the next question up to so many times, like those of one order.
const MOST_STRETCHED: i64 = 5;

/// Whether an order may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Yes.
    Now,
    /// It is its turn, but not before that.
    At(Timestamp),
    /// Others come first.
    Behind,
}

/// An order that waits because the instance is busy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) key: Key,
    /// Not sent before this, whatever happens.
    pub(super) due: Option<Timestamp>,
}

/// When the instance last said busy, or was given all that it takes by the documentation.
#[derive(Clone, Copy, Debug)]
struct Full {
    /// What it was making of ours then.
    ours: usize,
    since: Timestamp,
    /// How often it was asked for more room in vain; none: nobody asked, it is what the documentation says.
    refusals: Option<i64>,
}

/// One instance, as far as this process knows. It makes few at once: a list takes less room than an index.
#[derive(Debug, Default)]
pub(super) struct Instance {
    pub(super) waiting: BTreeMap<Age, Waiting>,
    /// Accepted, or perhaps.
    pub(super) running: Vec<Arc<str>>,
    /// Sent, and not yet seen to be answered; with what was known when it was sent.
    sent: Vec<(Arc<str>, Option<Timestamp>)>,
    full: Option<Full>,
}

impl Instance {
    /// Whether nothing is lost by forgetting it.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty() && self.sent.is_empty()
    }

    pub(super) fn is_sent(&self, uid: &str) -> bool {
        self.sent.iter().any(|(sent, _)| **sent == *uid)
    }

    /// Whose turn it is, of an order that need not be among those who wait yet.
    pub(super) fn turn(&self, age: &Age, now: Timestamp, lag: i64) -> Turn {
        let Some(full) = self.full else {
            // Nothing is known, as after a restart.
            return if self.waiting.range(..age.clone()).next().is_some() { Turn::Behind } else { Turn::Now };
        };
        let mut before = self.eligible(now).take_while(|(older, _)| *older < age);
        let free = full.ours.saturating_sub(self.taken());
        if free > 0 {
            return if before.take(free).count() < free { Turn::Now } else { Turn::Behind };
        }
        if before.next().is_some() {
            return Turn::Behind;
        }
        let stretch = full.refusals.map_or(MOST_STRETCHED, |refusals| refusals.clamp(1, MOST_STRETCHED));
        let again = later(full.since, lag.saturating_mul(stretch));
        // A clock that was set back makes nobody wait.
        if (full.since..again).contains(&now) {
            Turn::At(again)
        } else if self.sent.is_empty() {
            Turn::Now
        } else {
            Turn::At(later(now, 1))
        }
    }

    /// Those whose turn it is now, or would be if the time had come.
    pub(super) fn next(&self, now: Timestamp) -> impl Iterator<Item = &Waiting> {
        let free = self.full.map_or(1, |full| full.ours.saturating_sub(self.taken()).max(1));
        self.eligible(now).take(free).map(|(_, waiting)| waiting)
    }

    /// The order is being sent.
    pub(super) fn send(&mut self, uid: Arc<str>, now: Timestamp) {
        let known = self.full.map(|full| full.since);
        self.settle(&uid);
        self.sent.push((uid, known));
        self.fill(now);
    }

    /// The cloud took the order, or perhaps, as the watch shows.
    pub(super) fn run(&mut self, uid: Arc<str>, now: Timestamp) {
        self.stop(&uid);
        self.running.push(uid);
        self.fill(now);
    }

    /// It is not running there any more. Whether it was.
    pub(super) fn stop(&mut self, uid: &str) -> bool {
        remove(&mut self.running, |running| **running == *uid).is_some()
    }

    /// Its answer is where everybody can read it, or it was not sent after all.
    pub(super) fn settle(&mut self, uid: &str) -> Option<Timestamp> {
        remove(&mut self.sent, |(sent, _)| **sent == *uid)?.1
    }

    /// The cloud took the order. Whether it may take more than was known.
    pub(super) fn accepted(&mut self) -> bool {
        let taken = self.taken();
        let Some(full) = self.full.as_mut().filter(|full| taken > full.ours) else { return false };
        (full.ours, full.refusals) = (taken.saturating_add(1), Some(0));
        true
    }

    /// The instance is busy.
    pub(super) fn refused(&mut self, uid: &str, now: Timestamp) {
        let knew = self.settle(uid);
        // The watch may still show it being sent.
        self.stop(uid);
        let ours = self.taken();
        // Several that were under way together are one question.
        let refusals = match self.full {
            Some(full) if knew == Some(full.since) && ours >= full.ours => {
                full.refusals.map_or(MOST_STRETCHED, |refusals| refusals.saturating_add(1))
            }
            Some(full) if knew != Some(full.since) => full.refusals.unwrap_or(1),
            Some(_) | None => 1,
        };
        self.full = Some(Full { ours, since: now, refusals: Some(refusals) });
    }

    /// Nobody need ask for more than is documented to be told that there is none.
    fn fill(&mut self, now: Timestamp) {
        if self.full.is_none() && self.taken() >= AT_ONCE {
            self.full = Some(Full { ours: AT_ONCE, since: now, refusals: None });
        }
    }

    fn taken(&self) -> usize {
        let unseen = self.sent.iter().filter(|(uid, _)| !self.running.contains(uid)).count();
        self.running.len().saturating_add(unseen)
    }

    fn eligible(&self, now: Timestamp) -> impl Iterator<Item = (&Age, &Waiting)> {
        let may =
            move |(age, waiting): &(&Age, &Waiting)| !self.is_sent(&age.1) && waiting.due.is_none_or(|due| due <= now);
        self.waiting.iter().filter(may)
    }
}

/// Takes out the one that `is` it. What is empty then takes no room.
fn remove<T>(few: &mut Vec<T>, is: impl Fn(&T) -> bool) -> Option<T> {
    let found = few.iter().position(is).map(|at| few.swap_remove(at));
    if few.is_empty() {
        *few = Vec::new();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn age(number: i64) -> Age {
        (number, Arc::from(number.to_string()))
    }

    /// An instance that takes `places`, and the numbers of those who were refused, in the order in which they asked.
    struct World {
        places: usize,
        instance: Instance,
        refused: Vec<i64>,
        accepted: Vec<i64>,
    }

    impl World {
        fn new(places: usize) -> Self {
            Self { places, instance: Instance::default(), refused: vec![], accepted: vec![] }
        }

        fn waits(&mut self, number: i64, due: Option<i64>) {
            let waiting = Waiting { key: Key::new("n", &number.to_string()), due: due.map(at) };
            self.instance.waiting.insert(age(number), waiting);
        }

        /// What the cloud says, and how the watch tells it.
        fn answer(&mut self, number: i64, second: i64) {
            let uid = age(number).1;
            if self.instance.running.len() < self.places {
                self.instance.accepted();
                self.instance.settle(&uid);
                self.instance.run(uid, at(second));
                self.instance.waiting.remove(&age(number));
                self.accepted.push(number);
            } else {
                self.instance.refused(&uid, at(second));
                self.waits(number, Some(second + 60));
                self.refused.push(number);
            }
        }

        /// Everybody who may go does, one after another.
        fn go(&mut self, numbers: std::ops::Range<i64>, second: i64) {
            for number in numbers {
                let open = !self.accepted.contains(&number);
                let due = self.instance.waiting.get(&age(number)).and_then(|waiting| waiting.due);
                if open && due.is_none_or(|due| due <= at(second)) {
                    match self.instance.turn(&age(number), at(second), 60) {
                        Turn::Now => {
                            self.instance.send(age(number).1, at(second));
                            self.answer(number, second);
                        }
                        Turn::At(_) | Turn::Behind => self.waits(number, None),
                    }
                }
            }
        }
    }

    #[test]
    fn two_hundred_orders_are_taken_in_order_with_few_refusals() {
        let mut world = World::new(5);
        let mut second = 0;
        while world.accepted.len() < 200 {
            world.go(0..200, second);
            second += 4;
            world.instance.running.clear();
            assert!(second < 200, "{} in {second} s", world.accepted.len());
        }
        assert!(world.refused.is_empty(), "{:?}", world.refused);
        assert!(world.accepted.is_sorted(), "{:?}", world.accepted);
    }

    #[test]
    fn an_instance_that_takes_less_than_is_documented_is_learnt_of_by_few_refusals() {
        let mut world = World::new(3);
        let mut second = 0;
        while world.accepted.len() < 200 {
            world.go(0..200, second);
            second += 4;
            world.instance.running.clear();
            assert!(second < 300, "{} in {second} s", world.accepted.len());
        }
        assert!(world.refused.len() <= 5, "{:?}", world.refused);
        let fair: Vec<i64> = world.accepted.iter().copied().filter(|number| !world.refused.contains(number)).collect();
        assert!(fair.is_sorted(), "{fair:?}");
    }

    #[test]
    fn more_than_is_documented_is_asked_for_seldom_and_found() {
        let mut world = World::new(5);
        for second in 0..3_600 {
            world.go(0..50, second);
        }
        assert!((1..=12).contains(&world.refused.len()), "{:?}", world.refused);
        world.places = 9;
        for second in 3_600..4_000 {
            world.go(0..50, second);
        }
        assert_eq!(world.accepted.len(), 9);
    }

    #[test]
    fn where_five_run_after_a_restart_nobody_knocks() {
        let mut world = World::new(5);
        for number in 0..5 {
            world.instance.run(age(number).1, at(0));
        }
        world.go(5..20, 0);
        assert!(world.refused.is_empty(), "{:?}", world.refused);
        world.instance.stop("2");
        world.go(5..20, 1);
        assert_eq!((&world.accepted, &world.refused), (&vec![5], &vec![]));
    }

    #[test]
    fn where_nothing_of_ours_ends_one_order_asks_and_each_time_later() {
        let mut world = World::new(0);
        for second in 0..600 {
            world.go(0..50, second);
        }
        assert!(world.refused.len() <= 5, "{:?}", world.refused);
        world.places = 50;
        for second in 600..700 {
            world.go(0..50, second);
        }
        assert_eq!(world.accepted.len(), 50, "one acceptance opens the door for the next");
    }

    #[test]
    fn only_few_are_sent_before_the_first_answer() {
        let mut instance = Instance::default();
        for number in 0..20 {
            if instance.turn(&age(number), at(0), 60) == Turn::Now {
                instance.send(age(number).1, at(0));
            }
        }
        assert_eq!(instance.sent.len(), 5);
        instance.refused("0", at(0));
        assert_eq!(instance.turn(&age(30), at(0), 60), Turn::At(at(60)), "what was under way is answered first");
        for number in 1..5 {
            instance.refused(&number.to_string(), at(1));
        }
        assert_eq!(instance.full.map(|full| (full.ours, full.refusals)), Some((0, Some(1))), "one question");
    }

    #[test]
    fn an_end_lets_as_many_go_as_there_is_room_for() {
        let mut world = World::new(2);
        world.go(0..10, 0);
        assert_eq!((&world.accepted, &world.refused), (&vec![0, 1], &vec![2]));
        world.instance.stop("0");
        let next: Vec<_> = world.instance.next(at(5)).map(|waiting| waiting.key.name().to_owned()).collect();
        assert_eq!(next, ["3"], "the second was refused within the lag");
        assert_eq!(world.instance.turn(&age(4), at(5), 60), Turn::Behind);
        assert_eq!(world.instance.turn(&age(3), at(5), 60), Turn::Now);
        world.instance.send(age(3).1, at(5));
        assert_eq!(world.instance.turn(&age(4), at(5), 60), Turn::At(at(60)), "no room is left");
    }
}
