//! A program that stood still, or is about to end, in the middle of a pass: what it had planned is too old to send (I2), or
//! not its business any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use rustix::process::{Signal, kill_process};
use serde_json::json;
use tencentdb_simulator::{Effect, Rule, Stage};

use crate::cluster;
use crate::proxy::{self, Fate, Phase};
use crate::world::World;

/// For longer than a signature is good for here.
const STILL: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_stopped_between_the_intent_and_the_call_it_sends_what_the_cloud_must_refuse() {
    let mut world = World::with(|plan| {
        plan.started = false;
        plan.cloud.switches.signature_window_seconds = 2;
        plan.environment.insert("SIGNATURE_VALIDITY_SECONDS", "2".to_owned());
    })
    .await;
    let control_plane = &cluster::get().control_plane;
    let ca = std::fs::read(control_plane.ca_file()).unwrap();
    let victim = Arc::new(std::sync::OnceLock::new());
    let (known, has_slept) = (victim.clone(), AtomicBool::new(false));
    let listener: proxy::Listener = Arc::new(move |what, phase| {
        // The intent is durable, and its writer does not know yet.
        if what == "PATCH status" && phase == Phase::After && !has_slept.swap(true, Ordering::SeqCst) {
            let pid = *known.get().unwrap();
            kill_process(pid, Signal::STOP).unwrap();
            std::thread::spawn(move || {
                std::thread::sleep(STILL);
                kill_process(pid, Signal::CONT).unwrap();
            });
        }
        Fate::Pass
    });
    let address = proxy::start(control_plane.server_url(), &ca, listener).await;
    world.admit(cluster::get(), &address).await;
    world.spawn();
    victim.set(world.operator.as_ref().unwrap().pid()).unwrap();

    let order = world.order("late", json!({})).await;
    let intent = world.until(&order, "an intent", |object| object["status"]["intent"].is_object()).await;
    let time: jiff::Timestamp = intent["status"]["intent"]["time"].as_str().unwrap().parse().unwrap();
    world.wait_for("the late call", |world| !world.calls(&order).is_empty()).await;
    let call = world.calls(&order).remove(0);
    assert!(call.received.duration_since(time) >= jiff::SignedDuration::from_secs(3), "it came late: {call:?}");
    assert_eq!(call.signed_at, time.as_second().to_string(), "signed for the intent: {call:?}");
    assert!(!call.accepted, "{call:?}");
    // Its row waits for a minute, or for somebody who mends the clock.
    world.reaches(&order, "ClockSkew").await;
    let edit = Patch::Merge(json!({ "spec": { "submitDeadlineSeconds": 80_000 } }));
    world.api.patch(&order.name, &PatchParams::default(), &edit).await.unwrap();
    world.reaches(&order, "Completed").await;
    world.finish(&[(&order, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_that_looks_while_the_drain_begins_submits_nothing() {
    let mut world = World::usual().await;
    let pid = world.operator.as_ref().unwrap().pid();
    let has_ended = AtomicBool::new(false);
    world.cloud.on_event(move |event| {
        let is_look = event.action == "DescribeBackups" && event.stage == Stage::Received;
        if is_look && !has_ended.swap(true, Ordering::SeqCst) {
            kill_process(pid, Signal::TERM).unwrap();
        }
    });
    // Long enough for the signal to be heard before the look is over.
    world.cloud.add_fault(Rule::new("DescribeBackups", Effect::None).answer_delay(800));
    let order = world.order("draining", json!({})).await;
    let status = world.operator.as_mut().unwrap().ended(Duration::from_secs(15)).await.expect("ends");
    assert!(status.success(), "{status:?}");
    assert!(world.calls(&order).is_empty(), "submitted while draining: {:?}", world.calls(&order));
    let object = world.read(&order).await;
    assert!(object["status"]["intent"].is_null() && object["status"]["submitTime"].is_null(), "{object:#}");
    world.start().await;
    world.reaches(&order, "Completed").await;
    world.finish(&[(&order, 1)]).await;
}
