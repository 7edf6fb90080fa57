//! `Protected`: is there a good copy younger than promised, from whatever source?
//!
//! # The rules
//! - A copy counts if the cloud shows it as succeeded, it shows when it began, and it alone holds the whole instance or every
//!   database of the template. Names are compared to the letter, as an order takes them. Whose copy it is does not matter.
//! - Age counts from the start of a copy: what was written to the database afterwards may not be in it. One that began
//!   ahead of this clock has the age 0.
//! - A good copy of the schedule's own counts by the word of its object while no complete listing is later than its end; from
//!   then on the listing must hold it, under its id, its group or its name.
//!
//! | what is known, in this order | verdict |
//! |---|---|
//! | no objective | Unknown `NoObjective` |
//! | the cloud cannot be read until a person mends it | Unknown `Unobservable` |
//! | it cannot be read now, and the last complete look is two intervals old | Unknown `Unobservable` |
//! | a copy younger than the objective | True `WithinObjective` |
//! | the schedule's own newest copy would be, and a complete listing no longer holds it | False `LastBackupMissing` |
//! | no copy, and the schedule is younger than the objective | Unknown `NoBackupYet` |
//! | it cannot be read now, and at the last look the objective was met | Unknown `Unobservable` |
//! | nothing of it | False `ObjectiveMissed` |
//!
//! # Invariants
//! - Only a complete listing takes away; an incomplete one can only add.
//! - Between looks the same facts are judged anew by the clock, so a restart changes nothing: they are in [`Last`], which is
//!   durable and says what it was asked about. An edited template begins anew.
//! - The message holds instants and no ages: it changes only with the facts.

use jiff::Timestamp;

use super::order::Scope;
use super::pace::later;
use super::reason::Verdict;
use super::record::Copy;
use super::seen::{Meaning, Progress, Row, Trouble};

mod words;

/// Within so many seconds of its end a listing need not show a copy as it is: its lag, and the clocks.
const GRACE: i64 = 360;

/// What was promised, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The oldest that the newest copy may be, in seconds; none if nothing was promised.
    pub objective: Option<i64>,
    /// The template's region.
    pub region: String,
    /// The template's instance.
    pub instance: String,
    /// What a copy must hold.
    pub scope: Scope,
    /// When the schedule was created.
    pub created: Timestamp,
    /// Seconds between two looks.
    pub interval: i64,
}

/// What a copy in the listing holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// `Strategy` 0.
    Instance,
    /// `Strategy` 1: these, as far as the row shows them. An unpackaged copy shows those of its first file.
    Databases(Vec<String>),
    /// The row does not say.
    Unknown,
}

/// A row of the listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// As everywhere.
    pub row: Row,
    /// What the copy holds.
    pub holds: Holds,
}

/// What a look brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The clock, read before the cloud was asked.
    pub at: Timestamp,
    /// The rows of the instance, of every way and storage.
    pub listed: Vec<Listed>,
    /// Whether the rows add up to the totals that the cloud named.
    pub complete: bool,
}

/// A backup of the schedule that its object calls complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Its name in the cloud.
    pub name: String,
    /// Its handles, and when it began.
    pub copy: Copy,
    /// The region that it was made in.
    pub region: String,
    /// The instance that it is of.
    pub instance: String,
    /// What it was ordered to hold.
    pub scope: Scope,
    /// When its object became complete.
    pub ended: Timestamp,
}

/// What the looks so far amount to: durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Last {
    /// Hash of region, instance and scope that were asked about.
    pub of: String,
    /// The last complete look.
    pub looked: Option<Timestamp>,
    /// Start of the newest copy that counts.
    pub newest: Option<Timestamp>,
}

/// Everything that the judgement rests on.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The clock.
    pub now: Timestamp,
    /// The schedule's good backups.
    pub own: Vec<Own>,
    /// As the last judgement said.
    pub last: Option<Last>,
    /// The reason that the condition shows.
    pub shown: Option<Reason>,
    /// The latest look of this process, or why it could not be made; none if it has tried none.
    pub look: Option<Result<Look, Trouble>>,
}

