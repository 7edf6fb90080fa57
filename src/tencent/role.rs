//! Temporary keys of a role: how long they live, and why there are none.
//!
//! Two services give them: [`sts`] to a pod that shows its service account token, [`metadata`] to whoever runs on a node
//! that has a role. Both are asked here and nowhere else; when to ask, and who may use the answer, is the caller's.
//!
//! # What it guarantees
//! - An answer is bounded, and one that cannot be used entirely is not used at all.
//! - [`NotIssued`] says what to do in one sentence, and holds neither a key nor a piece of the token that was shown.
//!
//! # Why not the rule of the vendor's clients
//! They renew at 90 % of the lifetime that the answer names, by their own clock. Here the lifetime is never taken for
//! longer than what was asked for: a clock that is behind would otherwise use keys that are over.

pub mod metadata;
pub mod sts;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use super::credential::Credential;
use super::fault::{Fault, Said};

/// Longest answer that is read, in bytes; the longest token is documented as 4 096.
const LARGEST_ANSWER: usize = 1 << 16;

/// Keys that were issued, and until when.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The keys, counted under their role.
    pub credential: Credential,
    /// When they were asked for.
    pub since: Timestamp,
    /// When they end.
    pub expires: Timestamp,
    /// When new ones should be asked for.
    pub renew: Timestamp,
}

/// Who must do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// Nobody: it is asked again soon.
    Wait,
    /// Whoever set up the role, its provider or the pod.
    Role,
    /// Whoever runs the nodes: a clock is wrong.
    Clock,
}

/// Why there are no keys.
#[derive(Clone, Debug)]
pub struct NotIssued {
    /// Whose turn it is.
    pub cure: Cure,
    /// One sentence: what is wrong and what to do.
    pub sentence: &'static str,
    /// What the service said, if it said anything, without what was shown to it.
    pub said: Option<Said>,
    /// A word for metrics and for a status, where there is no code.
    pub label: &'static str,
}

impl fmt::Display for NotIssued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence)?;
        match &self.said {
            Some(said) => write!(f, " ({said})"),
            None => Ok(()),
        }
    }
}

impl NotIssued {
    /// Nothing was issued, without a word of the service.
    pub const fn new(cure: Cure, label: &'static str, sentence: &'static str) -> Self {
        Self { cure, sentence, said: None, label }
    }

    /// No usable answer of STS.
    fn from_fault(fault: &Fault, token: &SecretString) -> Self {
        let Some(said) = fault.said() else {
            let sentence = match fault {
                Fault::NotSent { .. } => UNREACHABLE,
                Fault::InDoubt { .. } | Fault::Refused(_) | Fault::Throttled(_) => NO_ANSWER,
            };
            return Self::new(Cure::Wait, fault.label(), sentence);
        };
        let (cure, sentence) = sts::explain(&said.code, fault);
        let said = Said { message: hide(&said.message, token), ..said.clone() };
        Self { cure, sentence, said: Some(said), label: fault.label() }
    }
}

const UNREACHABLE: &str = "STS cannot be reached for the keys of this pod's role; check --tencent-sts-endpoint, network policies and the proxy.";
const NO_ANSWER: &str = "STS gave no usable answer for the keys of this pod's role, so it is asked again.";
const UNUSABLE: NotIssued =
    NotIssued::new(Cure::Wait, "unreadable", "The keys that were issued cannot be used, so they are asked for again.");
const OVER: NotIssued = NotIssued::new(
    Cure::Clock,
    "expired",
    "The keys that were issued are over by this node's clock; repair its time synchronisation.",
);

/// Keys as both services write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    tmp_secret_id: String,
    #[serde(deserialize_with = "secret")]
    tmp_secret_key: SecretString,
    #[serde(deserialize_with = "secret")]
    token: SecretString,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

