//! Who works, if several of this program run: the one whose name stands in a Lease of the cluster.
//!
//! No backup depends on it (I1 to I8 hold for any number of them): it spares the cloud's rate limits, which every further
//! one would spend again. So it is built to be prompt and quiet.
//!
//! # What it guarantees
//! - Leading has an end that is known in advance: a write of the lease that succeeds is good until [`PACE`]'s deadline after
//!   the instant at which it was *begun*, by this process's monotonic clock. [`Lead::leads`] compares with that instant, so
//!   a process that slept does not lead when it wakes, whatever it missed.
//! - No clock of another machine is believed: another's lease is over once this process itself has watched it for its whole
//!   length without a change. That is later than the end of the other's guard by at least a third of the lease.
//! - Every write is guarded by the resourceVersion that was read, and every attempt ends in time.
//! - A lost lease ends no process: it stands by, with its watch caches warm, until the lease is its own again.
//!
//! [`election`] decides and is pure; `keeper` is the shell around the API; [`Lead`] is what the work asks.
//!
//! # Why not a library
//! None was found for kube 5 that does all of this: `kube-leader-election` says itself that it fences nothing,
//! `kube-lease-manager` compares the clocks of nodes, and `kube-coordinate` and kubert's lease speak older versions of kube.
//!
//! # What it cannot
//! The monotonic clock stands still while a whole machine is suspended. What then leaves late is stopped by the signature's
//! age (I2), not by this.

pub mod election;
mod keeper;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

pub use keeper::Keeper;

use super::metrics::Metrics;
use election::{Election, Pace};

/// The intervals that the cluster's own components use.
pub const PACE: Pace =
    Pace { lease: Duration::from_secs(15), deadline: Duration::from_secs(10), retry: Duration::from_secs(2) };

/// Until when this process leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// There is no election.
    Always,
    /// The lease is its own; good until the instant.
    Until(Instant),
    /// It stands by.
    Nothing,
}

impl Guard {
    fn holds(self) -> bool {
        match self {
            Self::Always => true,
            Self::Until(end) => Instant::now() < end,
            Self::Nothing => false,
        }
    }
}

/// How the election stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    guard: Guard,
    /// Whose name stands in the lease, as far as is known.
    holder: Option<String>,
}

/// Whether this process leads. Clones see the same election.
#[derive(Clone, Debug)]
pub struct Lead(watch::Receiver<State>);

impl Lead {
    /// Leads from the beginning to the end: there is no election.
    pub fn always() -> Self {
        Self(watch::channel(State { guard: Guard::Always, holder: None }).1)
    }

    /// A candidate for the lease `name` in `namespace` under the name `identity`, and the keeper that must be run for it.
    pub fn candidate(client: Client, namespace: &str, name: &str, identity: String) -> (Self, Keeper) {
        let (sender, receiver) = watch::channel(State { guard: Guard::Nothing, holder: None });
        let election = Election::new(identity, name.to_owned(), PACE, Instant::now());
        (Self(receiver), Keeper::new(client, namespace, name, election, sender))
    }

    /// Whether this process leads at this instant.
    pub fn leads(&self) -> bool {
        let guard = self.0.borrow().guard;
        guard.holds()
    }

    /// Resolves as soon as this process leads, at once if it does.
    pub async fn leading(&self) {
        self.until(Self::leads).await;
    }

    /// Resolves as soon as this process does not lead, at once if it does not: at the guard's own instant if nobody tells.
    pub async fn lost(&self) {
        self.until(|lead| !lead.leads()).await;
    }

    /// Runs `work` as long as this process leads: `None` if it ceased to. It is asked before every step of `work`, so not
    /// even a process that just woke goes on with what it was about to do.
    pub async fn while_leading<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let (mut work, mut lost) = (pin!(work), pin!(self.lost()));
        poll_fn(|context| {
            if lost.as_mut().poll(context).is_ready() || !self.leads() {
                return Poll::Ready(None);
            }
            work.as_mut().poll(context).map(Some)
        })
        .await
    }

    /// Tells of every gain and loss, and whose turn it is, for ever.
    pub async fn announce(&self, metrics: &Metrics) {
        let mut told = None;
        let mut turns = self.clone();
        loop {
            let (leads, holder) = (turns.leads(), turns.0.borrow_and_update().holder.clone());
            metrics.set_leader(leads);
            let news = Some((leads, holder.clone()));
            if told != news {
                tell(leads, told.as_ref().is_some_and(|(led, _)| *led), holder.as_deref());
                told = news;
            }
            turns.turn().await;
        }
    }

    async fn until(&self, enough: impl Fn(&Self) -> bool) {
        let mut turns = self.clone();
        while !enough(&turns) {
            turns.turn().await;
        }
    }

    /// Waits until something may be different: the state has changed, or a guard has run out.
    async fn turn(&mut self) {
        let guard = self.0.borrow().guard;
        let end = async {
            match guard {
                Guard::Until(end) if guard.holds() => sleep_until(end).await,
                Guard::Until(_) | Guard::Always | Guard::Nothing => std::future::pending().await,
            }
        };
        let change = async {
            // Without a sender nothing will ever change.
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = end => {}
            () = change => {}
        }
    }
}

fn tell(leads: bool, led: bool, holder: Option<&str>) {
    match (leads, led, holder) {
        (true, false, _) => tracing::info!("leading: the orders are this process's"),
        (false, true, holder) => {
            tracing::warn!(holder, "the lease is lost: standing by, no pass is begun before it is won again");
        }
        (false, false, Some(holder)) => tracing::info!(holder, "standing by: the orders are the holder's"),
        // Renewed, or nothing was read yet.
        (true, true, _) | (false, false, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, timeout};

    const LONG: Duration = Duration::from_hours(1);

    fn pair() -> (watch::Sender<State>, Lead) {
        let (sender, receiver) = watch::channel(State { guard: Guard::Nothing, holder: None });
        (sender, Lead(receiver))
    }

    fn guard(seconds: u64) -> State {
        State { guard: Guard::Until(Instant::now() + Duration::from_secs(seconds)), holder: None }
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_election_it_leads_for_ever() {
        let lead = Lead::always();
        lead.leading().await;
        assert!(lead.leads() && timeout(LONG, lead.lost()).await.is_err());
        assert_eq!(lead.while_leading(async { 1 }).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_guard_ends_at_its_instant_though_nobody_tells() {
        let (sender, lead) = pair();
        assert!(timeout(LONG, lead.leading()).await.is_err());
        sender.send_replace(guard(10));
        lead.leading().await;
        let begun = Instant::now();
        advance(Duration::from_secs(5)).await;
        sender.send_replace(guard(10));
        drop(sender);
        timeout(LONG, lead.lost()).await.expect("the guard ends");
        assert_eq!(begun.elapsed(), Duration::from_secs(15), "from the last renewal on");
        assert!(!lead.leads());
    }

    #[tokio::test(start_paused = true)]
    async fn work_stops_with_the_guard_and_not_a_step_later() {
        let (sender, lead) = pair();
        sender.send_replace(guard(10));
        let steps = std::cell::Cell::new(0);
        let work = async {
            loop {
                steps.set(steps.get() + 1);
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
        };
        assert_eq!(lead.while_leading::<()>(work).await, None);
        assert_eq!(steps.get(), 3, "at 0, 4 and 8 s");
        let late = async { steps.set(99) };
        assert_eq!(lead.while_leading(late).await, None);
        assert_eq!(steps.get(), 3);
    }
}
