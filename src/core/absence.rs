//! When a doubt may end in "there is no backup" (I4).
//!
//! Every condition here has its own counterexample: drop one, and some order of events makes two backups. So they stand
//! side by side, each with the world that it shuts out, and [`objection`] names the first that is not met.

use jiff::Timestamp;

use super::order::Uid;
use super::pace::{later, utc};
use super::seen::{InstanceStatus, Listing, Progress, Trouble};

/// Why absence is not proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The request might still be taken in: its signature is good until then, or the listing may lag behind.
    Early {
        /// When the fence falls.
        until: Timestamp,
    },
    /// The cloud could not be read.
    Unread(Trouble),
    /// These credentials do not see the instance, so an empty list says nothing.
    Invisible,
    /// The rows do not add up to the totals that the cloud named.
    Incomplete,
    /// A running row shows no name: it could be ours.
    Unattributed,
    /// The instance is at work and no running row explains it.
    Unexplained,
}

impl Objection {
    /// One clause for the user: what is waited for.
    pub fn describe(&self) -> String {
        match self {
            Self::Early { until } => {
                format!("the lost request may still take effect or be listed until {}", utc(*until))
            }
            Self::Unread(trouble) => format!("the cloud could not be read: {}", trouble.sentence),
            Self::Invisible => "these credentials do not see the instance".to_owned(),
            Self::Incomplete => "the listing does not add up".to_owned(),
            Self::Unattributed => "a running backup shows no name yet".to_owned(),
            Self::Unexplained => "the instance is at work on something that the listing does not show".to_owned(),
        }
    }
}

/// The first objection against the absence of any backup of `uid`, or `None` if absence is proven. `fence` is the instant
/// at which the last call can no longer be taken in nor be unlisted; `now` was read before the look.
pub fn objection(
    uid: &Uid,
    fence: Timestamp,
    now: Timestamp,
    listing: &Result<Listing, Trouble>,
    instance: &Result<Option<InstanceStatus>, Trouble>,
) -> Option<Objection> {
    let listing = match listing {
        Ok(listing) => listing,
        Err(trouble) => return Some(Objection::Unread(trouble.clone())),
    };
    debug_assert!(listing.ours(uid).next().is_none(), "a row of ours is adopted, not argued about");
    let status = match instance {
        Ok(Some(status)) => *status,
        Ok(None) => return Some(Objection::Invisible),
        Err(trouble) => return Some(Objection::Unread(trouble.clone())),
    };
    if now < fence { Some(Objection::Early { until: fence }) } else { hidden(listing, Some(status)) }
}

/// Whether a backup of ours could be there without showing. Before a submission this is asked too (I3): a refusal may have
/// been none, a status may be older than its backup, and the backup may not show its name yet.
pub fn hidden(listing: &Listing, status: Option<InstanceStatus>) -> Option<Objection> {
    let mut running = listing.rows.iter().filter(|row| matches!(row.progress, Progress::Running | Progress::Unheard));
    if !listing.complete {
        Some(Objection::Incomplete)
    } else if running.clone().any(|row| row.name.is_empty()) {
        Some(Objection::Unattributed)
    } else if status.is_some_and(InstanceStatus::is_at_work) && running.next().is_none() {
        Some(Objection::Unexplained)
    } else {
        None
    }
}

/// When the fence of a call falls: its time, plus validity of the signature, clock skew and listing lag.
pub fn fence(call: Timestamp, fence_seconds: i64) -> Timestamp {
    later(call, fence_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::{Copy, Note};
    use crate::core::seen::{Meaning, Row};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn row(name: &str, progress: Progress) -> Row {
        Row { name: name.to_owned(), progress, copy: Copy::default() }
    }

    fn trouble() -> Trouble {
        let note = Note { code: "InternalError".into(), message: String::new(), request_id: None, time: at(0) };
        Trouble { meaning: Meaning::Unavailable, sentence: "Try later.".into(), note }
    }

    fn listing(rows: Vec<Row>) -> Listing {
        Listing { rows, complete: true }
    }

    #[test]
    fn i4_each_condition_alone_keeps_the_doubt() {
        let uid = Uid::new(&"a".repeat(32)).unwrap();
        let seen = |status| Ok(Some(InstanceStatus(status)));
        let foreign = || listing(vec![row("nightly", Progress::Running), row("", Progress::Succeeded)]);
        let ask =
            |now, listing: Result<Listing, Trouble>, instance| objection(&uid, at(660), at(now), &listing, &instance);
        assert_eq!(ask(660, Ok(foreign()), seen(7)), None, "all met: proven");
        assert_eq!(ask(660, Ok(listing(vec![])), seen(2)), None, "all met: proven");
        assert_eq!(ask(659, Ok(foreign()), seen(7)), Some(Objection::Early { until: at(660) }));
        assert_eq!(ask(660, Err(trouble()), seen(2)), Some(Objection::Unread(trouble())));
        assert_eq!(ask(660, Ok(foreign()), Err(trouble())), Some(Objection::Unread(trouble())));
        assert_eq!(ask(660, Ok(foreign()), Ok(None)), Some(Objection::Invisible));
        assert_eq!(ask(660, Ok(listing(vec![row("", Progress::Running)])), seen(7)), Some(Objection::Unattributed));
        let unheard = listing(vec![row("", Progress::Unheard)]);
        assert_eq!(ask(660, Ok(unheard), seen(2)), Some(Objection::Unattributed), "a number that is not documented");
        assert_eq!(ask(660, Ok(listing(vec![row("old", Progress::Failed)])), seen(7)), Some(Objection::Unexplained));
        let partial = Ok(Listing { rows: vec![], complete: false });
        assert_eq!(ask(660, partial, seen(2)), Some(Objection::Incomplete));
    }
}