impl Keys {
    fn credential(self, role: &str) -> Result<Credential, NotIssued> {
        let made = Credential::new(&self.tmp_secret_id, self.tmp_secret_key, Some(self.token));
        made.map(|credential| credential.of_role(role)).map_err(|_| UNUSABLE)
    }
}

/// The times of keys that were asked for at `now` and end at `end` (seconds of the service's clock); `longest` bounds what
/// is believed, and `lead` says, of a lifetime, how long before the end to renew.
fn issued(
    credential: Credential,
    now: Timestamp,
    end: i64,
    longest: SignedDuration,
    lead: impl Fn(SignedDuration) -> SignedDuration,
) -> Result<Issued, NotIssued> {
    let end = Timestamp::from_second(end).map_err(|_| UNUSABLE)?;
    let lifetime = end.duration_since(now).min(longest);
    if lifetime <= SignedDuration::ZERO {
        return Err(OVER);
    }
    let at = |after: SignedDuration| now.saturating_add(after).unwrap_or(Timestamp::MAX);
    Ok(Issued { credential, since: now, expires: at(lifetime), renew: at(lifetime - lead(lifetime)) })
}

/// Takes every word out of `message` that holds a piece of the token: its beginning, or that of one of its parts.
fn hide(message: &str, token: &SecretString) -> String {
    let whole = token.expose_secret();
    let pieces: Vec<String> =
        whole.split('.').filter(|part| part.len() >= 8).map(|part| part.chars().take(12).collect()).collect();
    let is_free = |word: &&str| !pieces.iter().any(|piece| word.contains(piece.as_str()));
    message.split(' ').map(|word| if is_free(&word) { word } else { "…" }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn key() -> Credential {
        Credential::new("id", SecretString::from("key"), Some(SecretString::from("token"))).unwrap()
    }

    #[test]
    fn keys_are_renewed_before_they_end_and_never_believed_for_longer_than_asked() {
        let tenth = |lifetime: SignedDuration| lifetime / 10;
        let asked = SignedDuration::from_secs(7_200);
        let of = |end: i64| issued(key(), at(0), at(end).as_second(), asked, tenth);
        let usual = of(7_200).unwrap();
        assert_eq!((usual.renew, usual.expires), (at(6_480), at(7_200)));
        let by_a_clock_that_is_behind = of(7_500).unwrap();
        assert_eq!((by_a_clock_that_is_behind.renew, by_a_clock_that_is_behind.expires), (at(6_480), at(7_200)));
        assert_eq!(of(100).unwrap().renew, at(90));
        for over in [0, -1, -400] {
            assert_eq!(of(over).unwrap_err().cure, Cure::Clock, "{over}");
        }
        assert_eq!(issued(key(), at(0), i64::MAX, asked, tenth).unwrap_err().cure, Cure::Wait);
    }

    #[test]
    fn what_was_shown_does_not_come_back_in_a_message() {
        let token = SecretString::from("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwcyJ9.c2lnbmF0dXJlLW9mLWl0");
        let text = format!("token {} and (eyJpc3MiOiJod) are wrong", token.expose_secret());
        assert_eq!(hide(&text, &token), "token … and … are wrong");
        assert_eq!(hide("the audience does not fit", &token), "the audience does not fit");
        assert_eq!(hide("a short one stays", &SecretString::from("a.b")), "a short one stays");
    }

    #[test]
    fn nothing_that_is_printed_holds_a_key() {
        let keys = Keys {
            tmp_secret_id: "AKIDTEMPORARY".to_owned(),
            tmp_secret_key: SecretString::from("hunter2"),
            token: SecretString::from("tok3n"),
        };
        let issued =
            issued(keys.credential("role").unwrap(), at(0), at(9).as_second(), SignedDuration::MAX, |it| it / 2);
        let text = format!("{issued:?} {UNUSABLE:?}");
        assert!(!text.contains("hunter2") && !text.contains("tok3n") && !text.contains("AKIDTEMPORARY"), "{text}");
    }
}
