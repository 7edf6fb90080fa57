//! One run: the world of a plan, with the director at every wire, from the first start of the operator to the oracle.
//!
//! The fence is scaled down to four seconds, the cloud's own window for signatures with it, unless the plan wants the limits
//! as they are shipped. An operator that was killed is
//! started again; one that ends by itself fails the run. Rows that are tried again only after a minute (a person is meant
//! to act) are spared the minute by an edit of the object, which is what that person would do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::director::Director;
use super::oracle;
use super::plan::{Api, Fault, Lane, Plan, Watch};
use super::room::Room;
use super::story::Story;
use super::version::Shape;
use super::wire;
use crate::cluster::{self, Cluster};
use crate::operator::{Environment, Operator};
use crate::recorder::{condition, reason};
use crate::world::{Order, World};

/// How long a run may take to its end. The longest interval of the program here is its minute.
pub(super) const PATIENCE: Duration = Duration::from_secs(100);
/// The same under the limits as they are shipped: after each refusal an order settles for a minute or more.
const REAL_PATIENCE: Duration = Duration::from_mins(5);
/// The same where the real fence of eleven minutes has to pass.
const LONG_PATIENCE: Duration = Duration::from_mins(15);
/// What a run is polled at, in seconds, and so what its silence is measured by.
const POLL: u64 = 1;
/// The silence that must follow: ten times the longest poll, and at least five seconds.
const SILENCE: Duration = Duration::from_secs(if POLL * 10 > 5 { POLL * 10 } else { 5 });
/// How long an order rests before it is hurried.
const IDLE: Duration = Duration::from_millis(2_500);
/// Rows with an interval of a minute.
const SLOW: [&str; 3] = ["AccessDenied", "ClockSkew", "CredentialsUnavailable"];

pub(super) struct Stage {
    pub(super) world: World,
    pub(super) director: Arc<Director>,
    pub(super) story: Story,
    pub(super) plan: Option<Plan>,
    /// Edits of specs so far: each is worth a write.
    pub(super) edits: usize,
    /// The orders, by UID, that another version wrote to.
    pub(super) rewritten: Vec<(String, Shape)>,
    other: Option<(Environment, Operator)>,
    began: Instant,
    patience: Duration,
    /// The versions that there were, and since when.
    moved: (usize, Instant),
}

/// What a run leaves.
pub(super) struct Run {
    pub(super) director: Arc<Director>,
    /// Whether all that was to happen has happened.
    pub(super) struck: bool,
    /// Without the time that it waited for room.
    pub(super) took: Duration,
}

/// The control plane of a lane.
fn cluster_of(lane: Lane) -> fn() -> &'static Cluster {
    match lane {
        Lane::Long | Lane::Shared => cluster::get,
        Lane::Halting => cluster::halting,
        Lane::Newer => cluster::newer,
    }
}

/// Plays `story`, with the fault of `plan` if there is one; `patience` times as patiently as usual. Panics with what is
/// wrong. The director is handed to `keep` before anything can go wrong.
pub(super) async fn run(story: Story, plan: Option<Plan>, patience: u32, keep: impl FnOnce(Arc<Director>)) -> Run {
    let lane = plan.as_ref().map_or(Lane::Shared, Plan::lane);
    let room = Room::take(lane).await;
    let get = cluster_of(lane);
    let server = &tokio::task::spawn_blocking(get).await.unwrap().control_plane;
    let ca = std::fs::read(server.ca_file()).unwrap();
    let world = world(story, plan.as_ref(), lane).await;
    let director = Director::new(plan.as_ref().map(Plan::cue), &world.cloud);
    keep(director.clone());
    for rule in story.rules() {
        world.cloud.add_fault(rule);
    }
    let began = Instant::now();
    let is_real = plan.as_ref().is_some_and(|plan| matches!(plan.fault, Fault::Real(_)));
    let usual = match lane {
        Lane::Long => LONG_PATIENCE,
        Lane::Halting | Lane::Shared | Lane::Newer if is_real => REAL_PATIENCE,
        Lane::Halting | Lane::Shared | Lane::Newer => PATIENCE,
    };
    let patience = usual * patience;
    let mut stage = Stage {
        world,
        director,
        story,
        plan,
        edits: 0,
        rewritten: vec![],
        other: None,
        began,
        patience,
        moved: (0, began),
    };
    let address = wire::start(server.server_url(), &ca, stage.director.clone(), 0, wire::label).await;
    stage.redirect("kubeconfig", &address);
    stage.start();
    if story.operators() == 2 {
        let address = wire::start(server.server_url(), &ca, stage.director.clone(), 1, wire::label).await;
        let kubeconfig = stage.world.folder.join("other.kubeconfig");
        std::fs::copy(stage.world.kubeconfig(), &kubeconfig).unwrap();
        stage.redirect("other.kubeconfig", &address);
        let mut environment = stage.world.environment.clone();
        environment.insert("KUBECONFIG", kubeconfig.display().to_string());
        stage.start_other(environment);
    }
    let endings = story.play(&mut stage).await;
    // Who only waits and listens takes no room.
    drop(room);
    stage.settle().await;
    stage.is_silent().await;
    // Of a pair both, or it was none.
    let struck = stage.director.struck() >= stage.plan.as_ref().map_or(0, |plan| plan.faults().count());
    let director = stage.director.clone();
    oracle::judge(stage, &endings).await;
    Run { director, struck, took: began.elapsed() }
}

