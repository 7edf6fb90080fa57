//! The shell of an election: one lease, read, watched and written.
//!
//! # What it guarantees
//! - An attempt ends within [`ATTEMPT`]. The client must not repeat requests by itself: a repeated write comes back as a
//!   conflict with its own first success.
//! - What an election amounts to is published before anything else is awaited.
//! - At the end the lease is given up, if it is this process's: the successor need not wait for it to run out.
//!
//! # Rights
//! `create` (which cannot be limited to a name), and on the one lease `get`, `watch` and `update`. No `list`: the watch
//! begins with what is there.
//!
//! # Why not kube's watcher
//! It lists, keeps a state and retries with growing pauses. Here a watch that broke off is only a reason to read.

use std::pin::pin;
use std::time::Duration;

use futures::{Stream, StreamExt, future, stream};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams, WatchEvent, WatchParams};
use kube::{Client, Error};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::election::{Election, Step};
use super::{Guard, State};
use crate::runtime::clock;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(3);
/// The pause before a watch that ended is begun anew.
const AGAIN: Duration = Duration::from_millis(500);
/// How long one watch call may last, in seconds.
const WATCH_SECONDS: u32 = 40;

/// Keeps one candidate's name in the lease, as far as others let it.
#[derive(Debug)]
pub struct Keeper {
    api: Api<Lease>,
    name: String,
    election: Election,
    state: watch::Sender<State>,
    is_failing: bool,
}

/// What an attempt came to, if it was no success.
enum Trouble {
    Absent,
    Conflict,
    Unclear(String),
}

impl Keeper {
    pub(super) fn new(
        client: Client,
        namespace: &str,
        name: &str,
        election: Election,
        state: watch::Sender<State>,
    ) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), election, state, is_failing: false }
    }

    /// Runs for the lease and renews it until `end`, then gives it up.
    pub async fn hold(mut self, end: impl Future<Output = ()>) {
        let mut sightings = pin!(sightings(self.api.clone(), &self.name));
        let mut end = pin!(end);
        loop {
            self.publish();
            let step = self.election.next(Instant::now(), clock::now());
            tokio::select! {
                biased;
                () = &mut end => break,
                () = self.take(step, &mut sightings) => {}
            }
        }
        self.give_up().await;
    }

    fn publish(&self) {
        let guard = self.election.guard().map_or(Guard::Nothing, Guard::Until);
        let state = State { guard, holder: self.election.holder().map(str::to_owned) };
        // Between a failed attempt and the next read nothing is known; what was known is still the best guess.
        self.state.send_if_modified(|before| {
            let holder = state.holder.clone().or_else(|| before.holder.clone());
            let state = State { holder, ..state };
            let is_new = *before != state;
            *before = state;
            is_new
        });
    }

    /// Takes one step. Dropped in the middle of a write, that write may still happen; [`Self::give_up`] reads first.
    async fn take(&mut self, step: Step, sightings: &mut (impl Stream<Item = WatchEvent<Lease>> + Unpin)) {
        let begun = Instant::now();
        let params = PostParams::default();
        match step {
            Step::Rest(until) => tokio::select! {
                () = sleep_until(until) => {}
                Some(event) = sightings.next() => match event {
                    WatchEvent::Added(lease) | WatchEvent::Modified(lease) => {
                        self.election.watched(lease, false, Instant::now());
                    }
                    WatchEvent::Deleted(lease) => self.election.watched(lease, true, Instant::now()),
                    WatchEvent::Bookmark(_) | WatchEvent::Error(_) => {}
                },
            },
            Step::Read => match within(self.api.get(&self.name)).await {
                Ok(lease) => self.election.read(Some(lease), Instant::now()),
                Err(Trouble::Absent) => self.election.read(None, Instant::now()),
                Err(trouble) => self.fails(trouble, begun),
            },
            Step::Create(lease) => {
                let answer = within(self.api.create(&params, &lease)).await;
                self.wrote(answer, begun);
            }
            Step::Replace(lease) => {
                let answer = within(self.api.replace(&self.name, &params, &lease)).await;
                self.wrote(answer, begun);
            }
        }
    }

    fn wrote(&mut self, answer: Result<Lease, Trouble>, begun: Instant) {
        match answer {
            Ok(lease) => {
                self.is_failing = false;
                self.election.wrote(lease, begun, Instant::now());
            }
            Err(trouble) => self.fails(trouble, begun),
        }
    }

    fn fails(&mut self, trouble: Trouble, begun: Instant) {
        let said = match trouble {
            Trouble::Conflict => return self.election.conflicted(Instant::now()),
            Trouble::Absent => "there is no such lease, or no such namespace".to_owned(),
            Trouble::Unclear(said) => said,
        };
        self.election.failed(begun);
        // Once until it succeeds again: the attempts are two seconds apart.
        if !self.is_failing {
            tracing::warn!(lease = self.name, said, "the lease can neither be read nor written; it is tried again");
        }
        self.is_failing = true;
    }

    /// Takes this process's name out of the lease. Once more if a write of its own was still under way.
    async fn give_up(&self) {
        if self.election.guard().is_none_or(|guard| guard <= Instant::now()) {
            return;
        }
        self.state.send_modify(|state| state.guard = Guard::Nothing);
        for _ in 0..2 {
            let Ok(lease) = within(self.api.get(&self.name)).await else { break };
            let Some(free) = self.election.release(&lease, clock::now()) else { return };
            match within(self.api.replace(&self.name, &PostParams::default(), &free)).await {
                Ok(_) => {
                    return tracing::info!(lease = self.name, "the lease is given up: a successor may lead at once");
                }
                Err(Trouble::Conflict) => {}
                Err(Trouble::Absent | Trouble::Unclear(_)) => break,
            }
        }
        tracing::warn!(lease = self.name, "the lease could not be given up: a successor waits until it runs out");
    }
}

/// What a watch of the lease tells, for ever: first what is there, then what it becomes.
fn sightings(api: Api<Lease>, name: &str) -> impl Stream<Item = WatchEvent<Lease>> + use<> {
    let params = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(WATCH_SECONDS);
    let open = move |pause: Duration| {
        let (api, params) = (api.clone(), params.clone());
        async move {
            sleep(pause).await;
            let events = match timeout(ATTEMPT, api.watch(&params, "0")).await {
                Ok(Ok(events)) => events.boxed(),
                Ok(Err(_)) | Err(_) => stream::empty().boxed(),
            };
            // An error is the last thing that a watch tells.
            let events = events.scan((), |(), event| future::ready(event.ok()));
            Some((events.take_while(|event| future::ready(!matches!(event, WatchEvent::Error(_)))), AGAIN))
        }
    };
    stream::unfold(Duration::ZERO, open).flatten().boxed()
}

async fn within<T>(attempt: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
    match timeout(ATTEMPT, attempt).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Error::Api(status))) => Err(match status.code {
            404 => Trouble::Absent,
            409 => Trouble::Conflict,
            _ => Trouble::Unclear(status.message.clone()),
        }),
        Ok(Err(error)) => Err(Trouble::Unclear(error.to_string())),
        Err(_) => Err(Trouble::Unclear("no answer in time".to_owned())),
    }
}
