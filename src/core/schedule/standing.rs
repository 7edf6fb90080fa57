//! What is said of a schedule: the words of its condition `Ready`, and the news.
//!
//! The words are an interface, as those of a backup are. `docs/schedules.md` explains each, and a test keeps the two lists
//! equal.

use jiff::Timestamp;

use super::{Cause, Decision, Record, Step, Why};
use crate::core::fold::News;
use crate::core::order::Invalid;
use crate::core::pace::utc;
use crate::core::reason::Verdict::{self, False, True, Unknown};

/// Condition type: a good copy younger than promised exists, from whatever source.
pub const PROTECTED: &str = "Protected";

/// Where a schedule is: the reason of `Ready` and of `Stalled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Nobody looked yet: the schema's default.
    Pending,
    /// It is followed.
    Scheduled,
    /// It is suspended, as it was asked for.
    Suspended,
    /// The line is none that can be followed.
    InvalidSchedule,
    /// The time zone is not known.
    InvalidTimeZone,
    /// Something else of the spec is wrong.
    InvalidSpec,
    /// The API server refuses to create the backup that is due: a quota, a policy, or a right that is missing.
    CreationRefused,
}

impl Place {
    /// Every place, in the order of the table in the documentation.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Scheduled,
        Self::Suspended,
        Self::InvalidSchedule,
        Self::InvalidTimeZone,
        Self::InvalidSpec,
        Self::CreationRefused,
    ];

    /// As it stands in a condition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Scheduled => "Scheduled",
            Self::Suspended => "Suspended",
            Self::InvalidSchedule => "InvalidSchedule",
            Self::InvalidTimeZone => "InvalidTimeZone",
            Self::InvalidSpec => "InvalidSpec",
            Self::CreationRefused => "CreationRefused",
        }
    }

    /// `Ready` and `Stalled`. A creation that is refused is tried again, so only a wrong spec stalls.
    pub const fn verdicts(self) -> (Verdict, Verdict) {
        match self {
            Self::Pending => (Unknown, False),
            Self::Scheduled | Self::Suspended => (True, False),
            Self::InvalidSchedule | Self::InvalidTimeZone | Self::InvalidSpec => (False, True),
            Self::CreationRefused => (False, False),
        }
    }

    /// Where a mistake leaves the schedule.
    pub fn of(mistake: &Invalid) -> Self {
        match mistake.field.as_str() {
            "spec.schedule" => Self::InvalidSchedule,
            "spec.timeZone" => Self::InvalidTimeZone,
            _ => Self::InvalidSpec,
        }
    }
}

/// Where the schedule is, and the sentence for people. `refusal` is what the API server said to the creation of a backup.
pub fn place(suspended: Result<bool, &Invalid>, refusal: Option<&str>) -> (Place, String) {
    match (suspended, refusal) {
        (Err(mistake), _) => (Place::of(mistake), format!("{mistake}. No backup is made until then.")),
        (Ok(_), Some(why)) => (
            Place::CreationRefused,
            format!("The backup that is due cannot be created, and is tried again: {}", cut(why)),
        ),
        (Ok(true), None) => {
            (Place::Suspended, "No backup is made until spec.suspend is false; run-now still works.".to_owned())
        }
        (Ok(false), None) => {
            (Place::Scheduled, "The schedule is followed; status.nextScheduleTime says what comes next.".to_owned())
        }
    }
}

/// A policy may word its refusal at any length; a condition has a bound.
fn cut(text: &str) -> String {
    text.chars().take(1_024).collect()
}

/// What the creation of a backup tells the events of the schedule.
pub fn creation(decision: &Decision) -> Option<News> {
    let Step::Create { name, cause } = &decision.step else { return None };
    let (reason, message) = match cause {
        Cause::Slot(slot, 0) => ("BackupCreated", format!("Created {name} for {}.", utc(*slot))),
        Cause::Slot(slot, again) => {
            ("BackupRetried", format!("Created {name} for {}, further try {again}.", utc(*slot)))
        }
        Cause::Token(token) => ("BackupRequested", format!("Created {name} for run-now {token:?}.")),
    };
    Some(News { is_warning: false, reason, message })
}

/// What is told of slots that passed without a backup, so many, the `last` of them for this reason.
pub fn missed(count: i64, last: Timestamp, why: Why) -> News {
    let last = utc(last);
    let slots = match count {
        1 => format!("The backup for {last} was"),
        count => format!("{count} backups, the last one for {last}, were"),
    };
    News { is_warning: true, reason: "RunMissed", message: format!("{slots} not made: {}.", why.sentence()) }
}

/// What a pass tells of where the schedule is. `before` is the reason that it showed and the record that it had; whether it
/// was suspended is asked of that, for a run-now that is refused shows another reason meanwhile.
pub fn turn((shown, before): (Option<&str>, &Record), (place, message): (Place, &str), after: &Record) -> Option<News> {
    let (is_warning, message) = match place {
        Place::Suspended if !before.is_suspended && after.is_suspended => (false, message.to_owned()),
        Place::Scheduled if before.is_suspended && !after.is_suspended => {
            let message = "The schedule is followed again, from its next time on.".to_owned();
            return Some(News { is_warning: false, reason: "Resumed", message });
        }
        Place::InvalidSchedule | Place::InvalidTimeZone | Place::InvalidSpec | Place::CreationRefused
            if shown != Some(place.as_str()) =>
        {
            (true, message.to_owned())
        }
        Place::Pending
        | Place::Scheduled
        | Place::Suspended
        | Place::InvalidSchedule
        | Place::InvalidTimeZone
        | Place::InvalidSpec
        | Place::CreationRefused => return None,
    };
    Some(News { is_warning, reason: place.as_str(), message })
}

impl Why {
    /// As it stands in a status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Late => "Late",
            Self::Overlap => "Overlap",
            Self::NameTaken => "NameTaken",
        }
    }

    /// As an event tells it.
    const fn sentence(self) -> &'static str {
        match self {
            Self::Late => "the operator could not make it before the next one or the deadline was due",
            Self::Overlap => "an earlier backup of this schedule was still at work",
            Self::NameTaken => "an object that is not this schedule's has the name of the backup; rename or delete it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspension_and_its_end_are_told_once_each_whatever_is_refused_meanwhile() {
        let [free, held] = [false, true].map(|is_suspended| Record { is_suspended, ..Record::default() });
        let told = |shown, before, place, after| turn((shown, before), (place, "m"), after).map(|news| news.reason);
        assert_eq!(told(Some("Scheduled"), &free, Place::Suspended, &held), Some("Suspended"));
        assert_eq!(told(Some("Suspended"), &held, Place::CreationRefused, &held), Some("CreationRefused"));
        assert_eq!(told(Some("CreationRefused"), &held, Place::CreationRefused, &held), None);
        assert_eq!(told(Some("CreationRefused"), &held, Place::Suspended, &held), None, "it is still suspended");
        assert_eq!(told(Some("CreationRefused"), &held, Place::Scheduled, &free), Some("Resumed"));
        assert_eq!(told(Some("CreationRefused"), &free, Place::Scheduled, &free), None);
        assert_eq!(told(Some("Pending"), &free, Place::Scheduled, &free), None);
    }
}
