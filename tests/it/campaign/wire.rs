//! The proxy before the API server, one for each operator: names every request and every watch event, and does to it what
//! the director says.
//!
//! Requests have two places each, `before` and `after` the server's work; the labels are `list`, `watch`, `read`, `secret`,
//! `status`, `event`. An event of a watch is the place `watched`. Other requests pass unseen.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::director::Director;
use super::plan::{Api, Fault, Watch};

type Body = UnsyncBoxBody<Bytes, Broken>;

/// How a piece of an answer ends a connection.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Broken(&'static str);

struct Wire {
    server: String,
    client: reqwest::Client,
    director: Arc<Director>,
    number: usize,
    label: Label,
}

/// What a request is called, if it has a place at all.
pub(super) type Label = fn(&Method, &hyper::Uri) -> Option<&'static str>;

/// Begins to serve operator `number` on a free port of loopback; the address.
pub(super) async fn start(server: &str, ca_pem: &[u8], director: Arc<Director>, number: usize, label: Label) -> String {
    drop(rustls::crypto::ring::default_provider().install_default());
    let ca = reqwest::Certificate::from_pem_bundle(ca_pem).unwrap();
    let client = reqwest::Client::builder().no_proxy().http1_only().tls_certs_only(ca).build().unwrap();
    let wire = Arc::new(Wire { server: server.to_owned(), client, director, number, label });
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", socket.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((connection, _)) = socket.accept().await {
            let wire = wire.clone();
            let service = service_fn(move |request| forward(wire.clone(), request));
            let serving =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service);
            tokio::spawn(async move { drop(serving.await) });
        }
    });
    address
}

impl Wire {
    fn passes(&self, label: &str, when: &str) -> Option<Fault> {
        let of = if self.number == 0 { "" } else { "other's " };
        self.director.passes(&format!("{of}{label}{when}"), Some(self.number))
    }
}

async fn forward(wire: Arc<Wire>, request: Request<Incoming>) -> Result<Response<Body>, Broken> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken("the request broke off"))?.to_bytes();
    let label = (wire.label)(&parts.method, &parts.uri);
    if wire.director.is_away() {
        return Err(Broken("nothing comes through"));
    }
    let mut wait = Duration::ZERO;
    match label.and_then(|label| wire.passes(label, " before")) {
        Some(Fault::KillLate) => wait = Duration::from_millis(700),
        Some(Fault::Api(Api::Slow(seconds))) => wait = Duration::from_secs(seconds),
        Some(Fault::Api(Api::Status(status))) => return Ok(refusal(status)),
        Some(Fault::Api(Api::Silent)) => return std::future::pending().await,
        Some(Fault::Kill | Fault::Version(_) | Fault::Api(_)) => return Err(Broken("the request is lost")),
        Some(_) | None => {}
    }
    let url = format!("{}{}", wire.server, parts.uri);
    let mut headers = parts.headers;
    headers.remove(hyper::header::HOST);
    let sent = wire.client.request(parts.method, url).headers(headers).body(body);
    // In a task of its own: a write that left goes on without the connection that brought it.
    let answer = tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        sent.send().await
    });
    let answer = answer.await.map_err(|_| Broken("the task ended"))?.map_err(|_| Broken("no answer of the server"))?;
    let mut is_cut = false;
    match label.and_then(|label| wire.passes(label, " after")) {
        Some(Fault::Api(Api::Slow(seconds))) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        Some(Fault::Api(Api::Status(status))) => return Ok(refusal(status)),
        Some(Fault::Api(Api::Silent)) => return std::future::pending().await,
        Some(Fault::Api(Api::Truncate)) => is_cut = true,
        Some(Fault::Kill | Fault::Version(_) | Fault::Api(_)) => return Err(Broken("the answer is lost")),
        Some(_) | None => {}
    }
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != hyper::header::TRANSFER_ENCODING) {
        response = response.header(name, value);
    }
    let is_good = answer.status().is_success();
    let director = wire.director.clone();
    let pieces =
        answer.bytes_stream_of().map(move |piece| if director.is_away() { Err(Broken("away")) } else { piece });
    let pieces = pieces.boxed();
    let body = match label {
        Some("watch") if is_good && !is_cut => BodyExt::boxed_unsync(StreamBody::new(events(wire, pieces))),
        _ if is_cut => {
            let half = pieces.take(1).map(|piece| piece.map(|piece| piece.slice(..piece.len() / 2)));
            let broken = stream::once(async { Err(Broken("cut")) });
            BodyExt::boxed_unsync(StreamBody::new(half.chain(broken).map(|piece| piece.map(Frame::data))))
        }
        _ => BodyExt::boxed_unsync(StreamBody::new(pieces.map(|piece| piece.map(Frame::data)))),
    };
    Ok(response.body(body).unwrap())
}

