//! A call without a usable answer, sorted by the only question that matters: *may it have taken effect?*
//!
//! | fault | may it have taken effect? | what a submission does |
//! |---|---|---|
//! | [`Fault::Refused`] | no, the cloud said so with a code that rules it out | clears its intent; waits or stalls by the meaning |
//! | [`Fault::Throttled`] | no, it was turned away before it was read | clears its intent; slows down |
//! | [`Fault::NotSent`] | no, it never left this machine | clears its intent; waits |
//! | [`Fault::InDoubt`] | **yes** | looks until it knows (I4) |
//!
//! Reads share the type: for them `InDoubt` only says that there is no answer, and [`Fault::meaning`] says
//! [`Meaning::Unavailable`]. A code that is not in the table is in doubt: the cloud adds codes without asking us, and
//! taking a new one for a refusal would cost a second backup, taking it for a doubt costs eleven minutes.

use std::fmt;

use thiserror::Error;

use super::codes::{self, Class, Meaning, Row};
use super::line::one_line;

/// What the cloud said: its code, its message as one bounded line, its request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The code as it came, at most 128 characters.
    pub code: String,
    /// One line of at most 512 characters, without request ids and addresses; may be empty.
    pub message: String,
    /// What the vendor's support asks for. Absent in legacy answers.
    pub request_id: Option<String>,
}

impl Said {
    /// Cleans what came over the wire.
    pub fn new(code: &str, message: &str, request_id: Option<&str>) -> Self {
        Self {
            code: code.chars().filter(|c| !c.is_control() && !c.is_whitespace()).take(128).collect(),
            message: one_line(message, request_id),
            request_id: request_id.and_then(usable_request_id),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// A refusal by the cloud, with what the table says of its code.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What the cloud said.
    pub said: Said,
    /// The table's row of that code.
    pub row: &'static Row,
}

/// Why a request did not leave this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The host name could not be resolved.
    Resolution,
    /// No connection: refused, unreachable, or the proxy would not open one.
    Connection,
    /// No connection within the connect time-out.
    ConnectionTimeout,
    /// The TLS handshake failed, for instance for a certificate nobody vouches for.
    Tls,
    /// The request could not be put together.
    Unsendable,
}

/// Why it is not known whether a request took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// No complete answer within the call's time-out.
    Timeout,
    /// The connection broke after it stood, before or within the answer.
    Broken,
    /// Another HTTP status than 200: a gateway's or a proxy's answer, not the service's.
    Status(u16),
    /// An answer that is not the documented envelope, or not whole.
    Unreadable,
    /// An answer larger than is read.
    TooLarge,
    /// Success without a usable flow id.
    NoFlowId,
    /// A code that does not rule out that the call took effect, or one that is in no table.
    Code,
}

/// What became of a call that has no usable answer. Not an error of this program: an outcome.
#[derive(Clone, Debug, Error)]
pub enum Fault {
    /// It did not take effect: the cloud refused it.
    #[error("refused with {}", .0.said)]
    Refused(Refusal),
    /// It did not take effect: too many calls.
    #[error("throttled with {}", .0.said)]
    Throttled(Refusal),
    /// It did not take effect: it was never sent.
    #[error("not sent: {reason}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    NotSent {
        /// Which step failed.
        reason: NotSent,
        /// One bounded line from the library, possibly empty.
        detail: String,
    },
    /// It may have taken effect.
    #[error("no usable answer: {reason}{}", .said.as_ref().map(|said| format!(", {said}")).unwrap_or_default())]
    InDoubt {
        /// Why it is not known.
        reason: Doubt,
        /// What the cloud said, as far as it could be read.
        said: Option<Said>,
        /// The request id, if one could be read.
        request_id: Option<String>,
    },
}

