//! What is durable about an order: its status, in the core's words.
//!
//! A record may be lost, old, forged, or written by another version, so nothing here trusts it further than each promise
//! allows. [`Record::standing`] is the one place that reads a state out of it.

use jiff::Timestamp;

use super::pace::later;
use super::reason::{Acceptance, Reason};

/// The cloud's handle of an accepted call, 1 to 2^63-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowId(i64);

impl FlowId {
    /// Zero and negative numbers are no FlowIds.
    pub fn new(id: i64) -> Option<Self> {
        (id > 0).then_some(Self(id))
    }

    /// The number.
    pub const fn value(self) -> i64 {
        self.0
    }
}

/// The durable announcement of one call (I1), and the instant that its signature carries (I2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Name that the call gives to the backup.
    pub backup_name: String,
    /// Number of the attempt, from 1.
    pub attempt: i64,
    /// When it was planned, whole seconds: the time that the request is signed with.
    pub time: Timestamp,
    /// Which operator wrote it.
    pub holder: String,
}

/// What the cloud, or the way to it, last answered instead of accepting.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// The cloud's error code, or the reason when there was no answer.
    pub code: String,
    /// One bounded line without request ids.
    pub message: String,
    /// The cloud's id of the call, for its support.
    pub request_id: Option<String>,
    /// When it was heard.
    pub time: Timestamp,
}

/// The copy, as far as the cloud has told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Copy {
    /// Backup id, used to restore; absent while running and for unpackaged backups.
    pub backup_id: Option<i64>,
    /// Handle of an unpackaged backup.
    pub group_id: Option<String>,
    /// File, absent for unpackaged backups (only the first of many would show).
    pub file_name: Option<String>,
    /// Size in KB of 1 024 bytes, absent likewise.
    pub size_kb: Option<i64>,
    /// When the cloud began.
    pub start_time: Option<Timestamp>,
    /// When the cloud finished.
    pub completion_time: Option<Timestamp>,
}

/// The status of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Generation that the conditions speak of.
    pub observed_generation: Option<i64>,
    /// The row of the state table; `None` if this version does not know what is written there.
    pub reason: Option<Reason>,
    /// Whether the conditions say that it ended: `Ready` or `Stalled` is True, in whatever row.
    pub ended: bool,
    /// When `Ready` last changed its value.
    pub since: Option<Timestamp>,
    /// What the user reads beside the reason.
    pub message: String,
    /// How acceptance was learnt.
    pub acceptance: Option<Acceptance>,
    /// Name of the last attempt, or the name that the cloud shows for the accepted one.
    pub backup_name: Option<String>,
    /// Intents written so far (I6: never goes back).
    pub attempts: i64,
    /// Time of the last intent (I6: never goes back).
    pub submit_time: Option<Timestamp>,
    /// An announced call without an answer.
    pub intent: Option<Intent>,
    /// Handle of the accepted call (I6: never overwritten).
    pub flow_id: Option<FlowId>,
    /// The cloud's id of the accepted call.
    pub request_id: Option<String>,
    /// The copy.
    pub copy: Copy,
    /// The last refusal or failure; stays until a call is accepted.
    pub error: Option<Note>,
}

impl Default for Record {
    /// What the schema makes of an absent status.
    fn default() -> Self {
        Self {
            observed_generation: None,
            reason: Some(Reason::Pending),
            ended: false,
            since: None,
            message: String::new(),
            acceptance: None,
            backup_name: None,
            attempts: 0,
            submit_time: None,
            intent: None,
            flow_id: None,
            request_id: None,
            copy: Copy::default(),
            error: None,
        }
    }
}

/// What a [standing](Record::standing) rests on, without the texts: cheap to read for thousands of orders at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// As in the record.
    pub reason: Option<Reason>,
    /// As in the record.
    pub ended: bool,
    /// Whether any trace of acceptance is there.
    pub accepted: bool,
    /// Whether an announced call has no answer yet.
    pub announced: bool,
    /// As in the record.
    pub submit_time: Option<Timestamp>,
    /// When the last refusal or failure was heard, if one is noted.
    pub heard: Option<Timestamp>,
}

/// What a record amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Over (I5).
    Finished,
    /// Accepted, not yet ended.
    Following,
    /// A call may have been accepted and nobody knows (I4).
    InDoubt,
    /// Not accepted, nothing in flight.
    Waiting,
}

