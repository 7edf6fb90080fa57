//! The process among others: what a signal does to work under way, what it shows of itself, and what a restart costs.
//!
//! Signals without any cluster are the subject of `process.rs` beside this folder.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tencentdb_simulator::{Effect, Rule};

use crate::operator::fetch;
use crate::world::{INSTANCE, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_waits_for_the_answer_to_a_submission_and_writes_it_down() {
    let mut world = World::usual().await;
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::None).answer_delay(4_000));
    let order = world.order("drained", json!({})).await;
    world.wait_for("a submission under way", |world| world.accepted(&order) == 1).await;
    let begin = Instant::now();
    let operator = world.operator.as_mut().unwrap();
    operator.signal(Signal::TERM);
    let status = operator.ended(Duration::from_secs(15)).await.expect("ends");
    assert!(status.success() && begin.elapsed() > Duration::from_secs(1), "{status:?} after {:?}", begin.elapsed());
    let object = world.reaches(&order, "Running").await;
    assert_eq!(object["status"]["flowId"], json!(world.calls(&order)[0].flow_ids[0]), "the receipt is not lost");
    world.start().await;
    world.reaches(&order, "Completed").await;
    assert_eq!(world.reasons(&order), ["Pending", "Submitting", "Running", "Completed"]);
    world.finish(&[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_that_cannot_finish_ends_in_time_and_the_next_start_adopts() {
    let mut world = World::with(|plan| {
        plan.environment.insert("DRAIN_SECONDS", "2".to_owned());
    })
    .await;
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::None).answer_delay(15_000));
    let order = world.order("cut-off", json!({})).await;
    world.wait_for("a submission under way", |world| world.accepted(&order) == 1).await;
    let begin = Instant::now();
    let operator = world.operator.as_mut().unwrap();
    operator.signal(Signal::TERM);
    let status = operator.ended(Duration::from_secs(10)).await.expect("ends");
    assert_eq!(status.code(), Some(1), "work was left open");
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    world.start().await;
    world.reaches(&order, "Completed").await;
    world.finish(&[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_new_is_begun_while_draining() {
    let mut world = World::usual().await;
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::None).instance(INSTANCE).answer_delay(4_000));
    let order = world.order("first", json!({})).await;
    world.wait_for("a submission under way", |world| world.accepted(&order) == 1).await;
    world.operator.as_ref().unwrap().signal(Signal::TERM);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let late = world.order("late", json!({ "instanceId": "mssql-sim00002" })).await;
    world.operator.as_mut().unwrap().ended(Duration::from_secs(15)).await.expect("ends");
    assert!(world.calls(&late).is_empty(), "submitted while draining");
    world.start().await;
    for order in [&order, &late] {
        world.reaches(order, "Completed").await;
    }
    world.finish(&[(&order, 1), (&late, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_it_while_the_api_server_is_unreachable() {
    let mut world = World::with(|plan| {
        plan.started = false;
        plan.environment.insert("DRAIN_SECONDS", "5".to_owned());
    })
    .await;
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let kubeconfig = std::fs::read_to_string(world.kubeconfig()).unwrap();
    let server = &crate::cluster::get().control_plane;
    std::fs::write(world.kubeconfig(), kubeconfig.replace(server.server_url(), &format!("https://{port}"))).unwrap();
    world.spawn();
    let admin = world.operator.as_mut().unwrap().admin().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (ready, missing) = fetch(&format!("{admin}/readyz")).await.unwrap();
    assert!(ready != 200 && missing.contains("first list"), "{ready}: {missing}");
    assert_eq!(fetch(&format!("{admin}/livez")).await.unwrap().0, 200, "it is not dead, it waits");
    let begin = Instant::now();
    let operator = world.operator.as_mut().unwrap();
    operator.signal(Signal::TERM);
    operator.ended(Duration::from_secs(8)).await.expect("ends");
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_shows_its_figures_and_logs_what_each_pass_was_about() {
    let mut world = World::with(|plan| {
        plan.environment.insert("RUST_LOG", "info".to_owned());
    })
    .await;
    let admin = world.operator.as_mut().unwrap().admin().await;
    assert_eq!(fetch(&format!("{admin}/livez")).await.unwrap().0, 200);
    assert_eq!(fetch(&format!("{admin}/readyz")).await.unwrap().0, 200);
    assert_eq!(fetch(&format!("{admin}/elsewhere")).await.unwrap().0, 404);
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::DropAfter { reset: true }).instance("mssql-sim00002"));
    world.cloud.add_fault(
        Rule::new("DescribeBackups", Effect::DropBefore { reset: true }).instance("mssql-sim00002").skip(2).forever(),
    );
    let good = world.order("good", json!({})).await;
    let lost = world.order("lost", json!({ "instanceId": "mssql-sim00002" })).await;
    world.reaches(&good, "Completed").await;
    world.reaches(&lost, "OutcomeUnknown").await;
    let in_doubt = |orders: u8| format!("orders_in_doubt{{namespace=\"{}\"}} {orders}", world.namespace);
    let begin = Instant::now();
    while !world.metrics().await.contains(&in_doubt(1)) {
        assert!(begin.elapsed() < Duration::from_secs(10), "{}", world.metrics().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.cloud.clear_faults();
    world.reaches(&lost, "Completed").await;
    let shows = |metrics: &str, line: &str| {
        assert!(
            metrics.lines().any(|it| it.starts_with(&format!("sqlserver_backup_operator_{line}"))),
            "{line} is not in {metrics}"
        );
    };
    world.is_silent(Duration::from_secs(1)).await;
    let metrics = world.metrics().await;
    for line in [
        r#"cloud_calls_total{action="CreateBackup",code="OK"} 1"#,
        r#"cloud_calls_total{action="DescribeBackupByFlowId",code="OK"}"#,
        r#"passes_total{result="ok"}"#,
        &in_doubt(0),
        "duplicate_backups_total 0",
        &format!(r#"last_success_timestamp_seconds{{namespace="{}"}}"#, world.namespace),
    ] {
        shows(&metrics, line);
    }
    let recorded: Vec<_> =
        world.lines().into_iter().filter(|line| line["message"] == "recorded" || line["step"].is_string()).collect();
    for order in [&good, &lost] {
        let about: Vec<_> = recorded.iter().filter(|line| line["span"]["uid"] == json!(order.uid)).collect();
        assert!(about.len() >= 2, "{recorded:#?}");
        let object = format!("{}/{}", world.namespace, order.name);
        assert!(about.iter().all(|line| line["span"]["object"] == json!(object) && line["step"].is_string()));
        assert!(about.iter().all(|line| line["timestamp"].as_str().unwrap().ends_with('Z')));
    }
    let id = &world.calls(&good)[0].request_id;
    assert!(recorded.iter().any(|line| line["request_id"] == json!(id)), "{id} is not in the log");
    world.finish(&[(&good, 1), (&lost, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_is_not_watched_is_left_alone() {
    let watching = World::usual().await;
    // Its operator watches the namespace of the other.
    let elsewhere = World::with(|plan| {
        plan.started = false;
    })
    .await;
    let order = elsewhere.order("unwatched", json!({})).await;
    let own = watching.order("watched", json!({})).await;
    watching.reaches(&own, "Completed").await;
    assert_eq!(elsewhere.reasons(&order), ["Pending"]);
    watching.finish(&[(&own, 1)]).await;
    elsewhere.finish(&[(&order, 0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_restart_with_finished_orders_is_silent() {
    let mut world = World::usual().await;
    let done = world.order("done", json!({})).await;
    let failed = world.order("failed", json!({ "instanceId": "mssql-nobody" })).await;
    world.reaches(&done, "Completed").await;
    world.reaches(&failed, "InstanceNotFound").await;
    world.is_silent(Duration::from_secs(1)).await;
    let (calls, versions) = (world.cloud.calls().len(), world.histories.len());
    world.start().await;
    world.is_silent(Duration::from_secs(3)).await;
    assert_eq!((world.cloud.calls().len(), world.histories.len()), (calls, versions), "a call, or a write");
    let success = format!(r#"last_success_timestamp_seconds{{namespace="{}"}}"#, world.namespace);
    assert!(world.metrics().await.contains(&success), "known again after a restart");
    world.finish(&[(&done, 1), (&failed, 0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_speaks_tls_to_a_cloud_that_an_additional_authority_vouches_for() {
    let mut world = World::with(|plan| {
        plan.cloud.tls = true;
        plan.started = false;
        // Never used towards this machine; nobody listens there.
        plan.environment.insert("HTTPS_PROXY", "http://127.0.0.1:1".to_owned());
    })
    .await;
    let file = world.folder.join("ca.pem");
    std::fs::write(&file, world.cloud.ca_pem().unwrap()).unwrap();
    world.environment.insert("EXTRA_CA_FILE", file.display().to_string());
    world.start().await;
    let order = world.order("tls", json!({})).await;
    let object = world.reaches(&order, "Completed").await;
    world.tells_the_truth(&order, &object);
    world.finish(&[(&order, 1)]).await;
}
