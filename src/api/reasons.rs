//! The words of a status: condition types, and the reasons that say where an order is.
//!
//! They are an interface: people grep for them, alerts and pipelines compare them. A word is never renamed within a
//! version. Each reason has a section in `docs/reasons.md`; a test keeps the two lists equal.

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

/// Nobody has looked at the order yet: the schema's default.
pub const PENDING: &str = "Pending";
/// The operator's own share of the cloud's rate limit has been used up for more than a minute.
pub const QUEUED: &str = "Queued";
/// The instance cannot take a backup now: another one runs, or its state forbids it.
pub const INSTANCE_BUSY: &str = "InstanceBusy";
/// A database is in a state that forbids a backup now.
pub const DATABASE_BUSY: &str = "DatabaseBusy";
/// The cloud refuses calls because there are too many of them.
pub const THROTTLED: &str = "Throttled";
/// No call reaches the cloud, or none is answered.
pub const CLOUD_UNREACHABLE: &str = "CloudUnreachable";
/// There is no usable access key: no Secret, a malformed one, or a key that the cloud rejects.
pub const CREDENTIALS_UNAVAILABLE: &str = "CredentialsUnavailable";
/// The access key is known but not permitted to do this.
pub const ACCESS_DENIED: &str = "AccessDenied";
/// The cloud refuses the operator's clock.
pub const CLOCK_SKEW: &str = "ClockSkew";
/// A submission is written down and being sent.
pub const SUBMITTING: &str = "Submitting";
/// A submission may have been accepted although no usable answer came (I4).
pub const OUTCOME_UNKNOWN: &str = "OutcomeUnknown";
/// Ended: the cloud knows no such instance in this region for this access key.
pub const INSTANCE_NOT_FOUND: &str = "InstanceNotFound";
/// Ended: the instance holds no database of a given name.
pub const DATABASE_NOT_FOUND: &str = "DatabaseNotFound";
/// Ended: the cloud refuses the wish as it stands.
pub const INVALID_REQUEST: &str = "InvalidRequest";
/// Ended: not accepted within `submitDeadlineSeconds`.
pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
/// Accepted, and the cloud is making the copy.
pub const RUNNING: &str = "Running";
/// Accepted, and running for longer than the cloud's documentation allows.
pub const OVERDUE: &str = "Overdue";
/// Accepted, but the backup cannot be read at the moment.
pub const UNOBSERVABLE: &str = "Unobservable";
/// Ended: the cloud has reported the copy complete.
pub const COMPLETED: &str = "Completed";
/// Ended: the cloud has reported that the backup failed.
pub const FAILED: &str = "Failed";
/// Ended: not found by any known handle for a day.
pub const MISSING: &str = "Missing";

/// Reason of Submitted: the cloud answered the submission with a FlowId.
pub const ACCEPTED: &str = "Accepted";
/// Reason of Submitted: the backup was found in the cloud's listing, by its name.
pub const ADOPTED: &str = "Adopted";

/// Where an order can be, in the order of a backup's life: the reasons of Ready, Reconciling and Stalled.
pub const PLACES: [&str; 21] = [
    PENDING,
    QUEUED,
    INSTANCE_BUSY,
    DATABASE_BUSY,
    THROTTLED,
    CLOUD_UNREACHABLE,
    CREDENTIALS_UNAVAILABLE,
    ACCESS_DENIED,
    CLOCK_SKEW,
    SUBMITTING,
    OUTCOME_UNKNOWN,
    INSTANCE_NOT_FOUND,
    DATABASE_NOT_FOUND,
    INVALID_REQUEST,
    DEADLINE_EXCEEDED,
    RUNNING,
    OVERDUE,
    UNOBSERVABLE,
    COMPLETED,
    FAILED,
    MISSING,
];

/// The reasons that only Submitted has, once it is True.
pub const ACCEPTANCES: [&str; 2] = [ACCEPTED, ADOPTED];
