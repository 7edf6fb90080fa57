//! What a watch has told, object by object.
//!
//! # What it guarantees
//! - It shows a list only when all of it has come, and at once in place of the one before.
//! - Of an object that no pass will find anything to do with until it changes, only the gist is kept. A pass works on a
//!   whole object or not at all, so nothing is ever decided on a part, or written from one.
//!
//! # Why not kube's `Store`
//! It keeps whole objects, under keys that each have a copy of four of their texts: five times as much.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::Resource;
use kube::runtime::watcher::Event;
use tokio::sync::watch;

use crate::api::gist::Gist;
use crate::api::key::Key;
use crate::api::{StoredBackup, StoredSchedule, conversion};

/// A kind that is watched.
pub trait Watchable: Resource<DynamicType = ()> + 'static {
    /// What is kept of an object that is over.
    type Gist: Clone + Debug + Send + Sync + 'static;

    /// The gist of this one, which is at `key`.
    fn gist(&self, key: &Key) -> Self::Gist;

    /// Whether no pass will find anything to do until it changes.
    fn is_over(&self) -> bool;
}

impl Watchable for StoredBackup {
    type Gist = Gist;

    fn gist(&self, key: &Key) -> Gist {
        Gist::of(self, key)
    }

    fn is_over(&self) -> bool {
        conversion::is_over(self)
    }
}

impl Watchable for StoredSchedule {
    type Gist = ();

    fn gist(&self, _: &Key) {}

    /// There is always a next time.
    fn is_over(&self) -> bool {
        false
    }
}

/// What is kept of one object.
#[derive(Debug)]
pub enum Entry<K: Watchable> {
    /// The whole of it, for its passes, and where it is.
    Open(Key, Arc<K>),
    /// It is over.
    Over(K::Gist),
}

impl<K: Watchable> Entry<K> {
    fn of(key: Key, object: Arc<K>) -> Arc<Self> {
        Arc::new(if object.is_over() { Self::Over(object.gist(&key)) } else { Self::Open(key, object) })
    }

    /// What others than its own passes ask of the object.
    pub fn gist(&self) -> Cow<'_, K::Gist> {
        match self {
            Self::Open(key, object) => Cow::Owned(object.gist(key)),
            Self::Over(gist) => Cow::Borrowed(gist),
        }
    }

    /// The whole object, if it is not over.
    pub const fn object(&self) -> Option<&Arc<K>> {
        match self {
            Self::Open(_, object) => Some(object),
            Self::Over(_) => None,
        }
    }
}

/// What a watch tells, once it is in the cache.
#[derive(Debug)]
pub enum Change<K> {
    /// A whole list has come: what it does not hold is gone.
    Listed,
    /// This is how the object at this key is now.
    Now(Key, Arc<K>),
    /// The object is gone; this is how it was.
    Gone(Arc<K>),
}

type Entries<K> = HashMap<Key, Arc<Entry<K>>>;

/// The cache of one watch. Its clones are the same cache.
#[derive(Debug)]
pub struct Cache<K: Watchable> {
    held: Arc<Mutex<Held<K>>>,
    is_listed: Arc<watch::Sender<bool>>,
}

#[derive(Debug)]
struct Held<K: Watchable> {
    entries: Entries<K>,
    /// A list of which not all has come.
    list: Entries<K>,
}

impl<K: Watchable> Default for Cache<K> {
    fn default() -> Self {
        let held = Held { entries: HashMap::new(), list: HashMap::new() };
        Self { held: Arc::new(Mutex::new(held)), is_listed: Arc::new(watch::Sender::new(false)) }
    }
}

impl<K: Watchable> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self { held: Arc::clone(&self.held), is_listed: Arc::clone(&self.is_listed) }
    }
}