async fn world(story: Story, plan: Option<&Plan>, lane: Lane) -> World {
    let get = cluster_of(lane);
    let namespace = namespace(get()).await;
    let is_real = plan.is_some_and(Plan::is_real);
    World::with(|wish| {
        wish.namespace = Some(namespace);
        wish.cluster = get;
        wish.started = false;
        let switches = &mut wish.cloud.switches;
        switches.backup_seconds = Some(if story.is_large() { 0.8 } else { 1.2 });
        switches.listing_lag_seconds = if lane == Lane::Long { 55.0 } else { 0.4 };
        switches.signature_window_seconds = if is_real { 300 } else { 2 };
        let limits = if is_real { [300, 300, 60] } else { [2, 1, 1] };
        let names = ["SIGNATURE_VALIDITY_SECONDS", "CLOCK_SKEW_SECONDS", "LISTING_LAG_SECONDS"];
        wish.environment.extend(names.into_iter().zip(limits.map(|limit| limit.to_string())));
        wish.environment.extend(["POLL_MIN_SECONDS", "POLL_MAX_SECONDS"].map(|name| (name, POLL.to_string())));
    })
    .await
}

/// A namespace without the cost of a `kubectl`.
pub(super) async fn namespace(cluster: &Cluster) -> String {
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(cluster.client().await);
    let wish = serde_json::from_value(json!({ "metadata": { "generateName": "plan-" } })).unwrap();
    namespaces.create(&kube::api::PostParams::default(), &wish).await.unwrap().metadata.name.unwrap()
}

impl Stage {
    /// Points a kubeconfig at a proxy.
    fn redirect(&self, file: &str, address: &str) {
        let path = self.world.folder.join(file);
        let mut kubeconfig: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        kubeconfig["clusters"][0]["cluster"] = json!({ "server": address });
        std::fs::write(path, kubeconfig.to_string()).unwrap();
    }

    fn start(&mut self) {
        self.world.spawn();
        self.director.runs(0, self.world.operator.as_ref().unwrap().pid());
    }

    fn start_other(&mut self, environment: Environment) {
        let operator = Operator::spawn(&environment, &self.world.folder.join("other.log"));
        self.director.runs(1, operator.pid());
        self.other = Some((environment, operator));
    }

    /// What must go on beside the story: the dead are replaced, what was to pass passes, slow rows are hurried.
    async fn tend(&mut self) {
        self.director.tend();
        let may_die = self.director.struck() > 0;
        if self.world.operator.as_mut().unwrap().ended(Duration::ZERO).await.is_some() {
            assert!(may_die, "the operator ended by itself");
            if let Some(shape) = self.director.rewrite() {
                self.rewrite(shape).await;
            }
            self.start();
        }
        if let Some((_, operator)) = &mut self.other
            && operator.ended(Duration::ZERO).await.is_some()
        {
            assert!(may_die, "the other operator ended by itself");
            let (environment, _) = self.other.take().unwrap();
            self.start_other(environment);
        }
        let versions = self.world.histories.len();
        if versions != self.moved.0 {
            self.moved = (versions, Instant::now());
        }
        if self.moved.1.elapsed() > IDLE && !self.director.is_under_way() {
            self.moved.1 = Instant::now();
            self.hurry().await;
        }
    }

    /// Another version of the program has every order for a moment.
    async fn rewrite(&mut self, shape: Shape) {
        for object in self.world.api.list(&ListParams::default()).await.unwrap() {
            let whole = serde_json::to_value(&object).unwrap();
            let status = Patch::Merge(json!({ "status": shape.patch(&whole) }));
            let name = object.metadata.name.unwrap();
            // It may be gone meanwhile. A shape that the schema refuses would be no shape at all.
            match self.world.api.patch_status(&name, &PatchParams::default(), &status).await {
                Err(kube::Error::Api(answer)) if answer.code == 404 => {}
                written => {
                    written.unwrap();
                    self.rewritten.push((object.metadata.uid.unwrap(), shape));
                }
            }
            // Its own write, and the one that brings the words of this version back.
            self.edits += 2;
        }
    }

