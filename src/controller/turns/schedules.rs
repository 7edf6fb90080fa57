//! The schedules that are watched: their caches, and how a pass over one of them is asked for.

use std::collections::HashSet;
use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::Watched;
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
        let all = || self.0.iter().flat_map(|watched| watched.store.state()).collect();
        self.0.iter().all(Watched::is_listed).then(all)
    }

    /// Asks for a pass over the schedule that owns `backup`, if one does.
    pub fn wake_owner(&self, backup: &StoredBackup) {
        let Some((name, namespace)) = conversion::owner(backup).zip(backup.namespace()) else { return };
        let owner = ObjectRef::new(name).within(&namespace);
        let holders = self.0.iter().filter(|watched| watched.store.get(&owner).is_some());
        holders.for_each(|watched| drop(watched.wake.unbounded_send(owner.clone())));
    }

    /// Asks for a pass over every schedule.
    pub fn wake_all(&self) {
        for watched in &self.0 {
            for schedule in watched.store.state() {
                drop(watched.wake.unbounded_send(ObjectRef::from_obj(schedule.as_ref())));
            }
        }
    }

    /// Every schedule that is watched.
    pub fn uids(&self) -> HashSet<Uid> {
        let all = self.0.iter().flat_map(|watched| watched.store.state());
        all.filter_map(|object| Uid::new(object.metadata.uid.as_deref()?).ok()).collect()
    }
}
