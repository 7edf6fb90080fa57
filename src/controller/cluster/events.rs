//! What is told of an object beside its status.
//!
//! # What it guarantees
//! - The same piece of news about one object within some minutes is one event with a count, and the words of the first.
//! - No call is repeated. An event that could not be told is lost; the status says what it would have said.
//!
//! # Why not kube's `Recorder`
//! It remembers each event as a whole, and walks through all of them for each further one: with a thousand orders at once
//! that is as much memory as the orders themselves.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;
use tokio::time::Instant;

use super::{Room, Trouble};
use crate::core::fold::News;
use crate::runtime::clock;

/// How long the same news counts as one event.
const SERIES: Duration = Duration::from_mins(6);
/// The longest note that the API server takes, in bytes.
const LONGEST: usize = 1_024;
/// Who reports.
const CONTROLLER: &str = "sqlserver-backup-operator";

/// An event that was told not long ago.
#[derive(Clone, Debug)]
struct Told {
    name: String,
    count: i32,
    at: Instant,
}

/// The events of this process.
#[derive(Clone)]
pub(super) struct Events {
    client: Client,
    instance: Arc<str>,
    room: Room,
    told: Arc<Mutex<Recent>>,
}

#[derive(Debug, Default)]
struct Recent {
    /// By a hash of object, action and reason.
    told: HashMap<u64, Told>,
    hasher: RandomState,
    tidied: Option<Instant>,
}

impl Recent {
    fn hash(&self, uid: Option<&str>, action: &str, news: &News) -> u64 {
        self.hasher.hash_one((uid, action, news.reason, news.is_warning))
    }

    /// The event that tells the same already.
    fn known(&self, hash: u64) -> Option<Told> {
        self.told.get(&hash).filter(|told| told.at.elapsed() < SERIES).cloned()
    }

    fn remember(&mut self, hash: u64, told: Told) {
        let now = told.at;
        if self.tidied.is_none_or(|tidied| now.duration_since(tidied) >= SERIES) {
            self.told.retain(|_, told| now.duration_since(told.at) < SERIES);
            self.tidied = Some(now);
        }
        self.told.insert(hash, told);
    }
}

impl Events {
    /// Told through `client`, by `instance`.
    pub(super) fn new(client: Client, instance: &str, room: Room) -> Self {
        Self { client, instance: instance.into(), room, told: Arc::default() }
    }

    /// Tells a piece of news about `object`.
    pub(super) async fn tell<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        action: &str,
        news: &News,
    ) -> Result<(), Trouble> {
        let (hash, known) = {
            let told = self.told();
            let hash = told.hash(object.meta().uid.as_deref(), action, news);
            (hash, told.known(hash))
        };
        let (now, at) = (clock::now(), Instant::now());
        let told = if let Some(told) = known {
            let count = told.count.saturating_add(1);
            let series = EventSeries { count, last_observed_time: MicroTime(now) };
            let patch = Patch::Merge(json!({ "series": series }));
            self.room.within(self.of(object).patch(&told.name, &PatchParams::default(), &patch)).await?;
            Told { count, at, ..told }
        } else {
            let name = format!("{}.{:x}", object.name_any(), now.as_nanosecond());
            self.tell_as(name.clone(), object, action, news).await?;
            Told { name, count: 1, at }
        };
        self.told().remember(hash, told);
        Ok(())
    }

    /// Tells a piece of news about `object` as the event of this name, or says that it is there.
    pub(super) async fn tell_as<K: Resource<DynamicType = ()>>(
        &self,
        name: String,
        object: &K,
        action: &str,
        news: &News,
    ) -> Result<(), Trouble> {
        let event = self.event(name, object, action, news);
        self.room.within(self.of(object).create(&PostParams::default(), &event)).await.map(drop)
    }

    fn of(&self, object: &impl Resource) -> Api<Event> {
        Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default())
    }

    fn event<K: Resource<DynamicType = ()>>(&self, name: String, object: &K, action: &str, news: &News) -> Event {
        let kind = if news.is_warning { "Warning" } else { "Normal" };
        Event {
            action: Some(action.to_owned()),
            event_time: Some(MicroTime(clock::now())),
            metadata: ObjectMeta { name: Some(name), namespace: object.namespace(), ..ObjectMeta::default() },
            note: Some(bounded(&news.message)),
            reason: Some(news.reason.to_owned()),
            regarding: Some(ObjectReference {
                api_version: Some(K::api_version(&()).into_owned()),
                kind: Some(K::kind(&()).into_owned()),
                ..object.object_ref(&())
            }),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.as_ref().to_owned()),
            type_: Some(kind.to_owned()),
            ..Event::default()
        }
    }

    fn told(&self) -> MutexGuard<'_, Recent> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of `message` that fits into a note, cut between letters.
fn bounded(message: &str) -> String {
    message.get(..message.floor_char_boundary(LONGEST)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(reason: &'static str) -> News {
        News { is_warning: false, reason, message: String::new() }
    }

    #[test]
    fn a_note_is_cut_between_letters() {
        assert_eq!(bounded("short"), "short");
        assert_eq!(bounded(&"é".repeat(600)).len(), 1_024);
        assert_eq!(bounded(&format!("a{}", "é".repeat(600))).len(), 1_023);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_news_of_one_object_is_one_event_for_some_minutes() {
        let mut recent = Recent::default();
        let hash = recent.hash(Some("u"), "Backup", &news("Accepted"));
        recent.remember(hash, Told { name: "a.1".to_owned(), count: 1, at: Instant::now() });
        assert_eq!(recent.known(hash).map(|told| told.name), Some("a.1".to_owned()));
        for other in [
            recent.hash(Some("v"), "Backup", &news("Accepted")),
            recent.hash(Some("u"), "Run", &news("Accepted")),
            recent.hash(Some("u"), "Backup", &news("Completed")),
        ] {
            assert!(recent.known(other).is_none());
        }
        tokio::time::advance(SERIES).await;
        assert!(recent.known(hash).is_none());
        recent.remember(hash + 1, Told { name: "a.2".to_owned(), count: 1, at: Instant::now() });
        assert_eq!(recent.told.len(), 1, "what nobody asks for any more is forgotten");
    }
}