/// The pieces of an answer as they come.
trait Pieces {
    fn bytes_stream_of(self) -> stream::BoxStream<'static, Result<Bytes, Broken>>;
}

impl Pieces for reqwest::Response {
    fn bytes_stream_of(self) -> stream::BoxStream<'static, Result<Bytes, Broken>> {
        let pieces = stream::try_unfold(self, |mut answer| async move {
            let piece = answer.chunk().await.map_err(|_| Broken("the server broke off"))?;
            Ok(piece.map(|piece| (piece, answer)))
        });
        pieces.boxed()
    }
}

/// The lines of a watch, each a place.
fn events(
    wire: Arc<Wire>,
    pieces: stream::BoxStream<'static, Result<Bytes, Broken>>,
) -> impl futures::Stream<Item = Result<Frame<Bytes>, Broken>> {
    stream::try_unfold((wire, pieces, Vec::new()), |(wire, mut pieces, mut rest)| async move {
        loop {
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                match pieces.next().await {
                    Some(piece) => rest.extend_from_slice(&piece?),
                    None => return Ok(None),
                }
                continue;
            };
            let mut line: Vec<u8> = rest.drain(..=end).collect();
            // A bookmark tells nothing of an object.
            let is_event = !line.starts_with(br#"{"type":"BOOKMARK""#);
            match is_event.then(|| wire.passes("watched", "")).flatten() {
                Some(Fault::Watch(Watch::Delayed)) => tokio::time::sleep(Duration::from_millis(2_500)).await,
                Some(Fault::Watch(Watch::Doubled)) => line.extend_from_within(..),
                Some(Fault::Watch(Watch::Missing)) => continue,
                Some(Fault::Watch(Watch::Gone)) => {
                    line = format!(r#"{{"type":"ERROR","object":{}}}{}"#, status(410), "\n").into_bytes();
                }
                Some(Fault::Watch(Watch::Cut)) => {
                    line.truncate(line.len() / 2);
                    // The half must leave before the connection ends.
                    rest.clear();
                    pieces = stream::once(async {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        Err(Broken("cut"))
                    })
                    .boxed();
                }
                Some(Fault::Watch(Watch::Silent)) => return std::future::pending().await,
                _ => {}
            }
            return Ok(Some((Frame::data(Bytes::from(line)), (wire, pieces, rest))));
        }
    })
}

fn status(code: u16) -> serde_json::Value {
    let reason = match code {
        403 => "Forbidden",
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "It is out of order.",
        "reason": reason, "code": code,
    })
}

fn refusal(code: u16) -> Response<Body> {
    let mut response = Response::builder().status(code).header("content-type", "application/json");
    if code == 429 {
        response = response.header("retry-after", "1");
    }
    let body = Full::new(Bytes::from(status(code).to_string())).map_err(|never| match never {});
    response.body(BodyExt::boxed_unsync(body)).unwrap()
}

/// The kind of a request about a backup.
pub(super) fn label(method: &Method, uri: &hyper::Uri) -> Option<&'static str> {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let is_read = *method == Method::GET;
    if path.ends_with("/sqlserverbackups") && is_read {
        Some(if query.contains("watch=") { "watch" } else { "list" })
    } else if path.contains("/sqlserverbackups/") {
        Some(if is_read { "read" } else { "status" })
    } else if path.contains("/secrets/") {
        Some("secret")
    } else if path.contains("/events") {
        Some("event")
    } else {
        None
    }
}
