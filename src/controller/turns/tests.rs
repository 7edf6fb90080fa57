//! Turns and owners, from what a watch tells.

use futures::channel::mpsc::UnboundedReceiver;
use kube::runtime::watcher::Event;

use super::*;
use crate::core::record::Note;
use crate::core::seen::{Meaning, Trouble};

const LIMITS: Limits = Limits { signature_validity: 300, clock_skew: 300, listing_lag: 60, poll_min: 15, poll_max: 60 };

fn order(name: &str, second: u32, instance: &str, reason: &str) -> StoredBackup {
    serde_json::from_value(serde_json::json!({
        "metadata": {
            "name": name, "namespace": "n", "uid": name,
            "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
        },
        "spec": { "instanceId": instance, "region": "ap-a", "strategy": "Instance" },
        "status": { "conditions": [
            {
                "type": "Ready", "status": if reason == "Completed" { "True" } else { "False" }, "reason": reason,
                "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
            },
            {
                "type": "Submitted", "status": if reason == "Running" || reason == "Completed" { "True" } else { "False" },
                "reason": "Accepted", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
            },
        ] },
    }))
    .unwrap()
}

struct World {
    orders: Orders,
    cache: Cache<StoredBackup>,
    woken: UnboundedReceiver<Key>,
}

impl World {
    fn new(objects: &[StoredBackup]) -> Self {
        let cache = Cache::default();
        let (wake, woken) = futures::channel::mpsc::unbounded();
        let orders = Orders::new(vec![Watched { namespace: None, cache: cache.clone(), wake }]);
        let mut world = Self { orders, cache, woken };
        world.list(objects);
        world
    }

    fn list(&mut self, objects: &[StoredBackup]) {
        self.tell(Event::Init);
        objects.iter().cloned().for_each(|object| drop(self.tell(Event::InitApply(object))));
        self.tell(Event::InitDone);
    }

    fn tell(&mut self, event: Event<StoredBackup>) -> Vec<String> {
        if let Some(change) = self.cache.take(event) {
            self.orders.meet(&change, &LIMITS);
        }
        self.woken()
    }

    fn woken(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.woken.try_recv().ok()).map(|key| key.name().to_owned()).collect()
    }

    fn turn(&self, object: &StoredBackup) -> Turn {
        self.orders.turn(object, clock::now(), &LIMITS)
    }
}

fn busy() -> Outcome {
    let note = Note { code: "c".into(), message: String::new(), request_id: None, time: clock::now() };
    Outcome::Refused(Trouble { meaning: Meaning::InstanceBusy, sentence: String::new(), note })
}

#[test]
fn nothing_is_known_before_the_first_list() {
    let cache = Cache::default();
    let wake = futures::channel::mpsc::unbounded().0;
    let orders = Orders::new(vec![Watched { namespace: None, cache: cache.clone(), wake }]);
    assert!(cache.take(Event::Init).is_none());
    assert!(cache.take(Event::InitApply(order("a", 1, "mssql-x", "Running"))).is_none());
    assert!(orders.listed().is_none(), "half of a list is none");
    assert!(matches!(cache.take(Event::InitDone), Some(Change::Listed)));
    assert_eq!(orders.listed().map(|all| all.len()), Some(1));
}

#[test]
fn the_oldest_order_that_waits_for_the_instance_is_first_until_it_leaves() {
    let [a, b, c] = [("a", 1, "mssql-x"), ("b", 1, "mssql-x"), ("c", 0, "mssql-y")]
        .map(|(name, second, instance)| order(name, second, instance, "InstanceBusy"));
    let mut world = World::new(&[a.clone(), b.clone(), c.clone()]);
    assert_eq!([&a, &b, &c].map(|order| world.turn(order)), [Turn::Now, Turn::Behind, Turn::Now]);
    assert_eq!(world.tell(Event::Apply(order("a", 1, "mssql-x", "Running"))), ["b"], "whose turn it is at once");
    assert_eq!(world.turn(&b), Turn::Now);
    let mut leaving = b;
    leaving.metadata.deletion_timestamp.clone_from(&leaving.metadata.creation_timestamp);
    let d = order("d", 2, "mssql-x", "InstanceBusy");
    assert!(world.tell(Event::Apply(d.clone())).is_empty());
    assert_eq!(world.tell(Event::Apply(leaving.clone())), ["d"]);
    assert!(world.tell(Event::Delete(leaving)).is_empty(), "it waited no more");
    assert!(world.orders.hold(&d) && !world.orders.hold(&order("e", 0, "mssql-x", "Running")));
}

