//! What a candidate does next, from what it saw of the lease and when. Pure: the clocks are arguments.
//!
//! | the lease | this process | next |
//! |---|---|---|
//! | not known: at the start, after an attempt that failed, after a conflict | | read it |
//! | not there | | create it |
//! | held by nobody | | take it |
//! | its own | never wrote it, or `retry` ago | write it: a restarted container takes its lease back at once |
//! | its own | wrote it just now | rest |
//! | another's | has watched it unchanged for its length | take it |
//! | another's | heard nothing of it for two and a half `retry` | read it: the watch may be deaf |
//! | another's | otherwise | rest, until one of the two |
//!
//! The two clocks never meet: what is compared is the monotonic one; the wall clock is only written into the lease, for
//! people. If a take is wrong, because a cache or a watch was behind, its resourceVersion is stale, and the API server
//! refuses it.

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::ResourceExt;
use kube::core::ObjectMeta;
use tokio::time::Instant;

/// The intervals of an election.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long others must see a lease unchanged before they take it.
    pub lease: Duration,
    /// How long a successful write lets its writer lead. Shorter than the lease.
    pub deadline: Duration,
    /// From one write to the next.
    pub retry: Duration,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Read the lease.
    Read,
    /// Create it as this.
    Create(Box<Lease>),
    /// Replace it by this, under the version that it names.
    Replace(Box<Lease>),
    /// Nothing, until the instant or until the watch tells something.
    Rest(Instant),
}

/// What is known of the lease.
#[derive(Clone, Debug, PartialEq)]
enum Known {
    Nothing,
    Absent,
    There(Box<Lease>),
}

/// One candidate's view of one lease.
#[derive(Debug)]
pub struct Election {
    identity: String,
    name: String,
    pace: Pace,
    known: Known,
    /// The newest version that was seen, where versions are numbers: a watch may tell what a write of ours overtook.
    newest: Option<u64>,
    /// What the lease says, and since when this process has seen it say so.
    said: Option<(LeaseSpec, Instant)>,
    /// When anything was last heard of the lease.
    heard: Instant,
    /// When the last write that succeeded was begun; none if it is not this process that wrote last.
    wrote: Option<Instant>,
    /// Nothing is tried before.
    pause: Instant,
}

impl Election {
    /// A candidate that knows nothing yet.
    pub fn new(identity: String, name: String, pace: Pace, now: Instant) -> Self {
        Self {
            identity,
            name,
            pace,
            known: Known::Nothing,
            newest: None,
            said: None,
            heard: now,
            wrote: None,
            pause: now,
        }
    }

    /// What to do now. `wall` goes into the lease.
    pub fn next(&self, now: Instant, wall: Timestamp) -> Step {
        if now < self.pause {
            return Step::Rest(self.pause);
        }
        let lease = match &self.known {
            Known::Nothing => return Step::Read,
            Known::Absent => return Step::Create(Box::new(self.own(None, wall))),
            Known::There(lease) => lease,
        };
        let due = match holder(lease) {
            None => now,
            Some(holder) if holder == self.identity => self.wrote.map_or(now, |wrote| wrote + self.pace.retry),
            Some(_) => self.over(lease, now),
        };
        let deaf = self.heard + self.pace.retry * 5 / 2;
        if due <= now {
            Step::Replace(Box::new(self.own(Some(lease), wall)))
        } else if self.is_own(lease) {
            Step::Rest(due)
        } else if deaf <= now {
            Step::Read
        } else {
            Step::Rest(due.min(deaf))
        }
    }

    /// Until when this process leads.
    pub fn guard(&self) -> Option<Instant> {
        self.wrote.map(|wrote| wrote + self.pace.deadline)
    }

    /// Whose name stands in the lease.
    pub fn holder(&self) -> Option<&str> {
        match &self.known {
            Known::There(lease) => holder(lease),
            Known::Absent | Known::Nothing => None,
        }
    }

