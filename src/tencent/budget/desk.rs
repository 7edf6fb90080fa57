//! Where the claims of one access key in one region wait: four lanes, a rotation for each urgency, and who is expected
//! back when.
//!
//! # What is granted
//! A claim is granted if its instants, behind those that everybody before it needs, lie within [`AHEAD`]. What it then
//! gets are the first free ones: those before it find theirs behind it, still within reach. A claim that needs more of a
//! lane than [`AHEAD`] holds (possible at small shares) may look as far ahead as it would have to alone.
//!
//! # Why it cannot hang
//! The order of claims is the same for all lanes. Whoever is first everywhere has nobody before it, so it is granted as
//! soon as its own instants come within reach; if it does not come back for them, it is forgotten.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::lane::Lane;
use super::rotation::{Age, Exit, Rotation};
use super::{Claim, Grant, Instants, Urgency, earlier, later, span};
use crate::tencent::action::Action;

/// How far ahead instants are given away. Enough for those who come back late; little enough for those who come new.
const AHEAD: Duration = Duration::from_millis(500);
/// Nobody is asked to come back sooner.
const SHORTEST_REST: Duration = Duration::from_millis(50);
/// Nobody is asked to come back later: an estimate from further away is worth nothing.
const LONGEST_REST: Duration = Duration::from_mins(1);
/// How late a claim may come back without losing its place.
const GRACE: Duration = Duration::from_secs(2);
/// After this long a claim counts as one step more urgent, though never as resolving.
const PATIENCE: Duration = Duration::from_mins(1);

/// See the file's header.
#[derive(Debug, Default)]
pub(super) struct Desk {
    lanes: BTreeMap<Action, Lane>,
    rotations: BTreeMap<Urgency, Rotation>,
    waiting: HashMap<Arc<str>, Waiting>,
    /// Until when each one is expected back, soonest first.
    expected: BTreeSet<(Timestamp, Arc<str>)>,
}

/// A claim that was told to rest.
#[derive(Debug)]
struct Waiting {
    urgency: Urgency,
    namespace: Arc<str>,
    age: Age,
    needs: Vec<(Action, u8)>,
    since: Timestamp,
    until: Timestamp,
}

impl Desk {
    /// `since`: when the budget began, empty.
    pub(super) fn ask(&mut self, now: Timestamp, claim: &Claim<'_>, share: f64, since: Timestamp) -> Grant {
        self.forget_the_late(now);
        for (action, _) in claim.needs {
            self.lanes
                .entry(*action)
                .or_insert_with(|| Lane::new(pace(*action, share), fastest(*action), action.side_by_side(), since));
        }
        let uid: Arc<str> = Arc::from(claim.uid);
        self.admit(now, claim, &uid);
        let behind_others = self.timeline(now, claim.needs, |action| self.demand_before(&uid, action));
        let last = behind_others.last().map_or(now, |(_, instant)| *instant);
        let reach = AHEAD.max(self.span_alone(now, claim.needs));
        if last <= later(now, reach) {
            self.dismiss(&uid, Exit::Served);
            return Grant::Granted(self.take(now, claim.needs));
        }
        let mut rest = span(now, earlier(last, reach));
        if claim.needs.iter().filter_map(|(action, _)| self.lanes.get(action)).any(|lane| lane.is_slowed(now)) {
            // The pace is coming back meanwhile. Whoever came when it would be its turn at the pace of now came too late, and
            // the lane would stand empty; half of the way is never too long.
            rest /= 2;
        }
        let until = later(now, rest.clamp(SHORTEST_REST, LONGEST_REST));
        if let Some(waiting) = self.waiting.get_mut(&uid) {
            self.expected.remove(&(waiting.until, Arc::clone(&uid)));
            waiting.until = later(until, GRACE);
            self.expected.insert((waiting.until, uid));
        }
        Grant::RestUntil(until)
    }

    pub(super) fn throttled(&mut self, now: Timestamp, action: Action) {
        if let Some(lane) = self.lanes.get_mut(&action) {
            lane.throttle(now);
        }
    }

    pub(super) fn depart(&mut self, now: Timestamp, action: Action, waited: bool) -> Option<Timestamp> {
        self.lanes.get_mut(&action)?.depart(now, waited)
    }

    /// Forgets what costs memory and decides nothing any more. Whether nothing is left.
    pub(super) fn tidy(&mut self, now: Timestamp) -> bool {
        self.forget_the_late(now);
        self.lanes.retain(|_, lane| !lane.is_idle(now));
        self.lanes.is_empty() && self.waiting.is_empty()
    }

