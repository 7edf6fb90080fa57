//! What a person reads beside `Protected`, and how a question is recognised: both from facts alone, never from the clock.

use jiff::Timestamp;

use super::{Blind, Facts, Reason, Terms};
use crate::core::hash::fnv1a;
use crate::core::order::Scope;
use crate::core::pace::{later, utc};

/// The sentence of a reason.
pub(super) fn message(reason: Reason, terms: &Terms, facts: &Facts) -> String {
    let objective = terms.objective.unwrap_or_default();
    let (age, what) = (span(objective), subject(&terms.scope));
    let until = |since: Timestamp| utc(later(since, objective)).to_string();
    match (reason, facts.newest) {
        (Reason::NoObjective, _) => "spec.objective.maxAge promises nothing: no copy is too old.".to_owned(),
        (Reason::WithinObjective, Some(start)) => {
            format!("The newest copy of {what} began at {}, within the objective of {age}.", utc(start))
        }
        (Reason::LastBackupMissing, _) => {
            let lost = facts.lost.map_or_else(String::new, |start| format!(" that began at {}", utc(start)));
            format!("The cloud no longer lists this schedule's copy{lost}, and no other copy of {what} within {age}.")
        }
        (Reason::NoBackupYet, _) => {
            format!("No copy of {what} is known yet; the objective of {age} asks for one by {}.", until(terms.created))
        }
        (Reason::Unobservable, newest) => {
            let known = match newest {
                Some(start) => format!("the newest copy of {what} that is known began at {}", utc(start)),
                None => format!("no copy of {what} is known"),
            };
            match &facts.blind {
                Some(Blind::Closed(why) | Blind::Passing(why)) => {
                    format!("The backups cannot be listed: {} ({known})", why.trim())
                }
                None => format!("The backups have not been listed; {known}."),
            }
        }
        (Reason::ObjectiveMissed | Reason::WithinObjective, newest) => match newest {
            Some(start) => format!(
                "The newest copy of {what} began at {}; the objective of {age} asked for another one by {}.",
                utc(start),
                until(start)
            ),
            None => {
                format!("There is no copy of {what}; the objective of {age} asked for one by {}.", until(terms.created))
            }
        },
    }
}

fn subject(scope: &Scope) -> String {
    match scope {
        Scope::Instance => "the whole instance".to_owned(),
        Scope::Databases(names) => match names.as_slice() {
            [name] => format!("database {name}"),
            names => format!("all {} databases", names.len()),
        },
    }
}

/// `26h`, `1h30m`, `45s`.
fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let parts = [(seconds / 3_600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let told: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if told.is_empty() { "0s".to_owned() } else { told.concat() }
}

/// What was asked about; the order of names does not matter.
pub(super) fn key(terms: &Terms) -> String {
    let mut names = match &terms.scope {
        Scope::Instance => vec![],
        Scope::Databases(names) => names.iter().map(|name| format!("={name}")).collect(),
    };
    names.sort_unstable();
    let parts = [terms.region.clone(), terms.instance.clone()].into_iter().chain(names);
    let bytes = parts.flat_map(|part| part.into_bytes().into_iter().chain([0]));
    format!("{:016x}", fnv1a(bytes))
}
