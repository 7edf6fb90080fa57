//! Whose turn it is at a busy instance: the oldest order that waits for it knocks, the others wait behind it.
//!
//! Read from the watch cache alone. A cache that is behind costs a knock too many or a minute of waiting, never a backup.

use std::collections::HashSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::channel::mpsc::UnboundedSender;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};

use crate::api::schedule::conversion;
use crate::api::{StoredBackup, StoredSchedule};
use crate::core::order::Uid;
use crate::core::reason::{self, Reason};

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
pub struct Orders(Vec<Watched>);

impl Orders {
    /// Reads from these caches.
    pub const fn new(watched: Vec<Watched>) -> Self {
        Self(watched)
    }

    /// Every object that is watched, once each watch has seen its first list.
    pub fn listed(&self) -> Option<Vec<Arc<StoredBackup>>> {
        let all = || self.0.iter().flat_map(|watched| watched.store.state()).collect();
        self.are_listed().then(all)
    }

    /// Whether each watch has seen its first list.
    fn are_listed(&self) -> bool {
        self.0.iter().all(Watched::is_listed)
    }

    /// Whether each watch that covers `namespace` has.
    pub fn are_listed_in(&self, namespace: &str) -> bool {
        let covers = |watched: &&Watched| watched.namespace.as_deref().is_none_or(|only| only == namespace);
        self.0.iter().filter(covers).all(Watched::is_listed)
    }

    /// The backups of `namespace` that the object of this UID owns.
    pub fn owned(&self, namespace: &str, owner: &str) -> Vec<Arc<StoredBackup>> {
        let all = self.0.iter().flat_map(|watched| watched.store.state());
        all.filter(|backup| {
            backup.metadata.namespace.as_deref() == Some(namespace) && conversion::is_owned(backup, owner)
        })
        .collect()
    }

    /// Whether `object` is still there, as far as the watch has told.
    pub fn hold(&self, object: &StoredBackup) -> bool {
        let key = ObjectRef::from_obj(object);
        self.0.iter().filter_map(|watched| watched.store.get(&key)).any(|held| held.uid() == object.uid())
    }

    /// Every order that is watched.
    pub fn uids(&self) -> HashSet<Uid> {
        let all = self.0.iter().flat_map(|watched| watched.store.state());
        all.filter_map(|object| Uid::new(object.metadata.uid.as_deref()?).ok()).collect()
    }

    /// Whether no older order waits for the busy instance of `object`.
    pub fn is_first(&self, object: &StoredBackup) -> bool {
        let Some(instance) = instance(object) else { return true };
        let age = age(object);
        !self.waiting(instance).any(|(other, ..)| other < age)
    }

    /// Asks for a pass over the order whose turn comes when `object` no longer waits for its instance. Lost with the
    /// process, this costs that order at most a minute.
    pub fn wake_next(&self, object: &StoredBackup) {
        let own = object.uid();
        let Some(instance) = instance(object) else { return };
        let others = self.waiting(instance).filter(|(_, _, other)| other.uid() != own);
        if let Some((_, watched, next)) = others.min_by(|one, other| one.0.cmp(&other.0)) {
            drop(watched.wake.unbounded_send(ObjectRef::from_obj(next.as_ref())));
        }
    }

    /// The same for an order that is deleted, if it waited for its instance.
    pub fn leaves(&self, object: &StoredBackup) {
        if is_busy(object) {
            self.wake_next(object);
        }
    }

    fn waiting(&self, at: (String, String)) -> impl Iterator<Item = (Age, &Watched, Arc<StoredBackup>)> {
        let all =
            self.0.iter().flat_map(|watched| watched.store.state().into_iter().map(move |order| (watched, order)));
        all.filter(move |(_, other)| waits(other) && instance(other).as_ref() == Some(&at))
            .map(|(watched, other)| (age(&other), watched, other))
    }
}

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

/// By creation, then UID.
type Age = (i64, Option<String>);

fn age(object: &StoredBackup) -> Age {
    let created = object.creation_timestamp().map_or(i64::MAX, |time| time.0.as_second());
    (created, object.uid())
}

fn instance(object: &StoredBackup) -> Option<(String, String)> {
    let spec = object.spec.0.as_ref().ok()?;
    Some((spec.region.clone(), spec.instance_id.clone()))
}

