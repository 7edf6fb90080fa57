//! The schedules that are watched: their caches, and how a pass over one of them is asked for.

use std::collections::HashSet;
use std::sync::Arc;

use kube::ResourceExt;

use super::Watched;
use crate::api::key::Key;
use crate::api::schedule::conversion;
use crate::api::{StoredBackup, StoredSchedule};
use crate::core::order::Uid;

/// All schedules that are watched.
#[derive(Clone, Debug, Default)]
pub struct Schedules(Vec<Watched<StoredSchedule>>);

impl Schedules {
    /// Reads from these caches.
    pub const fn new(watched: Vec<Watched<StoredSchedule>>) -> Self {
        Self(watched)
    }

    /// Every schedule that is watched, once each watch has seen its first list.
    pub fn listed(&self) -> Option<Vec<Arc<StoredSchedule>>> {
        self.0.iter().all(|watched| watched.cache.is_listed()).then(|| self.all().collect())
    }

    /// Asks for a pass over the schedule that owns `backup`, if one does.
    pub fn wake_owner(&self, backup: &StoredBackup) {
        let Some((name, namespace)) = conversion::owner(backup).zip(backup.namespace()) else { return };
        let owner = Key::new(&namespace, name);
        let holders = self.0.iter().filter(|watched| watched.cache.get(&owner).is_some());
        holders.for_each(|watched| drop(watched.wake.unbounded_send(owner.clone())));
    }

    /// Asks for a pass over every schedule.
    pub fn wake_all(&self) {
        for watched in &self.0 {
            for schedule in watched.cache.open_keys() {
                drop(watched.wake.unbounded_send(schedule));
            }
        }
    }

    /// Every schedule that is watched.
    pub fn uids(&self) -> HashSet<Uid> {
        self.all().filter_map(|object| Uid::new(object.metadata.uid.as_deref()?).ok()).collect()
    }

    /// None is ever over.
    fn all(&self) -> impl Iterator<Item = Arc<StoredSchedule>> {
        self.0.iter().flat_map(|watched| watched.cache.all_open())
    }
}
