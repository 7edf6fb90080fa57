//! The one place where all layers meet.
//!
//! It ends when the drain has ended, or when a vital part fails; in both cases every order is as durable as it was, and
//! the next start goes on from there (I7).

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures::channel::mpsc::{self, UnboundedReceiver};
use futures::channel::oneshot;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, future, stream};
use kube::runtime::controller::{Config as Concurrency, applier};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt, controller::ReconcileRequest};
use kube::{Api, Client};
use secrecy::ExposeSecret;

use crate::api::{StoredBackup, conversion};
use crate::controller::census::census;
use crate::controller::cloud::Cloud;
use crate::controller::cluster::{self, Cluster};
use crate::controller::context::Context;
use crate::controller::credentials::{Credentials, Source};
use crate::controller::memory::Memory;
use crate::controller::reconcile::{reconcile, retry};
use crate::controller::turns::{Orders, Watched};
use crate::core::backup::Limits;
use crate::runtime::admin::{Admin, Liveness, Pending, Readiness, Sources};
use crate::runtime::clock;
use crate::runtime::config::{
    Candidacy, Fence, Identity, Namespaces, PodIdentity, Polling, Proxy, Settings, StaticIdentity,
};
use crate::runtime::lease::{Keeper, Lead};
use crate::runtime::metrics::Metrics;
use crate::runtime::shutdown::Shutdown;
use crate::tencent::budget::Budget;
use crate::tencent::client::{Client as CloudClient, ClientSettings};
use crate::tencent::credential::Credential;
use crate::tencent::endpoint::Endpoint;
use crate::tencent::region::Region;
use crate::tencent::role::metadata::Metadata;
use crate::tencent::role::sts::{Sts, Wish};

/// How long the vital loop may stand still before `/livez` says so.
const VITAL: Duration = Duration::from_secs(30);
/// How often the vital loop turns while it has nothing to do.
const BEAT: Duration = Duration::from_secs(1);
/// After how many beats the memory is compared with what is watched.
const TIDY_BEATS: u64 = 600;
/// How long one watch call may last, in seconds: a connection that died in silence is noticed after it.
const WATCH_SECONDS: u32 = 40;
/// How long STS may take to answer: whoever needs its keys waits for them.
const ISSUE: Duration = Duration::from_secs(10);
/// Passes that are made at once; most of their time goes into waiting for the cloud.
const PASSES: u16 = 128;

/// How long a drain may hold the lease: a call that takes longer is finished without it, which is safe (I2).
const HAND_OVER: Duration = Duration::from_secs(2);

/// Runs until `shutdown` drains.
///
/// # Errors
/// A vital part could not start or ended early.
pub async fn run(settings: Settings, shutdown: Shutdown) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let (liveness, readiness) = (Liveness::new(VITAL), Readiness::new());
    let admin = Admin::bind(settings.admin_address).await?;
    tracing::info!(address = %admin.address()?, version = env!("CARGO_PKG_VERSION"), "the admin server listens");
    let sources = Sources { liveness: liveness.clone(), readiness: readiness.clone(), metrics: metrics.clone() };
    let config = kube::Config::infer().await.context("no cluster: set KUBECONFIG, or run inside a pod")?;
    let client = cluster::connect(config).context("the API server cannot be spoken to")?;

    let (watches, orders): (Vec<_>, Vec<_>) =
        watches(&settings.watch_namespaces).map(|scope| watch(scope, &client)).unzip();
    let (ctx, keeper) = context(settings, client, Orders::new(orders), metrics, shutdown)?;
    let ctx = Arc::new(ctx);
    let (orders, fence) = (ctx.orders.clone(), ctx.limits.fence());
    ctx.metrics.count_with(move || orders.listed().map(|objects| census(&objects, clock::now(), fence)));
    let work = watches.into_iter().map(|watch| {
        let pending = readiness.expect(format!("the first list of {}", watch.name));
        operate(watch, ctx.clone(), pending)
    });
    let (done, is_done) = oneshot::channel::<()>();
    let work = async move {
        future::join_all(work).await;
        drop(done);
    };
    let hold = hold(keeper, is_done, &ctx.shutdown);
    tokio::select! {
        never = admin.serve(sources) => match never {},
        () = turn(&liveness, &ctx) => Ok(()),
        () = ctx.lead.announce(&ctx.metrics) => Ok(()),
        _ = future::join(work, hold) => {
            if ctx.shutdown.is_draining() { Ok(()) } else { Err(anyhow!("the watches ended by themselves")) }
        }
    }
}

/// Keeps the lease until the work is done, and a drain does not keep a successor waiting for longer than [`HAND_OVER`].
async fn hold(keeper: Option<Keeper>, is_done: oneshot::Receiver<()>, shutdown: &Shutdown) {
    let late = async {
        shutdown.draining().await;
        tokio::time::sleep(HAND_OVER).await;
    };
    let end = async {
        tokio::select! {
            _ = is_done => {}
            () = late => {}
        }
    };
    if let Some(keeper) = keeper {
        keeper.hold(end).await;
    }
}