#[test]
fn an_end_wakes_the_next_that_was_not_refused_within_the_lag() {
    let runs = order("runs", 0, "mssql-x", "Running");
    let [second, third] = [("second", 1), ("third", 2)].map(|(name, at)| order(name, at, "mssql-x", "Pending"));
    let mut world = World::new(&[runs, second.clone(), third.clone()]);
    let now = clock::now();
    assert!(world.orders.send(&second, now, &LIMITS));
    world.orders.answer(&second, &busy(), now);
    assert!(!world.orders.send(&third, now, &LIMITS), "it would be refused as well");
    assert_eq!(world.woken(), ["third"], "and says so in its next pass");
    let mut refused = order("second", 1, "mssql-x", "InstanceBusy");
    refused.status.fields.attempts = Some(1);
    refused.status.fields.error =
        serde_json::from_value(serde_json::json!({ "code": "c", "time": now.to_string() })).ok();
    assert!(world.tell(Event::Apply(refused)).is_empty());
    assert!(world.tell(Event::Apply(order("third", 2, "mssql-x", "InstanceBusy"))).is_empty());
    assert_eq!(world.tell(Event::Apply(order("runs", 0, "mssql-x", "Completed"))), ["third"]);
    assert_eq!(world.turn(&third), Turn::Now);
}

#[test]
fn an_object_of_the_same_name_is_another_order() {
    let old = order("a", 1, "mssql-x", "Running");
    let world = World::new(std::slice::from_ref(&old));
    let mut new = StoredBackup { metadata: old.metadata.clone(), ..old.clone() };
    assert!(world.orders.hold(&new), "by its UID");
    new.metadata.uid = Some("another".to_owned());
    assert!(!world.orders.hold(&new));
}

#[test]
fn an_older_order_that_waits_for_something_else_holds_nobody_up() {
    let new = order("new", 9, "mssql-x", "Pending");
    let turn = |old: StoredBackup| World::new(&[old, new.clone()]).turn(&new);
    for reason in ["DatabaseBusy", "AccessDenied", "Running", "Completed"] {
        assert_eq!(turn(order("old", 1, "mssql-x", reason)), Turn::Now, "{reason}");
    }
    assert_eq!(turn(order("old", 1, "mssql-x", "InstanceBusy")), Turn::Behind);
    let mut deleted = order("old", 1, "mssql-x", "InstanceBusy");
    deleted.metadata.deletion_timestamp.clone_from(&deleted.metadata.creation_timestamp);
    assert_eq!(turn(deleted), Turn::Now);
}

#[test]
fn what_an_object_owns_is_found_by_its_uid() {
    let child = |name: &str, owner: &str| {
        let mut child = order(name, 1, "mssql-x", "Running");
        child.metadata.owner_references = serde_json::from_value(serde_json::json!([
            { "apiVersion": "v", "kind": "SqlServerBackupSchedule", "name": "s", "uid": owner, "controller": true },
        ]))
        .ok();
        child
    };
    let mut world = World::new(&[child("a", "one"), child("b", "other"), order("c", 1, "mssql-x", "Running")]);
    world.tell(Event::Apply(child("d", "one")));
    let names = |world: &World, space: &str| {
        world.orders.owned(space, "one").iter().map(|order| order.child.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&world, "n"), ["a", "d"]);
    assert!(names(&world, "elsewhere").is_empty());
    world.tell(Event::Delete(child("a", "one")));
    world.tell(Event::Apply(child("d", "other")));
    assert!(names(&world, "n").is_empty(), "gone, and given away");
}