    /// The lease was read from the server itself, which has the last word.
    pub fn read(&mut self, lease: Option<Lease>, now: Instant) {
        self.newest = None;
        self.see(lease, now);
    }

    /// The watch told what the lease has become; it may be late.
    pub fn watched(&mut self, lease: Lease, is_deleted: bool, now: Instant) {
        let version = version(&lease);
        if version.zip(self.newest).is_some_and(|(version, newest)| version < newest) {
            return;
        }
        let known = (!is_deleted).then_some(lease);
        self.see(known, now);
        self.newest = version;
    }

    /// A write that was begun at `begun` has succeeded: the lease is this process's until the deadline after it.
    pub fn wrote(&mut self, lease: Lease, begun: Instant, now: Instant) {
        self.see(Some(lease), now);
        self.wrote = Some(begun);
    }

    /// Somebody else wrote first.
    pub fn conflicted(&mut self, now: Instant) {
        self.known = Known::Nothing;
        // Short, for the other may be gone again; but two that meet must not spin.
        self.pause = now + self.pace.retry / 10;
    }

    /// An attempt that was begun at `begun` brought no clear answer. A write may have happened.
    pub fn failed(&mut self, begun: Instant) {
        self.known = Known::Nothing;
        self.pause = begun + self.pace.retry;
    }

    /// What gives the lease up, if it is this process's own.
    pub fn release(&self, lease: &Lease, wall: Timestamp) -> Option<Lease> {
        self.is_own(lease).then(|| {
            let mut free = self.own(Some(lease), wall);
            // Empty and not absent, as others who know leases write it.
            free.spec.get_or_insert_default().holder_identity = Some(String::new());
            free
        })
    }

    fn see(&mut self, lease: Option<Lease>, now: Instant) {
        self.heard = now;
        let Some(lease) = lease else {
            // Still the leader until the guard ends, or until another one creates it.
            self.known = Known::Absent;
            return;
        };
        self.newest = version(&lease);
        if holder(&lease).is_some_and(|holder| holder != self.identity) {
            self.wrote = None;
        }
        // What the lease says and not its version: who labels it every second must not keep a dead holder in office.
        let spec = lease.spec.clone().unwrap_or_default();
        if self.said.as_ref().is_none_or(|(said, _)| *said != spec) {
            self.said = Some((spec, now));
        }
        self.known = Known::There(Box::new(lease));
    }

    /// When another's lease is over: its length, as its holder gives it, after it was first seen as it is. The length is
    /// bounded, so that nobody can write one that never ends.
    fn over(&self, lease: &Lease, now: Instant) -> Instant {
        let own = self.pace.lease;
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let theirs = Duration::from_secs(seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0));
        let since = self.said.as_ref().map_or(now, |(_, since)| *since);
        since + theirs.clamp(own, own * 4)
    }

    fn is_own(&self, lease: &Lease) -> bool {
        holder(lease) == Some(self.identity.as_str())
    }

    /// The lease as this process writes it. What others put beside it stays.
    fn own(&self, lease: Option<&Lease>, wall: Timestamp) -> Lease {
        let before = lease.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let is_new = lease.is_none_or(|lease| !self.is_own(lease));
        let transitions = before.lease_transitions.unwrap_or(0);
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.pace.lease.as_secs()).ok(),
            acquire_time: if is_new { Some(MicroTime(wall)) } else { before.acquire_time },
            renew_time: Some(MicroTime(wall)),
            lease_transitions: Some(transitions.saturating_add(i32::from(is_new && lease.is_some()))),
            preferred_holder: before.preferred_holder,
            strategy: before.strategy,
        };
        let named = || ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        Lease { metadata: lease.map_or_else(named, |lease| lease.metadata.clone()), spec: Some(spec) }
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

fn version(lease: &Lease) -> Option<u64> {
    lease.resource_version()?.parse().ok()
}
