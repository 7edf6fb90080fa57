//! The API server, as far as this operator needs it: one object read live, one status written, one Secret; in
//! `events` what is told of an object, and in `schedules` what a schedule needs beside that.
//!
//! # What it guarantees
//! - No more than `AT_ONCE` calls are under way, and each ends within [`PATIENCE`]: kube has no time-out for reads, and a
//!   half-dead connection would hold a pass for ever.
//! - A status is written under the resourceVersion that was read, or not at all (I1). kube's own retries are off (see
//!   [`connect`]), so a conflict is never one with our own first try; what stays unclear is told as unclear.
//! - A field that became absent is sent as null: a merge would otherwise keep it.

mod events;
mod schedules;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use self::events::Events;
use crate::api::{SqlServerBackupStatus, StoredBackup};
use crate::core::fold::News;

/// How long one call may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How many calls are under way at once. Each has a connection, which stays for the next one and takes a hundred kilobytes.
/// A server that is slow answers more of them no faster: they would wait in it instead of here, and the renewal of the lease
/// behind them.
const AT_ONCE: usize = 16;

/// When an object that was said to be gone is asked for again. It costs nothing if the watch says the same; a server that
/// is starting says so of objects that it has, and no event would follow.
pub const GONE: Duration = Duration::from_mins(1);

/// How long a connection may bring nothing: longer than a watch call lasts, which may have nothing to tell.
///
/// The list that a watch begins with is bounded by nothing else. Without this, one answer that never comes would blind the
/// program until its restart.
pub const SILENCE: Duration = Duration::from_secs(50);

/// Why the API server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The object is not there.
    #[error("the object is gone")]
    Gone,
    /// Somebody else wrote first.
    #[error("the object has changed")]
    Conflict,
    /// The API server refuses this write, now and later.
    #[error("the API server refuses it: {0}")]
    Refused(String),
    /// No answer, or none that says whether the write happened.
    #[error("the API server did not answer clearly: {0}")]
    Unclear(String),
}

/// The API server, under the operator's own identity.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    events: Events,
    room: Room,
}

/// A client that never repeats a request by itself: a guarded write that was repeated comes back as a conflict with its
/// own first success.
pub fn connect(mut config: kube::Config) -> Result<Client, kube::Error> {
    config.default_retry = false;
    // The library takes HTTPS_PROXY for its own, which here is the proxy on the way to the cloud. It may hold a password.
    if config.proxy_url.take().is_some() {
        tracing::info!("the API server is reached without the proxy, which is for the way to the cloud");
    }
    config.connect_timeout = Some(Duration::from_secs(5));
    config.write_timeout = Some(PATIENCE);
    config.read_timeout = Some(SILENCE);
    // Counted from the request, not from the last answer: a connection from the pool was silent because nobody asked.
    config.reset_reader_on_write = true;
    Client::try_from(config)
}

impl Cluster {
    /// Speaks through `client`; events name `holder` as the instance that reports.
    pub fn new(client: Client, holder: &str) -> Self {
        let room = Room(Arc::new(Semaphore::new(AT_ONCE)));
        Self { events: Events::new(client.clone(), holder, room.clone()), client, room }
    }

    fn backups(&self, namespace: &str) -> Api<StoredBackup> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The object as the server has it now, not as a cache remembers it.
    pub async fn read(&self, namespace: &str, name: &str) -> Result<StoredBackup, Trouble> {
        self.room.within(self.backups(namespace).get(name)).await
    }

    /// Writes the status of `object` under the version in which it was read, and returns what the server then holds.
    pub async fn write_status(
        &self,
        object: &StoredBackup,
        status: &SqlServerBackupStatus,
    ) -> Result<StoredBackup, Trouble> {
        let mut fields = complete(status);
        keep_unread(&mut fields, &["attempts", "submitTime", "flowId"], &object.status.unreadable);
        let backups = self.backups(&object.namespace().unwrap_or_default());
        self.room
            .within(backups.patch_status(&object.name_any(), &PatchParams::default(), &guarded(object, fields)))
            .await
    }

    /// One Secret, by name; `None` if there is none.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, Trouble> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        match self.room.within(secrets.get(name)).await {
            Ok(secret) => Ok(Some(secret)),
            Err(Trouble::Gone) => Ok(None),
            // What could not be decoded may be quoted in the error, and here that is a secret.
            Err(Trouble::Unclear(_)) => Err(Trouble::Unclear("a Secret could not be read".to_owned())),
            Err(trouble) => Err(trouble),
        }
    }

    /// Tells a piece of news among the object's events. If we die here the event is lost; the status already says it.
    pub async fn tell<K: Resource<DynamicType = ()>>(&self, object: &K, action: &str, news: &News) {
        if let Err(trouble) = self.events.tell(object, action, news).await {
            tracing::warn!(%trouble, reason = news.reason, "an event could not be told");
        }
    }

    /// Tells a piece of news as the event of this `name`. Told again, by this process or another one, it is there already.
    pub async fn tell_once<K: Resource<DynamicType = ()>>(&self, object: &K, name: String, action: &str, news: &News) {
        match self.events.tell_as(name, object, action, news).await {
            Ok(()) | Err(Trouble::Conflict) => {}
            Err(trouble) => tracing::warn!(%trouble, reason = news.reason, "an event could not be told"),
        }
    }
}

