//! Stands between the operator and the API server, and stops at every write: before it is passed on, and after the server
//! has answered and before the operator knows.
//!
//! Plain HTTP towards the operator, TLS towards the server. The operator's own token is passed on, so its rights are what
//! they are without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream;
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Where a write stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The operator has sent it, the server has not seen it.
    Before,
    /// The server has answered, the operator does not know.
    After,
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes on.
    Pass,
    /// It never reaches the server.
    Lose,
    /// It reaches the server this much later, whoever still waits for it.
    Delay(Duration),
}

/// Told of every write: its verb and resource, and where it stands.
pub(crate) type Listener = Arc<dyn Fn(&str, Phase) -> Fate + Send + Sync>;

type Body = UnsyncBoxBody<Bytes, reqwest::Error>;

struct Proxy {
    server: String,
    client: reqwest::Client,
    listener: Listener,
    holds: Arc<AtomicBool>,
}

/// Begins to serve on a free port of loopback; the address.
pub(crate) async fn start(server: &str, ca_pem: &[u8], listener: Listener) -> String {
    start_holding(server, ca_pem, listener, Arc::default()).await
}

/// The same, and while `holds` is true no watch of the backups brings anything.
pub(crate) async fn start_holding(server: &str, ca_pem: &[u8], listener: Listener, holds: Arc<AtomicBool>) -> String {
    drop(rustls::crypto::ring::default_provider().install_default());
    let ca = reqwest::Certificate::from_pem_bundle(ca_pem).unwrap();
    let client = reqwest::Client::builder().no_proxy().http1_only().tls_certs_only(ca).build().unwrap();
    let proxy = Arc::new(Proxy { server: server.to_owned(), client, listener, holds });
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", socket.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((connection, _)) = socket.accept().await {
            let proxy = proxy.clone();
            let service = service_fn(move |request| forward(proxy.clone(), request));
            let serving =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service);
            // A connection that breaks is the operator's end, which is what this is for.
            tokio::spawn(async move { drop(serving.await) });
        }
    });
    address
}

async fn forward(proxy: Arc<Proxy>, request: Request<Incoming>) -> Result<Response<Body>, &'static str> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| "the request broke off")?.to_bytes();
    let what = label(&parts.method, parts.uri.path());
    let fate = what.as_ref().map_or(Fate::Pass, |what| (proxy.listener)(what, Phase::Before));
    let wait = match fate {
        Fate::Lose => return Err("the write is lost"),
        Fate::Pass => Duration::ZERO,
        Fate::Delay(wait) => wait,
    };
    let is_held = parts.uri.path().ends_with("/sqlserverbackups") && parts.uri.query().is_some_and(is_watch);
    let url = format!("{}{}", proxy.server, parts.uri);
    let mut headers = parts.headers;
    headers.remove(hyper::header::HOST);
    let sent = proxy.client.request(parts.method, url).headers(headers).body(body);
    // In a task of its own: a write that left goes on without the connection that brought it.
    let answer = tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        sent.send().await
    });
    let answer = answer.await.map_err(|_| "the task ended")?.map_err(|_| "no answer of the server")?;
    if let Some(what) = what
        && (proxy.listener)(&what, Phase::After) == Fate::Lose
    {
        return Err("the answer is lost");
    }
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != hyper::header::TRANSFER_ENCODING) {
        response = response.header(name, value);
    }
    // Piece by piece, for a watch never ends.
    let holds = is_held.then(|| proxy.holds.clone());
    let pieces = stream::try_unfold((answer, holds), |(mut answer, holds)| async move {
        let piece = answer.chunk().await?;
        while holds.as_ref().is_some_and(|holds| holds.load(Ordering::SeqCst)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(piece.map(|piece| (Frame::data(piece), (answer, holds))))
    });
    Ok(response.body(BodyExt::boxed_unsync(StreamBody::new(pieces))).unwrap())
}

fn is_watch(query: &str) -> bool {
    query.split('&').any(|part| part.starts_with("watch="))
}

/// `PATCH status`, `POST events`; nothing for a read.
fn label(method: &Method, path: &str) -> Option<String> {
    let resource = path.rsplit('/').find(|part| matches!(*part, "status" | "events"))?;
    matches!(*method, Method::PATCH | Method::POST | Method::PUT).then(|| format!("{method} {resource}"))
}