/// The reason of the condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A copy is younger than the objective.
    WithinObjective,
    /// Nothing was promised.
    NoObjective,
    /// No copy is known, and none is owed yet.
    NoBackupYet,
    /// The cloud cannot be read, and what is known of it is not enough.
    Unobservable,
    /// No copy is younger than the objective.
    ObjectiveMissed,
    /// The schedule's own newest copy is within the objective and gone.
    LastBackupMissing,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::WithinObjective,
        Self::NoObjective,
        Self::NoBackupYet,
        Self::Unobservable,
        Self::ObjectiveMissed,
        Self::LastBackupMissing,
    ];

    /// As it stands in the condition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WithinObjective => "WithinObjective",
            Self::NoObjective => "NoObjective",
            Self::NoBackupYet => "NoBackupYet",
            Self::Unobservable => "Unobservable",
            Self::ObjectiveMissed => "ObjectiveMissed",
            Self::LastBackupMissing => "LastBackupMissing",
        }
    }

    /// The reason of that spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// The value of the condition.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::WithinObjective => Verdict::True,
            Self::NoObjective | Self::NoBackupYet | Self::Unobservable => Verdict::Unknown,
            Self::ObjectiveMissed | Self::LastBackupMissing => Verdict::False,
        }
    }
}

/// What the condition says from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Its reason; [`Reason::verdict`] is its value.
    pub reason: Reason,
    /// One or two sentences for a person.
    pub message: String,
    /// Start of the newest copy that counts, as far as is known.
    pub newest: Option<Timestamp>,
    /// To be kept for the next judgement.
    pub last: Option<Last>,
    /// When time alone will change the reason: a pass, better with a look, is due then.
    pub turns: Option<Timestamp>,
}

/// Judges. `None`: leave the condition as it is, because it says that the cloud cannot be read, and this process has not
/// tried yet; to say anything else for that moment would be a flicker at each restart.
pub fn judge(terms: &Terms, seen: &Seen) -> Option<Judgement> {
    let facts = Facts::of(terms, seen);
    let reason = facts.reason_at(terms, seen.now);
    if seen.look.is_none() && seen.shown == Some(Reason::Unobservable) && reason != Reason::NoObjective {
        return None;
    }
    let mut turns = facts.instants(terms);
    turns.retain(|at| *at > seen.now);
    turns.sort_unstable();
    Some(Judgement {
        reason,
        message: words::message(reason, terms, &facts),
        newest: facts.newest,
        turns: turns.into_iter().find(|at| facts.reason_at(terms, *at) != reason),
        last: facts.last,
    })
}

/// Why the cloud could not be read.
#[derive(Clone, Debug)]
enum Blind {
    /// It will not be until a person mends it.
    Closed(String),
    /// It may be by the next look.
    Passing(String),
}

/// What is known, whatever the clock says.
struct Facts {
    last: Option<Last>,
    newest: Option<Timestamp>,
    /// Start of the schedule's own newest copy, if a complete listing should hold it and does not.
    lost: Option<Timestamp>,
    blind: Option<Blind>,
}

impl Facts {
    fn of(terms: &Terms, seen: &Seen) -> Self {
        let key = words::key(terms);
        // A look that lies ahead was made by another clock, and would hide every later one.
        let is_ahead = |last: &Last| last.looked > Some(later(seen.now, GRACE));
        let before = seen.last.clone().filter(|last| last.of == key && !is_ahead(last));
        let is_of = |own: &&Own| (&own.region, &own.instance) == (&terms.region, &terms.instance);
        let own: Vec<&Own> = seen.own.iter().filter(is_of).filter(|own| covers(&own.scope, &terms.scope)).collect();
        let mut blind = None;
        let last = match &seen.look {
            None => before,
            Some(Err(trouble)) => {
                blind = Some(closed_or_passing(trouble));
                before
            }
            Some(Ok(look)) => {
                if !look.complete {
                    blind = Some(Blind::Passing("The listing of the cloud does not add up.".to_owned()));
                }
                Some(after(before, key, look, newest_listed(&look.listed, &own, &terms.scope)))
            }
        };
        let looked = last.as_ref().and_then(|last| last.looked);
        let listed = last.as_ref().and_then(|last| last.newest);
        let is_due = |own: &&&Own| looked >= Some(later(own.ended, GRACE));
        let newest_of =
            |due: bool| own.iter().filter(|own| is_due(own) == due).filter_map(|own| own.copy.start_time).max();
        // All that the listing held is no newer than the newest that it held.
        let gone = newest_of(true).filter(|start| Some(*start) > listed);
        Self { last, newest: listed.max(newest_of(false)), lost: gone, blind }
    }