impl Fault {
    /// Sorts an error of the cloud by its code.
    pub fn from_code(code: &str, message: &str, request_id: Option<&str>) -> Self {
        let said = Said::new(code, message, request_id);
        match codes::lookup(code) {
            Some(row) if row.class == Class::NotDone => Self::Refused(Refusal { said, row }),
            Some(row) if row.class == Class::Throttled => Self::Throttled(Refusal { said, row }),
            _ => Self::in_doubt(Doubt::Code, Some(said), request_id),
        }
    }

    /// A doubt, with what could be read beside it.
    pub fn in_doubt(reason: Doubt, said: Option<Said>, request_id: Option<&str>) -> Self {
        Self::InDoubt { reason, said, request_id: request_id.and_then(usable_request_id) }
    }

    /// A request that did not leave.
    pub fn not_sent(reason: NotSent, detail: &str) -> Self {
        Self::NotSent { reason, detail: one_line(detail, None) }
    }

    /// Whether the call may have taken effect. For a read this only means that there is no answer.
    pub const fn may_have_taken_effect(&self) -> bool {
        matches!(self, Self::InDoubt { .. })
    }

    /// What it means for an order. Without an answer that counts: [`Meaning::Unavailable`].
    pub const fn meaning(&self) -> Meaning {
        match self {
            Self::Refused(refusal) | Self::Throttled(refusal) => refusal.row.meaning,
            Self::NotSent { .. } | Self::InDoubt { .. } => Meaning::Unavailable,
        }
    }

    /// What the cloud said, if it said anything.
    pub const fn said(&self) -> Option<&Said> {
        match self {
            Self::Refused(refusal) | Self::Throttled(refusal) => Some(&refusal.said),
            Self::InDoubt { said, .. } => said.as_ref(),
            Self::NotSent { .. } => None,
        }
    }

    /// The request id, if one was read.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) | Self::Throttled(refusal) => refusal.said.request_id.as_deref(),
            Self::InDoubt { request_id, .. } => request_id.as_deref(),
            Self::NotSent { .. } => None,
        }
    }

    /// The row of the cloud's code, if it has one.
    pub fn row(&self) -> Option<&'static Row> {
        match self {
            Self::Refused(refusal) | Self::Throttled(refusal) => Some(refusal.row),
            Self::InDoubt { said, .. } => said.as_ref().and_then(|said| codes::lookup(&said.code)),
            Self::NotSent { .. } => None,
        }
    }

    /// A label out of a closed set, for metrics: the table's spelling of the code, else the reason.
    pub fn label(&self) -> &'static str {
        match (self.row(), self) {
            (Some(row), _) => row.code.label(),
            (None, Self::NotSent { reason, .. }) => reason.label(),
            (None, Self::InDoubt { reason, .. }) => reason.label(),
            (None, Self::Refused(_) | Self::Throttled(_)) => "other",
        }
    }

    /// One sentence for the reader of a status: what happened, whose turn it is.
    pub fn sentence(&self) -> &'static str {
        match (self.row(), self) {
            (Some(row), _) => row.sentence,
            (None, Self::NotSent { reason, .. }) => reason.sentence(),
            (None, Self::InDoubt { reason, .. }) => reason.sentence(),
            (None, Self::Refused(_) | Self::Throttled(_)) => Doubt::Code.sentence(),
        }
    }
}

impl NotSent {
    /// Label in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Resolution => "not_sent_resolution",
            Self::Connection => "not_sent_connection",
            Self::ConnectionTimeout => "not_sent_timeout",
            Self::Tls => "not_sent_tls",
            Self::Unsendable => "not_sent_unsendable",
        }
    }

    /// One sentence for a status.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Resolution => "The cloud's host name cannot be resolved; check DNS and --tencent-endpoint.",
            Self::Connection => "No connection to the cloud; check network policies, the proxy and --tencent-endpoint.",
            Self::ConnectionTimeout => {
                "The cloud did not take the connection in time; check network policies and the proxy."
            }
            Self::Tls => "The cloud's certificate or TLS version was not accepted; check proxies and --extra-ca-file.",
            Self::Unsendable => "The request could not be put together; check the credential for unusual characters.",
        }
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolution => "host name not resolved",
            Self::Connection => "no connection",
            Self::ConnectionTimeout => "no connection in time",
            Self::Tls => "TLS handshake failed",
            Self::Unsendable => "request cannot be put together",
        })
    }
}

