//! One pass over one schedule: look, decide, act, report, as over a backup.
//!
//! # What it guarantees
//! - Whatever creates, removes, or settles a slot is decided on the schedule and its backups as the server has them, not on
//!   the cache, by a clock that is not ahead of the server's; and a creation that was decided more than a minute ago is not
//!   sent.
//! - The backup is created first and then written down. If we die in between, the next pass finds it and settles its slot.
//! - The cloud is looked at in passes of their own, in which no backup is due.
//! - A pass that changes nothing calls nobody.
//!
//! Which slot is due, and what became of it, is `core::schedule`'s business; whether the copies are fresh enough is
//! `core::protected`'s.

mod freshness;
mod report;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;
use tracing::Instrument;

use super::behind::{CATCH_UP, behind};
use super::cluster::Trouble;
use super::context::Context;
use super::error::Error;
use super::reconcile::Again;
use crate::api::gist::Owned;
use crate::api::key::Key;
use crate::api::schedule::conversion;
use crate::api::{self, SqlServerBackup, StoredSchedule};
use crate::core::order::{Invalid, Subject};
use crate::core::pace::{elapsed, later};
use crate::core::schedule::{Creation, Decision, Plan, Record, Seen, Step, believed, created, decide, excess};
use crate::runtime::clock;

pub use freshness::Freshness;

/// How old a decision may be when it creates a backup. By then nobody has removed one of the same name (see
/// `core::schedule`).
const FRESH: Duration = Duration::from_mins(1);
/// How long no backup is created after the API server refused one.
const REFUSED: Duration = Duration::from_secs(59);
/// The same after no clear answer, or after room was made for it.
const UNCLEAR: Duration = Duration::from_secs(4);

/// What a pass works on.
struct View {
    /// The schedule, in the version that decides and that writes are guarded by.
    object: Arc<StoredSchedule>,
    /// What it asks for, or why that cannot be followed.
    plan: Result<Plan, Invalid>,
    /// Its backups.
    backups: Vec<Owned>,
    /// What was seen.
    seen: Seen,
    /// When the pass began, by a clock that nobody sets.
    began: Instant,
}

impl View {
    /// The clock that decided, as it stands now.
    fn now(&self) -> Timestamp {
        self.seen.now.saturating_add(self.began.elapsed()).unwrap_or(self.seen.now)
    }
}

/// Looks, decides, acts, reports.
pub async fn reconcile(object: Arc<StoredSchedule>, ctx: Arc<Context>) -> Result<Again, Error> {
    let span = tracing::info_span!("pass", schedule = %Key::of(object.as_ref()), uid = object.uid());
    pass(object, &ctx).instrument(span).await.inspect(|_| ctx.metrics.pass("ok"))
}

async fn pass(object: Arc<StoredSchedule>, ctx: &Context) -> Result<Again, Error> {
    if object.spec.0.is_err() || !object.status.unreadable.is_empty() {
        ctx.metrics.undecodable_met();
    }
    let namespace = object.namespace().unwrap_or_default();
    if !ctx.orders.are_listed_in(&namespace) || behind(object.as_ref(), ctx)?.is_some_and(|behind| behind < CATCH_UP) {
        return Ok(Some(CATCH_UP));
    }
    // Reads only, so it may stop anywhere: whoever leads next makes this pass from the beginning.
    let decided = tokio::select! {
        biased;
        () = ctx.shutdown.draining() => None,
        decided = ctx.lead.while_leading(look(object, ctx)) => decided,
    };
    let Some((view, decision)) = decided.transpose()? else { return Ok(Some(CATCH_UP)) };
    if let Some(left) = held_back(&view, &decision, ctx) {
        return Ok(Some(left));
    }
    tracing::debug!(seen = ?view.seen, ?decision, "decided");
    let (decision, refusal) = act(&view, decision, ctx).await?;
    report::report(&view, decision, refusal.as_deref(), ctx).await
}

/// What is to be done: by the cache if that is nothing, else by what the server has.
async fn look(cached: Arc<StoredSchedule>, ctx: &Context) -> Result<(View, Decision), Error> {
    let (now, began) = (clock::now(), Instant::now());
    let namespace = cached.namespace().unwrap_or_default();
    let backups = ctx.orders.owned(&namespace, &cached.uid().unwrap_or_default());
    let is_current = behind(cached.as_ref(), ctx)?.is_none();
    let view = view(cached, backups, now, began)?;
    let decision = decide(view.plan.as_ref(), &view.seen);
    if is_current && !settles(&decision, &view.seen.record) {
        return Ok((view, decision));
    }
    let read = ctx.cluster.schedule(&namespace, &view.object.name_any()).await;
    let (object, server) = read.map_err(Error::Look)?;
    let now = match server.filter(|server| believed(now, *server) != now) {
        Some(server) => {
            tracing::warn!(own = %now, %server, "this node's clock is ahead of the API server's, by which it is decided");
            server
        }
        None => now,
    };
    if object.uid() != view.object.uid() {
        return Err(Error::Look(Trouble::Gone));
    }
    let known = view.backups.iter().map(|backup| backup.child.name.clone());
    let backups = ctx.cluster.backups_of(&object, known).await.map_err(Error::Look)?;
    let view = self::view(Arc::new(object), backups.iter().filter_map(Owned::of).collect(), now, began)?;
    let decision = decide(view.plan.as_ref(), &view.seen);
    Ok((view, decision))
}

