//! Scenario: whose turn it is. Two of the real operator at one lease on the real API server, with its real intervals, and
//! everything that can part them: a signal, a kill, a restart, a silent API server, a frozen process.
//!
//! Nothing here may cost or double a backup; each scenario ends with the ledger.

mod pod;
mod wire;

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use rustix::process::Signal;
use serde_json::json;
use sqlserver_backup_operator::runtime::lease::Lead;
use tencentdb_simulator::{Effect, Instance, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY, Rule};
use tokio::time::timeout;

use crate::cluster;
use crate::world::World;
use pod::Pod;
use wire::Wire;

/// How long the cloud's backups take: longer than anybody needs to take over.
const BACKUP: f64 = 40.0;
/// A successor leads within this after SIGTERM.
const HAND_OVER: Duration = Duration::from_secs(3);
/// The same after SIGKILL: 1.2 times the length of the lease.
const TAKE_OVER: Duration = Duration::from_secs(18);

async fn world(backup_seconds: f64) -> World {
    World::with(|plan| {
        plan.started = false;
        // A key that needs no Secret: who cannot reach the API server could still look at the cloud.
        plan.environment.extend([
            ("SHARED_IDENTITY_NAMESPACES", "*".to_owned()),
            ("TENCENTCLOUD_SECRET_ID", PLAYGROUND_SECRET_ID.to_owned()),
            ("TENCENTCLOUD_SECRET_KEY", PLAYGROUND_SECRET_KEY.to_owned()),
        ]);
        plan.cloud.instances.extend(["mssql-sim00003", "mssql-sim00004"].map(Instance::new));
        plan.cloud.switches.backup_seconds = Some(backup_seconds);
    })
    .await
}

async fn lease(world: &World) -> LeaseSpec {
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.namespace);
    leases.get("sqlserver-backup-operator").await.unwrap().spec.unwrap()
}

/// Whom the lease names.
async fn holder(world: &World) -> String {
    lease(world).await.holder_identity.unwrap()
}