fn waits(object: &StoredBackup) -> bool {
    object.metadata.deletion_timestamp.is_none() && is_busy(object)
}

fn is_busy(object: &StoredBackup) -> bool {
    let conditions = object.status.fields.conditions.iter().flatten();
    let mut ready = conditions.filter(|condition| condition.type_ == reason::READY);
    ready.any(|ready| ready.reason == Reason::InstanceBusy.as_str() && ready.status == "False")
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::UnboundedReceiver;
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;

    use super::*;

    fn order(name: &str, second: u32, instance: &str, reason: &str) -> StoredBackup {
        serde_json::from_value(serde_json::json!({
            "metadata": {
                "name": name, "namespace": "n", "uid": name,
                "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
            },
            "spec": { "instanceId": instance, "region": "ap-a", "strategy": "Instance" },
            "status": { "conditions": [{
                "type": "Ready", "status": "False", "reason": reason, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }] },
        }))
        .unwrap()
    }

    fn orders(objects: &[StoredBackup]) -> Orders {
        watched(objects).0
    }

    fn watched(objects: &[StoredBackup]) -> (Orders, UnboundedReceiver<ObjectRef<StoredBackup>>) {
        let (store, mut writer) = reflector::store();
        let (wake, woken) = futures::channel::mpsc::unbounded();
        for object in objects {
            writer.apply_watcher_event(&Event::Apply(object.clone()));
        }
        (Orders::new(vec![Watched { namespace: None, store, wake }]), woken)
    }

    #[test]
    fn nothing_is_known_before_the_first_list() {
        let (store, mut writer) = reflector::store();
        let orders = Orders::new(vec![Watched { namespace: None, store, wake: futures::channel::mpsc::unbounded().0 }]);
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitApply(order("a", 1, "mssql-x", "Running")));
        assert!(orders.listed().is_none(), "half of a list is none");
        writer.apply_watcher_event(&Event::InitDone);
        assert_eq!(orders.listed().map(|all| all.len()), Some(1));
    }

    #[test]
    fn the_oldest_order_that_waits_for_the_instance_is_first() {
        let (a, b, c) = (
            order("a", 1, "mssql-x", "InstanceBusy"),
            order("b", 1, "mssql-x", "InstanceBusy"),
            order("c", 0, "mssql-y", "InstanceBusy"),
        );
        let (all, mut woken) = watched(&[a.clone(), b.clone(), c.clone()]);
        assert_eq!([all.is_first(&a), all.is_first(&b), all.is_first(&c)], [true, false, true]);
        all.wake_next(&a);
        assert_eq!(woken.try_recv().unwrap().name, "b");
        let mut leaving = a;
        leaving.metadata.deletion_timestamp.clone_from(&leaving.metadata.creation_timestamp);
        all.leaves(&leaving);
        assert_eq!(woken.try_recv().unwrap().name, "b", "whose turn it is at once");
        all.leaves(&order("d", 0, "mssql-x", "Running"));
        assert!(woken.try_recv().is_err(), "nobody waited behind that one");
        assert!(all.hold(&b) && !all.hold(&order("d", 0, "mssql-x", "Running")));
    }

    #[test]
    fn an_object_of_the_same_name_is_another_order() {
        let old = order("a", 1, "mssql-x", "Running");
        let all = orders(std::slice::from_ref(&old));
        let new = StoredBackup { metadata: old.metadata.clone(), ..old.clone() };
        assert!(all.hold(&new), "by its UID");
        let mut new = new;
        new.metadata.uid = Some("another".to_owned());
        assert!(!all.hold(&new));
    }

    #[test]
    fn an_older_order_that_waits_for_something_else_holds_nobody_up() {
        let new = order("new", 9, "mssql-x", "Pending");
        for reason in ["DatabaseBusy", "AccessDenied", "Running", "Completed"] {
            assert!(orders(&[order("old", 1, "mssql-x", reason), new.clone()]).is_first(&new), "{reason}");
        }
        assert!(!orders(&[order("old", 1, "mssql-x", "InstanceBusy"), new.clone()]).is_first(&new));
        let mut deleted = order("old", 1, "mssql-x", "InstanceBusy");
        deleted.metadata.deletion_timestamp.clone_from(&deleted.metadata.creation_timestamp);
        assert!(orders(&[deleted, new.clone()]).is_first(&new));
    }
}