/// Whether a decision does anything that a stale cache could have led to.
fn settles(decision: &Decision, record: &Record) -> bool {
    decision.step != Step::Rest || decision.missed.is_some() || decision.record.settled != record.settled
}

fn view(object: Arc<StoredSchedule>, backups: Vec<Owned>, now: Timestamp, began: Instant) -> Result<View, Error> {
    let subject: Subject = api::conversion::subject(object.as_ref()).map_err(Error::Anonymous)?;
    let plan = conversion::plan(&object, &subject);
    let record = conversion::record(&object);
    let children = backups.iter().map(|backup| backup.child.clone()).collect();
    Ok(View { object, plan, backups, seen: Seen { now, subject, record, children }, began })
}

/// For how long no backup is created, because the API server has just refused one. Each status write brings another pass,
/// and a refusal may be worded anew each time.
fn held_back(view: &View, decision: &Decision, ctx: &Context) -> Option<Duration> {
    let entry = ctx.memory.recall(&view.seen.subject.uid);
    if !matches!(decision.step, Step::Create { .. }) {
        if entry.failing_since.is_some() {
            ctx.memory.change(&view.seen.subject.uid, |entry| entry.failing_since = None);
        }
        return None;
    }
    let (until, generation) = entry.rest?;
    let left = until.saturating_duration_since(Instant::now());
    Some(left).filter(|left| !left.is_zero() && generation == view.seen.subject.generation)
}

/// Executes the step. What comes back is the decision as it is to be written down, and what the API server said to a
/// creation that it did not take.
async fn act(view: &View, decision: Decision, ctx: &Context) -> Result<(Decision, Option<String>), Error> {
    match &decision.step {
        Step::Rest => Ok((decision, None)),
        Step::Create { name, cause } => match conversion::backup(&view.object, name, cause) {
            Ok(backup) if view.began.elapsed() < FRESH && ctx.lead.leads() && !ctx.shutdown.is_draining() => {
                create(view, decision, &backup, ctx).await
            }
            Ok(_) | Err(_) => Err(Error::Look(Trouble::Conflict)),
        },
        Step::Remove { name } => {
            let until = if remove(view, name, ctx).await { view.seen.now } else { later(view.seen.now, 60) };
            Ok((Decision { step: Step::Rest, until: Some(until), ..decision }, None))
        }
    }
}

async fn create(
    view: &View,
    decision: Decision,
    backup: &SqlServerBackup,
    ctx: &Context,
) -> Result<(Decision, Option<String>), Error> {
    // If we die here, nothing was created, and the next pass asks for the same name.
    let why = match ctx.cluster.create(&view.object, backup).await {
        // If we die here, the backup is there and its slot not settled: the next pass finds it and settles it.
        Ok((Creation::Made, is_new)) => {
            ctx.memory.change(&view.seen.subject.uid, |entry| entry.failing_since = None);
            report::tell_creation(view, &decision, is_new, ctx).await;
            return Ok((created(decision, &view.seen, Creation::Made), None));
        }
        Ok((outcome, _)) => {
            report::tell_taken(view, &decision, ctx).await;
            return Ok((created(decision, &view.seen, outcome), None));
        }
        Err(Trouble::Conflict) => return Err(Error::Report(Trouble::Conflict)),
        Err(Trouble::Refused(why)) => Some(why),
        // It may have been created: the next pass sees. That it was not is only said of a trouble that stays.
        Err(trouble) => failing_for_long(view, ctx).then(|| trouble.to_string()),
    };
    // A full quota is made room in as far as the limits allow.
    let excess = view.plan.as_ref().ok().and_then(|plan| excess(plan, &view.seen));
    let has_made_room = match excess {
        Some(name) => remove(view, &name, ctx).await,
        None => false,
    };
    let pause = if has_made_room || why.is_none() { UNCLEAR } else { REFUSED };
    let rest = (Instant::now() + pause, view.seen.subject.generation);
    ctx.memory.change(&view.seen.subject.uid, |entry| entry.rest = Some(rest));
    let decision = created(decision, &view.seen, Creation::Refused);
    let until = later(view.now(), i64::try_from(pause.as_secs()).unwrap_or(1).saturating_add(1));
    Ok((Decision { until: Some(until), ..decision }, why))
}

/// Whether creations have been failing without a clear answer for a minute.
fn failing_for_long(view: &View, ctx: &Context) -> bool {
    let now = view.seen.now;
    let mut since = now;
    ctx.memory.change(&view.seen.subject.uid, |entry| since = *entry.failing_since.get_or_insert(now));
    elapsed(since, now) >= 60
}

/// Removes the object of a finished backup. If we die here, it is removed or the next pass removes it; its copy stays in the
/// cloud either way.
async fn remove(view: &View, name: &str, ctx: &Context) -> bool {
    let Some(backup) = view.backups.iter().find(|backup| backup.child.name == name) else { return false };
    match ctx.cluster.remove(&view.object, backup).await {
        // A conflict: it has changed since, and is looked at again.
        Ok(()) | Err(Trouble::Gone | Trouble::Conflict) => true,
        Err(trouble) => {
            tracing::warn!(%trouble, backup = name, "a finished backup's object could not be removed");
            false
        }
    }
}