/// The fields of `status`, and null for each that is absent, so that a merge removes it.
fn complete(status: &SqlServerBackupStatus) -> Map<String, Value> {
    const FIELDS: [&str; 13] = [
        "backupName",
        "submitTime",
        "flowId",
        "requestId",
        "backupId",
        "groupId",
        "fileName",
        "size",
        "startTime",
        "completionTime",
        "error",
        "intent",
        "observedGeneration",
    ];
    filled(serde_json::to_value(status), &FIELDS, &[("error", &["requestId"])])
}

/// The patch of a status, under the version of `object` and no other (I1).
fn guarded(object: &impl Resource, fields: Map<String, Value>) -> Patch<Value> {
    let metadata = json!({ "uid": object.meta().uid, "resourceVersion": object.meta().resource_version });
    let parts = [("metadata", metadata), ("status", Value::Object(fields))];
    Patch::Merge(parts.into_iter().map(|(name, part)| (name.to_owned(), part)).collect())
}

/// The fields of a status that was `written` as JSON, and null for each of `names` that is absent, also inside of `parts`.
fn filled(written: Result<Value, serde_json::Error>, names: &[&str], parts: &[(&str, &[&str])]) -> Map<String, Value> {
    let fill = |fields: &mut Map<String, Value>, names: &[&str]| {
        for name in names {
            fields.entry(*name).or_insert(Value::Null);
        }
    };
    let mut fields = match written {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    };
    fill(&mut fields, names);
    for (name, parts) in parts {
        if let Some(Value::Object(part)) = fields.get_mut(*name) {
            fill(part, parts);
        }
    }
    fields
}

/// Leaves what is `protected` and cannot be read, or a part of it, as it is stored. The API server refuses to remove it (I6),
/// and would refuse the whole write, again in each pass.
fn keep_unread(fields: &mut Map<String, Value>, protected: &[&str], unreadable: &[String]) {
    let is_of = |name: &str, path: &str| path.split('.').next() == Some(name);
    fields.retain(|name, _| !protected.contains(&name.as_str()) || !unreadable.iter().any(|path| is_of(name, path)));
}

/// Room for calls.
#[derive(Clone)]
struct Room(Arc<Semaphore>);

impl Room {
    /// One call, which has to find room and to be answered within [`PATIENCE`].
    async fn within<T>(&self, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Trouble> {
        let answer = async {
            // It is never closed.
            let _place = self.0.acquire().await;
            call.await
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) => Err(match status.code {
                404 => Trouble::Gone,
                409 => Trouble::Conflict,
                400 | 403 | 413 | 422 => Trouble::Refused(status.message.clone()),
                _ => Trouble::Unclear(status.message.clone()),
            }),
            Ok(Err(error)) => Err(Trouble::Unclear(error.to_string())),
            Err(_) => Err(Trouble::Unclear("no answer in time".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn no_more_calls_are_under_way_than_there_are_places() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", server.local_addr().unwrap());
        let cluster = Cluster::new(connect(kube::Config::new(address.parse().unwrap())).unwrap(), "test");
        let calls = join_all((0..AT_ONCE + 8).map(|_| cluster.read("n", "order")));
        // Nothing is answered, so each call keeps its connection.
        let under_way = async {
            let mut held = vec![];
            while let Ok(connection) = timeout(Duration::from_secs(1), server.accept()).await {
                held.push(connection);
            }
            held.len()
        };
        tokio::select! {
            _ = calls => panic!("nobody answers"),
            under_way = under_way => assert_eq!(under_way, AT_ONCE),
        }
    }

    #[test]
    fn what_is_absent_is_removed_by_the_merge() {
        let value = complete(&SqlServerBackupStatus { attempts: Some(1), ..SqlServerBackupStatus::default() });
        assert_eq!(value["attempts"], 1);
        for name in ["intent", "error", "flowId", "size"] {
            assert_eq!(value.get(name), Some(&Value::Null), "{name}");
        }
        let error = crate::api::CloudError { code: Some("c".into()), ..crate::api::CloudError::default() };
        let value =
            complete(&SqlServerBackupStatus { error: Some(Box::new(error)), ..SqlServerBackupStatus::default() });
        assert_eq!(value["error"], json!({ "code": "c", "requestId": null }));
    }

    #[test]
    fn every_field_of_the_status_is_written_or_removed() {
        let schema = serde_json::to_value(crate::api::all()).unwrap();
        let known = complete(&SqlServerBackupStatus {
            attempts: Some(1),
            conditions: Some(vec![]),
            ..SqlServerBackupStatus::default()
        });
        let properties = schema[0].pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status/properties");
        for name in properties.unwrap().as_object().unwrap().keys() {
            assert!(known.get(name).is_some(), "{name} would survive a merge");
        }
    }

    #[test]
    fn i6_what_is_protected_and_cannot_be_read_stays() {
        let mut value = complete(&SqlServerBackupStatus { attempts: Some(1), ..SqlServerBackupStatus::default() });
        let unreadable = ["submitTime", "size", "intent.time"].map(str::to_owned);
        keep_unread(&mut value, &["attempts", "submitTime", "flowId"], &unreadable);
        assert_eq!((value.get("submitTime"), value.get("size")), (None, Some(&Value::Null)));
        assert_eq!((&value["attempts"], value.get("flowId")), (&json!(1), Some(&Value::Null)));
    }
}
