//! The metadata service of a node, as far as it gives the keys of the node's role: two plain `GET`s.
//!
//! A port of its own, because the real one is another host. It gives the same keys until half of their life is over, and
//! fault rules of the action `NodeRole` act on it: the waits, `status`, `garbage`, `drop_before`, and `error`, whose code
//! then stands in `Code`.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cloud::Shared;
use crate::fault::{Effect, Rule};
use crate::intake::Sketch;
use crate::ledger::Call;
use crate::settings::Key;
use crate::state::State;
use crate::sts;

const ACTION: &str = "NodeRole";
const PATH: &str = "/latest/meta-data/cam/security-credentials/";
/// How long the keys of a node live, in seconds.
const LIFETIME: i64 = 21_600;

/// Serves for as long as the runtime lives.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    loop {
        let Ok((tcp, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| respond(request, Arc::clone(&shared)));
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await {
                tracing::debug!(%error, "metadata connection ended");
            }
        });
    }
}

async fn respond(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Response<Full<Bytes>>> {
    let (received, rule) = {
        let mut state = shared.state();
        let received = state.now();
        let sketch = Sketch { action: ACTION.to_owned(), ..Sketch::default() };
        (received, state.faults.strike(&sketch).unwrap_or_else(|| Rule::new(ACTION, Effect::None)))
    };
    tokio::time::sleep(Duration::from_millis(rule.delay_milliseconds)).await;
    let (status, body, code) = match &rule.effect {
        Effect::Status { status, body, .. } => (*status, body.clone(), format!("HTTP {status}")),
        Effect::Garbage { .. } => (200, "<html></html>".to_owned(), "Garbage".to_owned()),
        Effect::Error { code, .. } if below(&request).is_some_and(|role| !role.is_empty()) => {
            (200, json!({ "Code": code }).to_string(), code.clone())
        }
        Effect::DropBefore { .. } => (0, String::new(), "Dropped".to_owned()),
        // Whatever else there is belongs to the API.
        Effect::None
        | Effect::DropAfter { .. }
        | Effect::Hold { .. }
        | Effect::HalfBody
        | Effect::ContentType { .. }
        | Effect::Throttle
        | Effect::Error { .. }
        | Effect::Drip { .. }
        | Effect::Big { .. }
        | Effect::Redirect { .. }
        | Effect::Answer { .. }
        | Effect::AcceptTwice => {
            let (status, body) = answer(&mut shared.state(), &request);
            (status, body, if status == 200 { "OK".to_owned() } else { format!("HTTP {status}") })
        }
    };
    tokio::time::sleep(Duration::from_millis(rule.answer_delay_milliseconds)).await;
    shared.state().ledger.count(Call {
        received,
        action: ACTION.to_owned(),
        secret_id: String::new(),
        region: String::new(),
        signed_at: String::new(),
        body: Value::Null,
        code,
    });
    let response = Response::builder().status(status).body(Full::new(Bytes::from(body)));
    // Status 0 is none, which ends the connection.
    response.map_err(io::Error::other)
}

fn below(request: &Request<Incoming>) -> Option<&str> {
    request.uri().path().strip_prefix(PATH).filter(|_| request.method() == Method::GET)
}

fn answer(state: &mut State, request: &Request<Incoming>) -> (u16, String) {
    let nothing = (404, "404 Not Found".to_owned());
    match (below(request), state.node_role.clone()) {
        (Some(""), Some(role)) => (200, role),
        (Some(asked), Some(role)) if asked == role => {
            let now = state.now();
            let key = state.node_key.clone().filter(|key| is_young(key, now)).unwrap_or_else(|| {
                let key = sts::issue(state, now, LIFETIME);
                state.node_key = Some((key.clone(), now));
                (key, now)
            });
            (200, keys(&key.0).to_string())
        }
        _ => nothing,
    }
}

fn is_young((key, since): &(Key, Timestamp), now: Timestamp) -> bool {
    key.expires.is_some_and(|end| now.duration_since(*since) < end.duration_since(now))
}

fn keys(key: &Key) -> Value {
    let end = key.expires.unwrap_or(Timestamp::MAX);
    json!({
        "TmpSecretId": key.secret_id, "TmpSecretKey": key.secret_key, "Token": key.token,
        "ExpiredTime": end.as_second(), "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), "Code": "Success",
    })
}
