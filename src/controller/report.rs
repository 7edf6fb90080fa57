//! The last stage of a pass: folds the outcome into the status, writes it once, tells at most one piece of news.
//!
//! # What it guarantees
//! - No write without a transition, and no event without a write that landed; except for a second backup of the order.
//! - The answer to a submission is written until it lands, the object is gone, the drain's deadline passes, or the lease is
//!   lost while the server refuses it: it is the only fact that cannot be looked up again as it was. Anything else that
//!   does not land is decided anew by the next pass, unless the conflict was about something that the decision did not rest
//!   on, as a label that somebody writes all the time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;

use super::cluster::{GONE, Trouble};
use super::context::Context;
use super::error::Error;
use super::look::View;
use super::memory;
use super::reconcile::Again;
use crate::api::conversion;
use crate::core::backup::Step;
use crate::core::fold::{Next, fold};
use crate::core::reason::Reason;
use crate::core::record::{FlowId, Standing};
use crate::core::seen::{Meaning, Outcome, Sight};
use crate::runtime::clock;

/// How often a step is written again under a newer version that differs in nothing it rested on.
const CONFLICTS: u8 = 5;

/// Writes down what a pass came to, and says when the next one is due.
pub async fn report(mut view: View, step: &Step, outcome: &Outcome, ctx: &Context) -> Result<Again, Error> {
    let now = clock::now();
    let mut pause = Duration::from_millis(100);
    let mut spare = CONFLICTS;
    loop {
        let next = fold(view.order.as_ref().ok(), &view.seen, step, outcome, now, &ctx.limits);
        count(&view, &next, ctx);
        // If we die here, the next pass sees an announced call without an answer (a doubt), or what it saw before.
        match write(&view, &next, now, ctx).await {
            Ok(is_written) => return Ok(finish(&view, step, next, is_written, ctx).await),
            Err(Trouble::Gone) => return Ok(Some(gone(&view, outcome, ctx))),
            Err(Trouble::Conflict) if !must_land(outcome) && spare > 0 => {
                spare -= 1;
                let decided_on = (view.seen.record.clone(), view.seen.subject.clone());
                if !refresh(&mut view, ctx).await {
                    return Ok(Some(gone(&view, outcome, ctx)));
                }
                if decided_on != (view.seen.record.clone(), view.seen.subject.clone()) {
                    // Somebody else's, so the watch is to bring it with a pass, at once. If we die here, the first pass
                    // of the next term decides on it.
                    ctx.memory.change(&view.seen.subject.uid, |entry| entry.awaited = true);
                    return Err(Error::Report(Trouble::Conflict));
                }
            }
            Err(trouble) if !must_land(outcome) => return Err(Error::Report(trouble)),
            Err(trouble @ Trouble::Refused(_)) if !ctx.lead.leads() => {
                // What may never land must not hold up the next term. The order stays in doubt, and is found by its name.
                tracing::warn!(%trouble, ?outcome, "the lease is lost, and the answer to a submission is not recorded");
                return Err(Error::Report(trouble));
            }
            Err(trouble) => {
                tracing::warn!(%trouble, ?outcome, "the answer to a submission is not recorded yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
                if !refresh(&mut view, ctx).await {
                    return Ok(Some(gone(&view, outcome, ctx)));
                }
            }
        }
    }
}

/// Counts duplicates: told when they are found and once more at the end, counted once. Before the write, for once that shows
/// the end nothing is remembered of the order.
fn count(view: &View, next: &Next, ctx: &Context) {
    let uid = &view.seen.subject.uid;
    for _ in ctx.memory.recall(uid).duplicates..next.duplicates {
        ctx.metrics.duplicate_seen();
    }
    if next.duplicates > 0 {
        ctx.memory.change(uid, |entry| entry.duplicates = entry.duplicates.max(next.duplicates));
    }
}

const fn must_land(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted { .. } | Outcome::Refused(_) | Outcome::InDoubt { .. })
}

async fn write(view: &View, next: &Next, now: Timestamp, ctx: &Context) -> Result<bool, Trouble> {
    if !view.seen.record.differs(&next.record) {
        return Ok(false);
    }
    let before = &view.object.status.fields;
    let status = conversion::status(&next.record, before, view.seen.subject.generation, now);
    let written = ctx.cluster.write_status(&view.object, &status).await?;
    ctx.metrics.status_written();
    let version = memory::version(written.metadata.resource_version.as_deref());
    ctx.memory.change(&view.seen.subject.uid, |entry| entry.wrote(version));
    Ok(true)
}

