//! The last stage of a pass over a schedule: one status write, if anything changed, and the events.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use super::View;
use crate::api::schedule::conversion::{self, Told};
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::memory;
use crate::controller::reconcile::Again;
use crate::core::fold::News;
use crate::core::order::Invalid;
use crate::core::pace::{later, utc};
use crate::core::protected::{self, Judgement, Last, Terms, judge};
use crate::core::reason::READY;
use crate::core::schedule::{
    Cause, Decision, PROTECTED, State, Step, Why, creation, for_missed, missed, next_slot, place, turn,
};

/// How much later than it is written down a look may have been made: a status write for each would be all that most
/// schedules ever write.
const LOOK_TIME: i64 = 3_600;
/// The longest rest: nobody waits on a timer for months.
const LONGEST: Duration = Duration::from_hours(6);

/// Writes down what a pass came to, and says when the next one is due.
pub(super) async fn report(
    view: &View,
    decision: Decision,
    refusal: Option<&str>,
    ctx: &Context,
) -> Result<Again, Error> {
    if view.seen.subject.deleting {
        // Its backups go with it, and nobody reads its status any more.
        ctx.freshness.forget(&view.seen.subject.uid);
        return Ok(None);
    }
    let now = view.seen.now;
    let next = view.plan.as_ref().ok().and_then(|plan| next_slot(plan, now, &decision.record));
    let (judgement, look_again) = judged(view, &decision, next.filter(|_| refusal.is_none()), ctx).await;
    let before = &view.object.status.fields;
    let told = told(view, &decision, next, refusal, judgement.as_ref());
    let status = conversion::status(&told, before, view.seen.subject.generation, now);
    if *before != status {
        tell_missed(view, &decision, &told, ctx).await;
        // If we die here, the next pass comes to the same from the same facts, and finds told what was missed. After the
        // write, what has turned stands in the status, and only its event is lost.
        let written = ctx.cluster.write_schedule(&view.object, &status).await.map_err(Error::Report)?;
        ctx.metrics.status_written();
        let version = memory::version(written.metadata.resource_version.as_deref());
        ctx.memory.change(&view.seen.subject.uid, |entry| entry.wrote(version));
        tell(view, &decision, &told, ctx).await;
    }
    let instants = [decision.until, judgement.and_then(|judgement| judgement.turns)].into_iter().flatten();
    let now = view.now();
    let rest = instants.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default()).min();
    let rest = rest.into_iter().chain(look_again).min().unwrap_or(LONGEST).min(LONGEST);
    Ok(Some(rest.max(Duration::from_millis(100))))
}

/// The judgement of freshness, and when the cloud is to be looked at again. A pass that has a backup to make looks at
/// nothing: that comes with the next one, which follows at once.
async fn judged(
    view: &View,
    decision: &Decision,
    next: Option<Timestamp>,
    ctx: &Context,
) -> (Option<Judgement>, Option<Duration>) {
    let order = match conversion::order(&view.object, &view.seen.subject) {
        Ok(order) => order,
        Err(mistake) => return (Some(unreadable(&mistake)), None),
    };
    let interval = i64::try_from(ctx.protected_interval.as_secs()).unwrap_or(i64::MAX);
    let terms = Terms {
        objective: conversion::max_age(&view.object),
        region: order.region,
        instance: order.instance,
        scope: order.scope,
        created: view.seen.subject.created,
        interval,
    };
    let mut seen = protected::Seen {
        now: view.seen.now,
        own: view.backups.iter().filter_map(|backup| backup.own.clone()).collect(),
        last: ctx.freshness.last(&view.seen.subject.uid, conversion::last(&view.object.status)),
        shown: conversion::shown(&view.object.status, PROTECTED).and_then(protected::Reason::parse),
        look: None,
    };
    // A creation that was refused leaves the decision's record as it was: nothing is in a hurry.
    let is_refused = matches!(decision.step, Step::Create { .. }) && decision.until > Some(view.seen.now);
    let is_busy = !is_refused && (decision.step != Step::Rest || decision.missed.is_some());
    let mut again = None;
    if terms.objective.is_some() {
        let secret = view.object.spec.0.as_ref().ok().and_then(|spec| spec.template.spec.credentials_ref.as_ref());
        let whose = (view.object.namespace().unwrap_or_default(), secret.map(|secret| secret.name.clone()));
        let until_next = next.map(|next| Duration::try_from(next.duration_since(view.now())).unwrap_or_default());
        let within = if is_busy { Some(Duration::ZERO) } else { until_next };
        let freshness =
            ctx.freshness.view(ctx, &view.seen.subject, (whose.0.as_str(), whose.1.as_deref()), &terms, within);
        let looked = freshness.await;
        seen.look = looked.look.map(|look| look.map(|look| look.as_ref().clone()));
        again = Some(looked.again);
    }
    let judgement = judge(&terms, &seen);
    if let Some(judgement) = &judgement {
        ctx.freshness.remember(&view.seen.subject.uid, judgement.last.clone());
    }
    (judgement, again)
}