/// What is shared by all passes.
fn context(
    settings: Settings,
    client: Client,
    orders: Orders,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
) -> anyhow::Result<(Context, Option<Keeper>)> {
    // Destructured, so that a setting without an effect is a warning.
    let Settings {
        tencent_endpoint,
        tencent_sts_endpoint,
        watch_namespaces: _,
        shared_identity_namespaces,
        identity,
        extra_ca_pem,
        proxy: Proxy { https, no_proxy },
        api_share,
        polling,
        protected_interval: _,
        fence,
        drain: _,
        admin_address: _,
        log: _,
        holder,
        candidacy,
    } = settings;
    let endpoint = Endpoint::parse(&tencent_endpoint).context("--tencent-endpoint")?;
    let cloud = ClientSettings {
        extra_ca_pem,
        https_proxy: https.map(|proxy| proxy.expose_secret().to_owned()),
        no_proxy,
        ..ClientSettings::new(endpoint)
    };
    let sts = Endpoint::parse(&tencent_sts_endpoint).context("--tencent-sts-endpoint")?;
    let sts = ClientSettings { endpoint: sts, call_timeout: ISSUE, ..cloud.clone() };
    let holder = format!("{holder}/{:016x}", RandomState::new().hash_one(()));
    let (lead, keeper) = lead(candidacy, &client, &holder);
    let cluster = Cluster::new(client, &holder);
    let source = source(identity, &sts)?;
    let credentials = Credentials::new(cluster.clone(), source, shared_identity_namespaces, metrics.clone());
    let credentials = Arc::new(credentials);
    let cloud = CloudClient::new(&cloud)?;
    let ctx = Context {
        cluster,
        cloud: Cloud::new(cloud, Budget::new(api_share), credentials.clone(), metrics.clone()),
        credentials,
        memory: Memory::default(),
        orders,
        metrics,
        limits: limits(&fence, &polling),
        shutdown,
        lead,
        holder,
    };
    Ok((ctx, keeper))
}

/// Whether this process leads, and who keeps its lease, if there is an election.
fn lead(candidacy: Option<Candidacy>, client: &Client, holder: &str) -> (Lead, Option<Keeper>) {
    let Some(Candidacy { namespace, name, pod }) = candidacy else { return (Lead::always(), None) };
    // A pod's name is its own; a host may run two of this program.
    let identity = pod.unwrap_or_else(|| holder.to_owned());
    let (lead, keeper) = Lead::candidate(client.clone(), &namespace, &name, identity);
    (lead, Some(keeper))
}

/// The numbers that decisions depend on.
fn limits(fence: &Fence, polling: &Polling) -> Limits {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Limits {
        signature_validity: seconds(fence.signature_validity),
        clock_skew: seconds(fence.clock_skew),
        listing_lag: seconds(fence.listing_lag),
        poll_min: seconds(polling.min),
        poll_max: seconds(polling.max),
    }
}

/// Where the operator's own keys come from; those of a pod's role from STS.
fn source(identity: Identity, sts: &ClientSettings) -> anyhow::Result<Source> {
    let (source, word) = match identity {
        Identity::Nobody => (Source::Nobody, "none"),
        Identity::Given(StaticIdentity { secret_id, secret_key, token }) => {
            let given = Credential::new(secret_id.expose_secret(), secret_key, token);
            (Source::Given(given.context("the operator's own identity cannot be used")?), "a key from the environment")
        }
        Identity::Pod(PodIdentity { region, provider_id, token_file, role_arn }) => {
            let wish = Wish { region: Region::new(&region).context("TKE_REGION")?, provider_id, role_arn };
            (Source::Pod { sts: Sts::new(sts)?, wish, token_file }, "the role of this pod")
        }
        Identity::Node { metadata_endpoint } => {
            let endpoint = Endpoint::metadata(&metadata_endpoint).context("--metadata-endpoint")?;
            (Source::Node(Metadata::new(&endpoint)?), "the role of this node")
        }
    };
    tracing::info!(identity = word, "the operator's own identity");
    Ok(source)
}

/// One watch, its cache, and the passes that were asked for.
struct Watch {
    name: String,
    api: Api<StoredBackup>,
    store: Store<StoredBackup>,
    writer: Writer<StoredBackup>,
    woken: UnboundedReceiver<ObjectRef<StoredBackup>>,
}

/// The namespaces to watch, `None` for all.
fn watches(namespaces: &Namespaces) -> impl Iterator<Item = Option<String>> {
    match namespaces {
        Namespaces::All => vec![None],
        Namespaces::Only(names) => names.iter().cloned().map(Some).collect(),
    }
    .into_iter()
}

