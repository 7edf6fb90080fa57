//! One watch over one kind: its cache, and the passes over its objects while this process leads.
//!
//! # What it guarantees
//! - The cache is kept warm whether or not this process leads.
//! - Each term begins with a pass over every object, and no change is lost between that and the watch.
//! - A term ends with the passes that are under way, when the lease is lost or the drain begins.

use std::fmt::Debug;
use std::sync::Arc;

use futures::channel::mpsc::{self, UnboundedReceiver};
use futures::future;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use kube::core::NamespaceResourceScope;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::queue::{Ask, passes};
use crate::api::key::Key;
use crate::api::{StoredBackup, StoredSchedule, conversion};
use crate::controller::behind::is_known;
use crate::controller::cache::{Cache, Change, Watchable};
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::reconcile::{Again, reconcile};
use crate::controller::schedule;
use crate::controller::turns::Watched;
use crate::runtime::admin::{Pending, Readiness};

/// How long one watch call may last, in seconds: a connection that died in silence is noticed after it.
const WATCH_SECONDS: u32 = 40;
/// Objects that one answer of a list may hold. What an answer needs while it is read stays with this process, and it takes
/// ten times the room of what is kept of it.
const PAGE: u32 = 100;

/// A kind that this program works on.
pub(super) trait Kind:
    Watchable + Resource<Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug + Send + Sync
{
    /// One pass over one object.
    fn pass(object: Arc<Self>, ctx: Arc<Context>) -> impl Future<Output = Result<Again, Error>> + Send;

    /// Whether a pass may find in what the watch brings what it did not know.
    fn is_news(&self, _: &Context) -> bool {
        true
    }

    /// What a change means for other objects, and for what is remembered.
    fn meet(change: &Change<Self>, ctx: &Context);
}

impl Kind for StoredBackup {
    fn pass(object: Arc<Self>, ctx: Arc<Context>) -> impl Future<Output = Result<Again, Error>> + Send {
        reconcile(object, ctx)
    }

    fn is_news(&self, ctx: &Context) -> bool {
        !is_known(self, ctx)
    }

    /// The memory ends with the object, or with the last pass over it; the turn already with its deletion timestamp.
    fn meet(change: &Change<Self>, ctx: &Context) {
        ctx.orders.meet(change, &ctx.limits);
        match change {
            Change::Now(_, object) => {
                if object.is_over() {
                    forget(object.as_ref(), ctx);
                }
                ctx.schedules.wake_owner(object);
            }
            Change::Gone(object) => {
                forget(object.as_ref(), ctx);
                ctx.schedules.wake_owner(object);
            }
            // What changed while the watch was down is not told one by one.
            Change::Listed => ctx.schedules.wake_all(),
        }
    }
}

impl Kind for StoredSchedule {
    fn pass(object: Arc<Self>, ctx: Arc<Context>) -> impl Future<Output = Result<Again, Error>> + Send {
        schedule::reconcile(object, ctx)
    }

    fn meet(change: &Change<Self>, ctx: &Context) {
        if let Change::Gone(object) = change {
            forget(object.as_ref(), ctx);
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
    cache: Cache<K>,
    woken: UnboundedReceiver<Key>,
}

impl<K: Kind> Watch<K> {
    /// Over the objects of `namespace`, or of all; `what` they are called.
    pub(super) fn new(what: &str, namespace: Option<&str>, client: &Client) -> (Self, Watched<K>) {
        let cache = Cache::default();
        let (wake, woken) = mpsc::unbounded();
        let watched = Watched { namespace: namespace.map(str::to_owned), cache: cache.clone(), wake };
        let client = client.clone();
        let (name, api) = match namespace {
            Some(namespace) => (format!("the {what} in {namespace}"), Api::namespaced(client, namespace)),
            None => (format!("the {what}"), Api::all(client)),
        };
        (Self { name, api, cache, woken }, watched)
    }

    /// Watches until the drain begins, and makes passes in every term in which this process leads. The first list is
    /// expected from this call on, not from the first poll.
    pub(super) fn operate(self, ctx: Arc<Context>, readiness: &Readiness) -> impl Future<Output = ()> + use<K> {
        let pending = readiness.expect(format!("the first list of {}", self.name));
        self.watch(ctx, pending)
    }

    async fn watch(self, ctx: Arc<Context>, pending: Pending) {
        let Self { name, api, cache, woken } = self;
        let (met, taken) = (ctx.clone(), cache.clone());
        let changed = watcher(api, watcher::Config::default().timeout(WATCH_SECONDS).page_size(PAGE))
            .default_backoff()
            .inspect_err(move |error| tracing::warn!(watch = name, %error, "the watch is interrupted and tried again"))
            .flat_map(move |event| {
                let change = event.ok().and_then(|event| taken.take(event));
                stream::iter(change.map(|change| due(&change, &taken, &met)).unwrap_or_default())
            });
        let mut asked = Box::pin(stream::select(changed, woken.map(Ask::Always)));
        let terms = async {
            while stand_by(&mut asked, &cache, &ctx).await {
                term(&mut asked, &cache, &ctx).await;
            }
        };
        tokio::select! {
            () = terms => {}
            () = first_list(&cache, pending, &ctx) => {}
        }
    }
}

/// Without a first list no term ever begins, nor does the watch end before it.
async fn first_list<K: Kind>(cache: &Cache<K>, pending: Pending, ctx: &Context) {
    tokio::select! {
        () = cache.listed() => pending.listed(),
        () = ctx.shutdown.draining() => return,
    }
    future::pending::<()>().await;
}

/// Which passes a change asks for, once everybody has met it.
fn due<K: Kind>(change: &Change<K>, cache: &Cache<K>, ctx: &Context) -> Vec<Ask> {
    K::meet(change, ctx);
    match change {
        Change::Now(key, _) => vec![Ask::IfNews(key.clone())],
        Change::Listed => cache.open_keys().into_iter().map(Ask::Always).collect(),
        Change::Gone(_) => vec![],
    }
}

/// Keeps the cache warm until a term may begin: `false` if the drain began, or the watch ended, before.
async fn stand_by<K: Kind>(asked: &mut (impl Stream<Item = Ask> + Unpin), cache: &Cache<K>, ctx: &Context) -> bool {
    let may_begin = async {
        cache.listed().await;
        ctx.lead.leading().await;
    };
    tokio::select! {
        biased;
        () = ctx.shutdown.draining() => false,
        () = may_begin => true,
        () = asked.for_each(|_| future::ready(())) => false,
    }
}

/// Makes passes until the lease is lost or the drain begins.
async fn term<K: Kind>(asked: &mut (impl Stream<Item = Ask> + Unpin), cache: &Cache<K>, ctx: &Arc<Context>) {
    let end = async {
        tokio::select! {
            () = ctx.lead.lost() => {}
            () = ctx.shutdown.draining() => {}
        }
    };
    passes(asked, cache, ctx, end).await;
    if !ctx.shutdown.is_draining() {
        // What this process remembers is older than what the next leader knows.
        cache.all_open().iter().for_each(|object| forget(object.as_ref(), ctx));
    }
}
