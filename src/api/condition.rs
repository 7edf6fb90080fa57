//! A condition as the API conventions have it (`meta/v1`), in little room.
//!
//! Every open order has four, and thousands are open at once. The words are mostly this program's own and then stand in its
//! text; a sentence that several conditions of one object say is held once.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::core::reason::{Acceptance, CONDITION_TYPES, Reason, Verdict};

/// A condition. Reads what `meta/v1` reads, and writes the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which one.
    #[serde(rename = "type", default, deserialize_with = "word")]
    pub type_: Cow<'static, str>,
    /// `True`, `False` or `Unknown`.
    #[serde(default, deserialize_with = "word")]
    pub status: Cow<'static, str>,
    /// One word for the state that was entered last.
    #[serde(default, deserialize_with = "word")]
    pub reason: Cow<'static, str>,
    /// A sentence for people.
    #[serde(default = "nothing", serialize_with = "say", deserialize_with = "sentence")]
    pub message: Arc<str>,
    /// The generation that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When its status changed last.
    pub last_transition_time: Time,
}

/// A text that is not copied where it need not be.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads the conditions of one object.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Condition>>, D::Error> {
    let mut conditions = Option::<Vec<Condition>>::deserialize(deserializer)?;
    let mut last: Option<Arc<str>> = None;
    for condition in conditions.iter_mut().flatten() {
        if let Some(last) = last.as_ref().filter(|last| **last == condition.message) {
            condition.message = Arc::clone(last);
        }
        last = Some(Arc::clone(&condition.message));
    }
    Ok(conditions)
}

fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'static, str>, D::Error> {
    let text = Option::<Text<'de>>::deserialize(deserializer)?.map(|text| text.0).unwrap_or_default();
    Ok(known(&text).map_or_else(|| Cow::Owned(text.into_owned()), Cow::Borrowed))
}

/// The word as this program has it.
fn known(text: &str) -> Option<&'static str> {
    let verdicts = [Verdict::True, Verdict::False, Verdict::Unknown].map(Verdict::as_str);
    let words = CONDITION_TYPES.into_iter().chain(verdicts).chain(Acceptance::ALL.map(Acceptance::as_str));
    words.chain(Reason::ALL.iter().map(|reason| reason.as_str())).find(|word| *word == text)
}

fn sentence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    Ok(Option::<Text<'de>>::deserialize(deserializer)?.map_or_else(nothing, |text| text.0.into()))
}

fn say<S: Serializer>(sentence: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(sentence)
}

fn nothing() -> Arc<str> {
    Arc::default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
    use serde_json::{Value, json};

    use super::*;

    fn read(all: &Value) -> Vec<Condition> {
        list(all).unwrap().unwrap()
    }

    #[test]
    fn it_reads_and_writes_what_the_conventions_say() {
        let time = "2026-01-01T00:00:00Z";
        let whole = json!({ "type": "Ready", "status": "True", "reason": "Completed", "message": "Done.\n\"So\"",
            "observedGeneration": 3, "lastTransitionTime": time, "later": [1] });
        let foreign =
            json!({ "type": "A", "status": "Maybe", "reason": "Other", "message": "…", "lastTransitionTime": time });
        let bare = json!({ "type": null, "reason": null, "message": null, "observedGeneration": null,
            "lastTransitionTime": time });
        let broken = [json!({ "type": "A" }), json!({ "type": 1, "lastTransitionTime": time }), json!([]), json!("A")];
        for one in [whole, foreign, bare].into_iter().chain(broken) {
            let theirs = serde_json::from_value::<meta::Condition>(one.clone());
            let ours = serde_json::from_value::<Condition>(one.clone());
            let written = |one: Result<Value, _>| one.map_err(|fault: serde_json::Error| drop(fault)).ok();
            assert_eq!(
                written(theirs.and_then(serde_json::to_value)),
                written(ours.and_then(serde_json::to_value)),
                "{one}"
            );
        }
    }

    #[test]
    fn known_words_and_repeated_sentences_take_no_room() {
        let one = |kind: &str, says: &str| {
            json!({ "type": kind, "status": "True", "reason": "Running", "message": says,
                "lastTransitionTime": "2026-01-01T00:00:00Z" })
        };
        let all = read(&json!([one("Submitted", "a"), one("Ready", "b"), one("Stalled", "b"), one("Foreign", "b")]));
        for condition in &all[..3] {
            let words = [&condition.type_, &condition.status, &condition.reason];
            assert!(words.iter().all(|word| matches!(word, Cow::Borrowed(_))), "{condition:?}");
        }
        assert_eq!(all[3].type_, Cow::<str>::Owned("Foreign".to_owned()));
        assert!(Arc::ptr_eq(&all[1].message, &all[2].message) && Arc::ptr_eq(&all[2].message, &all[3].message));
        assert_eq!((&*all[0].message, &*all[1].message), ("a", "b"));
    }
}
