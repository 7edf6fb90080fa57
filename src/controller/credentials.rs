//! Which access key an order may use: the Secret that it names, else the operator's own where that is allowed.
//!
//! # What it guarantees
//! - A Secret is read by name, in the order's own namespace, at most once a minute, and never listed or watched.
//! - Who may use the operator's identity is a setting. The refusal reads the same whether or not there is one.
//! - No value of a Secret leaves this file except inside a [`Credential`], which cannot be printed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;

use super::cluster::{self, Cluster};
use crate::core::pace::later;
use crate::core::record::Note;
use crate::core::seen::{Meaning, Trouble};
use crate::runtime::config::Namespaces;
use crate::tencent::credential::Credential;

/// How long what a Secret held, or that it was wrong, is taken for true.
///
/// Counted from the clock that the pass read, like the minute after which an order tries again: were it counted from the
/// answer, that pass would come an instant too early, find the old mistake, and rest for another minute.
const FRESH_SECONDS: i64 = 60;

type Found = Result<Credential, String>;

/// The access keys of this process.
pub struct Credentials {
    own: Option<Credential>,
    sharing: Namespaces,
    cache: Mutex<HashMap<(String, String), (Timestamp, Found)>>,
}

impl Credentials {
    /// `own` may be used by orders of `sharing` that name no Secret.
    pub fn new(own: Option<Credential>, sharing: Namespaces) -> Self {
        Self { own, sharing, cache: Mutex::default() }
    }

    /// The key for an order of `namespace` that names `secret`. The outer error is the API server's, the inner one the
    /// user's.
    pub async fn resolve(
        &self,
        cluster: &Cluster,
        namespace: &str,
        secret: Option<&str>,
        now: Timestamp,
    ) -> Result<Result<Credential, Trouble>, cluster::Trouble> {
        let found = match secret {
            None => self.shared(namespace),
            Some(name) => match self.remembered(namespace, name, now) {
                Some(found) => found,
                None => self.read(cluster, namespace, name, now).await?,
            },
        };
        Ok(found.map_err(|message| {
            let note = Note {
                code: "CredentialsUnavailable".to_owned(),
                message: message.clone(),
                request_id: None,
                time: now,
            };
            Trouble { meaning: Meaning::NoCredentials, sentence: message, note }
        }))
    }

    fn shared(&self, namespace: &str) -> Found {
        self.own.clone().filter(|_| self.sharing.include(namespace)).ok_or_else(|| {
            "spec.credentialsRef is missing, and the operator lends no identity of its own to this namespace; name a \
             Secret with the keys secretId and secretKey."
                .to_owned()
        })
    }

    fn remembered(&self, namespace: &str, name: &str, now: Timestamp) -> Option<Found> {
        let mut cache = self.cache();
        // A clock that went back makes nothing younger.
        cache.retain(|_, (since, _)| (*since..later(*since, FRESH_SECONDS)).contains(&now));
        cache.get(&(namespace.to_owned(), name.to_owned())).map(|(_, found)| found.clone())
    }

    async fn read(
        &self,
        cluster: &Cluster,
        namespace: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<Found, cluster::Trouble> {
        let found = match cluster.secret(namespace, name).await {
            Ok(Some(secret)) => credential(name, &secret),
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

    fn cache(&self) -> MutexGuard<'_, HashMap<(String, String), (Timestamp, Found)>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn credential(name: &str, secret: &Secret) -> Found {
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
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;

    use super::*;

    fn secret(pairs: &[(&str, &[u8])]) -> Secret {
        let data: BTreeMap<_, _> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec()))).collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    #[test]
    fn a_good_secret_is_a_credential() {
        let good = credential("s", &secret(&[("secretId", b"id"), ("secretKey", b"key"), ("token", b"t")])).unwrap();
        assert_eq!(good.secret_id(), "id");
        assert!(good.token().is_some());
    }

    #[test]
    fn a_bad_secret_names_the_key_and_the_cure_and_never_the_value() {
        let (id, key) = (("secretId", b"id".as_slice()), ("secretKey", b"hidden".as_slice()));
        for (pairs, names) in [
            (vec![key], "secretId"),
            (vec![id, ("secretKey", b"")], "secretKey"),
            (vec![id, ("secretKey", b"hidden\n")], "secretKey"),
            (vec![("secretId", b" id"), key], "secretId"),
            (vec![id, ("secretKey", b"\xffhidden")], "secretKey"),
            (vec![id, key, ("token", b"")], "token"),
        ] {
            let problem = credential("the-secret", &secret(&pairs)).unwrap_err();
            assert!(problem.contains(names) && problem.contains("the-secret"), "{problem}");
            assert!(!problem.contains("hidden"), "{problem}");
        }
    }

    #[test]
    fn the_operators_own_identity_is_lent_by_namespace_alone() {
        let own = Credential::new("id", SecretString::from("key".to_owned()), None).unwrap();
        let sharing = || Namespaces::Only(["team".to_owned()].into());
        let with = Credentials::new(Some(own), sharing());
        assert!(with.shared("team").is_ok());
        let without = Credentials::new(None, sharing());
        assert_eq!(with.shared("other").unwrap_err(), without.shared("team").unwrap_err());
    }

    #[test]
    fn what_a_secret_held_is_stale_when_the_order_tries_again() {
        let credentials = Credentials::new(None, Namespaces::All);
        let at = |millisecond: i64| Timestamp::from_millisecond(1_700_000_000_000 + millisecond).unwrap();
        let wrong: Found = Err("wrong".to_owned());
        let key = || ("n".to_owned(), "s".to_owned());
        for (asked, is_fresh) in [(0, true), (59_999, true), (60_000, false), (-1, false)] {
            credentials.cache().insert(key(), (at(0), wrong.clone()));
            assert_eq!(credentials.remembered("n", "s", at(asked)).is_some(), is_fresh, "{asked}");
        }
    }
}
