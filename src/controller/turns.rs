//! The caches of the watches, and whose turn it is at a busy instance.
//!
//! # What it guarantees
//! - No pass reads a whole cache: what is asked for by instance or by owner is kept in an index, from what the watch tells.
//! - Whose turn it is needs nothing durable but the orders themselves. A cache that is behind, or a restart, costs a knock
//!   too many or a minute of waiting, never a backup: an order that was refused keeps its own time (I3).

mod index;
mod instance;
mod schedules;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc::UnboundedSender;
use jiff::Timestamp;
use kube::ResourceExt;

use self::index::Index;
use super::cache::{Cache, Change, Entry, Watchable};
use crate::api::StoredBackup;
use crate::api::gist::Owned;
use crate::api::key::Key;
use crate::core::backup::Limits;
use crate::core::order::Uid;
use crate::core::seen::Outcome;
use crate::runtime::clock;

pub use self::instance::Turn;
pub use self::schedules::Schedules;

/// The cache of one watch, and a way to ask for a pass over one of its objects.
#[derive(Clone, Debug)]
pub struct Watched<K: Watchable = StoredBackup> {
    /// The namespace that is watched; none: all of them.
    pub namespace: Option<String>,
    /// The cache.
    pub cache: Cache<K>,
    /// Asks for a pass.
    pub wake: UnboundedSender<Key>,
}

/// All orders that are watched.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    watched: Vec<Watched>,
    index: Arc<Mutex<Index>>,
}

impl Orders {
    /// Reads from these caches.
    pub fn new(watched: Vec<Watched>) -> Self {
        Self { watched, index: Arc::default() }
    }

    /// What is kept of every object, once each watch has seen its first list.
    pub fn listed(&self) -> Option<Vec<Arc<Entry<StoredBackup>>>> {
        self.are_listed().then(|| self.all().collect())
    }

    /// Whether each watch has seen its first list.
    fn are_listed(&self) -> bool {
        self.watched.iter().all(|watched| watched.cache.is_listed())
    }

    /// Whether each watch that covers `namespace` has.
    pub fn are_listed_in(&self, namespace: &str) -> bool {
        let covers = |watched: &&Watched| watched.namespace.as_deref().is_none_or(|only| only == namespace);
        self.watched.iter().filter(covers).all(|watched| watched.cache.is_listed())
    }

    /// The backups of `namespace` that the object of this UID owns.
    pub fn owned(&self, namespace: &str, owner: &str) -> Vec<Owned> {
        let index = self.index();
        let keys = index.owned(owner).filter(|key| key.namespace() == namespace);
        let held = keys.filter_map(|key| self.watched.iter().find_map(|watched| watched.cache.get(key)));
        let all = held.filter_map(|backup| backup.gist().owned.as_deref().cloned());
        all.filter(|owned| owned.owners.iter().any(|uid| uid == owner)).collect()
    }

    /// Whether `object` is still there and not over, as far as the watch has told.
    pub fn hold(&self, object: &StoredBackup) -> bool {
        let key = Key::of(object);
        self.watched.iter().filter_map(|watched| watched.cache.open(&key)).any(|held| held.uid() == object.uid())
    }

    /// Every order that is watched and not over.
    pub fn uids(&self) -> HashSet<Uid> {
        let open = self.watched.iter().flat_map(|watched| watched.cache.all_open());
        open.filter_map(|object| Uid::new(object.metadata.uid.as_deref()?).ok()).collect()
    }

    /// What the watch tells, once it is in the cache. Who gets their turn by it is asked for.
    pub fn meet(&self, change: &Change<StoredBackup>, limits: &Limits) {
        let now = clock::now();
        let next = match change {
            Change::Now(key, object) => {
                let mut index = self.index();
                index.own(key, Owned::of(object).as_ref());
                index.put(object, limits, now)
            }
            Change::Gone(object) => self.index().remove(object, now),
            Change::Listed => {
                let mut index = self.index();
                index.begin();
                for entry in self.all() {
                    let gist = entry.gist();
                    index.own(&gist.key, gist.owned.as_deref());
                    if let Some(object) = entry.object() {
                        index.put(object, limits, now);
                    }
                }
                return;
            }
        };
        self.wake(&next);
    }

    /// Whether it is the turn of `object` at its instance.
    pub fn turn(&self, object: &StoredBackup, now: Timestamp, limits: &Limits) -> Turn {
        self.index().turn(object, now, limits.listing_lag)
    }

    /// Takes the turn of `object`, which is about to be sent; `false` if it is no longer that. What became of it must be
    /// told by [`Self::answer`]. Lost with the process, this costs a knock too many.
    pub fn send(&self, object: &StoredBackup, now: Timestamp, limits: &Limits) -> bool {
        let may = self.index().send(object, now, limits.listing_lag);
        if !may {
            self.wake(&[Key::of(object)]);
        }
        may
    }

    /// What became of an order that had taken its turn.
    pub fn answer(&self, object: &StoredBackup, outcome: &Outcome, now: Timestamp) {
        let next = self.index().answer(object, outcome, now);
        self.wake(&next);
    }

    fn wake(&self, keys: &[Key]) {
        for key in keys {
            let holders = self.watched.iter().filter(|watched| watched.cache.open(key).is_some());
            holders.for_each(|watched| drop(watched.wake.unbounded_send(key.clone())));
        }
    }

    fn all(&self) -> impl Iterator<Item = Arc<Entry<StoredBackup>>> {
        self.watched.iter().flat_map(|watched| watched.cache.all())
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