fn watch(namespace: Option<String>, client: &Client) -> (Watch, Watched) {
    let (store, writer) = reflector::store();
    let (wake, woken) = mpsc::unbounded();
    let watched = Watched { store: store.clone(), wake };
    let watch = match namespace {
        Some(namespace) => {
            let api = Api::namespaced(client.clone(), &namespace);
            Watch { name: format!("the backups in {namespace}"), api, store, writer, woken }
        }
        None => Watch { name: "the backups".to_owned(), api: Api::all(client.clone()), store, writer, woken },
    };
    (watch, watched)
}

/// Watches until the drain begins, and makes passes in every term in which this process leads.
async fn operate(watch: Watch, ctx: Arc<Context>, pending: Pending) {
    let Watch { name, api, store, writer, woken } = watch;
    let (forget, listed, shutdown) = (ctx.clone(), store.clone(), ctx.shutdown.clone());
    let events = watcher(api, watcher::Config::default().timeout(WATCH_SECONDS))
        // Most of a watch cache would be managed fields, which nothing here reads.
        .modify(|object| object.metadata.managed_fields = None)
        .inspect_ok(move |event| let_go(&forget, event))
        .default_backoff()
        .reflect(writer)
        .inspect_err(move |error| tracing::warn!(watch = name, %error, "the watch is interrupted and tried again"));
    let changed = events.flat_map(|event| stream::iter(event.map(|event| due(&event, &listed)).unwrap_or_default()));
    let mut triggers = Box::pin(stream::select(changed, woken));
    let terms = async {
        while stand_by(&mut triggers, &store, &ctx).await {
            term(&mut triggers, &store, &ctx).await;
        }
    };
    let first_list = async {
        // Without a first list no term ever begins, nor does the watch end before it.
        tokio::select! {
            ready = store.wait_until_ready() => if ready.is_ok() { pending.listed() },
            () = shutdown.draining() => return,
        }
        future::pending::<()>().await;
    };
    tokio::select! {
        () = terms => {}
        () = first_list => {}
    }
}

/// Which orders an event of the watch asks a pass for. A list is complete, and in the cache, only at its end.
fn due(event: &Event<StoredBackup>, store: &Store<StoredBackup>) -> Vec<ObjectRef<StoredBackup>> {
    match event {
        Event::Apply(object) => vec![ObjectRef::from_obj(object)],
        Event::InitDone => all(store),
        Event::Init | Event::InitApply(_) | Event::Delete(_) => vec![],
    }
}

fn all(store: &Store<StoredBackup>) -> Vec<ObjectRef<StoredBackup>> {
    store.state().iter().map(|object| ObjectRef::from_obj(object.as_ref())).collect()
}

/// Keeps the cache warm until a term may begin: `false` if the drain began, or the watch ended, before.
async fn stand_by(
    triggers: &mut (impl Stream<Item = ObjectRef<StoredBackup>> + Unpin),
    store: &Store<StoredBackup>,
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
/// It begins with a pass over every order, for nobody knows which ones the leader before has seen. What the watch tells
/// from here on comes through `triggers`, and between the two nothing is awaited: no change is missed.
async fn term(
    triggers: &mut (impl Stream<Item = ObjectRef<StoredBackup>> + Unpin),
    store: &Store<StoredBackup>,
    ctx: &Arc<Context>,
) {
    let requests = stream::iter(all(store)).chain(triggers).map(ReconcileRequest::from).map(Ok::<_, Infallible>);
    let end = async {
        tokio::select! {
            () = ctx.lead.lost() => {}
            () = ctx.shutdown.draining() => {}
        }
    };
    let pass = |object, ctx| reconcile(object, ctx).boxed();
    let concurrency = Concurrency::default().concurrency(PASSES);
    applier(pass, retry, ctx.clone(), store.clone(), requests.take_until(Box::pin(end)), concurrency)
        .for_each(|_| future::ready(()))
        .await;
    if !ctx.shutdown.is_draining() {
        // What this process remembers is older than what the next leader knows.
        let uids = store.state().into_iter().filter_map(|object| conversion::subject(object.as_ref()).ok());
        uids.for_each(|subject| ctx.memory.forget(&subject.uid));
    }
}

/// What a deletion means for the others: the memory ends with the object, the turn already with its deletion timestamp.
fn let_go(ctx: &Context, event: &Event<StoredBackup>) {
    match event {
        Event::Apply(object) if object.metadata.deletion_timestamp.is_some() => ctx.orders.leaves(object),
        Event::Delete(object) => {
            if let Ok(subject) = conversion::subject(object) {
                ctx.memory.forget(&subject.uid);
            }
            ctx.orders.leaves(object);
        }
        Event::Apply(_) | Event::Init | Event::InitApply(_) | Event::InitDone => {}
    }
}

/// The vital loop: it turns as long as the thread that makes the passes does.
async fn turn(liveness: &Liveness, ctx: &Context) {
    for beat in 1_u64.. {
        liveness.touch();
        tokio::time::sleep(BEAT).await;
        if beat.is_multiple_of(TIDY_BEATS) {
            ctx.memory.keep(&ctx.orders.uids());
        }
    }
}
