//! The bytes: one request out, one bounded answer in, and what a failure on the way means.
//!
//! The line between "not sent" and "in doubt" runs where the connection stands. Resolution, connection, the proxy's
//! tunnel, the TLS handshake and their time-out all happen before the request is handed over, and the library reports
//! them as connect errors; early data, which would break this, is off. Everything later is a doubt.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::{Certificate, Client, NoProxy, Proxy, Request, StatusCode, redirect, retry, tls};
use thiserror::Error;

use super::ClientSettings;
use crate::tencent::fault::{Doubt, Fault, NotSent};

/// Largest answer that is read, in bytes. Checked while it arrives.
pub const LARGEST_ANSWER: usize = 1 << 20;

/// How long a connection may be idle. The cloud closes after about 60 s; a request that meets the closing is lost.
const IDLE: Duration = Duration::from_secs(20);

/// Why no client could be built: a sentence for whoever set the settings.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// The additional CA file holds no certificate, or a broken one.
    #[error("the file of --extra-ca-file holds no readable certificate; it must be PEM, with at least one certificate")]
    ExtraCa,
    /// Not a proxy that is supported. The address is not shown, because it may hold a password.
    #[error("HTTPS_PROXY is not an address of an http or https proxy; write it as http://host:port")]
    Proxy,
    /// There is nothing to check the cloud's certificate against.
    #[error("no CA certificates were found; install the ca-certificates package in the image, or set --extra-ca-file")]
    NoRoots,
    /// Anything else the library objects to.
    #[error("the HTTP client cannot be built: {0}")]
    Library(String),
}

/// What becomes of a connection after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tencent) enum Pool {
    /// It is closed.
    None,
    /// It may serve another call for a short while.
    Short,
}

pub(in crate::tencent) fn build(settings: &ClientSettings, pool: Pool) -> Result<Client, ClientError> {
    // Without an installed provider the library panics. The error says that one is installed already: fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .http1_only()
        .retry(retry::never())
        .redirect(redirect::Policy::none())
        .referer(false)
        .tls_version_min(tls::Version::TLS_1_2)
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.call_timeout)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(match pool {
            Pool::None => 0,
            Pool::Short => 8,
        })
        .user_agent(&settings.user_agent)
        // The library would read the environment by itself.
        .no_proxy();
    let extra = settings.extra_ca_pem.as_deref().map(certificates).transpose()?.unwrap_or_default();
    let has_extra = !extra.is_empty();
    if settings.endpoint.is_https() {
        builder = builder.tls_certs_merge(extra);
    } else {
        // Plain HTTP on this machine must not need the system's certificates.
        builder = builder.tls_certs_only(extra);
    }
    // Checked even where it is not used, so that a bad setting does not wait for another endpoint.
    let proxy = settings.https_proxy.as_deref().map(|url| proxy(url, settings.no_proxy.as_deref())).transpose()?;
    if let Some(proxy) = proxy.filter(|_| !settings.endpoint.is_loopback()) {
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| {
        let cause = innermost(&error);
        if cause.contains("No CA certificates") {
            ClientError::NoRoots
        } else if has_extra && chain(&error).any(is_tls) {
            // The additional certificates are the only ones that are checked here; the system's are skipped if broken.
            ClientError::ExtraCa
        } else {
            ClientError::Library(cause)
        }
    })
}

/// Sends, and reads the whole answer, of at most `largest` bytes. A status other than 200 is not judged here.
pub(in crate::tencent) async fn exchange(
    client: &Client,
    request: Request,
    largest: usize,
) -> Result<(StatusCode, Vec<u8>), Fault> {
    let mut response = client.execute(request).await.map_err(|error| failed(&error))?;
    let announced = response.content_length().map(usize::try_from);
    if announced.is_some_and(|length| length.map_or(true, |length| length > largest)) {
        return Err(Fault::in_doubt(Doubt::TooLarge, None, None));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
        if body.len() + chunk.len() > largest {
            return Err(Fault::in_doubt(Doubt::TooLarge, None, None));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status(), body))
}

/// A failure before there was a response.
fn failed(error: &reqwest::Error) -> Fault {
    if error.is_builder() {
        return Fault::not_sent(NotSent::Unsendable, &innermost(error));
    }
    if !error.is_connect() {
        return broken(error);
    }
    let reason = if error.is_dns() {
        NotSent::Resolution
    } else if error.is_timeout() {
        NotSent::ConnectionTimeout
    } else if chain(error).any(is_tls) {
        NotSent::Tls
    } else {
        NotSent::Connection
    };
    Fault::not_sent(reason, &innermost(error))
}

/// A failure after the connection stood.
fn broken(error: &reqwest::Error) -> Fault {
    let reason = if error.is_timeout() { Doubt::Timeout } else { Doubt::Broken };
    Fault::in_doubt(reason, None, None)
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, ClientError> {
    let list = Certificate::from_pem_bundle(pem).map_err(|_| ClientError::ExtraCa)?;
    if list.is_empty() { Err(ClientError::ExtraCa) } else { Ok(list) }
}

fn proxy(address: &str, except: Option<&str>) -> Result<Proxy, ClientError> {
    let scheme = address.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if scheme.is_some_and(|scheme| !matches!(scheme.as_str(), "http" | "https")) {
        return Err(ClientError::Proxy);
    }
    let proxy = Proxy::https(address).map_err(|_| ClientError::Proxy)?;
    Ok(proxy.no_proxy(except.and_then(NoProxy::from_string)))
}

/// The error and its causes, outermost first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// What the last cause says: the others repeat it, or name the address.
fn innermost(error: &reqwest::Error) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

/// Whether this cause is TLS's. An I/O error hides what it carries from the chain of causes, and may carry another one.
fn is_tls(cause: &(dyn Error + 'static)) -> bool {
    let carried = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || carried.is_some_and(|inner| is_tls(inner))
}
