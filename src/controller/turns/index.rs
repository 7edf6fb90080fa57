//! Orders by instance and by owner, kept from what the watch tells, so that no pass reads the whole cache.
//!
//! Only what waits for a busy instance or may be running there has a place, and whatever has an owner; ten thousand
//! finished orders of nobody cost nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::instance::{Age, Instance, Turn, Waiting};
use crate::api::gist::Owned;
use crate::api::key::Key;
use crate::api::{StoredBackup, conversion};
use crate::core::backup::{Limits, not_before};
use crate::core::reason::{self, Reason};
use crate::core::seen::{Meaning, Outcome};

/// Region and instance, `ap-guangzhou/mssql-njj2mtpl`.
type Site = Arc<str>;

/// See the file's header.
#[derive(Debug, Default)]
pub(super) struct Index {
    instances: HashMap<Site, Instance>,
    /// Where each order has its place, by UID.
    places: HashMap<Arc<str>, (Site, Age)>,
    owned: HashMap<String, BTreeSet<Key>>,
}

/// What a place is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Waiting,
    Running,
}

impl Index {
    /// Whose the order at `key` is.
    pub(super) fn own(&mut self, key: &Key, owned: Option<&Owned>) {
        for owner in owned.iter().flat_map(|owned| &owned.owners) {
            self.owned.entry(owner.clone()).or_default().insert(key.clone());
        }
    }

    /// What the watch says of an order now. Those who get their turn by it.
    pub(super) fn put(&mut self, object: &StoredBackup, limits: &Limits, now: Timestamp) -> Vec<Key> {
        let Some((site, age)) = self.seat(object) else { return vec![] };
        let signs = conversion::signs(&object.status);
        let is_answered = signs.ended || signs.accepted || signs.reason == Some(Reason::OutcomeUnknown);
        let is_busy = is_busy(object) && !is_answered;
        let is_sent = self.instances.get(&site).is_some_and(|instance| instance.is_sent(&age.1));
        if is_busy && signs.announced && is_sent {
            // Our own knock: what waited goes on waiting until there is an answer.
            return vec![];
        }
        let is_under_way = is_answered || signs.announced || signs.reason == Some(Reason::Submitting);
        let place = if is_under_way && !signs.ended {
            Some(Place::Running)
        } else if is_busy && object.metadata.deletion_timestamp.is_none() {
            Some(Place::Waiting)
        } else {
            None
        };
        let before = self.take_out(&age.1);
        let instance = self.instances.entry(Arc::clone(&site)).or_default();
        if is_answered {
            instance.settle(&age.1);
        }
        match place {
            Some(Place::Running) => instance.run(Arc::clone(&age.1), now),
            Some(Place::Waiting) => {
                let due = not_before(&conversion::record(&object.status), limits);
                instance.waiting.insert(age.clone(), Waiting { key: Key::of(object), due });
            }
            None => {}
        }
        if place.is_some() {
            self.places.insert(Arc::clone(&age.1), (Arc::clone(&site), age));
        }
        if before.is_some() && before != place { self.next(&site, now) } else { self.tidy(&site) }
    }

    /// The order is gone. Those who get their turn by it.
    pub(super) fn remove(&mut self, object: &StoredBackup, now: Timestamp) -> Vec<Key> {
        for owner in object.owner_references() {
            if let Some(names) = self.owned.get_mut(&owner.uid) {
                names.remove(&Key::of(object));
                if names.is_empty() {
                    self.owned.remove(&owner.uid);
                }
            }
        }
        let Some((site, age)) = self.seat(object) else { return vec![] };
        let had_place = self.take_out(&age.1).is_some();
        if let Some(instance) = self.instances.get_mut(&site) {
            instance.settle(&age.1);
        }
        if had_place { self.next(&site, now) } else { self.tidy(&site) }
    }

    /// A new list has come: what it does not hold is gone. What this process knows of its own calls stays.
    pub(super) fn begin(&mut self) {
        for instance in self.instances.values_mut() {
            instance.waiting.clear();
            instance.running.clear();
        }
        self.places.clear();
        self.owned.clear();
    }

    /// The orders that an object owns.
    pub(super) fn owned(&self, owner: &str) -> impl Iterator<Item = &Key> {
        self.owned.get(owner).into_iter().flatten()
    }

    /// Whether it is this order's turn.
    pub(super) fn turn(&self, object: &StoredBackup, now: Timestamp, lag: i64) -> Turn {
        let Some((site, age)) = self.seat(object) else { return Turn::Now };
        self.instances.get(&site).map_or(Turn::Now, |instance| instance.turn(&age, now, lag))
    }

    /// Takes this order's turn, if it is that.
    pub(super) fn send(&mut self, object: &StoredBackup, now: Timestamp, lag: i64) -> bool {
        let Some((site, age)) = self.seat(object) else { return true };
        let instance = self.instances.entry(site).or_default();
        let may = instance.turn(&age, now, lag) == Turn::Now;
        if may {
            instance.send(age.1, now);
        }
        may
    }

    /// What became of an order that was sent. Those who get their turn by it.
    pub(super) fn answer(&mut self, object: &StoredBackup, outcome: &Outcome, now: Timestamp) -> Vec<Key> {
        let Some((site, age)) = self.seat(object) else { return vec![] };
        let Some(instance) = self.instances.get_mut(&site) else { return vec![] };
        match outcome {
            Outcome::Accepted { .. } => {
                if instance.accepted() {
                    return self.next(&site, now);
                }
            }
            // It stays counted until the watch shows the doubt.
            Outcome::InDoubt { .. } => {}
            Outcome::Refused(trouble) if trouble.meaning == Meaning::InstanceBusy => instance.refused(&age.1, now),
            Outcome::Refused(_) | Outcome::NotDurable | Outcome::None => drop(instance.settle(&age.1)),
        }
        vec![]
    }

    fn next(&mut self, site: &Site, now: Timestamp) -> Vec<Key> {
        let next = self.instances.get(site).into_iter().flat_map(|instance| instance.next(now));
        let names = next.map(|waiting| waiting.key.clone()).collect();
        self.tidy(site);
        names
    }

    fn tidy(&mut self, site: &Site) -> Vec<Key> {
        if self.instances.get(site).is_some_and(Instance::is_idle) {
            self.instances.remove(site);
        }
        vec![]
    }

    fn take_out(&mut self, uid: &Arc<str>) -> Option<Place> {
        let (site, age) = self.places.remove(uid)?;
        let instance = self.instances.get_mut(&site)?;
        let waited = instance.waiting.remove(&age).is_some();
        let ran = instance.stop(uid);
        if waited { Some(Place::Waiting) } else { ran.then_some(Place::Running) }
    }

    /// Where an order belongs, and its age.
    fn seat(&self, object: &StoredBackup) -> Option<(Site, Age)> {
        let spec = object.spec.0.as_ref().ok()?;
        let site = format!("{}/{}", spec.region, spec.instance_id);
        let known = self.instances.get_key_value(site.as_str()).map(|(known, _)| Arc::clone(known));
        let site = known.unwrap_or_else(|| site.into());
        let created = object.creation_timestamp().map_or(i64::MAX, |time| time.0.as_second());
        Some((site, (created, Arc::from(object.metadata.uid.as_deref()?))))
    }
}

fn is_busy(object: &StoredBackup) -> bool {
    let conditions = object.status.fields.conditions.iter().flatten();
    let mut ready = conditions.filter(|condition| condition.type_ == reason::READY);
    ready.any(|ready| ready.reason == Reason::InstanceBusy.as_str() && ready.status == "False")
}
