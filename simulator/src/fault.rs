//! Fault switches: which request suffers, how often, and what happens to it.
//!
//! Rules are tried in the order they were added; the first that matches and still has hits left decides alone. A rule
//! counts every request it matches, so `skip` and `times` together name exact positions in a run.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::intake::Sketch;

/// How often a rule acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Times {
    /// Until it is removed.
    Forever,
    /// For this many matching requests.
    #[serde(untagged)]
    Count(u64),
}

impl Default for Times {
    fn default() -> Self {
        Self::Count(1)
    }
}

/// When the signature of a held request is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// When it arrives: what the operator assumes of the cloud.
    #[default]
    Arrival,
    /// When it is accepted.
    Acceptance,
}

/// What happens to a request. `accept` everywhere: whether the request takes effect behind the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing but the delays of the rule.
    None,
    /// The connection is closed, nothing takes effect.
    DropBefore {
        /// By a reset instead of a regular close.
        #[serde(default)]
        reset: bool,
    },
    /// The request takes effect, then the connection is closed: the answer is lost.
    DropAfter {
        /// By a reset instead of a regular close.
        #[serde(default)]
        reset: bool,
    },
    /// The request takes effect this much later, whether the client still waits or not.
    Hold {
        /// From arrival to acceptance.
        seconds: f64,
        /// See [`Verify`].
        #[serde(default)]
        verify: Verify,
        /// Close the connection at once, instead of letting the client wait.
        #[serde(default)]
        hang_up: bool,
    },
    /// Another HTTP status.
    Status {
        /// 100 to 999.
        status: u16,
        /// As text.
        #[serde(default)]
        body: String,
        /// See above.
        #[serde(default)]
        accept: bool,
    },
    /// HTTP 200 with an HTML page.
    Garbage {
        /// See above.
        #[serde(default)]
        accept: bool,
    },
    /// The request takes effect, half of the true answer is sent, then the connection is closed.
    HalfBody,
    /// The true answer under another content type.
    ContentType {
        /// The value of the header.
        value: String,
    },
    /// `RequestLimitExceeded`; nothing takes effect.
    Throttle,
    /// An error of the API.
    Error {
        /// `Response.Error.Code`.
        code: String,
        /// `Response.Error.Message`.
        #[serde(default)]
        message: String,
        /// With true, a refusal that was none.
        #[serde(default)]
        accept: bool,
    },
    /// The true answer in small pieces.
    Drip {
        /// Bytes of a piece.
        bytes: usize,
        /// Before each piece.
        every_milliseconds: u64,
    },
    /// The true answer with a field that makes it this large.
    Big {
        /// Of padding.
        mebibytes: usize,
    },
    /// A redirection; nothing takes effect.
    Redirect {
        /// The `Location`.
        location: String,
        /// 302 makes clients change to GET, 307 makes them repeat the POST.
        #[serde(default = "temporary_redirect")]
        status: u16,
    },
    /// The true answer, altered: first `text`, then `set`, then `remove`.
    Answer {
        /// Fields that become strings.
        #[serde(default)]
        text: Vec<String>,
        /// Fields that get another value, or are added.
        #[serde(default)]
        set: Map<String, Value>,
        /// Fields that are left out.
        #[serde(default)]
        remove: Vec<String>,
    },
    /// A `CreateBackup` is executed twice, and answered with the first of its flows.
    AcceptTwice,
}

fn temporary_redirect() -> u16 {
    307
}

/// A fault rule. Made with [`Rule::new`], narrowed with the other functions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only requests of this action; absent: every action.
    #[serde(default)]
    pub action: Option<String>,
    /// Only requests about this instance.
    #[serde(default)]
    pub instance: Option<String>,
    /// Only requests whose `BackupName` contains this.
    #[serde(default)]
    pub name: Option<String>,
    /// Matching requests that are let through first.
    #[serde(default)]
    pub skip: u64,
    /// How often it then acts; once, if absent.
    #[serde(default)]
    pub times: Times,
    /// Waits this long before the request takes effect (or is refused).
    #[serde(default)]
    pub delay_milliseconds: u64,
    /// Waits this long after it took effect, before the answer.
    #[serde(default)]
    pub answer_delay_milliseconds: u64,
    /// What happens.
    pub effect: Effect,
}

