//! One run of a plan for schedules: a world with one operator or two behind the director's wires, and a recorder of every
//! version of every schedule beside that of the backups.
//!
//! Slots are whole minutes of the real clock, and nothing here shortens one: runs are played side by side instead. The
//! fence is scaled down as in the other stories, so that a backup takes seconds.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlserver_backup_operator::api::SqlServerBackupSchedule;
use tencentdb_simulator::{End, Instance};

use super::Plan;
use super::oracle::{self, Child, Every, Kept};
use super::tale::Tale;
use super::wires::label;
use crate::campaign::director::Director;
use crate::campaign::plan::{Api as ApiFault, Fault};
use crate::campaign::stage::namespace;
use crate::campaign::wire;
use crate::cluster;
use crate::operator::{Environment, Operator};
use crate::recorder::{Histories, condition};
use crate::wall_clock::WallClock;
use crate::world::{Order, SECRET, World};
use sqlserver_backup_operator::runtime::clock;

/// The silence that must follow the suspension.
const SILENCE: Duration = Duration::from_secs(5);

pub(super) struct Stage {
    pub(super) world: World,
    pub(super) director: Arc<Director>,
    /// Every version of every schedule.
    pub(super) histories: Histories,
    pub(super) plan: Plan,
    /// The schedules that were created, with what is known of them.
    pub(super) kept: Vec<Kept>,
    api: Api<DynamicObject>,
    other: Option<(Environment, Operator)>,
    clock: Option<WallClock>,
    /// Whether the dead stay dead.
    pub(super) is_resting: bool,
    began: Instant,
}

/// Plays `plan`; whether its fault happened. Panics with what is wrong.
pub(super) async fn run(plan: Plan, keep: impl FnOnce(Arc<Director>)) -> bool {
    let server = &tokio::task::spawn_blocking(cluster::get).await.unwrap().control_plane;
    let ca = std::fs::read(server.ca_file()).unwrap();
    let name = namespace(cluster::get()).await;
    let mut world = World::with(|wish| {
        wish.namespace = Some(name);
        wish.started = false;
        wish.cloud.switches.backup_seconds = Some(1.2);
        wish.cloud.switches.listing_lag_seconds = 0.4;
        wish.cloud.switches.signature_window_seconds = 2;
        let names = ["SIGNATURE_VALIDITY_SECONDS", "CLOCK_SKEW_SECONDS", "LISTING_LAG_SECONDS"];
        wish.environment.extend(names.into_iter().zip(["2", "1", "1"].map(str::to_owned)));
        if matches!(plan.tale, Tale::Clock(_)) {
            // Only hours are to be refused, and not the calls of dozens in one second.
            wish.cloud.switches.signature_window_seconds = 20;
            wish.environment.insert("SIGNATURE_VALIDITY_SECONDS", "20".to_owned());
        }
        if plan.tale.is_large() {
            wish.environment.insert("RUST_LOG", "info".to_owned());
        }
    })
    .await;
    let clock = matches!(plan.tale, Tale::Clock(_)).then(|| WallClock::new(&world.folder, &mut world.environment));
    let director = Director::new(plan.cue(), &world.cloud);
    keep(director.clone());
    let kind = ApiResource::erase::<SqlServerBackupSchedule>(&());
    let api = Api::namespaced_with(world.client.clone(), &world.namespace, &kind);
    let histories = Histories::record(api.clone());
    let began = Instant::now();
    let mut stage =
        Stage { world, director, histories, plan, kept: vec![], api, other: None, clock, is_resting: false, began };
    let address = wire::start(server.server_url(), &ca, stage.director.clone(), 0, label).await;
    stage.redirect("kubeconfig", &address);
    stage.start();
    if stage.plan.tale.operators() == 2 {
        let address = wire::start(server.server_url(), &ca, stage.director.clone(), 1, label).await;
        let kubeconfig = stage.world.folder.join("other.kubeconfig");
        std::fs::copy(stage.world.kubeconfig(), &kubeconfig).unwrap();
        stage.redirect("other.kubeconfig", &address);
        let mut environment = stage.world.environment.clone();
        environment.insert("KUBECONFIG", kubeconfig.display().to_string());
        stage.start_other(environment);
    }
    stage.plan.tale.play(&mut stage).await;
    let struck = stage.plan.fault.is_none() || stage.director.struck() > 0;
    stage.settle().await;
    oracle::judge(stage).await;
    struck
}

impl Stage {
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

    /// The dead are replaced, and what was to pass passes.
    async fn tend(&mut self) {
        self.director.tend();
        let may_die = self.director.struck() > 0 || self.plan.tale == Tale::Dead;
        if !self.is_resting && self.world.operator.as_mut().unwrap().ended(Duration::ZERO).await.is_some() {
            assert!(may_die, "the operator ended by itself");
            self.start();
        }
        if let Some((_, operator)) = &mut self.other
            && operator.ended(Duration::ZERO).await.is_some()
        {
            assert!(may_die, "the other operator ended by itself");
            let (environment, _) = self.other.take().unwrap();
            self.start_other(environment);
        }
    }

    /// SIGKILL, SIGSTOP or SIGCONT for the operator.
    pub(super) fn signal(&self, signal: Signal) {
        self.director.signal(Some(0), signal);
    }

