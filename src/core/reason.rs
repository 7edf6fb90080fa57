//! Where an order can be, and what its four conditions say there: every word of a status, in one place.
//!
//! The words are an interface: people search for them, alerts and pipelines compare them. A word is never renamed within
//! a version. Each has a section in `docs/reasons.md`, and a test keeps the two lists equal.
//!
//! A reason is a row of the table in `DESIGN.md`. It is the reason of `Ready`, `Reconciling` and `Stalled`; `Submitted`
//! carries it too until the cloud has accepted the order, and then says how that was learnt, for ever.

/// Condition type: the cloud has accepted the backup. Never leaves True.
pub const SUBMITTED: &str = "Submitted";
/// Condition type: the cloud has reported the copy complete.
pub const READY: &str = "Ready";
/// Condition type: the operator is at work, or will try again by itself.
pub const RECONCILING: &str = "Reconciling";
/// Condition type: the order ended without a copy; only a person can go on from here.
pub const STALLED: &str = "Stalled";

/// The condition types, in the order in which a status lists them. All are always present.
pub const CONDITION_TYPES: [&str; 4] = [SUBMITTED, READY, RECONCILING, STALLED];

/// The value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be said now.
    Unknown,
}

impl Verdict {
    /// As Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// How the operator learnt that the cloud accepted the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Acceptance {
    /// `CreateBackup` answered with a FlowId.
    Accepted,
    /// The backup was found under our name in the cloud's listing.
    Adopted,
}

impl Acceptance {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Accepted, Self::Adopted];

    /// The reason of `Submitted`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Adopted => "Adopted",
        }
    }
}

/// The four conditions of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdicts {
    /// The cloud accepted the order.
    pub submitted: Verdict,
    /// The cloud reported the copy complete.
    pub ready: Verdict,
    /// The operator is still at work.
    pub reconciling: Verdict,
    /// Only a person can go on, with a new object.
    pub stalled: Verdict,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// A row of the state table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)+ }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// As it stands in a condition.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

reasons! {
    /// Nobody looked yet: the schema's default.
    Pending,
    /// The rate budget had no room for more than a minute.
    Queued,
    /// The instance is at work, isolated or offline, or an older order of it waits first.
    InstanceBusy,
    /// One of the databases is in a state that cannot be backed up now.
    DatabaseBusy,
    /// The cloud refused the call for its frequency.
    Throttled,
    /// No usable answer came from the cloud, and nothing was submitted.
    CloudUnreachable,
    /// No usable key: the Secret is missing or wrong, or the cloud rejects the key.
    CredentialsUnavailable,
    /// The key is known, and may not do this.
    AccessDenied,
    /// The clocks of the cloud and of this operator are more than five minutes apart.
    ClockSkew,
    /// The intent is written and the call under way.
    Submitting,
    /// An answer was lost; nobody knows yet whether a backup began.
    OutcomeUnknown,
    /// The instance does not exist in that region for that account.
    InstanceNotFound,
    /// One of the databases does not exist.
    DatabaseNotFound,
    /// The cloud, or the operator, refuses the order as it is written.
    InvalidRequest,
    /// The order was not accepted before its deadline.
    DeadlineExceeded,
    /// The backup is being made.
    Running,
    /// The backup has been running for longer than the documented 120 minutes.
    Overdue,
    /// The backup was accepted and cannot be read now.
    Unobservable,
    /// The copy is complete.
    Completed,
    /// The cloud reported that the backup failed.
    Failed,
    /// The backup was not found by any known handle for 24 hours.
    Missing,
}

impl Reason {
    /// The reason of that spelling, if this version knows it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }

    /// The conditions of this row. `acceptance` is durable: once known, `Submitted` is True in every row.
    pub const fn verdicts(self, acceptance: Option<Acceptance>) -> Verdicts {
        use Verdict::{False, True, Unknown};
        let (submitted, ready, reconciling, stalled) = match self {
            Self::Pending => (Unknown, Unknown, True, False),
            Self::Queued
            | Self::InstanceBusy
            | Self::DatabaseBusy
            | Self::Throttled
            | Self::CloudUnreachable
            | Self::CredentialsUnavailable
            | Self::AccessDenied
            | Self::ClockSkew => (False, False, True, False),
            Self::Submitting | Self::OutcomeUnknown => (Unknown, False, True, False),
            Self::InstanceNotFound | Self::DatabaseNotFound | Self::InvalidRequest | Self::DeadlineExceeded => {
                (False, False, False, True)
            }
            Self::Running | Self::Overdue => (True, False, True, False),
            Self::Unobservable => (True, Unknown, True, False),
            Self::Completed => (True, True, False, False),
            Self::Failed => (True, False, False, True),
            Self::Missing => (Unknown, False, False, True),
        };
        let submitted = if acceptance.is_some() { True } else { submitted };
        Verdicts { submitted, ready, reconciling, stalled }
    }

    /// Whether an order in this row never runs again (I5).
    pub const fn is_final(self) -> bool {
        matches!(self.verdicts(None).reconciling, Verdict::False)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_reads_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!(Reason::parse("Unheard"), None);
    }

    #[test]
    fn waiting_ends_on_every_outcome() {
        for reason in Reason::ALL {
            let row = reason.verdicts(None);
            let ended = row.ready == Verdict::True || row.stalled == Verdict::True;
            assert_eq!(ended, row.reconciling == Verdict::False, "{reason:?}");
            assert!(row.ready != Verdict::True || row.stalled == Verdict::False, "{reason:?}");
        }
    }

    #[test]
    fn i6_submitted_never_leaves_true() {
        for reason in Reason::ALL {
            for acceptance in [Acceptance::Accepted, Acceptance::Adopted] {
                assert_eq!(reason.verdicts(Some(acceptance)).submitted, Verdict::True, "{reason:?}");
            }
        }
    }
}
