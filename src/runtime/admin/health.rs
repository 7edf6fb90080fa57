//! Alive and ready: two handles that the work touches and the probes read.
//!
//! Both measure with the monotonic clock: a step of the wall clock must neither kill a healthy program nor hide a stuck
//! one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Whether the vital loop turns. Clones share one heartbeat.
#[derive(Clone, Debug)]
pub struct Liveness {
    beat: Arc<Mutex<Instant>>,
    deadline: Duration,
}

impl Liveness {
    /// A heart that beats now and must beat again within `deadline`, each time.
    pub fn new(deadline: Duration) -> Self {
        Self { beat: Arc::new(Mutex::new(Instant::now())), deadline }
    }

    /// The vital loop has turned.
    pub fn touch(&self) {
        *lock(&self.beat) = Instant::now();
    }

    /// For how long the loop has not turned, if that is longer than it may.
    pub fn overdue(&self) -> Option<Duration> {
        let silence = lock(&self.beat).elapsed();
        (silence > self.deadline).then_some(silence)
    }
}

/// Whether every watch has seen its first list. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    watches: Arc<Mutex<BTreeMap<String, bool>>>,
}

impl Readiness {
    /// Nothing is watched yet, which is not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more watch must have its first list. `name` is what `/readyz` says it waits for.
    pub fn expect(&self, name: impl Into<String>) -> Pending {
        let name = name.into();
        lock(&self.watches).insert(name.clone(), false);
        Pending { readiness: self.clone(), name }
    }

    /// What is still missing, in the order of the names; empty means ready.
    pub fn missing(&self) -> Vec<String> {
        let watches = lock(&self.watches);
        if watches.is_empty() {
            return vec!["the program to start its watches".to_owned()];
        }
        watches.iter().filter(|(_, seen)| !**seen).map(|(name, _)| name.clone()).collect()
    }
}

/// A watch's own end of [`Readiness`]. Dropped without a first list, it stays missing: a watch that ended early is not
/// ready.
#[derive(Clone, Debug)]
pub struct Pending {
    readiness: Readiness,
    name: String,
}

impl Pending {
    /// The first list is here. Further calls change nothing: a watch that lists again was ready before.
    pub fn listed(&self) {
        lock(&self.readiness.watches).insert(self.name.clone(), true);
    }
}

/// A poisoned lock holds a value that is as good as any: each write here is a single assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_beat_lasts_exactly_its_deadline() {
        let liveness = Liveness::new(DEADLINE);
        advance(DEADLINE).await;
        assert_eq!(liveness.overdue(), None);
        advance(Duration::from_millis(1)).await;
        assert_eq!(liveness.overdue(), Some(DEADLINE + Duration::from_millis(1)));
        liveness.clone().touch();
        assert_eq!(liveness.overdue(), None, "clones share one heartbeat");
    }
}