fn told(
    view: &View,
    decision: &Decision,
    next: Option<Timestamp>,
    refusal: Option<&str>,
    judgement: Option<&Judgement>,
) -> Told {
    let suspended = view.plan.as_ref().map(|plan| plan.suspend);
    let at_work = view.seen.children.iter().filter(|child| child.state == State::AtWork);
    let mut active: Vec<String> = at_work.map(|child| child.name.clone()).collect();
    active.sort_unstable();
    Told {
        record: decision.record.clone(),
        place: place(suspended, refusal),
        next,
        active,
        last_result: conversion::last_result(view.backups.iter().filter_map(|backup| backup.ended.as_ref())),
        missed: decision.missed.and_then(|(_, why)| Some((last_missed(view, decision)?, why))),
        protected: judgement.map(|judgement| (judgement.reason, said(view, judgement))),
        last: match judgement {
            // With its own newest copy, also while no listing has shown it yet.
            Some(Judgement { last, newest, .. }) => {
                let last = last.clone().map(|last| Last { newest: *newest, ..last });
                settled(last, conversion::last(&view.object.status))
            }
            None => conversion::last(&view.object.status),
        },
    }
}

/// The sentence of a judgement, as it stands already if only the cloud's id of the last call is another.
fn said(view: &View, judgement: &Judgement) -> String {
    let mut conditions = view.object.status.fields.conditions.iter().flatten();
    let before = conditions.find(|condition| condition.type_ == PROTECTED).map(|before| &*before.message);
    let is_same = |before: &&str| without_request_id(before) == without_request_id(&judgement.message);
    before.filter(is_same).unwrap_or(&judgement.message).to_owned()
}

fn without_request_id(message: &str) -> String {
    let Some((head, tail)) = message.split_once("RequestId ") else { return message.to_owned() };
    let end = tail.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(tail.len());
    format!("{head}{}", tail.get(end..).unwrap_or_default())
}

/// Of a template that cannot be read nobody knows what a copy would have to hold.
fn unreadable(mistake: &Invalid) -> Judgement {
    Judgement {
        reason: protected::Reason::Unobservable,
        message: format!("Nobody knows what a copy would have to hold: {mistake}."),
        newest: None,
        last: None,
        turns: None,
    }
}

/// The slot that was missed last: the one that is settled now, or the one before it if that has a backup.
fn last_missed(view: &View, decision: &Decision) -> Option<Timestamp> {
    let (plan, settled) = (view.plan.as_ref().ok()?, decision.record.settled?);
    if decision.record.last_run == Some(settled) {
        plan.calendar.last_due(later(plan.calendar.due(settled), -1))
    } else {
        Some(settled)
    }
}

/// The look as it is written down: one that says the same as before keeps the time of that.
fn settled(now: Option<Last>, before: Option<Last>) -> Option<Last> {
    match (now, before) {
        (Some(now), Some(before)) => {
            let says_the_same = (&now.of, now.newest) == (&before.of, before.newest);
            let is_recent = now.looked.zip(before.looked).is_some_and(|(now, before)| now < later(before, LOOK_TIME));
            Some(if says_the_same && is_recent { before } else { now })
        }
        (now, before) => now.or(before),
    }
}

/// Tells that a backup was created, at once: whoever finds it later does not know that it is new.
pub(super) async fn tell_creation(view: &View, decision: &Decision, is_new: bool, ctx: &Context) {
    tracing::info!(step = ?decision.step, is_new, "the backup is there");
    if let Some(news) = creation(decision).filter(|_| is_new) {
        ctx.cluster.tell(view.object.as_ref(), &action(decision), &news).await;
    }
}