    /// How many claims wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Puts a claim among those who wait, at the place that it has now.
    fn admit(&mut self, now: Timestamp, claim: &Claim<'_>, uid: &Arc<str>) {
        let since = self.waiting.get(uid).map_or(now, |waiting| waiting.since);
        let urgency = claim.urgency.after(span(since, now), PATIENCE);
        let age: Age = (claim.created, Arc::clone(uid));
        let stays = self.waiting.get(uid).is_some_and(|waiting| {
            waiting.urgency == urgency
                && waiting.age == age
                && waiting.needs == claim.needs
                && &*waiting.namespace == claim.namespace
        });
        if stays {
            return;
        }
        self.dismiss(uid, Exit::Gone);
        let namespace: Arc<str> = Arc::from(claim.namespace);
        self.rotations.entry(urgency).or_default().enter(&namespace, age.clone(), claim.needs);
        let until = later(now, GRACE);
        self.expected.insert((until, Arc::clone(uid)));
        let waiting = Waiting { urgency, namespace, age, needs: claim.needs.to_vec(), since, until };
        self.waiting.insert(Arc::clone(uid), waiting);
    }

    fn dismiss(&mut self, uid: &Arc<str>, exit: Exit) {
        let Some(waiting) = self.waiting.remove(uid) else {
            return;
        };
        self.expected.remove(&(waiting.until, Arc::clone(uid)));
        if let Some(rotation) = self.rotations.get_mut(&waiting.urgency) {
            rotation.leave(&waiting.namespace, &waiting.age, &waiting.needs, exit);
        }
    }

    fn forget_the_late(&mut self, now: Timestamp) {
        while let Some((_, uid)) = self.expected.first().filter(|(until, _)| *until < now).cloned() {
            self.dismiss(&uid, Exit::Gone);
        }
    }

    /// How many instants of an action those before a waiting claim need.
    fn demand_before(&self, uid: &Arc<str>, action: Action) -> u64 {
        let Some(waiting) = self.waiting.get(uid) else { return 0 };
        let more_urgent = self.rotations.range(..waiting.urgency).map(|(_, rotation)| rotation.demand(action));
        let own = waiting.needs.iter().filter(|(needed, _)| *needed == action).map(|(_, need)| u64::from(*need)).sum();
        let alike = self
            .rotations
            .get(&waiting.urgency)
            .map_or(0, |rotation| rotation.demand_before(rotation.rank(&waiting.namespace, &waiting.age), action, own));
        more_urgent.fold(alike, u64::saturating_add)
    }

    /// The instants of a claim in the order in which they will be used, each lane's behind `before` others.
    fn timeline(
        &self,
        now: Timestamp,
        needs: &[(Action, u8)],
        before: impl Fn(Action) -> u64,
    ) -> Vec<(Action, Timestamp)> {
        let mut free: BTreeMap<Action, Timestamp> = BTreeMap::new();
        let mut plan = vec![];
        let mut last = now;
        for (action, calls) in needs {
            let Some(lane) = self.lanes.get(action) else { continue };
            let interval = lane.interval(now);
            let group = action.side_by_side().max(1);
            for call in 0..*calls {
                let first = || {
                    let others = u32::try_from(before(*action)).unwrap_or(u32::MAX);
                    later(lane.free(now), interval.saturating_mul(others))
                };
                let instant = (*free.entry(*action).or_insert_with(first)).max(last);
                // The last of those that leave side by side leaves the space of all of them free behind it.
                let ended = call.saturating_add(1);
                if ended.is_multiple_of(group) || ended == *calls {
                    let size = u32::from(call % group).saturating_add(1);
                    free.insert(*action, later(instant, interval.saturating_mul(size)));
                } else {
                    free.insert(*action, instant);
                }
                plan.push((*action, instant));
                last = instant;
            }
        }
        plan
    }

    /// How long a claim takes on lanes that are free.
    fn span_alone(&self, now: Timestamp, needs: &[(Action, u8)]) -> Duration {
        let each = needs.iter().filter_map(|(action, need)| {
            let group = action.side_by_side().max(1);
            let gaps = u32::from(need.saturating_sub(1) / group).saturating_mul(u32::from(group));
            Some(self.lanes.get(action)?.interval(now).saturating_mul(gaps))
        });
        each.fold(Duration::ZERO, Duration::saturating_add)
    }

    fn take(&mut self, now: Timestamp, needs: &[(Action, u8)]) -> Instants {
        let plan = self.timeline(now, needs, |_| 0);
        for (action, instant) in &plan {
            if let Some(lane) = self.lanes.get_mut(action) {
                lane.take(*instant, now);
            }
        }
        Instants(plan)
    }
}

/// Calls a second: the share of the documented rate, as far as that leaves the reserve.
fn pace(action: Action, share: f64) -> f64 {
    (f64::from(action.documented_rate()) * share).min(fastest(action))
}

/// Calls a second that ever leave, also after a stall: the documented rate less what leaves side by side at the end of a
/// second that is full, and less a reserve. As many calls as are one too many then take 15 ms longer than a second to
/// leave, of which timers take 5, and 10 ms longer may the way to the cloud take for one call than for another.
fn fastest(action: Action) -> f64 {
    (f64::from(action.documented_rate()) + 1.0 - f64::from(action.side_by_side())) * 0.985
}
