//! One request, from its last byte to its answer: the fault rules around the gateway and the actions.
//!
//! Runs in a task of its own, so a client that goes away changes nothing: what arrived whole is carried out, as in the real
//! cloud. The ledger has an entry before anything else happens.

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::body::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use crate::actions;
use crate::clock;
use crate::cloud::Shared;
use crate::event::{Event, Stage};
use crate::fault::{Effect, Rule, Verify};
use crate::gate;
use crate::ledger::{Call, Entry};
use crate::reply::{self, Reply};
use crate::sign::{Claim, single};
use crate::state::{Caller, State};
use crate::wire::{Fields, Refusal};

/// What can be read of a request before anything is believed: for the ledger, the fault rules and the listeners.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sketch {
    pub(crate) action: String,
    pub(crate) secret_id: String,
    pub(crate) region: String,
    pub(crate) instance: String,
    pub(crate) name: String,
    pub(crate) signature: String,
    pub(crate) signed_at: String,
    pub(crate) body: Value,
}

/// A request that arrived whole.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) request_id: String,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) sketch: Sketch,
}

impl Sketch {
    pub(crate) fn of(headers: &HeaderMap, body: &[u8]) -> Self {
        let header = |name| single(headers, name).unwrap_or_default().to_owned();
        let claim = single(headers, "authorization").and_then(|text| Claim::parse(text).ok());
        let (secret_id, signature) = claim.map(|it| (it.secret_id, it.signature)).unwrap_or_default();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let first = || body.get("InstanceIdSet")?.get(0)?.as_str().map(str::to_owned);
        Self {
            action: header("x-tc-action"),
            secret_id,
            region: header("x-tc-region"),
            instance: text("InstanceId").or_else(first).unwrap_or_default(),
            name: text("BackupName").unwrap_or_default(),
            signature,
            signed_at: header("x-tc-timestamp"),
            body,
        }
    }
}

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// What the cloud would truly answer.
    pub(crate) truth: Result<Fields, Refusal>,
    flow_ids: Vec<i64>,
}

/// Takes a request in; the answer, or the lack of one, is the caller's to send.
///
/// Yields the code of the reply as well.
pub(crate) async fn take_in(shared: Arc<Shared>, arrival: Arrival) -> (Reply, String) {
    let (received, rule) = register(&mut shared.state(), &arrival);
    shared.tell(&event(&arrival, Stage::Received, "", None));
    let is_verified_later = matches!(rule.effect, Effect::Hold { verify: Verify::Acceptance, .. });
    let is_verified_now = takes_effect(&rule.effect) && !is_verified_later;
    let admission = is_verified_now.then(|| admit(&shared, &arrival));
    if let Effect::Hold { hang_up: true, .. } = rule.effect {
        tokio::spawn(carry_out(shared, arrival, rule, admission, received));
        return (Reply::HangUp { reset: false }, "Held".to_owned());
    }
    carry_out(shared, arrival, rule, admission, received).await
}

async fn carry_out(
    shared: Arc<Shared>,
    arrival: Arrival,
    rule: Rule,
    admission: Option<Result<Caller, Refusal>>,
    received: Timestamp,
) -> (Reply, String) {
    let held = if let Effect::Hold { seconds, .. } = rule.effect { clock::seconds(seconds) } else { Duration::ZERO };
    tokio::time::sleep(held + Duration::from_millis(rule.delay_milliseconds)).await;
    let verdict = if takes_effect(&rule.effect) { Some(decide(&shared, &arrival, &rule, admission)) } else { None };
    tokio::time::sleep(Duration::from_millis(rule.answer_delay_milliseconds)).await;
    let truth = verdict.as_ref().map(|verdict| &verdict.truth);
    let (reply, code) = reply::dress(&rule.effect, truth, &arrival);
    let mut state = shared.state();
    state.ledger.amend(&arrival.request_id, |entry| entry.code.clone_from(&code));
    state.ledger.count(call(&arrival, received, code.clone()));
    (reply, code)
}