    /// The table of the file's header, for these facts at `time`.
    fn reason_at(&self, terms: &Terms, time: Timestamp) -> Reason {
        let Some(objective) = terms.objective else { return Reason::NoObjective };
        let is_passing = match &self.blind {
            Some(Blind::Closed(_)) => return Reason::Unobservable,
            Some(Blind::Passing(_)) if time >= self.stale_from(terms) => return Reason::Unobservable,
            Some(Blind::Passing(_)) => true,
            None => false,
        };
        let by_the_clock = |time: Timestamp| {
            let is_younger = |since: Option<Timestamp>| since.is_some_and(|since| time < later(since, objective));
            if is_younger(self.newest) {
                Reason::WithinObjective
            } else if is_younger(self.lost) {
                Reason::LastBackupMissing
            } else if self.newest.is_none() && is_younger(Some(terms.created)) {
                Reason::NoBackupYet
            } else {
                Reason::ObjectiveMissed
            }
        };
        let reason = by_the_clock(time);
        // Since the last look somebody else may have made a copy, and nobody can see whether.
        let may_be_missed = reason == Reason::ObjectiveMissed && is_passing;
        if may_be_missed && by_the_clock(self.looked(terms)) != Reason::ObjectiveMissed {
            Reason::Unobservable
        } else {
            reason
        }
    }

    fn looked(&self, terms: &Terms) -> Timestamp {
        self.last.as_ref().and_then(|last| last.looked).unwrap_or(terms.created)
    }

    fn stale_from(&self, terms: &Terms) -> Timestamp {
        later(self.looked(terms), terms.interval.saturating_mul(2))
    }

    /// The instants at which the reason can change.
    fn instants(&self, terms: &Terms) -> Vec<Timestamp> {
        let Some(objective) = terms.objective else { return vec![] };
        let counted_from = [self.newest, self.lost, Some(terms.created)].into_iter().flatten();
        counted_from.map(|since| later(since, objective)).chain([self.stale_from(terms)]).collect()
    }
}

fn after(before: Option<Last>, of: String, look: &Look, newest: Option<Timestamp>) -> Last {
    let (looked, known) = before.map_or((None, None), |last| (last.looked, last.newest));
    match look.complete {
        // Another replica has looked later.
        true if looked > Some(look.at) => Last { of, looked, newest: known },
        true => Last { of, looked: Some(look.at), newest },
        false => Last { of, looked, newest: known.max(newest) },
    }
}

/// Keys, permissions, clocks and instances do not come back by themselves.
fn closed_or_passing(trouble: &Trouble) -> Blind {
    let sentence = trouble.sentence.clone();
    match trouble.meaning {
        Meaning::NoCredentials
        | Meaning::Credentials
        | Meaning::AccessDenied
        | Meaning::ClockSkew
        | Meaning::InstanceNotFound
        | Meaning::DatabaseNotFound
        | Meaning::BackupNotFound
        | Meaning::InvalidRequest => Blind::Closed(sentence),
        Meaning::InstanceBusy | Meaning::DatabaseBusy | Meaning::Throttled | Meaning::Unavailable => {
            Blind::Passing(sentence)
        }
    }
}

/// Start of the newest copy of the listing that counts.
fn newest_listed(listed: &[Listed], own: &[&Own], scope: &Scope) -> Option<Timestamp> {
    let counts = |listed: &Listed| {
        let start = listed.row.copy.start_time;
        // Of our own we know what it holds, which an unpackaged copy does not show, and that it is complete.
        if let Some(own) = own.iter().find(|own| is_same(own, &listed.row)) {
            return start.or(own.copy.start_time).filter(|_| listed.row.progress != Progress::Failed);
        }
        let is_enough = listed.row.progress == Progress::Succeeded && holds(&listed.holds, scope);
        start.filter(|_| is_enough)
    };
    listed.iter().filter_map(counts).max()
}

fn is_same(own: &Own, row: &Row) -> bool {
    let (ours, theirs) = (&own.copy, &row.copy);
    let has = |one: bool, is_known: bool| one && is_known;
    has(ours.backup_id == theirs.backup_id, ours.backup_id.is_some())
        || has(ours.group_id == theirs.group_id, ours.group_id.is_some())
        || has(own.name.eq_ignore_ascii_case(&row.name), !own.name.is_empty())
}

fn holds(held: &Holds, wanted: &Scope) -> bool {
    match held {
        Holds::Instance => true,
        Holds::Databases(held) => covers(&Scope::Databases(held.clone()), wanted),
        Holds::Unknown => false,
    }
}

/// Whether what holds the one holds all of the other. A list never holds the instance: nobody knows what else is in it.
fn covers(held: &Scope, wanted: &Scope) -> bool {
    match (held, wanted) {
        (Scope::Instance, _) => true,
        (Scope::Databases(_), Scope::Instance) => false,
        (Scope::Databases(held), Scope::Databases(wanted)) => wanted.iter().all(|name| held.contains(name)),
    }
}

#[cfg(test)]
mod tests;