    /// Sets the operator's clock, so many seconds ahead of the true time.
    pub(super) fn set_clock(&self, ahead: i64) {
        self.clock.as_ref().unwrap().set(ahead);
    }

    /// Waits until `wanted` holds.
    pub(super) async fn until(&mut self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let patience = self.plan.tale.patience();
        while !wanted(self) {
            assert!(self.began.elapsed() < patience, "never came: {what}");
            self.tend().await;
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }

    /// Lets time pass.
    pub(super) async fn pass(&mut self, until: Timestamp) {
        self.until("the time", |_| clock::now() >= until).await;
    }

    /// A schedule with an instance of its own, whose backups take so many seconds and end like that.
    pub(super) async fn create(&mut self, name: &str, every: Every, (seconds, end): (f64, End), spec: Value) -> usize {
        let instance = format!("mssql-{}", name.replace('-', ""));
        self.world.cloud.put_instance(Instance {
            backup_seconds: Some(seconds),
            backups_end: end,
            ..Instance::new(&instance)
        });
        let wish = json!({
            "instanceId": instance, "region": "ap-guangzhou", "strategy": "Instance", "credentialsRef": { "name": SECRET },
        });
        let mut whole = json!({ "schedule": every.line(), "template": { "spec": wish } });
        for (field, value) in spec.as_object().unwrap() {
            whole[field] = value.clone();
        }
        let kind = ApiResource::erase::<SqlServerBackupSchedule>(&());
        let object = DynamicObject::new(name, &kind).within(&self.world.namespace).data(json!({ "spec": whole }));
        let created = self.api.create(&PostParams::default(), &object).await.unwrap();
        let since = created.creation_timestamp().unwrap().0;
        let order = Order { name: name.to_owned(), uid: created.uid().unwrap() };
        self.kept.push(Kept { order, instance, every, since, suspended: None });
        self.kept.len() - 1
    }

    pub(super) async fn change(&self, at: usize, patch: Value) {
        self.api.patch(&self.kept[at].order.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// A person deletes a schedule, and with it go its backups.
    pub(super) async fn remove(&self, at: usize) {
        self.api.delete(&self.kept[at].order.name, &DeleteParams::default()).await.unwrap();
    }

    /// The newest version of a schedule.
    pub(super) fn schedule(&self, at: usize) -> Value {
        self.histories.of(&self.kept[at].order.uid).pop().map_or(Value::Null, |version| version.object)
    }

    /// All backups that a schedule ever had.
    pub(super) fn children(&self, at: usize) -> Vec<Child> {
        oracle::children(&self.world.histories, &self.kept[at].order.uid)
    }

    /// Waits until so many backups of a schedule were complete, and none is at work.
    pub(super) async fn completes(&mut self, at: usize, wanted: usize) {
        let what = format!("{wanted} copies for {}", self.kept[at].order.name);
        self.until(&what, |stage| {
            let children = stage.children(at);
            children.iter().filter(|child| child.is("Completed")).count() >= wanted
                && children.iter().all(Child::is_over)
        })
        .await;
    }

    /// Suspends a schedule, which is the end of what it owes; then its status says so.
    pub(super) async fn suspend(&mut self, at: usize) {
        self.suspend_all(at..=at).await;
    }

    /// The same for several at once.
    pub(super) async fn suspend_all(&mut self, all: RangeInclusive<usize>) {
        // Where the answer to a creation never comes, its slot is settled ten seconds later, and what it owes is read from that.
        let is_settled = |stage: &Self, at| {
            let newest = stage.children(at).iter().filter_map(|child| Some(child.slot?.0)).max();
            let last = stage.schedule(at)["status"]["lastScheduleTime"].as_str().map(|time| time.parse().unwrap());
            newest <= last
        };
        self.until("the record of what ran", |stage| all.clone().all(|at| is_settled(stage, at))).await;
        for at in all.clone() {
            self.kept[at].suspended = Some(clock::now());
            self.change(at, json!({ "spec": { "suspend": true } })).await;
        }
        let is_told = |stage: &Self, at| {
            let object = stage.schedule(at);
            condition(&object, "Ready")["reason"] == "Suspended"
                && object["status"]["observedGeneration"] == object["metadata"]["generation"]
        };
        self.until("the suspension", |stage| all.clone().all(|at| is_told(stage, at))).await;
    }

    fn deeds(&self) -> (usize, usize, usize) {
        (self.director.calls(), self.world.histories.len(), self.histories.len())
    }

    /// Waits for rest, and then nothing more may be done.
    async fn settle(&mut self) {
        if self.plan.tale.goes_on() {
            // What is old enough is removed whether or not the schedule is suspended.
            tokio::time::sleep(Duration::from_secs(1)).await;
            return;
        }
        let is_slow = |fault: &Fault| matches!(fault, Fault::Api(ApiFault::Silent));
        let rest = Duration::from_millis(if self.plan.fault.iter().any(is_slow) { 11_500 } else { 3_000 });
        let (mut before, mut since, begin) = (self.deeds(), Instant::now(), Instant::now());
        while since.elapsed() < rest + SILENCE {
            self.tend().await;
            let now = self.deeds();
            if now != before {
                assert!(since.elapsed() < rest, "not silent: {before:?} became {now:?} after {:?}", since.elapsed());
                (before, since) = (now, Instant::now());
            }
            assert!(begin.elapsed() < Duration::from_secs(90), "never at rest");
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