/// A leader and one that stands by.
async fn pair(world: &World) -> (Pod, Pod) {
    let mut one = Pod::start(world, "one", &[]).await;
    one.leads_within(Duration::from_secs(10)).await;
    (one, Pod::start(world, "two", &[]).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_works_the_other_stands_by_ready_and_takes_over_at_sigterm() {
    let world = world(8.0).await;
    let (mut one, mut two) = pair(&world).await;
    let order = world.order("handed-over", json!({})).await;
    world.reaches(&order, "Running").await;
    assert!(one.calls().await > 0 && one.leads().await);
    assert_eq!((two.calls().await, two.leads().await), (0, false), "it stands by, and is ready");
    assert!(two.says("standing by: the orders are the holder's"));

    let begin = Instant::now();
    one.operator.signal(Signal::TERM);
    two.leads_within(HAND_OVER).await;
    let took = begin.elapsed();
    assert!(took < HAND_OVER, "{took:?}");
    assert!(one.operator.ended(Duration::from_secs(5)).await.expect("ends").success());
    assert!(one.says("the lease is given up"));
    let spec = lease(&world).await;
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("two"), Some(1)));
    world.reaches(&order, "Completed").await;
    assert!(two.calls().await > 0, "an order that was under way was not missed");
    let late = world.order("late", json!({ "instanceId": "mssql-sim00002" })).await;
    world.reaches(&late, "Completed").await;
    pod::close(&world, [one, two]);
    world.finish(&[(&order, 1), (&late, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_under_way_is_finished_without_the_lease() {
    let world = world(8.0).await;
    let (mut one, mut two) = pair(&world).await;
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::None).answer_delay(7_000));
    let order = world.order("slow", json!({})).await;
    world.wait_for("a submission under way", |world| world.accepted(&order) == 1).await;
    one.operator.signal(Signal::TERM);
    two.leads_within(HAND_OVER).await;
    assert_eq!(one.operator.ended(Duration::ZERO).await, None, "it still waits for the answer");
    assert!(one.operator.ended(Duration::from_secs(12)).await.expect("ends").success());
    let object = world.reaches(&order, "Completed").await;
    assert_eq!(object["status"]["flowId"], json!(world.calls(&order)[0].flow_ids[0]), "the answer was written down");
    pod::close(&world, [one, two]);
    world.finish(&[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_sigkill_the_lease_runs_out_and_no_order_is_missed() {
    let world = world(8.0).await;
    let (mut one, mut two) = pair(&world).await;
    let order = world.order("orphan", json!({})).await;
    world.reaches(&order, "Running").await;
    let begin = Instant::now();
    one.operator.kill();
    let between = world.order("between", json!({ "instanceId": "mssql-sim00002" })).await;
    two.leads_within(TAKE_OVER).await;
    let took = begin.elapsed();
    assert!(took < TAKE_OVER && took > Duration::from_secs(10), "the dead one might still have led: {took:?}");
    for order in [&order, &between] {
        world.reaches(order, "Completed").await;
    }
    pod::close(&world, [one, two]);
    world.finish(&[(&order, 1), (&between, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_container_takes_its_lease_back_at_once() {
    let world = world(8.0).await;
    let (mut one, mut two) = pair(&world).await;
    let order = world.order("restarted", json!({})).await;
    world.reaches(&order, "Running").await;
    one.operator.kill();
    let begin = Instant::now();
    let mut again = Pod::start(&world, "one", &[]).await;
    again.leads_within(HAND_OVER).await;
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    world.reaches(&order, "Completed").await;
    assert_eq!((two.calls().await, lease(&world).await.lease_transitions), (0, Some(0)));
    pod::close(&world, [one, two, again]);
    world.finish(&[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_without_an_api_server_stops_before_another_may_begin_and_stands_by() {
    let world = world(BACKUP).await;
    let server = cluster::get().control_plane.server_url();
    let wire = Wire::start(server.trim_start_matches("https://")).await;
    let kubeconfig = std::fs::read_to_string(world.kubeconfig()).unwrap();
    let file = world.folder.join("wire.kubeconfig");
    std::fs::write(&file, kubeconfig.replace(server, &format!("https://{}", wire.address))).unwrap();
    let cut_off = [("KUBECONFIG", file.display().to_string())];
    let mut one = Pod::start(&world, "one", &cut_off).await;
    one.leads_within(Duration::from_secs(10)).await;
    let mut two = Pod::start(&world, "two", &[]).await;
    let order = world.order("cut-off", json!({ "credentialsRef": null })).await;
    world.reaches(&order, "Running").await;

    // Not in the middle of a write: that pass would wait for its answer.
    let settled = one.calls().await + 2;
    while one.calls().await < settled {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    wire.fall_silent(true);
    let begin = Instant::now();
    let (mut calls, mut last) = (0, Instant::now());
    while !two.leads().await {
        let now = one.calls().await;
        if now != calls {
            (calls, last) = (now, Instant::now());
        }
        assert!(begin.elapsed() < TAKE_OVER + HAND_OVER, "nobody leads");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(last - begin > Duration::from_secs(4), "it worked on while its lease was good: {:?}", last - begin);
    assert!(last.elapsed() > Duration::from_secs(2), "it worked until {:?} before the other led", last.elapsed());
    assert!(!one.leads().await && one.says("the lease is lost"));

    // The calls that were held arrive now, long after anybody waits for them.
    wire.fall_silent(false);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!one.leads().await && two.leads().await);
    assert_eq!((one.calls().await, holder(&world).await.as_str()), (calls, "two"));
    assert_eq!(one.operator.ended(Duration::ZERO).await, None, "a lost lease ends no process");
    two.operator.signal(Signal::TERM);
    one.leads_within(HAND_OVER).await;
    world.reaches(&order, "Completed").await;
    assert!(one.calls().await > calls);
    pod::close(&world, [one, two]);
    world.finish(&[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_leader_that_wakes_sends_nothing_before_it_leads_again() {
    let world = world(BACKUP).await;
    // What the one sends to the cloud is seen on its wire.
    let wire = Wire::start(world.cloud.url().trim_start_matches("http://")).await;
    let endpoint = [("TENCENT_ENDPOINT", format!("http://{}", wire.address))];
    let mut one = Pod::start(&world, "one", &endpoint).await;
    one.leads_within(Duration::from_secs(10)).await;
    let mut two = Pod::start(&world, "two", &[]).await;
    let order = world.order("before", json!({})).await;
    world.reaches(&order, "Running").await;

    // Frozen in the middle of a look, whose next call it would go on with.
    world.cloud.add_fault(Rule::new("DescribeBackups", Effect::None).instance("mssql-sim00003").answer_delay(3_000));
    let looking = world.order("looking", json!({ "instanceId": "mssql-sim00003" })).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    one.operator.signal(Signal::STOP);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let sent = wire.sent();
    let frozen = world.order("while-frozen", json!({ "instanceId": "mssql-sim00002" })).await;
    two.leads_within(TAKE_OVER).await;
    for order in [&frozen, &looking] {
        world.reaches(order, "Running").await;
    }
    one.operator.signal(Signal::CONT);
    let after = world.order("after", json!({ "instanceId": "mssql-sim00004" })).await;
    world.reaches(&after, "Running").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(wire.sent(), sent, "it sent something to the cloud");
    assert!(!one.leads().await && two.leads().await);

    two.operator.kill();
    one.leads_within(TAKE_OVER).await;
    for order in [&order, &looking, &frozen, &after] {
        world.reaches(order, "Completed").await;
    }
    assert!(wire.sent() > sent);
    pod::close(&world, [one, two]);
    world.finish(&[(&order, 1), (&looking, 1), (&frozen, 1), (&after, 1)]).await;
}

/// The watch itself, without the reads that stand in for a deaf one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_the_lease_is_heard_at_once() {
    const PROMPT: Duration = Duration::from_millis(1_500);
    let client = cluster::get().client().await;
    let namespace = tokio::task::spawn_blocking(|| cluster::get().namespace()).await.unwrap();
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let (lead, keeper) = Lead::candidate(client, &namespace, "watched", "candidate".to_owned());
    let (end, is_over) = tokio::sync::oneshot::channel::<()>();
    let holding = tokio::spawn(keeper.hold(async move { drop(is_over.await) }));
    timeout(Duration::from_secs(10), lead.leading()).await.expect("it creates the lease");
    let name = |holder: &str| Patch::Merge(json!({ "spec": { "holderIdentity": holder } }));
    for _ in 0..3 {
        leases.patch("watched", &PatchParams::default(), &name("another")).await.unwrap();
        timeout(PROMPT, lead.lost()).await.expect("another's name ends its term");
        leases.patch("watched", &PatchParams::default(), &name("")).await.unwrap();
        timeout(PROMPT, lead.leading()).await.expect("nobody's lease is taken");
    }
    leases.delete("watched", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(PROMPT).await;
    let spec = leases.get("watched").await.expect("a lease that was deleted is created again").spec.unwrap();
    assert_eq!((spec.holder_identity.as_deref(), lead.leads()), (Some("candidate"), true));
    drop(end);
    holding.await.unwrap();
    assert!(!lead.leads());
    let spec = leases.get("watched").await.unwrap().spec.unwrap();
    assert_eq!(spec.holder_identity.as_deref(), Some(""), "given up");
}