/// The order is gone, and its answer has no place. The log is then the only one that still names the FlowId.
fn gone(view: &View, outcome: &Outcome, ctx: &Context) -> Duration {
    if let Outcome::Accepted { flow_id, request_id } = outcome {
        tracing::warn!(flow_id = flow_id.value(), request_id, "accepted, and the object is gone: the copy stays");
    }
    ctx.memory.forget(&view.seen.subject.uid);
    GONE
}

/// Reads what the answer is to be folded into now, and whether the order is still there: another object of its name is
/// another order, which waits for this pass to end. Unreadable, the object stays as it was, and the next write tells.
async fn refresh(view: &mut View, ctx: &Context) -> bool {
    let name = view.object.name_any();
    match ctx.cluster.read(&view.object.namespace().unwrap_or_default(), &name).await {
        Ok(object) if object.uid() == view.object.uid() => {
            // A cache that stays behind this version would lead every further pass to the same conflict.
            let version = memory::version(object.metadata.resource_version.as_deref());
            ctx.memory.change(&view.seen.subject.uid, |entry| entry.wrote(version));
            view.seen.record = conversion::record(&object.status);
            view.seen.subject.generation = object.metadata.generation.unwrap_or_default();
            view.seen.subject.deleting = object.metadata.deletion_timestamp.is_some();
            view.object = Arc::new(object);
            true
        }
        Ok(_) => false,
        Err(_) => true,
    }
}

async fn finish(view: &View, step: &Step, next: Next, is_written: bool, ctx: &Context) -> Again {
    let now = clock::now();
    tell(view, step, &next, is_written, ctx).await;
    let generation = view.seen.subject.generation;
    let looked = !matches!(view.seen.sight, Sight::Nothing { .. } | Sight::NoRoom { .. });
    let in_doubt = next.record.standing(now, ctx.limits.fence()) == Standing::InDoubt;
    ctx.memory.change(&view.seen.subject.uid, |entry| {
        if looked {
            let rest = next.until.and_then(|until| Duration::try_from(until.duration_since(now)).ok());
            entry.rest = rest.and_then(|rest| Some((Instant::now().checked_add(rest)?, generation)));
            entry.failing_since = failing(&view.seen.sight).then(|| entry.failing_since.unwrap_or(view.seen.now));
        }
        if let Some(call) = next.record.refused_call() {
            entry.learn(call);
        }
    });
    let is_over = next.record.ended && !in_doubt && !is_written;
    // One that was deleted while this pass was under way, or that the watch shows to be over, stays forgotten.
    if is_over || !ctx.orders.hold(&view.object) {
        ctx.memory.forget(&view.seen.subject.uid);
        return None;
    }
    match next.until {
        Some(until) if !next.record.ended || in_doubt => {
            Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
        }
        Some(_) | None => None,
    }
}

/// Tells the log, the figures and the object's events.
async fn tell(view: &View, step: &Step, next: &Next, is_written: bool, ctx: &Context) {
    // A second FlowId has no place in the status, so it is told without a write.
    if !is_written && next.duplicates == 0 {
        tracing::debug!(step = step.name(), "nothing to write");
        return;
    }
    let record = &next.record;
    tracing::info!(
        step = step.name(),
        reason = record.reason.map(Reason::as_str),
        flow_id = record.flow_id.map(FlowId::value),
        backup_name = record.backup_name,
        attempt = record.attempts,
        request_id =
            record.error.as_ref().and_then(|error| error.request_id.as_deref()).or(record.request_id.as_deref()),
        code = record.error.as_ref().map(|error| error.code.as_str()),
        says = record.message,
        "recorded"
    );
    // A namespace that ends refuses events, and its objects need none.
    if let Some(news) = next.news.as_ref().filter(|_| !view.seen.subject.deleting) {
        ctx.cluster.tell(view.object.as_ref(), "Backup", news).await;
    }
}

/// Whether an accepted backup could not be read, in passing.
fn failing(sight: &Sight) -> bool {
    match sight {
        Sight::Flow { flow: Some(Err(trouble)), .. } | Sight::Flow { flow: None, listing: Some(Err(trouble)) } => {
            matches!(trouble.meaning, Meaning::Unavailable | Meaning::Throttled)
        }
        Sight::Flow { .. }
        | Sight::Nothing { .. }
        | Sight::NoRoom { .. }
        | Sight::Before { .. }
        | Sight::Doubt { .. } => false,
    }
}
