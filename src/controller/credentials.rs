//! Which access key an order may use: the Secret that it names, else the operator's own where that is allowed.
//!
//! # What it guarantees
//! - A Secret is read by name, in the order's own namespace, at most once a minute and once more when the cloud rejects its
//!   key, however many passes ask at once, and never listed or watched.
//! - Who may use the operator's identity is a setting. The refusal reads the same whether or not there is one.
//! - A key that the cloud rejects holds up the orders under that key and nobody else, see `breaker`.
//! - No value of a Secret leaves this file except inside a [`Credential`], which cannot be printed.
//!
//! `own` is the operator's identity, which may have to be renewed.

mod breaker;
mod own;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;
use tokio::sync;
use tokio::time::timeout;

use self::breaker::Breakers;
use self::own::{Lent, Own};
use super::cluster::{self, Cluster};
use crate::core::pace::later;
use crate::core::record::Note;
use crate::core::seen::{Meaning, Trouble};
use crate::runtime::config::Namespaces;
use crate::runtime::{clock, metrics::Metrics};
use crate::tencent::credential::Credential;
use crate::tencent::fault::Fault;
use crate::tencent::role::{Cure, NotIssued};

pub use self::own::Source;

/// How long what a Secret held, or that it was wrong, is taken for true.
///
/// Counted from the clock that the pass read, like the minute after which an order tries again: were it counted from the
/// answer, that pass would come an instant too early, find the old mistake, and rest for another minute.
const FRESH_SECONDS: i64 = 60;

/// How long a pass waits for another one that reads the same Secret, or looks for a key in place of a rejected one.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// The operator's own.
    Own,
    /// A Secret's.
    Secret {
        /// Of this namespace.
        namespace: String,
        /// By this name.
        name: String,
    },
}

/// A key that a pass may call with.
#[derive(Clone)]
pub struct Key {
    holder: Holder,
    credential: Credential,
    /// Tells it from what the same holder has later: the Secret's version, or the secret id.
    version: String,
    /// The clock that the pass read.
    since: Timestamp,
    /// How often the cloud had rejected it by then.
    rejections: u64,
}

/// Without the version, which may be a secret id.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("holder", &self.holder)
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// What signs.
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }
}

/// What an order gets to call with.
#[derive(Debug)]
pub enum Found {
    /// A key.
    Key(Key),
    /// No key, and why.
    Not(Trouble),
    /// A key that the cloud rejects, with what it said: it is not called now.
    Rejected(Fault),
    /// None yet; ask again then.
    Later(Timestamp),
}

/// What a Secret held, with its version; or what is wrong with it.
type Read = Result<(Credential, String), String>;

/// Who may read a Secret now.
type Door = Arc<sync::Mutex<()>>;

/// The access keys of this process.
pub struct Credentials {
    cluster: Cluster,
    own: Own,
    sharing: Namespaces,
    cache: Mutex<HashMap<(String, String), (Timestamp, Read)>>,
    /// Who reads a Secret holds its door; who waits there finds what was read.
    doors: Mutex<HashMap<(String, String), Door>>,
    breakers: Mutex<Breakers>,
    gate: sync::Mutex<()>,
}

impl Credentials {
    /// Secrets are read through `cluster`; the identity of `own` may be used by orders of `sharing` that name no Secret.
    pub fn new(cluster: Cluster, own: Source, sharing: Namespaces, metrics: Arc<Metrics>) -> Self {
        let own = Own::new(own, metrics);
        Self {
            cluster,
            own,
            sharing,
            cache: Mutex::default(),
            doors: Mutex::default(),
            breakers: Mutex::default(),
            gate: sync::Mutex::default(),
        }
    }

    /// The key for an order of `namespace` that names `secret`. The error is the API server's.
    pub async fn resolve(
        &self,
        namespace: &str,
        secret: Option<&str>,
        now: Timestamp,
    ) -> Result<Found, cluster::Trouble> {
        let Some(name) = secret else { return Ok(self.shared(namespace, now).await) };
        let found = match self.remembered(namespace, name, now) {
            Some(found) => found,
            None => self.read_once(namespace, name, now).await?,
        };
        let holder = Holder::Secret { namespace: namespace.to_owned(), name: name.to_owned() };
        Ok(match found {
            Ok((credential, version)) => self.admit(holder, credential, version, now),
            Err(message) => Found::Not(unavailable(message, now)),
        })
    }

    /// The cloud rejects `key`: another one of the same holder, if there is one by now. Of several passes that ask, one asks
    /// for all.
    pub async fn replace(&self, key: &Key) -> Option<Key> {
        let (credential, version) = match &key.holder {
            Holder::Own => {
                let credential = self.own.replace(&key.credential).await?;
                let version = credential.secret_id().to_owned();
                (credential, version)
            }
            Holder::Secret { namespace, name } => {
                let _gate = timeout(PATIENCE, self.gate.lock()).await.ok()?;
                match self.read_since(namespace, name, key.since) {
                    Some(found) => found.ok()?,
                    None => self.read(namespace, name, clock::now()).await.ok()?.ok()?,
                }
            }
        };
        let now = clock::now();
        match self.admit(key.holder.clone(), credential, version, now) {
            Found::Key(other) if other.version != key.version => Some(other),
            Found::Key(_) | Found::Not(_) | Found::Rejected(_) | Found::Later(_) => None,
        }
    }

    /// Why no further call may be made with `key`: the cloud has rejected it since it was resolved.
    pub fn objection(&self, key: &Key) -> Option<Fault> {
        self.breakers().objection(key)
    }

    /// The pass made no call with `key` after all.
    pub fn untried(&self, key: &Key) {
        self.breakers().untried(key);
    }

