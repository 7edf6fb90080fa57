//! One call, in two steps: [`Client::sign`] puts the request together, [`Client::send`] sends it.
//!
//! They are apart because a submission writes its intent in between (I1): what is sent afterwards are the very bytes that
//! were signed for that intent, at that intent's time (I2).
//!
//! # Invariants
//! - I2, sent once. [`Signed`] is used up by sending and cannot be copied. The library underneath neither retries nor
//!   follows redirects, and `CreateBackup` has a pool of its own that keeps no connection: a request on a connection that
//!   the cloud just closed is lost in a way that cannot be told from an accepted one.
//! - I4. What comes back is an answer, or a [`Fault`] that says whether the call may have taken effect.
//! - No secret is printed: `Debug` of everything here shows none, and headers that hold one are marked as sensitive.
//!
//! # Why not a client with middleware
//! Every layer that could resend, redirect, decompress or time out differently is one more way for two backups.

pub(super) mod answer;
pub(super) mod transport;

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request};
use secrecy::ExposeSecret;

pub use answer::Answer;
pub use transport::{ClientError, LARGEST_ANSWER};

use super::action::{SERVICE, VERSION};
use super::credential::Credential;
use super::endpoint::{Endpoint, host_of};
use super::fault::{Fault, NotSent};
use super::region::Region;
use super::sign::{self, Subject};
use super::sqlserver::Call;

/// The content type, to the byte as it is signed.
pub(super) const JSON: &str = "application/json";

/// What a client is built from.
#[derive(Clone)]
pub struct ClientSettings {
    /// Where the requests go.
    pub endpoint: Endpoint,
    /// How long resolution, connection and TLS handshake may take together.
    pub connect_timeout: Duration,
    /// How long the whole call may take, the answer's last byte included.
    pub call_timeout: Duration,
    /// Certificates to trust beside the system's, as PEM.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// The proxy, as in `HTTPS_PROXY`. May hold a password. Never used towards this machine.
    pub https_proxy: Option<String>,
    /// Hosts that are reached without it, as in `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// What the program calls itself.
    pub user_agent: String,
}

impl ClientSettings {
    /// The documented time-outs, the system's certificates, no proxy.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(20),
            extra_ca_pem: None,
            https_proxy: None,
            no_proxy: None,
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Signs and sends calls to one endpoint. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    endpoint: Endpoint,
    /// Keeps connections for less long than the cloud does.
    reads: reqwest::Client,
    /// Keeps none.
    mutations: reqwest::Client,
}

impl Client {
    /// Builds it. An error is a sentence for whoever set the settings.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        Ok(Self {
            endpoint: settings.endpoint.clone(),
            reads: transport::build(settings, transport::Pool::Short)?,
            mutations: transport::build(settings, transport::Pool::None)?,
        })
    }

    /// Puts a request together and signs it, as of `at`. Nothing is sent.
    ///
    /// The signature is good for five minutes from `at` on the cloud's clock; that is the fence of a submission, so `at`
    /// is the time of its intent and not the time of sending.
    pub fn sign<C: Call>(
        &self,
        credential: &Credential,
        region: &Region,
        call: &C,
        at: Timestamp,
    ) -> Result<Signed<C>, Fault> {
        let body = serde_json::to_vec(call).map_err(|error| unsendable(&error))?;
        let url = self.endpoint.url_for(region);
        let host = host_of(&url);
        let subject = Subject { service: SERVICE, host: &host, content_type: JSON, body: &body, at };
        let authorization = sign::sign(credential.secret_id(), credential.secret_key(), &subject);
        let mut request = Request::new(Method::POST, url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, secret(&authorization)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(HOST, plain(&host)?);
        let second = at.as_second().to_string();
        insert(headers, "x-tc-action", plain(C::ACTION.name())?);
        insert(headers, "x-tc-version", HeaderValue::from_static(VERSION));
        insert(headers, "x-tc-timestamp", plain(&second)?);
        insert(headers, "x-tc-region", plain(region.as_str())?);
        insert(headers, "x-tc-language", HeaderValue::from_static("en-US"));
        if let Some(token) = credential.token() {
            insert(headers, "x-tc-token", secret(token.expose_secret())?);
        }
        *request.body_mut() = Some(body.into());
        Ok(Signed { request, at, call: PhantomData })
    }

    /// Sends a signed request, once, and reads the answer.
    pub async fn send<C: Call>(&self, signed: Signed<C>) -> Result<Answer<C::Answer>, Fault> {
        let client = if C::ACTION.is_mutation() { &self.mutations } else { &self.reads };
        // If we die from here on, a submission's intent is durable and the next pass is in doubt (I4).
        let (status, body) = transport::exchange(client, signed.request, LARGEST_ANSWER).await?;
        answer::read::<C>(status, &body)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

/// A request that is ready to be sent: address, headers and the exact bytes of the body. It can be sent once; there is no
/// way to copy it, to sign it anew, or to take it apart.
pub struct Signed<C> {
    request: Request,
    at: Timestamp,
    call: PhantomData<fn() -> C>,
}

impl<C: Call> fmt::Debug for Signed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("action", &C::ACTION)
            .field("url", &self.request.url().as_str())
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

pub(super) fn insert(headers: &mut HeaderMap, name: &'static str, value: HeaderValue) {
    headers.insert(HeaderName::from_static(name), value);
}

pub(super) fn plain(value: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(value).map_err(|error| unsendable(&error))
}

fn secret(value: &str) -> Result<HeaderValue, Fault> {
    let mut value = plain(value)?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn unsendable(error: &dyn fmt::Display) -> Fault {
    Fault::not_sent(NotSent::Unsendable, &error.to_string())
}

#[cfg(test)]
mod tests;
