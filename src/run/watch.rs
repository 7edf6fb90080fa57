//! One watch over one kind: its cache, and the passes over its objects while this process leads.
//!
//! # What it guarantees
//! - The cache is kept warm whether or not this process leads.
//! - Each term begins with a pass over every object, and no change is lost between that and the watch.
//! - A term ends with the passes that are under way, when the lease is lost or the drain begins.

use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;

use futures::channel::mpsc::{self, UnboundedReceiver};
use futures::future::{self, BoxFuture};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use kube::core::NamespaceResourceScope;
use kube::runtime::WatchStreamExt;
use kube::runtime::controller::{Action, Config as Concurrency, ReconcileRequest, applier};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::api::{StoredBackup, StoredSchedule, conversion};
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::turns::Watched;
use crate::controller::{reconcile, schedule};
use crate::runtime::admin::{Pending, Readiness};

/// How long one watch call may last, in seconds: a connection that died in silence is noticed after it.
const WATCH_SECONDS: u32 = 40;
/// Passes that are made at once; most of their time goes into waiting for the cloud.
const PASSES: u16 = 128;

/// A kind that this program works on.
pub(super) trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug + Send + Sync + 'static
{
    /// One pass over one object.
    fn pass(object: Arc<Self>, ctx: Arc<Context>) -> BoxFuture<'static, Result<Action, Error>>;

    /// When to try again after a pass that could not be finished.
    fn retry(object: Arc<Self>, error: &Error, ctx: Arc<Context>) -> Action;

    /// What an event of the watch means for other objects, and for what is remembered.
    fn meet(event: &Event<Self>, ctx: &Context);
}

impl Kind for StoredBackup {
    fn pass(object: Arc<Self>, ctx: Arc<Context>) -> BoxFuture<'static, Result<Action, Error>> {
        reconcile::reconcile(object, ctx).boxed()
    }

    fn retry(object: Arc<Self>, error: &Error, ctx: Arc<Context>) -> Action {
        reconcile::retry(object, error, ctx)
    }

    /// The memory ends with the object, the turn already with its deletion timestamp.
    fn meet(event: &Event<Self>, ctx: &Context) {
        ctx.orders.meet(event, &ctx.limits);
        match event {
            Event::Apply(object) => ctx.schedules.wake_owner(object),
            Event::Delete(object) => {
                forget(object, ctx);
                ctx.schedules.wake_owner(object);
            }
            // What changed while the watch was down is not told one by one.
            Event::InitDone => ctx.schedules.wake_all(),
            Event::Init | Event::InitApply(_) => {}
        }
    }
}

impl Kind for StoredSchedule {
    fn pass(object: Arc<Self>, ctx: Arc<Context>) -> BoxFuture<'static, Result<Action, Error>> {
        schedule::reconcile(object, ctx).boxed()
    }

    fn retry(object: Arc<Self>, error: &Error, ctx: Arc<Context>) -> Action {
        schedule::retry(object, error, ctx)
    }

    fn meet(event: &Event<Self>, ctx: &Context) {
        if let Event::Delete(object) = event {
            forget(object, ctx);
        }
    }
}

fn forget(object: &impl Resource, ctx: &Context) {
    if let Ok(subject) = conversion::subject(object) {
        ctx.memory.forget(&subject.uid);
        ctx.freshness.forget(&subject.uid);
    }
}

/// One watch, its cache, and the passes that were asked for.
pub(super) struct Watch<K: Kind> {
    name: String,
    api: Api<K>,
    store: Store<K>,
    writer: Writer<K>,
    woken: UnboundedReceiver<ObjectRef<K>>,
}

impl<K: Kind> Watch<K> {
    /// Over the objects of `namespace`, or of all; `what` they are called.
    pub(super) fn new(what: &str, namespace: Option<&str>, client: &Client) -> (Self, Watched<K>) {
        let (store, writer) = reflector::store();
        let (wake, woken) = mpsc::unbounded();
        let watched = Watched { namespace: namespace.map(str::to_owned), store: store.clone(), wake };
        let client = client.clone();
        let (name, api) = match namespace {
            Some(namespace) => (format!("the {what} in {namespace}"), Api::namespaced(client, namespace)),
            None => (format!("the {what}"), Api::all(client)),
        };
        (Self { name, api, store, writer, woken }, watched)
    }

