//! The keys of a node's role, as the node's metadata service gives them to whoever asks from that node.
//!
//! Whoever runs on the node gets them, so they are used only where somebody switched that on. Two plain `GET`s: the name of
//! the role, then its keys. No proxy, no redirection: the answer is worth as much as the connection that it came over.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Request, StatusCode, Url};
use serde::Deserialize;

use super::{Cure, Issued, Keys, LARGEST_ANSWER, NotIssued, UNUSABLE, issued};
use crate::tencent::client::transport::{Pool, build, exchange};
use crate::tencent::client::{ClientError, ClientSettings};
use crate::tencent::endpoint::Endpoint;

/// The label of these calls in metrics.
pub const LABEL: &str = "NodeRole";
const PATH: &str = "/latest/meta-data/cam/security-credentials/";
/// How long before their end new keys are there, in seconds, as the vendor's clients take it.
const LEAD: i64 = 300;

const NO_ROLE: NotIssued = NotIssued::new(
    Cure::Role,
    "no_role",
    "This node has no role; bind one to it in the console, or switch --node-role off.",
);
const REFUSED: NotIssued = NotIssued::new(
    Cure::Role,
    "refused",
    "The metadata service has no keys for this node's role; check in the console that the role still exists.",
);
const AWAY: NotIssued = NotIssued::new(
    Cure::Wait,
    "unreachable",
    "The node's metadata service cannot be reached; check network policies, and that this is a node of Tencent Cloud.",
);
const NO_ANSWER: NotIssued = NotIssued::new(
    Cure::Wait,
    "unreadable",
    "The node's metadata service gave no usable answer, so it is asked again.",
);

/// The metadata service of the node that this program runs on.
#[derive(Clone)]
pub struct Metadata {
    base: Url,
    client: reqwest::Client,
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    code: String,
    #[serde(default)]
    expired_time: i64,
}

impl Metadata {
    /// Asks at `endpoint`, which [`Endpoint::metadata`] has checked.
    pub fn new(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let settings = ClientSettings::new(endpoint.clone());
        let base = Url::parse(endpoint.as_str()).map_err(|error| ClientError::Library(error.to_string()))?;
        Ok(Self { base, client: build(&settings, Pool::None)? })
    }

    /// Asks for the keys of the node's role, at `now`.
    pub async fn keys(&self, now: Timestamp) -> Result<Issued, NotIssued> {
        let role = role_name(&self.get("").await?)?;
        read(&self.get(&role).await?, &role, now)
    }

    async fn get(&self, below: &str) -> Result<Vec<u8>, NotIssued> {
        let url = self.base.join(&format!("{PATH}{below}")).map_err(|_| NO_ANSWER)?;
        let answer = exchange(&self.client, Request::new(Method::GET, url), LARGEST_ANSWER).await;
        match answer {
            Ok((StatusCode::OK, body)) => Ok(body),
            Ok((StatusCode::NOT_FOUND, _)) => Err(NO_ROLE),
            Ok(_) => Err(NO_ANSWER),
            Err(fault) if fault.may_have_taken_effect() => Err(NO_ANSWER),
            Err(_) => Err(AWAY),
        }
    }
}

/// The name becomes a part of the next address, so it must be nothing but a name.
fn role_name(body: &[u8]) -> Result<String, NotIssued> {
    let name = std::str::from_utf8(body).map_err(|_| NO_ANSWER)?.trim();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    let is_name = (1..=128).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(is_plain);
    if is_name { Ok(name.to_owned()) } else { Err(NO_ANSWER) }
}

fn read(body: &[u8], role: &str, now: Timestamp) -> Result<Issued, NotIssued> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| NO_ANSWER)?;
    if answer.code != "Success" {
        return Err(REFUSED);
    }
    let keys: Keys = serde_json::from_slice(body).map_err(|_| UNUSABLE)?;
    // What is left of them is halved when it is short: the service may go on giving the same keys for a while.
    let lead = |left: SignedDuration| SignedDuration::from_secs(LEAD).min(left / 2);
    issued(keys.credential(role)?, now, answer.expired_time, SignedDuration::MAX, lead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    fn body(code: &str, left: i64) -> String {
        format!(
            r#"{{"TmpSecretId":"AKIDN","TmpSecretKey":"k","ExpiredTime":{},"Expiration":"x","Token":"t","Code":"{code}"}}"#,
            now().as_second() + left
        )
    }

    fn left(issued: &Issued) -> i64 {
        issued.expires.duration_since(issued.renew).as_secs()
    }

    #[test]
    fn keys_are_renewed_five_minutes_before_their_end() {
        for (life, lead) in [(43_200, 300), (1_000, 300), (200, 100), (2, 1)] {
            assert_eq!(left(&read(body("Success", life).as_bytes(), "r", now()).unwrap()), lead, "{life}");
        }
    }

    #[test]
    fn what_cannot_be_used_entirely_is_not_used() {
        let label = |body: &str| read(body.as_bytes(), "r", now()).unwrap_err().label;
        assert_eq!(label(&body("Failed", 900)), "refused");
        assert_eq!(label(&body("Success", -1)), "expired");
        assert_eq!(label(&body("Success", 900).replace("\"k\"", "\"\"")), "unreadable");
        assert_eq!(label(&body("Success", 900).replace("\"Token\":\"t\",", "")), "unreadable");
        assert_eq!(label("<html>"), "unreadable");
    }

    #[test]
    fn a_role_is_a_name_and_not_a_path() {
        assert_eq!(role_name(b"backup-role.v2\n").unwrap(), "backup-role.v2");
        let long = "r".repeat(129);
        for bad in ["", "..", ".", "../x", "a/b", "a b", "a?b", "a\nb", "<html>", long.as_str()] {
            assert!(role_name(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
