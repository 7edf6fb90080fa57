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

use futures::FutureExt;
use futures::channel::mpsc::UnboundedSender;
use jiff::Timestamp;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};

use self::index::{Index, Name};
use crate::api::StoredBackup;
use crate::api::schedule::conversion;
use crate::core::backup::Limits;
use crate::core::order::Uid;
use crate::core::seen::Outcome;
use crate::runtime::clock;

pub use self::instance::Turn;
pub use self::schedules::Schedules;

/// The cache of one watch, and a way to ask for a pass over one of its objects.
#[derive(Clone, Debug)]
pub struct Watched<K: Resource<DynamicType = ()> + 'static = StoredBackup> {
    /// The namespace that is watched; none: all of them.
    pub namespace: Option<String>,
    /// The cache.
    pub store: Store<K>,
    /// Asks for a pass.
    pub wake: UnboundedSender<ObjectRef<K>>,
}

impl<K: Resource<DynamicType = ()> + Clone> Watched<K> {
    /// Whether the first list is complete.
    pub fn is_listed(&self) -> bool {
        self.store.wait_until_ready().now_or_never().is_some_and(|it| it.is_ok())
    }
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

    /// Every object that is watched, once each watch has seen its first list.
    pub fn listed(&self) -> Option<Vec<Arc<StoredBackup>>> {
        self.are_listed().then(|| self.all().collect())
    }

    /// Whether each watch has seen its first list.
    fn are_listed(&self) -> bool {
        self.watched.iter().all(Watched::is_listed)
    }

    /// Whether each watch that covers `namespace` has.
    pub fn are_listed_in(&self, namespace: &str) -> bool {
        let covers = |watched: &&Watched| watched.namespace.as_deref().is_none_or(|only| only == namespace);
        self.watched.iter().filter(covers).all(Watched::is_listed)
    }

    /// The backups of `namespace` that the object of this UID owns.
    pub fn owned(&self, namespace: &str, owner: &str) -> Vec<Arc<StoredBackup>> {
        let index = self.index();
        let keys = index.owned(owner).filter(|(space, _)| space == namespace).map(key);
        let held = keys.filter_map(|key| self.watched.iter().find_map(|watched| watched.store.get(&key)));
        held.filter(|backup| conversion::is_owned(backup, owner)).collect()
    }

    /// Whether `object` is still there, as far as the watch has told.
    pub fn hold(&self, object: &StoredBackup) -> bool {
        let key = ObjectRef::from_obj(object);
        self.watched.iter().filter_map(|watched| watched.store.get(&key)).any(|held| held.uid() == object.uid())
    }

    /// Every order that is watched.
    pub fn uids(&self) -> HashSet<Uid> {
        self.all().filter_map(|object| Uid::new(object.metadata.uid.as_deref()?).ok()).collect()
    }

    /// What the watch tells, once it is in the cache. Who gets their turn by it is asked for.
    pub fn meet(&self, event: &Event<StoredBackup>, limits: &Limits) {
        let now = clock::now();
        let next = match event {
            Event::Apply(object) => self.index().put(object, limits, now),
            Event::Delete(object) => self.index().remove(object, now),
            Event::InitDone => {
                let mut index = self.index();
                index.begin();
                for object in self.all() {
                    index.put(&object, limits, now);
                }
                return;
            }
            Event::Init | Event::InitApply(_) => return,
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
            self.wake(&[(object.namespace().unwrap_or_default(), object.name_any())]);
        }
        may
    }

    /// What became of an order that had taken its turn.
    pub fn answer(&self, object: &StoredBackup, outcome: &Outcome, now: Timestamp) {
        let next = self.index().answer(object, outcome, now);
        self.wake(&next);
    }

    fn wake(&self, names: &[Name]) {
        for key in names.iter().map(key) {
            let holders = self.watched.iter().filter(|watched| watched.store.get(&key).is_some());
            holders.for_each(|watched| drop(watched.wake.unbounded_send(key.clone())));
        }
    }

    fn all(&self) -> impl Iterator<Item = Arc<StoredBackup>> {
        self.watched.iter().flat_map(|watched| watched.store.state())
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key((namespace, name): &Name) -> ObjectRef<StoredBackup> {
    ObjectRef::new(name).within(namespace)
}

#[cfg(test)]
mod tests;
