//! The keys of a pod's role: `AssumeRoleWithWebIdentity` of STS, version 2018-08-13.
//!
//! The call is not signed: the service account token is what proves who asks, so `Authorization` reads `SKIP`. It changes
//! nothing in the cloud and may be made again; it is made once each time all the same, and the caller says when.
//!
//! Why not `AssumeRole`, which is signed: it needs a key to begin with, and not having one is the point.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use reqwest::{Method, Request};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Cure, Issued, Keys, LARGEST_ANSWER, NotIssued, issued};
use crate::tencent::client::answer::read_as;
use crate::tencent::client::transport::{Pool, build, exchange};
use crate::tencent::client::{ClientError, ClientSettings, JSON, insert, plain, unsendable};
use crate::tencent::endpoint::{Endpoint, host_of};
use crate::tencent::fault::{Doubt, Fault};
use crate::tencent::region::Region;

/// The name of the call, and its label in metrics.
pub const ACTION: &str = "AssumeRoleWithWebIdentity";
const VERSION: &str = "2018-08-13";
/// What the account's audit shows as the author of calls.
const SESSION: &str = "sqlserver-backup-operator";
/// The lifetime that is asked for, in seconds: the documented default.
const LIFETIME: i64 = 7_200;

/// Which role, and on whose word.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Where STS is asked.
    pub region: Region,
    /// The identity provider of the cluster, as CAM knows it.
    pub provider_id: String,
    /// The role.
    pub role_arn: String,
}

/// STS, at one endpoint.
#[derive(Clone)]
pub struct Sts {
    endpoint: Endpoint,
    client: reqwest::Client,
}

impl fmt::Debug for Sts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sts").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    provider_id: &'a str,
    web_identity_token: &'a str,
    role_arn: &'a str,
    role_session_name: &'a str,
    duration_seconds: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    credentials: Keys,
    expired_time: i64,
}

impl Sts {
    /// Asks at the endpoint of `settings`.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        Ok(Self { endpoint: settings.endpoint.clone(), client: build(settings, Pool::None)? })
    }

    /// Shows `token` and asks for keys, once, at `now`.
    pub async fn assume(&self, wish: &Wish, token: &SecretString, now: Timestamp) -> Result<Issued, NotIssued> {
        let answer = self.ask(wish, token, now).await.map_err(|fault| NotIssued::from_fault(&fault, token))?;
        let credential = answer.credentials.credential(&wish.role_arn)?;
        issued(credential, now, answer.expired_time, SignedDuration::from_secs(LIFETIME), |lifetime| lifetime / 10)
    }

    async fn ask(&self, wish: &Wish, token: &SecretString, now: Timestamp) -> Result<Answer, Fault> {
        let request = self.request(wish, token, now)?;
        let (status, body) = exchange(&self.client, request, LARGEST_ANSWER).await?;
        read_as::<Answer>(status, &body, Doubt::Unreadable).map(|answer| answer.value)
    }

    fn request(&self, wish: &Wish, token: &SecretString, now: Timestamp) -> Result<Request, Fault> {
        let body = Body {
            provider_id: &wish.provider_id,
            web_identity_token: token.expose_secret(),
            role_arn: &wish.role_arn,
            role_session_name: SESSION,
            duration_seconds: LIFETIME,
        };
        let body = serde_json::to_vec(&body).map_err(|error| unsendable(&error))?;
        let url = self.endpoint.url_for(&wish.region);
        let host = host_of(&url);
        let mut request = Request::new(Method::POST, url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("SKIP"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(HOST, plain(&host)?);
        insert(headers, "x-tc-action", HeaderValue::from_static(ACTION));
        insert(headers, "x-tc-version", HeaderValue::from_static(VERSION));
        insert(headers, "x-tc-timestamp", plain(&now.as_second().to_string())?);
        insert(headers, "x-tc-region", plain(wish.region.as_str())?);
        insert(headers, "x-tc-language", HeaderValue::from_static("en-US"));
        *request.body_mut() = Some(body.into());
        Ok(request)
    }
}

/// What a code of STS asks for. A code that is in no row and does not rule anything out is asked again.
pub(super) fn explain(code: &str, fault: &Fault) -> (Cure, &'static str) {
    let exact = EXPLAINED.iter().find(|(known, ..)| *known == code);
    let family = || EXPLAINED.iter().find(|(known, ..)| known.strip_suffix('*').is_some_and(|it| code.starts_with(it)));
    match exact.or_else(family) {
        Some((_, cure, sentence)) => (*cure, sentence),
        None if matches!(fault, Fault::Refused(_)) => (Cure::Role, "STS refuses the keys of this pod's role."),
        None => (Cure::Wait, super::NO_ANSWER),
    }
}

/// The codes of STS that have a cure of their own. Public for the documentation, which a test compares with it.
#[rustfmt::skip]
pub const EXPLAINED: &[(&str, Cure, &str)] = &[
    ("InvalidParameter.WebIdentityTokenError", Cure::Role, "STS rejects the pod's service account token; check the provider's issuer, its client id against the token's audience, and the signing keys that it holds."),
    ("ResourceNotFound.RoleNotFound", Cure::Role, "STS knows no such role; check TKE_ROLE_ARN, that is the annotation tke.cloud.tencent.com/role-arn of the ServiceAccount."),
    ("AuthFailure.AccessKeyIllegal", Cure::Role, "STS does not take this kind of identity; check TKE_PROVIDER_ID and that the cluster is registered with CAM."),
    ("FailedOperation.TempKeyNotAllowed", Cure::Role, "STS issues no keys to temporary keys; the role must be assumed with the pod's own token."),
    ("UnauthorizedOperation*", Cure::Role, "The role does not trust this pod; check its trust policy: provider, oidc:iss, oidc:aud and oidc:sub."),
    ("InvalidParameter*", Cure::Role, "STS does not accept the request for keys; check TKE_PROVIDER_ID, TKE_ROLE_ARN and TKE_REGION."),
    ("RequestLimitExceeded*", Cure::Wait, "STS was asked too often by this account, so it is asked again later."),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(code: &str) -> (Cure, &'static str) {
        explain(code, &Fault::from_code(code, "m", None))
    }

    #[test]
    fn each_code_says_whose_turn_it_is() {
        for (code, cure, says) in [
            ("InvalidParameter.WebIdentityTokenError", Cure::Role, "audience"),
            ("InvalidParameter.ParamError", Cure::Role, "TKE_PROVIDER_ID"),
            ("ResourceNotFound.RoleNotFound", Cure::Role, "TKE_ROLE_ARN"),
            ("UnauthorizedOperation", Cure::Role, "trust policy"),
            ("RequestLimitExceeded.UinLimitExceeded", Cure::Wait, "too often"),
            ("AuthFailure.Whatever", Cure::Role, "refuses"),
            ("InternalError.SystemError", Cure::Wait, "asked again"),
            ("Unheard.Of", Cure::Wait, "asked again"),
        ] {
            let (got, sentence) = explained(code);
            assert!(got == cure && sentence.contains(says), "{code}: {got:?} {sentence}");
        }
    }

    #[test]
    fn the_session_has_a_name_that_sts_takes() {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
        assert!((2..=128).contains(&SESSION.len()) && SESSION.bytes().all(is_plain));
    }
}