/// Writes the request into the ledger and finds the rule that acts on it.
fn register(state: &mut State, arrival: &Arrival) -> (Timestamp, Rule) {
    let received = state.now();
    let sketch = &arrival.sketch;
    if sketch.action == "CreateBackup" {
        state.ledger.entries.push(Entry {
            request_id: arrival.request_id.clone(),
            received,
            secret_id: sketch.secret_id.clone(),
            region: sketch.region.clone(),
            instance: sketch.instance.clone(),
            name: sketch.name.clone(),
            signature: sketch.signature.clone(),
            signed_at: sketch.signed_at.clone(),
            accepted: false,
            flow_ids: Vec::new(),
            accepted_at: None,
            code: String::new(),
            delivered: false,
        });
    }
    (received, state.faults.strike(sketch).unwrap_or_else(|| Rule::new("", Effect::None)))
}

fn admit(shared: &Shared, arrival: &Arrival) -> Result<Caller, Refusal> {
    let mut state = shared.state();
    let now = state.now();
    gate::admit(&mut state, arrival, now)
}

/// The moment at which a request takes effect or is refused.
fn decide(shared: &Shared, arrival: &Arrival, rule: &Rule, admission: Option<Result<Caller, Refusal>>) -> Verdict {
    let admission = admission.unwrap_or_else(|| admit(shared, arrival));
    let verdict = {
        let mut state = shared.state();
        let now = state.now();
        let twice = rule.effect == Effect::AcceptTwice;
        let done = admission.and_then(|caller| actions::perform(&mut state, &caller, &arrival.body, now, twice));
        let verdict = match done {
            Ok(done) => Verdict { truth: Ok(done.fields), flow_ids: done.flow_ids },
            Err(refusal) => Verdict { truth: Err(refusal), flow_ids: Vec::new() },
        };
        state.ledger.amend(&arrival.request_id, |entry| {
            entry.accepted = !verdict.flow_ids.is_empty();
            entry.accepted_at = entry.accepted.then_some(now);
            entry.flow_ids.clone_from(&verdict.flow_ids);
        });
        verdict
    };
    let code = verdict.truth.as_ref().map_or_else(|refusal| refusal.code.as_str(), |_| "OK");
    shared.tell(&event(arrival, Stage::Decided, code, verdict.flow_ids.first().copied()));
    verdict
}

/// Whether a request under this effect reaches gateway and service at all.
fn takes_effect(effect: &Effect) -> bool {
    match effect {
        Effect::DropBefore { .. } | Effect::Throttle | Effect::Redirect { .. } => false,
        Effect::Status { accept, .. } | Effect::Garbage { accept } | Effect::Error { accept, .. } => *accept,
        Effect::None
        | Effect::DropAfter { .. }
        | Effect::Hold { .. }
        | Effect::HalfBody
        | Effect::ContentType { .. }
        | Effect::Drip { .. }
        | Effect::Big { .. }
        | Effect::Answer { .. }
        | Effect::AcceptTwice => true,
    }
}

/// Notes that the answer reached the connection, and tells so.
pub(crate) fn answered(shared: &Shared, arrival: &Arrival, code: &str) {
    let mut flow_id = None;
    shared.state().ledger.amend(&arrival.request_id, |entry| {
        entry.delivered = true;
        flow_id = entry.flow_ids.first().copied();
    });
    shared.tell(&event(arrival, Stage::Answered, code, flow_id));
}

fn event(arrival: &Arrival, stage: Stage, code: &str, flow_id: Option<i64>) -> Event {
    let sketch = &arrival.sketch;
    Event {
        stage,
        request_id: arrival.request_id.clone(),
        action: sketch.action.clone(),
        secret_id: sketch.secret_id.clone(),
        region: sketch.region.clone(),
        instance: sketch.instance.clone(),
        name: sketch.name.clone(),
        code: code.to_owned(),
        flow_id,
    }
}

fn call(arrival: &Arrival, received: Timestamp, code: String) -> Call {
    let sketch = &arrival.sketch;
    Call {
        received,
        action: sketch.action.clone(),
        secret_id: sketch.secret_id.clone(),
        region: sketch.region.clone(),
        signed_at: sketch.signed_at.clone(),
        body: sketch.body.clone(),
        code,
    }
}
