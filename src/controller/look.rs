//! The first stage of a pass: reads only.
//!
//! # What it guarantees
//! - The clock is read first: what is then seen to be absent was absent after that instant (I4).
//! - A submission is planned on the object as the server has it, not on the cache (I1), and on a listing read in this very
//!   pass (I3).
//! - Nothing is asked of the cloud without tokens for all of it (I8), nor before the pass that was announced is due.
//!
//! If the program dies in here, nothing has happened.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;

use super::behind::behind;
use super::cloud::{self, Access};
use super::context::Context;
use super::credentials::{Found, Key};
use super::error::Error;
use super::listing::{self, Queries};
use super::memory;
use super::turns::Turn;
use crate::api::{StoredBackup, conversion};
use crate::core::backup::{Aim, aim};
use crate::core::order::{Invalid, Order};
use crate::core::pace::later;
use crate::core::reason::Reason;
use crate::core::record::Standing;
use crate::core::seen::{Meaning, Seen, Sight, Trouble};
use crate::runtime::clock;
use crate::tencent::action::Action;
use crate::tencent::budget::{Claim, Instants, Urgency};
use crate::tencent::credential::KeyIdentity;
use crate::tencent::region::Region;

/// What a pass works on.
pub struct View {
    /// The object, in the version that decides and that writes are guarded by.
    pub object: Arc<StoredBackup>,
    /// The wish, or why it is none.
    pub order: Result<Order, Invalid>,
    /// What was seen.
    pub seen: Seen,
    /// The key and region that the cloud was looked at with.
    pub access: Option<Access>,
    /// What is left of the tokens: the one for a submission.
    pub tokens: Instants,
    /// When it is this order's turn at its instance, if it will be next.
    next_at: Option<Timestamp>,
}

/// Looks at the clock, the object and the cloud.
pub async fn look(cached: Arc<StoredBackup>, ctx: &Context) -> Result<View, Error> {
    let (now, began) = (clock::now(), Instant::now());
    let object = if behind(cached.as_ref(), ctx)?.is_some() { read(&cached, ctx).await? } else { cached };
    let mut view = view(object, ctx, now)?;
    let aim_then = aim(view.order.as_ref(), &view.seen, &ctx.limits);
    let Some(order) = rest_or_order(&mut view, ctx, aim_then) else { return Ok(view) };
    if let Some(left) = settles(&view, ctx).filter(|_| matches!(aim_then, Aim::Before { .. })) {
        return Ok(rest(view, left));
    }

    let secret = view.object.spec.0.as_ref().ok().and_then(|spec| spec.credentials_ref.as_ref());
    let namespace = view.object.namespace().unwrap_or_default();
    let found = ctx.credentials.resolve(&namespace, secret.map(|secret| secret.name.as_str()), now).await;
    let access = match found.map_err(Error::Look)? {
        Found::Key(key) => access(key, &order, now),
        Found::Not(trouble) => Err(trouble),
        Found::Rejected(fault) => Err(cloud::trouble(&fault)),
        Found::Later(until) => {
            view.seen.sight = Sight::Nothing { until: Some(until) };
            return Ok(view);
        }
    };
    let access = match access {
        Ok(access) => access,
        Err(trouble) => {
            view.seen.sight = blind(aim_then, &trouble);
            return Ok(view);
        }
    };
    view.tokens = match room(&view, ctx, &access, &order, aim_then) {
        Ok(tokens) => tokens,
        Err(until) => {
            ctx.credentials.untried(&access.key());
            view.seen.sight = Sight::NoRoom { until };
            return Ok(view);
        }
    };
    if matches!(aim_then, Aim::Before { .. }) {
        let tokens = std::mem::take(&mut view.tokens);
        view = self::view(read(&view.object, ctx).await?, ctx, now)?;
        view.tokens = tokens;
        let aim_now = aim(view.order.as_ref(), &view.seen, &ctx.limits);
        if aim_now != aim_then {
            // The cache is behind the server. What was read counts as our own write would: wait for the watch.
            let version = memory::version(view.object.metadata.resource_version.as_deref());
            ctx.memory.change(&view.seen.subject.uid, |entry| entry.await_version(version));
            view.seen.sight = Sight::Nothing { until: Some(later(now, 1)) };
            return Ok(view);
        }
        if let Some(left) = settles(&view, ctx).or_else(|| its_turn(&view, &order)) {
            return Ok(rest(view, left));
        }
    }
    let asked_as = access.identity();
    view.seen.sight = see(&mut view.tokens, &view.seen, ctx, &access, &order, aim_then).await;
    if was_set_back(now, began.elapsed(), clock::now()) || has_two_halves(aim_then, &asked_as, &access.identity()) {
        view.seen.sight = Sight::Nothing { until: Some(later(clock::now(), 1)) };
    }
    view.access = Some(access);
    Ok(view)
}