    /// The cloud rejected `key`; what to say of it.
    pub fn rejected(&self, key: &Key, fault: Fault) -> Fault {
        self.breakers().rejected(key, fault)
    }

    /// The cloud took `key`.
    pub fn taken(&self, key: &Key) {
        self.breakers().taken(key);
    }

    fn admit(&self, holder: Holder, credential: Credential, version: String, now: Timestamp) -> Found {
        match self.breakers().ask(&holder, &version, now) {
            Ok(rejections) => Found::Key(Key { holder, credential, version, since: now, rejections }),
            Err(fault) => Found::Rejected(fault),
        }
    }

    async fn shared(&self, namespace: &str, now: Timestamp) -> Found {
        // Asked only where it may be used: a refusal must not depend on it, not even by its time.
        let lent = if self.sharing.include(namespace) { self.own.lend(now).await } else { Lent::Nobody };
        match lent {
            Lent::Key(credential) => {
                let version = credential.secret_id().to_owned();
                self.admit(Holder::Own, credential, version, now)
            }
            Lent::Not(why) => Found::Not(not_issued(&why, now)),
            Lent::Later(until) => Found::Later(until),
            Lent::Nobody => Found::Not(unavailable(
                "spec.credentialsRef is missing, and the operator lends no identity of its own to this namespace; name a \
                 Secret with the keys secretId and secretKey."
                    .to_owned(),
                now,
            )),
        }
    }

    fn remembered(&self, namespace: &str, name: &str, now: Timestamp) -> Option<Read> {
        let mut cache = self.cache();
        // A pass may have read its clock a while before; one that went back further makes nothing younger.
        cache.retain(|_, (since, _)| (later(*since, -FRESH_SECONDS)..later(*since, FRESH_SECONDS)).contains(&now));
        cache.get(&(namespace.to_owned(), name.to_owned())).map(|(_, found)| found.clone())
    }

    /// What the Secret held, if it was read after that.
    fn read_since(&self, namespace: &str, name: &str, since: Timestamp) -> Option<Read> {
        let cache = self.cache();
        let found = cache.get(&(namespace.to_owned(), name.to_owned()));
        found.filter(|(read, _)| *read > since).map(|(_, found)| found.clone())
    }

    /// Of several passes that ask, one asks for all.
    async fn read_once(&self, namespace: &str, name: &str, now: Timestamp) -> Result<Read, cluster::Trouble> {
        let door = self.door(namespace, name);
        let Ok(_guard) = timeout(PATIENCE, door.lock()).await else {
            return Err(cluster::Trouble::Unclear("a Secret is still being read".to_owned()));
        };
        match self.remembered(namespace, name, now) {
            Some(found) => Ok(found),
            None => self.read(namespace, name, now).await,
        }
    }

    fn door(&self, namespace: &str, name: &str) -> Door {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        // One that nobody holds or waits at is made anew.
        doors.retain(|_, door| Arc::strong_count(door) > 1);
        Arc::clone(doors.entry((namespace.to_owned(), name.to_owned())).or_default())
    }

    async fn read(&self, namespace: &str, name: &str, now: Timestamp) -> Result<Read, cluster::Trouble> {
        let found = match self.cluster.secret(namespace, name).await {
            Ok(Some(secret)) => credential(name, &secret).map(|credential| (credential, version(&secret))),
            Ok(None) => {
                Err(format!("There is no Secret {name} in this namespace; create it with secretId and secretKey."))
            }
            Err(cluster::Trouble::Refused(_)) => {
                Err(format!("The operator may not read the Secret {name}; grant it get on secrets in this namespace."))
            }
            Err(trouble) => return Err(trouble),
        };
        self.cache().insert((namespace.to_owned(), name.to_owned()), (now, found.clone()));
        Ok(found)
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<(String, String), (Timestamp, Read)>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn breakers(&self) -> MutexGuard<'_, Breakers> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(message: String, now: Timestamp) -> Trouble {
    let code = "CredentialsUnavailable".to_owned();
    let note = Note { code, message: message.clone(), request_id: None, time: now };
    Trouble { meaning: Meaning::NoCredentials, sentence: message, note }
}

fn not_issued(why: &NotIssued, now: Timestamp) -> Trouble {
    let meaning = match why.cure {
        Cure::Wait => Meaning::Unavailable,
        Cure::Role => Meaning::NoCredentials,
        Cure::Clock => Meaning::ClockSkew,
    };
    let Some(said) = &why.said else {
        return Trouble { meaning, ..unavailable(why.sentence.to_owned(), now) };
    };
    let id = said.request_id.as_ref().map(|id| format!(", RequestId {id}")).unwrap_or_default();
    let sentence = format!("{} ({}{id}).", why.sentence.trim_end_matches('.'), said.code);
    let (code, message) = (said.code.clone(), said.message.clone());
    Trouble { meaning, sentence, note: Note { code, message, request_id: said.request_id.clone(), time: now } }
}

/// Changes with whatever is stored, also if the Secret was deleted and made anew.
fn version(secret: &Secret) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}/{}", part(&secret.metadata.uid), part(&secret.metadata.resource_version))
}

fn credential(name: &str, secret: &Secret) -> Result<Credential, String> {
    let text = |key: &str| -> Result<Option<String>, String> {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes
            .map(|bytes| String::from_utf8(bytes.0.clone()))
            .transpose()
            .map_err(|_| format!("{key} of the Secret {name} is not text; copy it again from the console."))
    };
    let (id, key) = (text("secretId")?.unwrap_or_default(), text("secretKey")?.unwrap_or_default());
    let token = text("token")?.map(SecretString::from);
    Credential::new(&id, SecretString::from(key), token).map_err(|error| format!("In the Secret {name}, {error}."))
}

#[cfg(test)]
mod tests;