impl Signs {
    /// Reads the state. A call whose fence still runs and that no answer followed is a doubt, whatever else a damaged
    /// status says (I6); so this is asked before everything else.
    pub fn standing(&self, now: Timestamp, fence_seconds: i64) -> Standing {
        let fence_runs = self.submit_time.is_some_and(|time| now < later(time, fence_seconds));
        if fence_runs && !self.accepted && !self.is_answered() {
            Standing::InDoubt
        } else if self.ended {
            Standing::Finished
        } else if self.accepted {
            Standing::Following
        } else if self.announced || matches!(self.reason, Some(Reason::Submitting | Reason::OutcomeUnknown)) {
            Standing::InDoubt
        } else {
            Standing::Waiting
        }
    }

    /// Whether it ended and stays so, whatever the clock says: no call of it can be under way.
    pub fn is_over(&self) -> bool {
        self.ended && (self.accepted || self.submit_time.is_none() || self.is_answered())
    }

    fn is_answered(&self) -> bool {
        !self.announced && self.heard.is_some_and(|heard| Some(heard) >= self.submit_time)
    }
}

impl Record {
    /// Reads the state, see [`Signs::standing`].
    pub fn standing(&self, now: Timestamp, fence_seconds: i64) -> Standing {
        self.signs().standing(now, fence_seconds)
    }

    /// What the state is read from.
    pub fn signs(&self) -> Signs {
        Signs {
            reason: self.reason,
            ended: self.ended,
            accepted: self.is_accepted(),
            announced: self.intent.is_some(),
            submit_time: self.submit_time,
            heard: self.error.as_ref().map(|error| error.time),
        }
    }

    /// Whether any trace of acceptance is there.
    pub fn is_accepted(&self) -> bool {
        self.acceptance.is_some()
            || self.flow_id.is_some()
            || self.copy.backup_id.is_some()
            || self.copy.group_id.is_some()
    }

    /// Whether the order was accepted and is over.
    pub fn is_ended_accepted(&self) -> bool {
        self.ended && self.acceptance.is_some()
    }

    /// Whether the last call was answered by a refusal, or its doubt ended otherwise than in acceptance.
    pub(super) fn is_answered(&self) -> bool {
        self.signs().is_answered()
    }

    /// Number and time of the last call, if it was refused and nothing has been announced since.
    pub fn refused_call(&self) -> Option<(i64, Option<Timestamp>)> {
        (self.attempts > 0 && self.is_answered() && !self.is_accepted()).then_some((self.attempts, self.submit_time))
    }

    /// The latest instant at which a call of this order can have been signed, if a call is known at all.
    pub fn last_call(&self) -> Option<Timestamp> {
        self.intent.as_ref().map(|intent| intent.time).max(self.submit_time)
    }

    /// Whether going from `self` to `next` is worth a write: a text alone is not.
    pub fn differs(&self, next: &Self) -> bool {
        let plain = |record: &Self| Self { message: String::new(), since: None, error: None, ..record.clone() };
        let code = |record: &Self| record.error.as_ref().map(|error| error.code.clone());
        plain(self) != plain(next) || code(self) != code(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::backup::tests::{accepted, announced, at, trouble};
    use crate::core::seen::Meaning;

    /// A damaged or older status may hold only one of the traces.
    #[test]
    fn any_trace_of_acceptance_is_one() {
        let bare = Record { reason: Some(Reason::Running), ..Record::default() };
        assert!(!bare.is_accepted());
        let copy = |backup_id, group_id| Copy { backup_id, group_id, ..Copy::default() };
        for trace in [
            Record { acceptance: Some(Acceptance::Adopted), ..bare.clone() },
            Record { flow_id: FlowId::new(1), ..bare.clone() },
            Record { copy: copy(Some(1), None), ..bare.clone() },
            Record { copy: copy(None, Some("g".into())), ..bare.clone() },
        ] {
            assert_eq!(trace.standing(at(1), 660), Standing::Following, "{trace:?}");
        }
    }

    #[test]
    fn i4_a_knock_without_an_answer_is_a_doubt_also_past_the_fence() {
        let note = Some(Note { time: at(1), ..trouble(Meaning::InstanceBusy).note });
        let knock = Record { reason: Some(Reason::InstanceBusy), error: note, ..announced(100) };
        assert_eq!(knock.standing(at(9_999), 660), Standing::InDoubt);
    }

    #[test]
    fn a_refused_call_is_one_that_an_answer_followed() {
        let note = |second| Some(Note { time: at(second), ..trouble(Meaning::Throttled).note });
        let refused = Record { intent: None, error: note(9), ..announced(9) };
        assert_eq!(refused.refused_call(), Some((1, Some(at(9)))));
        for open in [
            announced(9),
            accepted(9),
            Record { error: note(8), ..refused.clone() },
            Record { error: note(9), ..announced(9) },
            Record { attempts: 0, submit_time: None, ..refused.clone() },
        ] {
            assert_eq!(open.refused_call(), None, "{open:?}");
        }
    }
}
