//! The one place where all layers meet.
//!
//! It ends when the drain has ended, or when a vital part fails; in both cases every order is as durable as it was, and
//! the next start goes on from there (I7).

mod queue;
mod watch;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures::channel::oneshot;
use futures::future;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use self::watch::Watch;

use crate::controller::census::{self, census};
use crate::controller::cloud::Cloud;
use crate::controller::cluster::{self, Cluster};
use crate::controller::context::Context;
use crate::controller::credentials::{Credentials, Source};
use crate::controller::memory::Memory;
use crate::controller::schedule::Freshness;
use crate::controller::turns::{Orders, Schedules};
use crate::core::backup::Limits;
use crate::runtime::admin::{Admin, Liveness, Readiness, Sources};
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
/// How long STS may take to answer: whoever needs its keys waits for them.
const ISSUE: Duration = Duration::from_secs(10);
/// By how much the clock of the world may differ from the other in a beat.
const SET: SignedDuration = SignedDuration::from_secs(2);

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

    let scopes = scopes(&settings.watch_namespaces);
    let (backups, orders): (Vec<_>, Vec<_>) =
        scopes.iter().map(|scope| Watch::new("backups", scope.as_deref(), &client)).unzip();
    let (promises, schedules): (Vec<_>, Vec<_>) =
        scopes.iter().map(|scope| Watch::new("schedules", scope.as_deref(), &client)).unzip();
    let watched = (Orders::new(orders), Schedules::new(schedules));
    let (ctx, keeper) = context(settings, client, watched, metrics, shutdown)?;
    let ctx = Arc::new(ctx);
    let (orders, fence) = (ctx.orders.clone(), ctx.limits.fence());
    ctx.metrics.count_with(move || {
        let entries = orders.listed()?;
        let gists: Vec<_> = entries.iter().map(|entry| entry.gist()).collect();
        Some(census(&gists, clock::now(), fence))
    });
    let stored = ctx.schedules.clone();
    ctx.metrics.count_schedules_with(move || stored.listed().map(|objects| census::schedules::schedules(&objects)));
    let backups = future::join_all(backups.into_iter().map(|watch| watch.operate(ctx.clone(), &readiness)));
    let schedules = future::join_all(promises.into_iter().map(|watch| watch.operate(ctx.clone(), &readiness)));
    let (done, is_done) = oneshot::channel::<()>();
    let work = async move {
        future::join(backups, schedules).await;
        drop(done);
    };
    let hold = hold(keeper, is_done, ctx.shutdown.clone());
    tokio::select! {
        never = admin.serve(sources) => match never {},
        () = turn(&liveness, &ctx) => Ok(()),
        () = ctx.lead.announce(&ctx.metrics) => Ok(()),
        () = beside(work, hold) => {
            if ctx.shutdown.is_draining() { Ok(()) } else { Err(anyhow!("the watches ended by themselves")) }
        }
    }
}

/// Works, and holds the lease for it, until both have ended. Holding is a task of its own: within one task, what is asked
/// last may only do what the others left of the runtime's budget for a turn of that task, and a thousand passes leave
/// nothing of it.
async fn beside(work: impl Future<Output = ()>, hold: impl Future<Output = ()> + Send + 'static) {
    drop(future::join(work, tokio::spawn(hold)).await);
}

/// Keeps the lease until the work is done, and a drain does not keep a successor waiting for longer than [`HAND_OVER`].
async fn hold(keeper: Option<Keeper>, is_done: oneshot::Receiver<()>, shutdown: Shutdown) {
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

/// The namespaces to watch, `None` for all.
fn scopes(namespaces: &Namespaces) -> Vec<Option<String>> {
    match namespaces {
        Namespaces::All => vec![None],
        Namespaces::Only(names) => names.iter().cloned().map(Some).collect(),
    }
}

/// What is shared by all passes.
fn context(
    settings: Settings,
    client: Client,
    (orders, schedules): (Orders, Schedules),
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
        protected_interval,
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
        schedules,
        freshness: Freshness::default(),
        protected_interval,
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

/// The vital loop: it turns as long as the thread that makes the passes does.
async fn turn(liveness: &Liveness, ctx: &Context) {
    let mut clocks = (clock::now(), Instant::now());
    for beat in 1_u64.. {
        liveness.touch();
        tokio::time::sleep(BEAT).await;
        // Schedules rest by a clock that nobody sets. Where the other one was set, what they rest for is due at another time.
        let before = std::mem::replace(&mut clocks, (clock::now(), Instant::now()));
        if was_set(before, clocks) {
            tracing::warn!("the clock was set");
            ctx.schedules.wake_all();
        }
        if beat.is_multiple_of(TIDY_BEATS) {
            let schedules = ctx.schedules.uids();
            ctx.freshness.keep(&schedules);
            ctx.memory.keep(&ctx.orders.uids().union(&schedules).cloned().collect());
        }
    }
}

/// Whether the clock of the world went otherwise than the one that nobody sets.
fn was_set(before: (Timestamp, Instant), after: (Timestamp, Instant)) -> bool {
    let (world, own) = (after.0.duration_since(before.0), after.1.duration_since(before.1));
    let own = SignedDuration::try_from(own).unwrap_or_default();
    (world - own).abs() > SET
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_without_an_end_leaves_the_lease_its_turns() {
        let work = async {
            loop {
                // Each turn takes all that a task may do in one.
                tokio::task::consume_budget().await;
            }
        };
        let (renewed, is_renewed) = oneshot::channel();
        let hold = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            renewed.send(()).unwrap();
        };
        tokio::select! {
            () = beside(work, hold) => {}
            renewed = is_renewed => assert!(renewed.is_ok()),
            () = tokio::time::sleep(Duration::from_secs(10)) => panic!("not renewed"),
        }
    }

    #[test]
    fn a_clock_that_is_set_is_told_from_one_that_goes() {
        let (world, own) = (Timestamp::from_second(1_000).unwrap(), Instant::now());
        let after = |seconds: i64| (world + SignedDuration::from_secs(seconds), own + Duration::from_secs(1));
        assert_eq!([1, 3, 0, -1].map(|seconds| was_set((world, own), after(seconds))), [false; 4]);
        assert_eq!([4, 3_600, -2, -3_600].map(|seconds| was_set((world, own), after(seconds))), [true; 4]);
    }
}
