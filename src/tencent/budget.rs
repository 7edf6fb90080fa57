//! When the next call may be made: one budget for each access key, region and action (I8).
//!
//! A token is a *send instant*, a moment at which one call may leave. Instants are evenly spaced, begin empty, and are
//! never saved up, so that in no second more calls are made than the share of the documented limit, and one. Only the
//! listings of one look may leave side by side, up to [`Action::side_by_side`] of them: the space that they take is left
//! free behind them, so that a second holds at most the share and one look, and never more than the documented limit.
//!
//! Asking never waits. It grants every instant a claim needs, or none and says until when to rest; so a pass that gets
//! none ends, and a thousand orders at rest cost no task. Who was told to rest keeps its place:
//!
//! 1. the more urgent first: resolving a doubt, looking before a submission, following, freshness;
//! 2. then namespaces in turn;
//! 3. then the oldest order first.
//!
//! The rest is an estimate from that place, made so that each wakes about once. After a minute of waiting a claim counts
//! as one step more urgent (not as resolving: a doubt is never held up by what is not one), so nothing starves.
//!
//! Nothing here is durable: a restart begins empty, which is slower and never faster.
//!
//! # Why not a semaphore or a rate-limiting crate
//! They hand out permission to whoever happens to wait at that moment, in the order of arrival, and make the others wait
//! inside their pass, with a look that grows stale.

mod desk;
mod lane;
mod ranked;
mod rotation;

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use self::desk::Desk;
use super::action::Action;
use super::credential::KeyIdentity;
use super::region::Region;

/// How often everything is searched for what can be forgotten.
const TIDY: Duration = Duration::from_mins(1);
/// A clock that goes back by less than this was read by two passes that overtook each other.
const OVERTAKEN: Duration = Duration::from_secs(1);

/// What a claim is for; the first is the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Urgency {
    /// To end a doubt.
    Resolve,
    /// To look, and perhaps submit.
    Look,
    /// To follow an accepted backup.
    Follow,
    /// To know how fresh the newest copy is.
    Protected,
}

impl Urgency {
    /// What it counts as after having waited.
    fn after(self, waited: Duration, patience: Duration) -> Self {
        let is_past = |times: u32| waited >= patience.saturating_mul(times);
        match self {
            Self::Protected if is_past(2) => Self::Look,
            Self::Protected if is_past(1) => Self::Follow,
            Self::Follow if is_past(1) => Self::Look,
            Self::Resolve | Self::Look | Self::Follow | Self::Protected => self,
        }
    }
}

/// What one pass asks for.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Whose limits it counts against.
    pub identity: &'a KeyIdentity,
    /// Where.
    pub region: &'a Region,
    /// How many calls of which action, in the order in which they will be made.
    pub needs: &'a [(Action, u8)],
    /// What for.
    pub urgency: Urgency,
    /// The order's namespace.
    pub namespace: &'a str,
    /// When the order was created.
    pub created: Timestamp,
    /// The order's UID. An order waits for one claim at a time: a new one takes the place of its last.
    pub uid: &'a str,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Everything that was asked for.
    Granted(Instants),
    /// Nothing; ask again then. Who comes more than two seconds later has lost its place.
    RestUntil(Timestamp),
}

/// Send instants, in the order of the claim's needs, none before its predecessor. They lie at most half a second ahead,
/// further only for a claim that needs longer by itself. One that is not used is lost; one that has passed may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instants(Vec<(Action, Timestamp)>);

impl Instants {
    /// Takes out the next instant of an action. `None`: no more were granted, so no call may be made.
    pub fn next(&mut self, action: Action) -> Option<Timestamp> {
        let position = self.0.iter().position(|(of, _)| *of == action)?;
        Some(self.0.remove(position).1)
    }

    /// All that are left.
    #[cfg(test)]
    fn iter(&self) -> impl Iterator<Item = (Action, Timestamp)> {
        self.0.iter().copied()
    }
}

/// The budgets of one process.
#[derive(Debug)]
pub struct Budget {
    share: f64,
    desks: HashMap<(KeyIdentity, Region), Desk>,
    /// Since when everything that was given away is known: before that another process may have called.
    since: Option<Timestamp>,
    latest: Timestamp,
    tidied: Timestamp,
}

impl Budget {
    /// `share` of each documented limit, 0.05 to 1; what lies outside is brought inside.
    pub fn new(share: f64) -> Self {
        let share = if share.is_nan() { 0.05 } else { share.clamp(0.05, 1.0) };
        Self { share, desks: HashMap::new(), since: None, latest: Timestamp::MIN, tidied: Timestamp::MIN }
    }

    /// Grants all of a claim's needs, or none. O(log n) in the number of claims that wait.
    pub fn ask(&mut self, now: Timestamp, claim: &Claim<'_>) -> Grant {
        let now = self.settle(now);
        if claim.needs.iter().all(|(_, need)| *need == 0) {
            return Grant::Granted(Instants::default());
        }
        let key = (claim.identity.clone(), claim.region.clone());
        let since = self.since.unwrap_or(now);
        self.desks.entry(key).or_default().ask(now, claim, self.share, since)
    }

    /// A call whose instant has come is about to leave. It leaves now, or asks again at the instant that is returned, and
    /// then says that it `waited`: the process stood still, and what came due meanwhile would leave with it.
    pub fn depart(
        &mut self,
        identity: &KeyIdentity,
        region: &Region,
        action: Action,
        now: Timestamp,
        waited: bool,
    ) -> Option<Timestamp> {
        let now = self.settle(now);
        self.desks.get_mut(&(identity.clone(), region.clone()))?.depart(now, action, waited)
    }

    /// The cloud said `RequestLimitExceeded`: this lane goes at half its pace for some seconds, and recovers.
    pub fn throttled(&mut self, identity: &KeyIdentity, region: &Region, action: Action, now: Timestamp) {
        let now = self.settle(now);
        if let Some(desk) = self.desks.get_mut(&(identity.clone(), region.clone())) {
            desk.throttled(now, action);
        }
    }

    /// How many claims wait.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.desks.values().map(Desk::len).sum()
    }

    /// The time to reckon with. A clock that was set back would leave every lane booked until it has caught up, so then
    /// everything begins anew, empty.
    fn settle(&mut self, now: Timestamp) -> Timestamp {
        if later(now, OVERTAKEN) < self.latest {
            self.desks.clear();
            self.since = None;
            self.latest = now;
            self.tidied = now;
        }
        self.latest = self.latest.max(now);
        self.since.get_or_insert(now);
        if span(self.tidied, now) >= TIDY {
            self.tidied = now;
            self.desks.retain(|_, desk| !desk.tidy(now));
        }
        self.latest
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

/// From one moment to a later one; zero if it is not later.
fn span(from: Timestamp, to: Timestamp) -> Duration {
    let span = to.duration_since(from).max(SignedDuration::ZERO);
    span.unsigned_abs()
}

#[cfg(test)]
mod tests;