/// Whether a rejected key was replaced by one of another account in the middle of a look that may prove absence: what one
/// account does not list, the other may (I3, I4).
fn has_two_halves(aim: Aim, before: &KeyIdentity, after: &KeyIdentity) -> bool {
    matches!(aim, Aim::Before { .. } | Aim::Doubt) && before != after
}

/// Whether the clock was set back while the cloud was looked at. Then `now` may have been far ahead although the cloud
/// accepted the signatures of the look, and a fence that `now` is past still stands (I4).
fn was_set_back(now: Timestamp, took: Duration, after: Timestamp) -> bool {
    let at_least = i64::try_from(took.as_secs()).unwrap_or(i64::MAX).saturating_sub(1);
    after < later(now, at_least)
}

/// For how long the order rests because of a refusal that another process heard, or this one before it was restarted.
/// The instant of a refusal is one of the clock that heard it; how long ago that is, only a clock of our own can say (I3).
fn settles(view: &View, ctx: &Context) -> Option<Duration> {
    let call = view.seen.record.refused_call()?;
    let mut since = Instant::now();
    ctx.memory.change(&view.seen.subject.uid, |entry| since = entry.learn(call));
    let lag = Duration::from_secs(u64::try_from(ctx.limits.listing_lag).unwrap_or_default());
    Some(lag.saturating_sub(since.elapsed())).filter(|left| !left.is_zero())
}

/// Rests for so long.
fn rest(mut view: View, left: Duration) -> View {
    view.seen.sight = Sight::Nothing { until: clock::now().saturating_add(left).ok() };
    view
}

async fn read(object: &StoredBackup, ctx: &Context) -> Result<Arc<StoredBackup>, Error> {
    let live = ctx.cluster.read(&object.namespace().unwrap_or_default(), &object.name_any()).await;
    match live.map_err(Error::Look)? {
        // Deleted and created anew meanwhile: another order, which has passes of its own.
        other if other.uid() != object.uid() => Err(Error::Look(super::cluster::Trouble::Gone)),
        live => Ok(Arc::new(live)),
    }
}

fn view(object: Arc<StoredBackup>, ctx: &Context, now: Timestamp) -> Result<View, Error> {
    let subject = conversion::subject(object.as_ref()).map_err(Error::Anonymous)?;
    let record = conversion::record(&object.status);
    let order = conversion::order(&object, subject.created);
    let is_waiting = record.standing(now, ctx.limits.fence()) == Standing::Waiting;
    let turn = if is_waiting { ctx.orders.turn(&object, now, &ctx.limits) } else { Turn::Now };
    let next_at = if let Turn::At(at) = turn { Some(at) } else { None };
    // Who is next and has said what it waits for goes on saying it.
    let is_next = next_at.is_some() && record.reason == Some(Reason::InstanceBusy);
    let seen = Seen {
        now,
        is_its_turn: turn == Turn::Now || is_next,
        failing_since: ctx.memory.recall(&subject.uid).failing_since,
        subject,
        record,
        sight: Sight::Nothing { until: None },
    };
    Ok(View { object, order, seen, access: None, tokens: Instants::default(), next_at })
}

/// When it is the turn of an order that could be sent now but for others at its instance. Its end does not wait for that.
fn its_turn(view: &View, order: &Order) -> Option<Duration> {
    let at = view.next_at.filter(|_| view.seen.now < order.deadline)?.min(order.deadline);
    Duration::try_from(at.duration_since(view.seen.now)).ok()
}

/// The order, if the cloud is to be looked at now; else the sight says until when not.
fn rest_or_order(view: &mut View, ctx: &Context, aim: Aim) -> Option<Order> {
    let until = match aim {
        Aim::Nothing(until) if view.seen.is_its_turn => until,
        Aim::Nothing(until) => until.into_iter().chain(view.next_at).min(),
        Aim::Before { .. } if view.order.as_ref().is_ok_and(|order| its_turn(view, order).is_some()) => view.next_at,
        Aim::Before { .. } | Aim::Doubt | Aim::Flow { .. } => {
            let rest = ctx.memory.recall(&view.seen.subject.uid).rest;
            let rest = rest.filter(|(_, generation)| *generation == view.seen.subject.generation);
            let left = rest.map(|(until, _)| until.saturating_duration_since(Instant::now()));
            match left.filter(|left| !left.is_zero()) {
                None => return view.order.clone().ok(),
                Some(left) => Some(clock::now().saturating_add(left).unwrap_or(Timestamp::MAX)),
            }
        }
    };
    view.seen.sight = Sight::Nothing { until };
    None
}

fn access(key: Key, order: &Order, now: Timestamp) -> Result<Access, Trouble> {
    match Region::new(&order.region) {
        Ok(region) => Ok(Access::new(key, region)),
        Err(error) => {
            let sentence = format!("spec.region {error}");
            let note = crate::core::record::Note {
                code: "InvalidRequest".to_owned(),
                message: sentence.clone(),
                request_id: None,
                time: now,
            };
            Err(Trouble { meaning: Meaning::InvalidRequest, sentence, note })
        }
    }
}

