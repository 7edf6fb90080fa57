//! What goes back over the connection: the true answer, or what a fault makes of it.

use std::collections::VecDeque;
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::Value;

use crate::fault::Effect;
use crate::gate::throttled;
use crate::intake::Arrival;
use crate::wire::{Fields, Refusal, failure, success};

const JSON: &str = "application/json";

/// Something for the connection to do.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Close without an answer.
    HangUp { reset: bool },
    /// Answer.
    Answer(Answer),
}

/// An HTTP answer in pieces.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) location: Option<String>,
    /// What the header promises; more than the pieces hold if the answer is to be cut.
    pub(crate) length: usize,
    pub(crate) pieces: VecDeque<Bytes>,
    /// Waited before each piece.
    pub(crate) pace: Duration,
}

impl Answer {
    pub(crate) fn whole(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self {
            status,
            content_type: content_type.to_owned(),
            location: None,
            length: body.len(),
            pieces: VecDeque::from([Bytes::from(body)]),
            pace: Duration::ZERO,
        }
    }

    fn json(value: &Value) -> Self {
        Self::whole(200, JSON, value.to_string().into_bytes())
    }
}

/// The reply under `effect`, and the code that the ledger notes. Without a `truth` the request took no effect.
pub(crate) fn dress(effect: &Effect, truth: Option<&Result<Fields, Refusal>>, arrival: &Arrival) -> (Reply, String) {
    let id = arrival.request_id.as_str();
    let refused = |refusal: &Refusal| (Answer::json(&failure(refusal, id)), refusal.code.clone());
    let (answer, code) = match (effect, truth) {
        (Effect::DropBefore { reset }, _) => return (Reply::HangUp { reset: *reset }, "Dropped".to_owned()),
        (Effect::DropAfter { reset }, _) => return (Reply::HangUp { reset: *reset }, code_of(truth)),
        (Effect::Status { status, body, .. }, _) => {
            (Answer::whole(*status, "text/plain", body.clone().into_bytes()), format!("HTTP {status}"))
        }
        (Effect::Garbage { .. }, _) => {
            let page = "<!DOCTYPE html><html><body><h1>Welcome to nginx!</h1></body></html>\n";
            (Answer::whole(200, "text/html", page.as_bytes().to_vec()), "Garbage".to_owned())
        }
        (Effect::Redirect { location, status }, _) => {
            let answer = Answer::whole(*status, "text/plain", Vec::new());
            (Answer { location: Some(location.clone()), ..answer }, format!("HTTP {status}"))
        }
        (Effect::Throttle, _) => refused(&throttled(&arrival.sketch.action, 0)),
        (Effect::Error { code, message, .. }, _) => refused(&Refusal::new(code, message)),
        (_, Some(Err(refusal))) => (alter_body(effect, failure(refusal, id)), refusal.code.clone()),
        (_, Some(Ok(fields))) => (alter_body(effect, success(alter_fields(effect, fields), id)), "OK".to_owned()),
        (_, None) => refused(&Refusal::new("InternalError", "The request was not carried out.")),
    };
    (Reply::Answer(answer), code)
}

fn code_of(truth: Option<&Result<Fields, Refusal>>) -> String {
    match truth {
        Some(Err(refusal)) => refusal.code.clone(),
        _ => "OK".to_owned(),
    }
}

fn alter_fields(effect: &Effect, fields: &Fields) -> Fields {
    let mut fields = fields.clone();
    let Effect::Answer { text, set, remove } = effect else {
        return fields;
    };
    for name in text {
        if let Some(value) = fields.get_mut(name).filter(|value| !value.is_string()) {
            *value = value.to_string().into();
        }
    }
    fields.extend(set.clone());
    fields.retain(|name, _| !remove.contains(name));
    fields
}

fn alter_body(effect: &Effect, mut value: Value) -> Answer {
    if let Effect::Big { mebibytes } = effect
        && let Some(Value::Object(fields)) = value.get_mut("Response")
    {
        fields.insert("Padding".to_owned(), "x".repeat(mebibytes.saturating_mul(1024 * 1024)).into());
    }
    let (text, answer) = (value.to_string(), Answer::json(&value));
    if let Effect::ContentType { value: kind } = effect {
        return Answer { content_type: kind.clone(), ..answer };
    }
    if *effect == Effect::HalfBody {
        let half = text.bytes().take(text.len() / 2).collect();
        return Answer { length: text.len(), ..Answer::whole(200, JSON, half) };
    }
    if let Effect::Drip { bytes, every_milliseconds } = effect {
        let pieces = text.as_bytes().chunks((*bytes).max(1)).map(Bytes::copy_from_slice).collect();
        return Answer { pieces, pace: Duration::from_millis(*every_milliseconds), ..answer };
    }
    answer
}