impl Rule {
    /// One hit on the next `action`.
    pub fn new(action: &str, effect: Effect) -> Self {
        Self {
            action: Some(action.to_owned()),
            instance: None,
            name: None,
            skip: 0,
            times: Times::default(),
            delay_milliseconds: 0,
            answer_delay_milliseconds: 0,
            effect,
        }
    }

    /// Only requests about this instance.
    #[must_use]
    pub fn instance(self, id: &str) -> Self {
        Self { instance: Some(id.to_owned()), ..self }
    }

    /// Only requests whose `BackupName` contains this.
    #[must_use]
    pub fn name(self, part: &str) -> Self {
        Self { name: Some(part.to_owned()), ..self }
    }

    /// Lets this many matching requests through first.
    #[must_use]
    pub fn skip(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// Acts this many times.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Times::Count(times), ..self }
    }

    /// Acts until it is removed.
    #[must_use]
    pub fn forever(self) -> Self {
        Self { times: Times::Forever, ..self }
    }

    /// Waits before the request takes effect.
    #[must_use]
    pub fn delay(self, milliseconds: u64) -> Self {
        Self { delay_milliseconds: milliseconds, ..self }
    }

    /// Waits between the effect and the answer.
    #[must_use]
    pub fn answer_delay(self, milliseconds: u64) -> Self {
        Self { answer_delay_milliseconds: milliseconds, ..self }
    }

    fn matches(&self, sketch: &Sketch) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        is(&self.action, &sketch.action)
            && is(&self.instance, &sketch.instance)
            && self.name.as_deref().is_none_or(|part| sketch.name.contains(part))
    }
}

/// A rule and what it did so far.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Names the rule.
    pub id: u64,
    /// Requests it matched.
    pub matched: u64,
    /// Requests it acted on.
    pub acted: u64,
    /// The rule.
    pub rule: Rule,
}

/// All rules.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    next: u64,
    pub(crate) standing: Vec<Standing>,
}

impl Faults {
    pub(crate) fn add(&mut self, rule: Rule) -> u64 {
        self.next += 1;
        self.standing.push(Standing { id: self.next, matched: 0, acted: 0, rule });
        self.next
    }

    /// The rule that acts on this request, if any.
    pub(crate) fn strike(&mut self, sketch: &Sketch) -> Option<Rule> {
        self.standing.iter_mut().find_map(|standing| {
            let spent = matches!(standing.rule.times, Times::Count(times) if standing.acted >= times);
            if spent || !standing.rule.matches(sketch) {
                return None;
            }
            standing.matched += 1;
            if standing.matched <= standing.rule.skip {
                return None;
            }
            standing.acted += 1;
            Some(standing.rule.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(name: &str) -> Sketch {
        Sketch { action: "CreateBackup".to_owned(), name: name.to_owned(), ..Sketch::default() }
    }

    #[test]
    fn a_rule_skips_then_acts_then_is_spent() {
        let mut faults = Faults::default();
        faults.add(Rule::new("CreateBackup", Effect::Throttle).name("b_").skip(1).times(2));
        let mut hits = |name: &str| faults.strike(&create(name)).is_some();
        assert!(!hits("a_1"), "another name is neither counted nor hit");
        assert_eq!([hits("b_1"), hits("b_2"), hits("b_3"), hits("b_4")], [false, true, true, false]);
    }

    #[test]
    fn a_rule_reads_and_writes_json_as_documented() {
        let rule: Rule = serde_json::from_str(r#"{"times":"forever","effect":{"kind":"hold","seconds":1.5}}"#).unwrap();
        assert_eq!(rule.times, Times::Forever);
        let rule: Rule = serde_json::from_str(r#"{"times":3,"effect":{"kind":"drop_after"}}"#).unwrap();
        assert_eq!((rule.times, rule.effect), (Times::Count(3), Effect::DropAfter { reset: false }));
        assert!(serde_json::from_str::<Rule>(r#"{"effect":{"kind":"drop_after","rest":true}}"#).is_err());
    }
}
