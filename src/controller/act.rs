//! The second stage of a pass: executes one step. Only a submission touches anything.
//!
//! Signed first, then announced, then sent: the bytes that leave are the ones that were signed for the intent's own time
//! (I2), and nothing leaves before the intent is durable (I1). There is no decision about an order in this file.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::cloud::Access;
use super::context::Context;
use super::look::View;
use super::memory;
use crate::api::{StoredBackup, conversion};
use crate::core::backup::Step;
use crate::core::fold::announce;
use crate::core::pace::later;
use crate::core::record::Intent;
use crate::core::seen::{Outcome, Seen};
use crate::runtime::clock;
use crate::tencent::action::Action;

/// Executes `step`. The view that comes back is the one that the outcome belongs to: after a submission, with the intent.
pub async fn act(view: View, step: &Step, ctx: &Context) -> (View, Outcome) {
    match step {
        Step::Submit { backup_name, attempt, time } => {
            // With room of its own: passes are many, and few of them are here.
            Box::pin(submit(view, backup_name, *attempt, *time, ctx)).await
        }
        Step::Rest { .. }
        | Step::Wait { .. }
        | Step::Adopt { .. }
        | Step::StayInDoubt { .. }
        | Step::Absent
        | Step::Follow { .. }
        | Step::End { .. } => (view, Outcome::None),
    }
}

async fn submit(mut view: View, backup_name: &str, attempt: i64, time: Timestamp, ctx: &Context) -> (View, Outcome) {
    let (Ok(order), Some(access)) = (&view.order, &view.access) else { return (view, Outcome::NotDurable) };
    // A look that took longer than a signature is good for has seen too little to send on.
    let age = clock::now().duration_since(time);
    if ctx.shutdown.is_draining() || age.as_secs() >= ctx.limits.signature_validity {
        return (view, Outcome::NotDurable);
    }
    let signed = match ctx.cloud.sign(access, order, backup_name, time) {
        Ok(signed) => signed,
        Err(trouble) => return (view, Outcome::Refused(trouble)),
    };
    let token = view.tokens.next(Action::CreateBackup);
    let Some(token) = fresh(token, &view.seen, access, ctx).await else { return (view, Outcome::NotDurable) };
    // After this neither is asked again: once the intent is durable, not to send would leave a doubt of eleven minutes, and
    // what may be sent how late is the signature's business (I2).
    if !ctx.lead.leads() || ctx.cloud.is_held_back(access) {
        return (view, Outcome::NotDurable);
    }
    // Somebody may have been refused while this pass looked.
    if !ctx.orders.send(&view.object, clock::now(), &ctx.limits) {
        return (view, Outcome::NotDurable);
    }
    let intent = Intent { backup_name: backup_name.to_owned(), attempt, time, holder: ctx.holder.clone() };
    // If we die here, nothing was announced and nothing sent: the next pass plans the same attempt anew.
    let Some(object) = write_ahead(&view, &intent, ctx).await else {
        ctx.orders.answer(&view.object, &Outcome::NotDurable, clock::now());
        return (view, Outcome::NotDurable);
    };
    view.seen.record = conversion::record(&object.status);
    view.object = Arc::new(object);
    let access = access.clone();
    // If we die here, the intent is durable and nothing was sent: the next pass is in doubt, and after the fence proves
    // that there is no backup.
    let outcome = ctx.cloud.submit(&access, signed, Some(token)).await;
    ctx.orders.answer(&view.object, &outcome, clock::now());
    // If we die here, the answer is lost: the next pass is in doubt and finds the backup by its name.
    (view, outcome)
}

/// The send instant, or a new one if the look outlasted it: after a stall of the cloud many would be due at once (I8).
async fn fresh(token: Option<Timestamp>, seen: &Seen, access: &Access, ctx: &Context) -> Option<Timestamp> {
    let token = token?;
    if clock::now() < later(token, 1) {
        return Some(token);
    }
    ctx.cloud.another(access, seen.subject.uid.as_str(), seen.subject.created, Action::CreateBackup).await
}

/// Makes the intent durable under the version that was read from the server, and returns the object that holds it.
///
/// A write that did not clearly succeed is followed by a read: only if the stored intent is ours to the letter is it
/// durable. If even that stays open nothing is sent; should the intent stand after all, the next pass treats it as a doubt.
async fn write_ahead(view: &View, intent: &Intent, ctx: &Context) -> Option<StoredBackup> {
    let record = announce(&view.seen, intent);
    let before = &view.object.status.fields;
    let status = conversion::status(&record, before, view.seen.subject.generation, view.seen.now);
    let is_ours = |object: &StoredBackup| {
        object.uid() == view.object.uid() && conversion::record(&object.status).intent.as_ref() == Some(intent)
    };
    let written = match ctx.cluster.write_status(&view.object, &status).await {
        Ok(object) => {
            ctx.metrics.status_written();
            Some(object)
        }
        Err(trouble) => {
            tracing::warn!(%trouble, "the intent did not clearly become durable, reading it again");
            ctx.cluster.read(&view.object.namespace().unwrap_or_default(), &view.object.name_any()).await.ok()
        }
    };
    let written = written.filter(is_ours)?;
    let version = memory::version(written.metadata.resource_version.as_deref());
    ctx.memory.change(&view.seen.subject.uid, |entry| entry.wrote(version));
    Some(written)
}