impl<K: Watchable> Cache<K> {
    /// Takes in what the watch tells, and says what that changed; half a list changes nothing.
    pub fn take(&self, event: Event<K>) -> Option<Change<K>> {
        let mut held = self.held();
        match event {
            Event::Apply(object) => {
                let (mut key, object) = (Key::of(&object), Arc::new(object));
                // One text for all that refer to it, for as long as the object is there.
                if let Some((known, _)) = held.entries.get_key_value(&key) {
                    key = known.clone();
                }
                held.entries.insert(key.clone(), Entry::of(key.clone(), Arc::clone(&object)));
                Some(Change::Now(key, object))
            }
            Event::Delete(object) => {
                held.entries.remove(&Key::of(&object));
                Some(Change::Gone(Arc::new(object)))
            }
            Event::Init => {
                held.list = HashMap::new();
                None
            }
            Event::InitApply(object) => {
                let key = Key::of(&object);
                held.list.insert(key.clone(), Entry::of(key, Arc::new(object)));
                None
            }
            Event::InitDone => {
                held.entries = mem::take(&mut held.list);
                drop(held);
                self.is_listed.send_replace(true);
                Some(Change::Listed)
            }
        }
    }

    /// Whether the first list is complete.
    pub fn is_listed(&self) -> bool {
        *self.is_listed.borrow()
    }

    /// Waits for the first list.
    pub async fn listed(&self) {
        // The sender is here, so there is no other end than this.
        drop(self.is_listed.subscribe().wait_for(|is_listed| *is_listed).await);
    }

    /// What is kept of the object at `key`.
    pub fn get(&self, key: &Key) -> Option<Arc<Entry<K>>> {
        self.held().entries.get(key).cloned()
    }

    /// The object at `key`, if it is there and not over.
    pub fn open(&self, key: &Key) -> Option<Arc<K>> {
        self.get(key)?.object().cloned()
    }

    /// Every object that is not over.
    pub fn all_open(&self) -> Vec<Arc<K>> {
        self.held().entries.values().filter_map(|entry| entry.object().cloned()).collect()
    }

    /// Where the objects are that are not over.
    pub fn open_keys(&self) -> Vec<Key> {
        let held = self.held();
        held.entries.iter().filter(|(_, entry)| entry.object().is_some()).map(|(key, _)| key.clone()).collect()
    }

    /// What is kept of every object.
    pub fn all(&self) -> Vec<Arc<Entry<K>>> {
        self.held().entries.values().cloned().collect()
    }

    fn held(&self) -> MutexGuard<'_, Held<K>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(name: &str, reason: &str, generation: i64) -> StoredBackup {
        let status = if reason == "Completed" { "True" } else { "False" };
        let condition = |kind: &str, status: &str| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        serde_json::from_value(json!({
            "metadata": { "name": name, "namespace": "n", "generation": generation },
            "spec": { "instanceId": "mssql-a", "region": "ap-a", "strategy": "Instance" },
            "status": {
                "observedGeneration": 1, "conditions": [condition("Ready", status), condition("Submitted", "True")],
            },
        }))
        .unwrap()
    }

    #[test]
    fn of_an_order_that_is_over_the_gist_is_kept_and_the_whole_is_told() {
        let (cache, key) = (Cache::<StoredBackup>::default(), Key::new("n", "a"));
        cache.take(Event::Apply(order("a", "Running", 1)));
        assert!(cache.open(&key).is_some());
        let Some(Change::Now(_, told)) = cache.take(Event::Apply(order("a", "Completed", 1))) else {
            panic!("no change")
        };
        assert!(told.is_over());
        assert!(cache.open(&key).is_none() && cache.all_open().is_empty());
        assert!(cache.get(&key).unwrap().gist().completed.is_some());
        cache.take(Event::Apply(order("a", "Completed", 2)));
        assert!(cache.open(&key).is_some(), "a pass writes down which generation its conditions speak of");
        cache.take(Event::Delete(order("a", "Completed", 2)));
        assert!(cache.get(&key).is_none());
    }

    #[tokio::test]
    async fn a_list_takes_the_place_of_the_one_before_when_all_of_it_has_come() {
        let cache: Cache<StoredBackup> = Cache::default();
        let names = || {
            let mut names: Vec<_> = cache.all().iter().map(|entry| entry.gist().key.name().to_owned()).collect();
            names.sort_unstable();
            names
        };
        for (list, before) in [(["a", "b"], vec![]), (["b", "c"], vec!["a", "b"])] {
            cache.take(Event::Init);
            // Half of a list, which is begun anew.
            cache.take(Event::InitApply(order("z", "Running", 1)));
            cache.take(Event::Init);
            for name in list {
                cache.take(Event::InitApply(order(name, "Running", 1)));
                assert_eq!(names(), before);
            }
            cache.take(Event::InitDone);
            assert_eq!(names(), list);
            cache.listed().await;
        }
    }
}
