//! What one pass saw: a clock that was read first, the record, and what the cloud showed.
//!
//! Absence is only as good as the look behind it, so a listing says whether it is complete, and a look that failed says
//! why. The clock is read before the cloud is asked: an absence proven "at `now`" then really reaches back to `now`.

use jiff::Timestamp;

use super::name;
use super::order::{Subject, Uid};
use super::record::{Copy, FlowId, Note, Record};

/// Why the cloud could not be read, or refused an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// The instance is doing something else.
    InstanceBusy,
    /// One database is in a bad state.
    DatabaseBusy,
    /// Too many calls.
    Throttled,
    /// No key to call with.
    NoCredentials,
    /// The cloud rejects the key.
    Credentials,
    /// The key may not do this.
    AccessDenied,
    /// The clocks are too far apart.
    ClockSkew,
    /// No such instance for this account in this region.
    InstanceNotFound,
    /// No such database.
    DatabaseNotFound,
    /// No such backup.
    BackupNotFound,
    /// The request will never be accepted as it is.
    InvalidRequest,
    /// A passing trouble of the cloud or of the way to it.
    Unavailable,
}

/// A read or a call that brought no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trouble {
    /// Its class.
    pub meaning: Meaning,
    /// One sentence for the user.
    pub sentence: String,
    /// What the cloud said, if it said anything.
    pub note: Note,
}

/// How far a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    /// Being made.
    Running,
    /// Complete.
    Succeeded,
    /// Failed; the cloud gives no reason.
    Failed,
    /// A number that is not documented: read again later.
    Unheard,
}

/// One backup as the cloud shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The name, empty if the row shows none.
    pub name: String,
    /// How far it is.
    pub progress: Progress,
    /// The copy.
    pub copy: Copy,
}

/// The rows of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listing {
    /// Distinct rows, in the order in which they came.
    pub rows: Vec<Row>,
    /// Whether the rows add up to the totals that the cloud named.
    pub complete: bool,
}

impl Listing {
    /// The rows of one order, by name.
    pub fn ours<'a, 'u>(&'a self, uid: &'u Uid) -> impl Iterator<Item = &'a Row> + use<'a, 'u> {
        self.rows.iter().filter(move |row| name::attempt_of(&row.name, uid).is_some())
    }

    /// The row of an accepted order: by the id that is known, whatever its name is now, else by name.
    pub fn find<'a>(&'a self, uid: &Uid, copy: &Copy) -> Option<&'a Row> {
        let same = |known: &Copy, row: &Row| {
            (known.backup_id.is_some() && known.backup_id == row.copy.backup_id)
                || (known.group_id.is_some() && known.group_id == row.copy.group_id)
        };
        self.rows.iter().find(|row| same(copy, row)).or_else(|| best(self.ours(uid)))
    }
}

/// Of several backups of one order, the one that its status follows: the earliest successful one, else the running one,
/// else the earliest.
pub fn best<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<&'a Row> {
    rows.min_by_key(|row| {
        let rank = match row.progress {
            Progress::Succeeded => 0,
            Progress::Running | Progress::Unheard => 1,
            Progress::Failed => 2,
        };
        (rank, row.copy.start_time)
    })
}

/// The state of an instance, as `DescribeDBInstances` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InstanceStatus(pub i64);

impl InstanceStatus {
    /// 7: a task such as a backup or a rollback is running.
    pub const fn is_at_work(self) -> bool {
        self.0 == 7
    }

    /// 4 isolated, 5 recycling, 6 recycled, 8 offline: no manual backup is possible.
    pub const fn is_out_of_service(self) -> bool {
        matches!(self.0, 4 | 5 | 6 | 8)
    }

    /// The documented word for it.
    pub const fn describe(self) -> &'static str {
        match self.0 {
            1 => "being created",
            2 => "running",
            3 => "limited by a failover",
            4 => "isolated",
            5 => "being recycled",
            6 => "recycled",
            7 => "at work on a task",
            8 => "offline",
            9 => "being scaled",
            10 => "being migrated",
            11 => "read-only",
            12 => "restarting",
            13..=17 => "being modified",
            _ => "in a state that is not documented",
        }
    }
}

/// What the cloud showed in this pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sight {
    /// It was not asked: nothing was due, or not yet.
    Nothing {
        /// When a look is due, if ever by itself.
        until: Option<Timestamp>,
    },
    /// The rate budget had no room.
    NoRoom {
        /// When there will be.
        until: Timestamp,
    },
    /// The look before a submission, with the instance if the order was refused before.
    Before {
        /// The rows of the instance.
        listing: Result<Listing, Trouble>,
        /// Its state; `None` if it was not asked for, or is not visible to these credentials.
        instance: Result<Option<InstanceStatus>, Trouble>,
    },
    /// The look that may end a doubt.
    Doubt {
        /// The rows of the instance.
        listing: Result<Listing, Trouble>,
        /// Its state; `None` if it is not visible to these credentials.
        instance: Result<Option<InstanceStatus>, Trouble>,
    },
    /// The look at an accepted backup.
    Flow {
        /// By FlowId, where there is one.
        flow: Option<Result<Row, Trouble>>,
        /// In the listing, where there is no FlowId or it brought nothing.
        listing: Option<Result<Listing, Trouble>>,
    },
}

/// Everything that a decision rests on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// The clock, read before everything else of this pass.
    pub now: Timestamp,
    /// What the object is.
    pub subject: Subject,
    /// What is durable about it.
    pub record: Record,
    /// Whether no other order comes first at the same busy instance.
    pub is_its_turn: bool,
    /// Since when looks at an accepted backup have failed in passing, as far as this process knows.
    pub failing_since: Option<Timestamp>,
    /// What the cloud showed.
    pub sight: Sight,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The step had no effect on the cloud.
    None,
    /// The intent did not clearly become durable: nothing was sent.
    NotDurable,
    /// The cloud accepted.
    Accepted {
        /// Its handle.
        flow_id: FlowId,
        /// Its id of the call.
        request_id: Option<String>,
    },
    /// It certainly did not take effect.
    Refused(Trouble),
    /// It may have taken effect.
    InDoubt {
        /// What is known: one clause for the user.
        why: String,
    },
}
