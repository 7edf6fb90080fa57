//! What the objects show, as anybody sees it who watches them: when each was accepted, when it ended, how often it was
//! written.
//!
//! All contestants are judged by the conditions of the same kind, by one watch, on the clock of this machine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::{StreamExt as _, pin_mut};
use jiff::Timestamp;
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use tokio::task::JoinHandle;

use crate::clock;
use crate::orders;

/// One order, as it was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Track {
    /// Its name.
    pub(crate) name: String,
    /// When `Submitted` was first seen True.
    pub(crate) accepted: Option<Timestamp>,
    /// When `Ready` was first seen True.
    pub(crate) ready: Option<Timestamp>,
    /// When `Stalled` was first seen True.
    pub(crate) stalled: Option<Timestamp>,
    /// The reason of `Ready`.
    pub(crate) reason: String,
}

impl Track {
    fn learn(&mut self, object: &DynamicObject, now: Timestamp) {
        let conditions = object.data.pointer("/status/conditions").and_then(serde_json::Value::as_array);
        for condition in conditions.into_iter().flatten() {
            let text = |name: &str| condition.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
            let is_true = text("status") == "True";
            match text("type") {
                "Submitted" if is_true => _ = self.accepted.get_or_insert(now),
                "Stalled" if is_true => _ = self.stalled.get_or_insert(now),
                "Ready" => {
                    text("reason").clone_into(&mut self.reason);
                    if is_true {
                        self.ready.get_or_insert(now);
                    }
                }
                _ => {}
            }
        }
    }
}

type Tracks = Arc<Mutex<HashMap<String, Track>>>;

/// Watches every order of the cluster until it is dropped.
#[derive(Debug)]
pub(crate) struct Witness {
    tracks: Tracks,
    task: JoinHandle<()>,
}

impl Witness {
    /// Begins to watch.
    pub(crate) fn start(client: Client) -> Self {
        let tracks = Tracks::default();
        let seen = Arc::clone(&tracks);
        let api: Api<DynamicObject> = Api::all_with(client, &orders::kind());
        let task = tokio::spawn(async move {
            // A watch that ends begins anew by itself; with pauses, because where the API server is gone for good it fails at
            // once, and a task that never rests cannot be aborted.
            let events = watcher(api, watcher::Config::default()).default_backoff();
            pin_mut!(events);
            while let Some(event) = events.next().await {
                if let Ok(Event::Apply(object) | Event::InitApply(object)) = event {
                    let mut tracks = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    let track = tracks.entry(object.uid().unwrap_or_default()).or_default();
                    track.name = object.name_any();
                    track.learn(&object, clock::now());
                }
            }
        });
        Self { tracks, task }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Track>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen of one.
    pub(crate) fn of(&self, uid: &str) -> Track {
        self.lock().get(uid).cloned().unwrap_or_default()
    }

    /// What was seen of all.
    pub(crate) fn all(&self) -> Vec<Track> {
        self.lock().values().cloned().collect()
    }

    /// How many fulfil `wanted`.
    pub(crate) fn count(&self, wanted: impl Fn(&Track) -> bool) -> usize {
        self.lock().values().filter(|track| wanted(track)).count()
    }

    /// Waits until this one was accepted.
    ///
    /// # Errors
    /// It takes longer than `patience`.
    pub(crate) async fn until_accepted(&self, uid: &str, patience: Duration) -> Result<()> {
        let begin = Instant::now();
        while self.of(uid).accepted.is_none() {
            let track = self.of(uid);
            if begin.elapsed() > patience {
                bail!("{} is not accepted after {} s but {:?}", track.name, patience.as_secs(), track.reason);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Waits until so many fulfil `wanted`; `tell` hears every few seconds how many do.
    ///
    /// # Errors
    /// It takes longer than `patience`.
    pub(crate) async fn until(
        &self,
        count: usize,
        wanted: impl Fn(&Track) -> bool,
        patience: Duration,
        mut tell: impl FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        let (begin, mut told) = (Instant::now(), Instant::now());
        loop {
            let found = self.count(&wanted);
            if found >= count {
                return Ok(());
            }
            if begin.elapsed() > patience {
                bail!("after {} s only {found} of {count} are there", patience.as_secs());
            }
            if told.elapsed() > Duration::from_secs(10) {
                tell(found)?;
                told = Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}