    /// Edits the orders that would wait for a minute, and those of which an event was missed: the next event tells.
    async fn hurry(&mut self) {
        let is_missing = self.plan.as_ref().is_some_and(|plan| plan.fault == Fault::Watch(Watch::Missing));
        for uid in self.world.histories.uids() {
            let history = self.world.histories.of(&uid);
            let Some(last) = history.last().filter(|last| !last.deleted && !is_over(&last.object)) else { continue };
            if SLOW.contains(&reason(&last.object)) || is_missing {
                self.edits += 1;
                let edit = Patch::Merge(json!({ "spec": { "submitDeadlineSeconds": 86_400 - self.edits } }));
                let name = last.object["metadata"]["name"].as_str().unwrap();
                // It may be gone meanwhile.
                drop(self.world.api.patch(name, &PatchParams::default(), &edit).await);
            }
        }
    }

    /// Waits until `wanted` holds.
    pub(super) async fn until(&mut self, what: &str, wanted: impl Fn(&Self) -> bool) {
        while !wanted(self) {
            assert!(self.began.elapsed() < self.patience, "never came: {what}");
            self.tend().await;
            tokio::time::sleep(Duration::from_millis(70)).await;
        }
    }

    pub(super) fn has_ended(&self, order: &Order) -> bool {
        self.world.history(order).last().is_some_and(|last| is_over(&last.object))
    }

    pub(super) async fn ends(&mut self, order: &Order) {
        self.until(&format!("the end of {}", order.name), |stage| stage.has_ended(order)).await;
    }

    /// Calls that began, and versions of objects, so far.
    fn deeds(&self) -> (usize, usize) {
        (self.director.calls(), self.world.histories.len())
    }

    /// For how long nothing must have happened until nothing is under way any more: an answer may be late by three
    /// seconds, and one that never comes is given up after ten.
    fn rest(&self) -> Duration {
        let of = |fault: &Fault| match fault {
            Fault::Api(Api::Silent) | Fault::Watch(Watch::Silent | Watch::Missing) | Fault::Halt(..) => 11_500,
            Fault::Api(Api::Slow(_)) | Fault::Watch(Watch::Delayed) | Fault::CloudSlow(_) | Fault::Cloud(..) => 4_500,
            Fault::Kill
            | Fault::KillLate
            | Fault::Stop(_)
            | Fault::Twice
            | Fault::Api(_)
            | Fault::Watch(_)
            | Fault::Clock(_)
            | Fault::Vanish
            | Fault::Fail
            | Fault::Rows(_)
            | Fault::Lag(_)
            | Fault::Version(_)
            | Fault::Real(_) => 2_500,
        };
        Duration::from_millis(self.plan.iter().flat_map(Plan::faults).map(of).max().unwrap_or(1_800))
    }

    /// Everything is over, so nothing more may be done, for long.
    async fn is_silent(&mut self) {
        // Nobody tells a program whose last event was lost that its order is gone; the API server loses none.
        let missed = |plan: &Plan| plan.fault == Fault::Watch(Watch::Missing);
        if self.story.deletes() && self.plan.as_ref().is_some_and(missed) {
            return;
        }
        let (before, since) = (self.deeds(), Instant::now());
        while since.elapsed() < SILENCE {
            self.tend().await;
            assert_eq!(self.deeds(), before, "not silent: calls and versions {:?} after the end", since.elapsed());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Waits for rest: no call and no write for a while, everything healed, everybody alive.
    async fn settle(&mut self) {
        let rest = self.rest();
        let (mut before, mut since) = (self.deeds(), Instant::now());
        loop {
            self.tend().await;
            let now = self.deeds();
            if now != before || self.director.is_under_way() {
                (before, since) = (now, Instant::now());
            }
            if since.elapsed() > rest {
                return;
            }
            assert!(self.began.elapsed() < self.patience + Duration::from_secs(10), "never at rest");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends the operators, with one log of all their words.
    pub(super) fn close(&mut self) {
        self.other = None;
        let words = std::fs::read(self.world.folder.join("other.log")).unwrap_or_default();
        let mut all =
            std::fs::File::options().create(true).append(true).open(self.world.folder.join("earlier.log")).unwrap();
        std::io::Write::write_all(&mut all, &words).unwrap();
    }
}

/// Whether nothing more is to come of it.
fn is_over(object: &Value) -> bool {
    condition(object, "Reconciling")["status"] == "False"
}
