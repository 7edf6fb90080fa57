//! Claimants in virtual time, who come back when they were told to, late, or never, and a record of what they got.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use crate::tencent::action::Action;
use crate::tencent::budget::{Budget, Claim, Grant, Urgency, later, span};
use crate::tencent::credential::{Credential, KeyIdentity};
use crate::tencent::region::Region;

/// Milliseconds after the beginning.
pub(super) fn at(milliseconds: u64) -> Timestamp {
    later(Timestamp::from_second(1_700_000_000).unwrap(), Duration::from_millis(milliseconds))
}

pub(super) fn identity(secret_id: &str) -> KeyIdentity {
    Credential::new(secret_id, SecretString::from("k"), None).unwrap().identity()
}

pub(super) fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

#[derive(Clone)]
pub(super) struct Order {
    pub(super) identity: KeyIdentity,
    pub(super) region: Region,
    pub(super) namespace: String,
    /// Smaller is older.
    pub(super) created: u64,
    pub(super) urgency: Urgency,
    pub(super) needs: Vec<(Action, u8)>,
}

pub(super) fn order(namespace: &str, created: u64, urgency: Urgency, needs: &[(Action, u8)]) -> Order {
    let (identity, region) = (identity("id"), region("ap-guangzhou"));
    Order { identity, region, namespace: namespace.into(), created, urgency, needs: needs.into() }
}

/// What became of one order.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    pub(super) asked: u32,
    pub(super) granted: Option<Timestamp>,
    pub(super) instants: Vec<(Action, Timestamp)>,
}

/// Orders that ask at given times and come back when told, plus what `late` says (in milliseconds, by number of asks).
pub(super) struct World {
    pub(super) budget: Budget,
    pub(super) orders: Vec<Order>,
    pub(super) stories: Vec<Story>,
    pub(super) agenda: BinaryHeap<Reverse<(Timestamp, usize)>>,
    pub(super) late: fn(u64) -> u64,
    pub(super) asks: u32,
}

impl World {
    pub(super) fn new(share: f64) -> Self {
        let (orders, stories, agenda) = (vec![], vec![], BinaryHeap::new());
        Self { budget: Budget::new(share), orders, stories, agenda, late: |_| 0, asks: 0 }
    }

    pub(super) fn add(&mut self, first_asks: Timestamp, order: Order) -> usize {
        let index = self.orders.len();
        self.orders.push(order);
        self.stories.push(Story::default());
        self.agenda.push(Reverse((first_asks, index)));
        index
    }

    pub(super) fn ask(&mut self, now: Timestamp, index: usize) -> Grant {
        let order = &self.orders[index];
        self.budget.ask(
            now,
            &Claim {
                identity: &order.identity,
                region: &order.region,
                needs: &order.needs,
                urgency: order.urgency,
                namespace: &order.namespace,
                created: at(order.created),
                uid: &format!("uid-{index}"),
            },
        )
    }

    /// Lets time pass until nobody is left, or until `end`.
    pub(super) fn run(&mut self, end: Timestamp) {
        while let Some(Reverse((now, index))) = self.agenda.peek().copied().filter(|Reverse((now, _))| *now <= end) {
            self.agenda.pop();
            self.asks += 1;
            self.stories[index].asked += 1;
            match self.ask(now, index) {
                Grant::Granted(instants) => {
                    assert!(instants.iter().all(|(_, instant)| instant >= now));
                    assert!(instants.0.is_sorted_by_key(|(_, instant)| *instant), "in the order of use");
                    let story = &mut self.stories[index];
                    (story.granted, story.instants) = (Some(now), instants.0);
                }
                Grant::RestUntil(until) => {
                    assert!(until >= later(now, Duration::from_millis(50)), "no busy waiting");
                    let back = later(until, Duration::from_millis((self.late)(self.asks.into())));
                    self.agenda.push(Reverse((back, index)));
                }
            }
        }
    }

    pub(super) fn all_served(&self) -> bool {
        self.stories.iter().all(|story| story.granted.is_some())
    }

    /// Every instant that was given away, by action, in order of time.
    pub(super) fn instants(&self) -> BTreeMap<Action, Vec<Timestamp>> {
        let mut lanes: BTreeMap<Action, Vec<Timestamp>> = BTreeMap::new();
        for (action, instant) in self.stories.iter().flat_map(|story| &story.instants) {
            lanes.entry(*action).or_default().push(*instant);
        }
        for lane in lanes.values_mut() {
            lane.sort();
        }
        lanes
    }

    pub(super) fn end(&self) -> Timestamp {
        self.instants().values().flatten().copied().max().unwrap()
    }
}

/// Most instants in any window of a second, both ends included if `closed`.
pub(super) fn busiest_second(lane: &[Timestamp], closed: bool) -> u32 {
    let within = |from: Timestamp, to: Timestamp| {
        let gap = span(from, to);
        gap < Duration::from_secs(1) || closed && gap == Duration::from_secs(1)
    };
    let from = |index: usize| lane[index..].iter().take_while(|instant| within(lane[index], **instant)).count();
    (0..lane.len()).map(from).max().unwrap_or(0).try_into().unwrap()
}
