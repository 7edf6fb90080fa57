//! The control's port: the same state as the handle's, as JSON over HTTP, for people and for programs in other languages.
//!
//! Loopback only and without any key: whoever reaches it owns the simulated cloud. Never on the API's port, so that a client
//! which follows a wrong path cannot end up here.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::backup::End;
use crate::cloud::Shared;
use crate::fault::Rule;
use crate::instance::Instance;
use crate::settings::{Key, Role};
use crate::state::State;

/// What there is, also shown by `simulator --help`.
pub const CONTROL_HELP: &str = "\
GET    /ledger                 every CreateBackup that arrived, and what truly became of it
GET    /calls                  number of calls by action and code
GET    /calls/last             the last calls whole, with what they asked for
GET    /backups                every backup that ever began
PATCH  /backups/{flow}         {\"name\": \"renamed\", \"hidden\": true, \"size_kb\": 1024}
POST   /backups/{flow}/finish  {\"end\": \"success\" | \"failed\", \"size_kb\": 1024}
GET    /instances[/{id}]
PUT    /instances/{id}         makes or changes one; fields that are absent stay as they are
DELETE /instances/{id}
POST   /instances/{id}/nightly {\"seconds\": 30}: the scheduled backup begins
GET    /faults
POST   /faults                 a rule, see below
DELETE /faults                 removes all rules
GET    /switches
PATCH  /switches               fields that are absent stay as they are
GET    /keys                   without the secrets
PUT    /keys/{id}              {\"secret_key\": \"…\", \"token\": \"…\", \"allowed\": […], \"denied\": […]}
DELETE /keys/{id}
GET    /roles                  without the tokens
POST   /roles                  {\"arn\": \"…\", \"provider_id\": \"…\", \"token\": \"…\"}: what STS then takes
PUT    /node-role              {\"name\": \"…\"}, or null: what the metadata service has
";

/// A request that could not be served: the status and one sentence.
type Failure = (StatusCode, String);
type Outcome = Result<Value, Failure>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finish {
    #[serde(default)]
    end: End,
    size_kb: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nightly {
    seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: Option<String>,
    hidden: Option<bool>,
    size_kb: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeRole {
    name: Option<String>,
}

/// Serves for as long as the runtime lives.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    loop {
        let Ok((tcp, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| respond(request, Arc::clone(&shared)));
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await {
                tracing::debug!(%error, "control connection ended");
            }
        });
    }
}

async fn respond(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().trim_matches('/').to_owned();
    let (status, kind, text) = if path.is_empty() {
        (StatusCode::OK, "text/plain; charset=utf-8", CONTROL_HELP.to_owned())
    } else {
        let outcome = match Limited::new(body, 1024 * 1024).collect().await {
            Ok(body) => route(&mut shared.state(), parts.method.as_str(), &path, &body.to_bytes()),
            Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
        };
        let (status, value) = match outcome {
            Ok(value) => (StatusCode::OK, value),
            Err((status, sentence)) => (status, json!({ "error": sentence })),
        };
        (status, "application/json", format!("{value:#}\n"))
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

fn route(state: &mut State, method: &str, path: &str, body: &[u8]) -> Outcome {
    state.now();
    let words: Vec<&str> = path.split('/').collect();
    match (method, words.as_slice()) {
        ("GET", ["ledger"]) => shown(&state.ledger.entries),
        ("GET", ["calls"]) => shown(&state.ledger.counts),
        ("GET", ["calls", "last"]) => shown(&state.ledger.calls),
        ("GET", ["switches"]) => shown(&state.switches),
        ("PATCH", ["switches"]) => {
            state.switches = merged(&state.switches, read(body)?)?;
            shown(&state.switches)
        }
        (_, ["backups", rest @ ..]) => backups(state, method, rest, body),
        (_, ["instances", rest @ ..]) => instances(state, method, rest, body),
        (_, ["faults"]) => faults(state, method, body),
        (_, ["keys", rest @ ..]) => keys(state, method, rest, body),
        ("GET", ["roles"]) => {
            let shown = |role: &Role| json!({ "arn": role.arn, "provider_id": role.provider_id });
            Ok(state.roles.iter().map(shown).collect())
        }
        ("POST", ["roles"]) => {
            let role: Role = read(body)?;
            let answer = json!({ "arn": role.arn });
            state.put_role(role);
            Ok(answer)
        }
        ("PUT", ["node-role"]) => {
            let NodeRole { name } = read(body)?;
            state.node_role.clone_from(&name);
            Ok(json!({ "name": name }))
        }
        _ => Err(nowhere()),
    }
}

fn backups(state: &mut State, method: &str, rest: &[&str], body: &[u8]) -> Outcome {
    let flow = |text: &str| text.parse().map_err(|_| (StatusCode::NOT_FOUND, format!("{text} is no flow id")));
    match (method, rest) {
        ("GET", []) => shown(&state.backups),
        ("PATCH", [id]) => {
            let (flow_id, change): (i64, Change) = (flow(id)?, read(body)?);
            let found = state.backups.iter_mut().find(|backup| backup.flow_id == flow_id);
            let backup = found.ok_or_else(|| missing("backup", id))?;
            backup.name = change.name.unwrap_or_else(|| backup.name.clone());
            backup.hidden = change.hidden.unwrap_or(backup.hidden);
            backup.size_kb = change.size_kb.unwrap_or(backup.size_kb);
            shown(backup)
        }
        ("POST", [id, "finish"]) => {
            let (flow_id, finish): (i64, Finish) = (flow(id)?, read(body)?);
            if !state.finish(flow_id, finish.end, finish.size_kb) {
                return Err(missing("running backup", id));
            }
            Ok(json!({ "flow_id": flow_id }))
        }
        _ => Err(nowhere()),
    }
}

fn instances(state: &mut State, method: &str, rest: &[&str], body: &[u8]) -> Outcome {
    match (method, rest) {
        ("GET", []) => shown(&state.instances.values().collect::<Vec<_>>()),
        ("GET", [id]) => shown(state.instances.get(*id).ok_or_else(|| missing("instance", id))?),
        ("PUT", [id]) => {
            let before = state.instances.get(*id).cloned().unwrap_or_else(|| Instance::new(id));
            let instance = Instance { id: (*id).to_owned(), ..merged(&before, read(body)?)? };
            let answer = shown(&instance);
            state.instances.insert(instance.id.clone(), instance);
            answer
        }
        ("DELETE", [id]) => {
            state.instances.remove(*id).ok_or_else(|| missing("instance", id)).and_then(|gone| shown(&gone))
        }
        ("POST", [id, "nightly"]) => {
            let Nightly { seconds } = read(body)?;
            let flow_id = state.begin_nightly(id, seconds).ok_or_else(|| missing("instance", id))?;
            Ok(json!({ "flow_id": flow_id }))
        }
        _ => Err(nowhere()),
    }
}

fn faults(state: &mut State, method: &str, body: &[u8]) -> Outcome {
    match method {
        "GET" => shown(&state.faults.standing),
        "POST" => {
            let rule: Rule = read(body)?;
            Ok(json!({ "id": state.faults.add(rule) }))
        }
        "DELETE" => {
            state.faults.standing.clear();
            Ok(json!([]))
        }
        _ => Err(nowhere()),
    }
}

fn keys(state: &mut State, method: &str, rest: &[&str], body: &[u8]) -> Outcome {
    match (method, rest) {
        ("GET", []) => {
            let without_secrets = |key: &Key| {
                json!({
                    "secret_id": key.secret_id, "is_temporary": key.token.is_some(),
                    "allowed": key.allowed, "denied": key.denied,
                })
            };
            Ok(state.keys.values().map(without_secrets).collect())
        }
        ("PUT", [id]) => {
            let mut fields: Map<String, Value> = read(body)?;
            fields.insert("secret_id".to_owned(), (*id).into());
            let key: Key = serde_json::from_value(fields.into()).map_err(|error| unreadable(&error))?;
            state.keys.insert(key.secret_id.clone(), key);
            Ok(json!({ "secret_id": id }))
        }
        ("DELETE", [id]) => {
            state.keys.remove(*id).ok_or_else(|| missing("key", id))?;
            Ok(json!({ "secret_id": id }))
        }
        _ => Err(nowhere()),
    }
}

fn shown(value: &impl Serialize) -> Outcome {
    serde_json::to_value(value).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// An absent body is an empty object.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(if body.is_empty() { b"{}" } else { body }).map_err(|error| unreadable(&error))
}

/// `current` with the fields of `patch`, objects within objects likewise. A null is a value.
fn merged<T: Serialize + DeserializeOwned>(current: &T, patch: Map<String, Value>) -> Result<T, Failure> {
    fn lay_over(base: &mut Value, patch: Value) {
        match (base, patch) {
            (Value::Object(base), Value::Object(patch)) => {
                for (name, value) in patch {
                    lay_over(base.entry(name).or_insert(Value::Null), value);
                }
            }
            (base, patch) => *base = patch,
        }
    }
    let mut value = shown(current)?;
    lay_over(&mut value, patch.into());
    serde_json::from_value(value).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Failure {
    (StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}"))
}

fn missing(kind: &str, id: &str) -> Failure {
    (StatusCode::NOT_FOUND, format!("there is no {kind} {id}"))
}

fn nowhere() -> Failure {
    (StatusCode::NOT_FOUND, "no such path with this method; GET / lists what there is".to_owned())
}
