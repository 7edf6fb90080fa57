//! `/livez`, `/readyz` and `/metrics` over plain HTTP, for the kubelet and for Prometheus.
//!
//! - `/livez` says that the vital loop turns, not that the cloud or the API server answer: a restart mends neither.
//! - `/readyz` says that every watch has seen its first list, and names those that have not.
//! - Nothing here changes anything, no answer holds a secret, and a client that is slow or malicious costs one of a
//!   limited number of slots for a limited time.
//!
//! It runs on the same thread as the work: if that thread is stuck, `/livez` does not answer, which is the truth.
//!
//! # Why no framework
//! Three fixed paths need no router, and each layer of one would have to be bounded again.

mod health;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

pub use health::{Liveness, Pending, Readiness};

use super::metrics::{self, Metrics};

/// Connections that are served at once; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 64;
/// How long a client may take to send the head of its request.
const HEADER_READ: Duration = Duration::from_secs(5);
/// How long a connection may last, from its acceptance to the last byte of its only answer.
const CONNECTION: Duration = Duration::from_secs(10);
/// The largest head of a request.
const HEADER_BYTES: usize = 16 * 1024;
/// The rest after the kernel refused to accept, as it does when this process has no file descriptor left.
const ACCEPT_REST: Duration = Duration::from_millis(200);

/// What the answers are made of.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Behind `/livez`.
    pub liveness: Liveness,
    /// Behind `/readyz`.
    pub readiness: Readiness,
    /// Behind `/metrics`.
    pub metrics: Arc<Metrics>,
}

/// A server that has its address and does not answer yet.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
}

impl Admin {
    /// Takes the address; port 0 takes a free one.
    ///
    /// # Errors
    /// One sentence: the address is taken, or this machine may not use it.
    pub async fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        match TcpListener::bind(address).await {
            Ok(listener) => Ok(Self { listener }),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                Err(anyhow!("--admin-address (ADMIN_ADDRESS) {address} is in use: free it, or give another one"))
            }
            Err(error) => {
                Err(anyhow!("--admin-address (ADMIN_ADDRESS) {address} cannot be used ({error}): give another one"))
            }
        }
    }

    /// The address that was taken.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        self.listener.local_addr().context("the admin server has no address")
    }

    /// Answers for ever. Dropping the future closes the address; answers under way still end, each within its limit.
    pub async fn serve(self, sources: Sources) -> Infallible {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // The semaphore is never closed: without a slot there would be nothing to hold.
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                continue;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let sources = sources.clone();
                    tokio::spawn(async move {
                        converse(stream, sources).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin server cannot accept a connection");
                    sleep(ACCEPT_REST).await;
                }
            }
        }
    }
}

/// One connection, one request, one answer. A client that breaks off is no event: probes do it every day.
async fn converse(stream: TcpStream, sources: Sources) {
    let service = service_fn(move |request| {
        let answer = answer(&request, &sources);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ)
        .max_header_size(HEADER_BYTES)
        // Without this, idle clients would hold the slots between their questions.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    drop(timeout(CONNECTION, connection).await);
}

fn answer(request: &Request<Incoming>, sources: &Sources) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if !matches!(path, "/livez" | "/readyz" | "/metrics") {
        return text(StatusCode::NOT_FOUND, "not found: /livez, /readyz and /metrics are here\n".to_owned());
    }
    // hyper leaves the body of an answer to HEAD out by itself.
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match path {
        "/livez" => livez(&sources.liveness),
        "/readyz" => readyz(&sources.readiness),
        _ => figures(&sources.metrics),
    }
}

fn livez(liveness: &Liveness) -> Response<Full<Bytes>> {
    match liveness.overdue() {
        None => text(StatusCode::OK, "ok\n".to_owned()),
        Some(silence) => {
            let silence = silence.as_secs();
            text(StatusCode::SERVICE_UNAVAILABLE, format!("the vital loop has not turned for {silence} s\n"))
        }
    }
}

fn readyz(readiness: &Readiness) -> Response<Full<Bytes>> {
    match readiness.missing() {
        missing if missing.is_empty() => text(StatusCode::OK, "ok\n".to_owned()),
        missing => {
            let list = missing.join(", ");
            text(StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {list}\n"))
        }
    }
}

fn figures(metrics: &Metrics) -> Response<Full<Bytes>> {
    match metrics.encode() {
        Ok(body) => respond(StatusCode::OK, metrics::CONTENT_TYPE, body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("the figures cannot be written: {error}\n")),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", body)
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests;