    /// Watches until the drain begins, and makes passes in every term in which this process leads. The first list is
    /// expected from this call on, not from the first poll.
    pub(super) fn operate(self, ctx: Arc<Context>, readiness: &Readiness) -> impl Future<Output = ()> + use<K> {
        let pending = readiness.expect(format!("the first list of {}", self.name));
        self.watch(ctx, pending)
    }

    async fn watch(self, ctx: Arc<Context>, pending: Pending) {
        let Self { name, api, store, writer, woken } = self;
        let (met, listed) = (ctx.clone(), store.clone());
        let events = watcher(api, watcher::Config::default().timeout(WATCH_SECONDS))
            // Most of a watch cache would be managed fields, which nothing here reads.
            .modify(|object| object.meta_mut().managed_fields = None)
            .default_backoff()
            .reflect(writer)
            .inspect_ok(move |event| K::meet(event, &met))
            .inspect_err(move |error| tracing::warn!(watch = name, %error, "the watch is interrupted and tried again"));
        let changed =
            events.flat_map(|event| stream::iter(event.map(|event| due(&event, &listed)).unwrap_or_default()));
        let mut triggers = Box::pin(stream::select(changed, woken));
        let terms = async {
            while stand_by(&mut triggers, &store, &ctx).await {
                term(&mut triggers, &store, &ctx).await;
            }
        };
        tokio::select! {
            () = terms => {}
            () = first_list(&store, pending, &ctx) => {}
        }
    }
}

/// Without a first list no term ever begins, nor does the watch end before it.
async fn first_list<K: Kind>(store: &Store<K>, pending: Pending, ctx: &Context) {
    tokio::select! {
        ready = store.wait_until_ready() => if ready.is_ok() { pending.listed() },
        () = ctx.shutdown.draining() => return,
    }
    future::pending::<()>().await;
}

/// Which objects an event of the watch asks a pass for. A list is complete, and in the cache, only at its end.
fn due<K: Kind>(event: &Event<K>, store: &Store<K>) -> Vec<ObjectRef<K>> {
    match event {
        Event::Apply(object) => vec![ObjectRef::from_obj(object)],
        Event::InitDone => all(store),
        Event::Init | Event::InitApply(_) | Event::Delete(_) => vec![],
    }
}

fn all<K: Kind>(store: &Store<K>) -> Vec<ObjectRef<K>> {
    store.state().iter().map(|object| ObjectRef::from_obj(object.as_ref())).collect()
}

/// Keeps the cache warm until a term may begin: `false` if the drain began, or the watch ended, before.
async fn stand_by<K: Kind>(
    triggers: &mut (impl Stream<Item = ObjectRef<K>> + Unpin),
    store: &Store<K>,
    ctx: &Context,
) -> bool {
    let may_begin = async {
        // An error says that the writer is gone, and then the triggers end as well.
        drop(store.wait_until_ready().await);
        ctx.lead.leading().await;
    };
    tokio::select! {
        biased;
        () = ctx.shutdown.draining() => false,
        () = may_begin => true,
        () = triggers.for_each(|_| future::ready(())) => false,
    }
}

/// Makes passes until the lease is lost or the drain begins, and then ends with the passes that are under way.
///
/// It begins with a pass over every object, for nobody knows which ones the leader before has seen. What the watch tells
/// from here on comes through `triggers`, and between the two nothing is awaited: no change is missed.
async fn term<K: Kind>(
    triggers: &mut (impl Stream<Item = ObjectRef<K>> + Unpin),
    store: &Store<K>,
    ctx: &Arc<Context>,
) {
    let requests = stream::iter(all(store)).chain(triggers).map(ReconcileRequest::from).map(Ok::<_, Infallible>);
    let end = async {
        tokio::select! {
            () = ctx.lead.lost() => {}
            () = ctx.shutdown.draining() => {}
        }
    };
    let concurrency = Concurrency::default().concurrency(PASSES);
    applier(K::pass, K::retry, ctx.clone(), store.clone(), requests.take_until(Box::pin(end)), concurrency)
        .for_each(|_| future::ready(()))
        .await;
    if !ctx.shutdown.is_draining() {
        // What this process remembers is older than what the next leader knows.
        store.state().iter().for_each(|object| forget(object.as_ref(), ctx));
    }
}