/// Tells that somebody else's object has the name of what is no slot's first backup; that of a slot is missed, and told so.
pub(super) async fn tell_taken(view: &View, decision: &Decision, ctx: &Context) {
    let Step::Create { name, cause } = &decision.step else { return };
    if !matches!(cause, Cause::Slot(_, 0)) {
        let message = format!("{name} was not created: an object that is not this schedule's has that name.");
        let news = News { is_warning: true, reason: Why::NameTaken.as_str(), message };
        ctx.cluster.tell(view.object.as_ref(), &action(decision), &news).await;
    }
}

/// What tells the events of one slot or token from those of the next.
fn action(decision: &Decision) -> String {
    match (&decision.step, decision.record.settled) {
        (Step::Create { cause: Cause::Slot(slot, number), .. }, _) if *number > 0 => {
            format!("Run {} try {number}", utc(*slot))
        }
        (Step::Create { cause: Cause::Slot(slot, _), .. }, _) => format!("Run {}", utc(*slot)),
        (Step::Create { name, cause: Cause::Token(_) }, _) => {
            format!("Run {}", name.rsplit('-').next().unwrap_or_default())
        }
        (Step::Rest | Step::Remove { .. }, Some(settled)) => format!("Settle {}", utc(settled)),
        (Step::Rest | Step::Remove { .. }, None) => "Schedule".to_owned(),
    }
}

async fn tell(view: &View, decision: &Decision, told: &Told, ctx: &Context) {
    let (place, message) = &told.place;
    tracing::info!(
        step = ?decision.step,
        reason = place.as_str(),
        protected = told.protected.as_ref().map(|(reason, _)| reason.as_str()),
        settled = ?decision.record.settled,
        missed = decision.record.missed,
        says = message,
        "recorded"
    );
    let resting = Decision { step: Step::Rest, ..decision.clone() };
    let before = (conversion::shown(&view.object.status, READY), &view.seen.record);
    let turn = turn(before, (*place, message), &decision.record);
    let all = turn.into_iter().chain(freshness(conversion::shown(&view.object.status, PROTECTED), told));
    for news in all {
        ctx.cluster.tell(view.object.as_ref(), &action(&resting), &news).await;
    }
}

/// Tells what was missed before it is written down: told again by whoever comes after a death in between, it is one event.
async fn tell_missed(view: &View, decision: &Decision, told: &Told, ctx: &Context) {
    let (Some((count, _)), Some((last, why)), Some(settled)) = (decision.missed, told.missed, decision.record.settled)
    else {
        return;
    };
    let name = for_missed(&view.seen.subject.name, &view.seen.subject.uid, settled);
    let resting = Decision { step: Step::Rest, ..decision.clone() };
    ctx.cluster.tell_once(view.object.as_ref(), name, &action(&resting), &missed(count, last, why)).await;
}

/// What a turn of `Protected` tells.
fn freshness(before: Option<&str>, told: &Told) -> Option<News> {
    use protected::Reason::{
        LastBackupMissing, NoBackupYet, NoObjective, ObjectiveMissed, Unobservable, WithinObjective,
    };
    let (reason, message) = told.protected.as_ref()?;
    let is_turn = before != Some(reason.as_str());
    let was_bad = [ObjectiveMissed, LastBackupMissing, Unobservable].iter().any(|bad| before == Some(bad.as_str()));
    let is_warning = match reason {
        ObjectiveMissed | LastBackupMissing | Unobservable => true,
        WithinObjective if was_bad => false,
        WithinObjective | NoObjective | NoBackupYet => return None,
    };
    is_turn.then(|| News { is_warning, reason: reason.as_str(), message: message.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_id_of_a_call_is_no_other_sentence() {
        let said = |id: &str, tail: &str| format!("It may not be listed (UnauthorizedOperation, RequestId {id}){tail}");
        assert_eq!(without_request_id(&said("a-1", ".")), without_request_id(&said("b-22", ".")));
        assert_ne!(without_request_id(&said("a-1", ".")), without_request_id(&said("a-1", ", and more.")));
        assert_eq!(without_request_id("no id"), "no id");
    }

    #[test]
    fn a_look_that_says_the_same_is_written_once_an_hour() {
        let last = |second: i64, newest: i64| {
            let at = |second| Timestamp::from_second(second).ok();
            Some(Last { of: "f".to_owned(), looked: at(second), newest: at(newest) })
        };
        assert_eq!(settled(last(3_599, 1), last(0, 1)), last(0, 1));
        assert_eq!(settled(last(3_600, 1), last(0, 1)), last(3_600, 1));
        assert_eq!(settled(last(60, 2), last(0, 1)), last(60, 2), "it says something else");
        assert_eq!(settled(None, last(0, 1)), last(0, 1));
    }
}