/// The sight of a pass that may not look.
fn blind(aim: Aim, trouble: &Trouble) -> Sight {
    match aim {
        Aim::Before { .. } => Sight::Before { listing: Err(trouble.clone()), instance: Ok(None) },
        Aim::Doubt => Sight::Doubt { listing: Err(trouble.clone()), instance: Err(trouble.clone()) },
        Aim::Flow { .. } => Sight::Flow { flow: Some(Err(trouble.clone())), listing: None },
        Aim::Nothing(until) => Sight::Nothing { until },
    }
}

fn queries(order: &Order, aim: Aim) -> Queries {
    if aim == Aim::Doubt { Queries::all() } else { Queries::of(order) }
}

/// What the calls of an aim cost, in the order in which they are made.
fn needs(order: &Order, aim: Aim) -> (Urgency, Vec<(Action, u8)>) {
    let listings = (Action::DescribeBackups, queries(order, aim).calls());
    let instance = (Action::DescribeDBInstances, 1);
    match aim {
        Aim::Nothing(_) => (Urgency::Look, vec![]),
        Aim::Before { instance: false } => (Urgency::Look, vec![listings, (Action::CreateBackup, 1)]),
        Aim::Before { instance: true } => (Urgency::Look, vec![instance, listings, (Action::CreateBackup, 1)]),
        Aim::Doubt => (Urgency::Resolve, vec![instance, listings]),
        Aim::Flow { flow, listing } => {
            let flow = flow.map(|_| (Action::DescribeBackupByFlowId, 1));
            (Urgency::Follow, flow.into_iter().chain(listing.then_some(listings)).collect())
        }
    }
}

/// Send instants for all of an aim's calls, or until when there are none.
fn room(view: &View, ctx: &Context, access: &Access, order: &Order, aim: Aim) -> Result<Instants, Timestamp> {
    let (urgency, needs) = needs(order, aim);
    ctx.cloud.room(&Claim {
        identity: &access.identity(),
        region: &access.region,
        needs: &needs,
        urgency,
        namespace: &view.object.namespace().unwrap_or_default(),
        created: view.seen.subject.created,
        uid: view.seen.subject.uid.as_str(),
    })
}

async fn see(tokens: &mut Instants, seen: &Seen, ctx: &Context, access: &Access, order: &Order, aim: Aim) -> Sight {
    let queries = queries(order, aim);
    let instance = tokens.next(Action::DescribeDBInstances);
    let flow_token = tokens.next(Action::DescribeBackupByFlowId);
    let state = ctx.cloud.instance(access, &order.instance, instance);
    match aim {
        Aim::Nothing(until) => Sight::Nothing { until },
        Aim::Before { instance: wanted } => {
            // In this order for the reason below.
            let instance = if wanted { state.await } else { Ok(None) };
            let listing = listing::read(&ctx.cloud, access, order, seen, &queries, tokens).await;
            Sight::Before { listing, instance }
        }
        Aim::Doubt => {
            // The instance before the listing: were it the other way round, a backup that is not listed while it runs
            // could end in between, and an idle instance would prove that there is none. None of ours begins in between:
            // absence is only asked for after the fence.
            let instance = state.await;
            let listing = listing::read(&ctx.cloud, access, order, seen, &queries, tokens).await;
            Sight::Doubt { listing, instance }
        }
        Aim::Flow { flow, listing } => {
            let by_flow = match flow {
                Some(flow) => Some(ctx.cloud.flow(access, &order.instance, flow, flow_token).await),
                None => None,
            };
            let missing = !matches!(by_flow, Some(Ok(_)));
            let listing = if listing && missing {
                Some(listing::read(&ctx.cloud, access, order, seen, &queries, tokens).await)
            } else {
                None
            };
            Sight::Flow { flow: by_flow, listing }
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::tencent::credential::Credential;

    #[test]
    fn i4_a_clock_that_was_set_back_during_a_look_is_noticed() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let look = |after| was_set_back(at(1_000), Duration::from_secs(5), at(after));
        assert_eq!([1_005, 1_004, 1_400].map(look), [false; 3], "right, slowed down, set forward");
        assert_eq!([1_003, 995, 0].map(look), [true; 3]);
    }
    #[test]
    fn i4_what_two_accounts_saw_by_halves_proves_no_absence() {
        let identity = |id: &str| Credential::new(id, SecretString::from("key"), None).unwrap().identity();
        let before = Aim::Before { instance: true };
        assert!([before, Aim::Doubt].map(|aim| has_two_halves(aim, &identity("a"), &identity("b"))) == [true; 2]);
        assert!(!has_two_halves(Aim::Doubt, &identity("a"), &identity("a")));
        let follow = Aim::Flow { flow: None, listing: true };
        assert!(!has_two_halves(follow, &identity("a"), &identity("b")), "what is found is found");
    }
}