impl Doubt {
    /// Label in metrics. Every HTTP status has the same, so that the set stays closed.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Status(_) => "http_status",
            Self::Unreadable => "unreadable",
            Self::TooLarge => "too_large",
            Self::NoFlowId => "no_flow_id",
            Self::Code => "other",
        }
    }

    /// One sentence for a status.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Timeout => "The cloud did not answer in time.",
            Self::Broken => "The connection broke before the cloud's answer was complete.",
            Self::Status(_) => "A gateway answered in place of the service.",
            Self::Unreadable => "The cloud's answer could not be read.",
            Self::TooLarge => "The cloud's answer was larger than is read.",
            Self::NoFlowId => "The cloud's answer held neither an error nor a usable FlowId.",
            Self::Code => "The cloud answered with a code that does not say whether the call took effect.",
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no answer in time"),
            Self::Broken => f.write_str("the connection broke"),
            Self::Status(status) => write!(f, "HTTP status {status}"),
            Self::Unreadable => f.write_str("not the documented envelope"),
            Self::TooLarge => f.write_str("answer too large"),
            Self::NoFlowId => f.write_str("neither an error nor a usable FlowId"),
            Self::Code => f.write_str("a code that rules nothing out"),
        }
    }
}

/// A request id as it may stand in a status: short and plain, else it is not one.
pub(super) fn usable_request_id(id: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    (!id.is_empty() && id.len() <= 128 && id.bytes().all(plain)).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i4_a_code_in_no_table_is_in_doubt() {
        for code in
            ["", "NewTrouble", "Invalidparameter", "InvalidParameterX", "resourceunavailable.x", "FailedOperation.New"]
        {
            let fault = Fault::from_code(code, "m", Some("id-1"));
            assert!(fault.may_have_taken_effect(), "{code}");
            assert_eq!(fault.meaning(), Meaning::Unavailable, "{code}");
            assert_eq!(fault.request_id(), Some("id-1"), "{code}");
        }
    }

    #[test]
    fn a_known_refusal_carries_its_row() {
        let fault = Fault::from_code("ResourceNotFound.DBNotFound", "no db1\n[request id:x]", Some("id-1"));
        assert!(!fault.may_have_taken_effect());
        assert_eq!(fault.meaning(), Meaning::DatabaseNotFound);
        assert_eq!(fault.label(), "ResourceNotFound.DBNotFound");
        assert_eq!(fault.to_string(), "refused with ResourceNotFound.DBNotFound: no db1");
    }

    #[test]
    fn a_throttle_is_a_class_of_its_own() {
        let fault = Fault::from_code("RequestLimitExceeded.UinLimitExceeded", "", None);
        assert!(matches!(fault, Fault::Throttled(_)));
        assert_eq!(fault.meaning(), Meaning::Throttled);
    }

    #[test]
    fn labels_are_a_closed_set_whatever_the_cloud_invents() {
        assert_eq!(Fault::from_code("Anything.At.All", "", None).label(), "other");
        assert_eq!(Fault::from_code("InvalidParameterValue.Invented", "", None).label(), "InvalidParameterValue.*");
        assert_eq!(Fault::in_doubt(Doubt::Status(599), None, None).label(), "http_status");
        assert_eq!(Fault::not_sent(NotSent::Tls, "x").label(), "not_sent_tls");
    }

    #[test]
    fn a_request_id_that_is_none_is_left_out() {
        assert_eq!(usable_request_id("a\nb"), None);
        assert_eq!(usable_request_id(&"a".repeat(129)), None);
        assert_eq!(usable_request_id("eac6b301-a322").as_deref(), Some("eac6b301-a322"));
    }
}
