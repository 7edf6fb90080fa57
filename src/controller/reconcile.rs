//! One pass over one object, and what happens when it cannot be finished.

use std::sync::Arc;
use std::time::Duration;

use kube::{Resource, ResourceExt};
use tracing::Instrument;

use super::act::act;
use super::behind::{CATCH_UP, behind};
use super::cluster::{GONE, Trouble};
use super::context::Context;
use super::error::Error;
use super::look::look;
use super::report::report;
use crate::api::key::Key;
use crate::api::{StoredBackup, conversion};
use crate::core::backup::decide;

/// How long after a pass the next one is due if nothing happens, if ever.
pub type Again = Option<Duration>;

/// Looks, decides, acts, reports.
pub async fn reconcile(object: Arc<StoredBackup>, ctx: Arc<Context>) -> Result<Again, Error> {
    let span = tracing::info_span!("pass", object = %Key::of(object.as_ref()), uid = object.uid());
    pass(object, &ctx).instrument(span).await.inspect(|_| ctx.metrics.pass("ok"))
}

async fn pass(object: Arc<StoredBackup>, ctx: &Context) -> Result<Again, Error> {
    if object.spec.0.is_err() || !object.status.unreadable.is_empty() {
        ctx.metrics.undecodable_met();
    }
    if behind(object.as_ref(), ctx)?.is_some_and(|behind| behind < CATCH_UP) {
        // The watch is about to bring what this process wrote itself, with a pass of its own.
        let uid = conversion::subject(object.as_ref()).map_err(Error::Anonymous)?.uid;
        ctx.memory.change(&uid, |entry| entry.awaited = true);
        return Ok(Some(CATCH_UP));
    }
    // Reads only, so it may stop anywhere: whoever leads next makes this pass from the beginning, and need not wait for
    // what a slow cloud has to say.
    let view = tokio::select! {
        biased;
        () = ctx.shutdown.draining() => None,
        view = ctx.lead.while_leading(look(object, ctx)) => view,
    };
    // The lease may have been renewed in the same instant: then this process still leads, and the order waits for its pass.
    let Some(view) = view.transpose()? else { return Ok(Some(CATCH_UP)) };
    let step = decide(view.order.as_ref(), &view.seen, &ctx.limits);
    tracing::debug!(seen = ?view.seen, ?step, "decided");
    let (view, outcome) = act(view, &step, ctx).await;
    // With room of its own: most passes that are under way are still looking.
    Box::pin(report(view, &step, &outcome, ctx)).await
}

/// When to try again after a pass that could not be finished. The trouble is the API server's, and other orders have it
/// too: each comes back within seconds, and none with a count of failures in memory.
pub fn retry(object: &impl Resource<DynamicType = ()>, error: &Error, ctx: &Context) -> Again {
    ctx.metrics.pass(error.reason());
    let (Error::Look(trouble) | Error::Report(trouble)) = error else { return None };
    match trouble {
        Trouble::Gone => return Some(GONE),
        Trouble::Conflict => {
            tracing::debug!(object = %Key::of(object), %error, cause = %trouble, "the pass is made again");
        }
        Trouble::Refused(_) | Trouble::Unclear(_) => {
            tracing::warn!(object = %Key::of(object), %error, cause = %trouble, "the pass is made again");
        }
    }
    Some(Duration::from_secs(if matches!(trouble, Trouble::Conflict) { 1 } else { 5 }))
}
