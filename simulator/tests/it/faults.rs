//! Every fault does to the client what it says, and the ledger knows the truth behind it.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tencentdb_simulator::{Cloud, Effect, Entry, Event, Rule, Stage, Verify};

use crate::client::{Call, INSTANCE, Response, UNPACKAGED, cloud, connect, create_all, list};

/// A cloud whose next `CreateBackup` suffers `effect`; what the client got; what the ledger says.
async fn suffer(effect: Effect) -> (Cloud, std::io::Result<Response>, Entry) {
    let cloud = cloud().await;
    cloud.add_fault(Rule::new("CreateBackup", effect));
    let got = create_all(&cloud, INSTANCE, "n").send(&cloud);
    let entry = cloud.ledger()[0].clone();
    (cloud, got, entry)
}

/// Waits until `is_so`.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn a_connection_is_dropped_before_or_after_acceptance() {
    for reset in [false, true] {
        let (cloud, got, entry) = suffer(Effect::DropBefore { reset }).await;
        assert_eq!(got.unwrap_err().kind() == std::io::ErrorKind::ConnectionReset, reset);
        assert_eq!((entry.accepted, entry.delivered, entry.code.as_str()), (false, false, "Dropped"));
        assert!(cloud.backups().is_empty());
        let (cloud, got, entry) = suffer(Effect::DropAfter { reset }).await;
        assert_eq!(got.unwrap_err().kind() == std::io::ErrorKind::ConnectionReset, reset);
        assert_eq!((entry.accepted, entry.delivered, entry.code.as_str()), (true, false, "OK"));
        assert_eq!(entry.flow_ids, [cloud.backups()[0].flow_id]);
    }
}

#[tokio::test]
async fn an_answer_that_is_none_may_hide_an_accepted_call() {
    for accept in [false, true] {
        let status = Effect::Status { status: 502, body: "bad gateway".to_owned(), accept };
        let (_, got, entry) = suffer(status).await;
        let got = got.unwrap();
        assert_eq!((got.status, got.body.as_str(), entry.accepted), (502, "bad gateway", accept));
        assert_eq!((entry.code.as_str(), entry.delivered), ("HTTP 502", true));
        let (_, got, entry) = suffer(Effect::Garbage { accept }).await;
        let got = got.unwrap();
        assert!(got.status == 200 && got.body.starts_with("<!DOCTYPE html>"));
        assert_eq!((entry.accepted, got.header("content-type")), (accept, "text/html"));
        let error = Effect::Error { code: "InternalError".to_owned(), message: "m".to_owned(), accept };
        let (_, got, entry) = suffer(error).await;
        let got: Value = serde_json::from_str(&got.unwrap().body).unwrap();
        assert_eq!((got["Response"]["Error"]["Code"].as_str(), entry.accepted), (Some("InternalError"), accept));
        assert_eq!(entry.code, "InternalError");
    }
    let (_, got, entry) = suffer(Effect::HalfBody).await;
    let error = got.unwrap_err().to_string();
    assert!(error.starts_with("cut off: {"), "{error}");
    assert_eq!((entry.accepted, entry.delivered), (true, false));
}

#[tokio::test]
async fn an_answer_may_come_strangely_and_be_true() {
    let kind = Effect::ContentType { value: "application/json; charset=utf-8".to_owned() };
    for effect in [kind, Effect::Drip { bytes: 16, every_milliseconds: 20 }, Effect::Big { mebibytes: 2 }] {
        let start = Instant::now();
        let (_, got, entry) = suffer(effect.clone()).await;
        let got = got.unwrap();
        let answer: Value = serde_json::from_str(&got.body).unwrap();
        assert_eq!(answer["Response"]["FlowId"], entry.flow_ids[0]);
        assert!(entry.delivered, "{effect:?}");
        if let Effect::Drip { .. } = effect {
            assert!(start.elapsed() > Duration::from_millis(80));
        } else if let Effect::Big { .. } = effect {
            assert!(got.body.len() > 2 * 1024 * 1024);
        } else {
            assert_eq!(got.header("content-type"), "application/json; charset=utf-8");
        }
    }
}

#[tokio::test]
async fn an_answer_whose_client_left_halfway_is_not_delivered() {
    let cloud = cloud().await;
    cloud.add_fault(Rule::new("CreateBackup", Effect::Drip { bytes: 1, every_milliseconds: 20 }));
    let mut stream = connect(cloud.url()).unwrap();
    stream.write_all(&create_all(&cloud, INSTANCE, "n").bytes()).unwrap();
    stream.read_exact(&mut [0; 20]).unwrap();
    drop(stream);
    // Longer than the whole answer takes.
    std::thread::sleep(Duration::from_secs(3));
    let entry = cloud.ledger()[0].clone();
    assert!(entry.accepted && !entry.delivered);
}

#[tokio::test]
async fn a_throttled_or_redirected_request_takes_no_effect() {
    let (cloud, got, entry) = suffer(Effect::Throttle).await;
    assert!(got.unwrap().body.contains("RequestLimitExceeded"));
    assert_eq!((entry.accepted, entry.code.as_str()), (false, "RequestLimitExceeded"));
    assert_eq!(create_all(&cloud, INSTANCE, "n").code(&cloud), "OK", "one hit and no more");
    let (_, got, entry) = suffer(Effect::Redirect { location: "/elsewhere".to_owned(), status: 307 }).await;
    let got = got.unwrap();
    assert_eq!((got.status, got.header("location"), entry.accepted), (307, "/elsewhere", false));
}

#[tokio::test]
async fn the_flow_id_of_an_answer_can_be_anything() {
    let answer = |text: &[&str], set: Value, remove: &[&str]| Effect::Answer {
        text: text.iter().map(ToString::to_string).collect(),
        set: set.as_object().unwrap().clone(),
        remove: remove.iter().map(ToString::to_string).collect(),
    };
    for (effect, expected) in [
        (answer(&[], json!({}), &["FlowId"]), Value::Null),
        (answer(&[], json!({"FlowId": 0}), &[]), json!(0)),
        (answer(&[], json!({"FlowId": -5}), &[]), json!(-5)),
        (answer(&[], json!({"FlowId": 9_223_372_036_854_775_808_u64}), &[]), json!(9_223_372_036_854_775_808_u64)),
        (answer(&["FlowId"], json!({"Surprise": [1]}), &[]), json!("5293")),
    ] {
        let (_, got, entry) = suffer(effect).await;
        let got: Value = serde_json::from_str(&got.unwrap().body).unwrap();
        assert_eq!(got["Response"]["FlowId"], expected);
        assert_eq!(entry.flow_ids, [5293]);
    }
}

#[tokio::test]
async fn one_request_can_be_executed_twice() {
    let (cloud, got, entry) = suffer(Effect::AcceptTwice).await;
    assert!(got.is_ok());
    assert_eq!((entry.flow_ids.len(), cloud.backups().len()), (2, 2));
    let rows = list(&cloud, INSTANCE, &json!({"BackupName": "n"})).response(&cloud);
    assert_eq!(rows["TotalCount"], 2);
}

#[tokio::test]
async fn a_held_request_is_accepted_after_its_client_is_gone() {
    let cloud = cloud().await;
    cloud.add_fault(Rule::new("CreateBackup", Effect::Hold { seconds: 1.0, verify: Verify::Arrival, hang_up: false }));
    let mut stream = connect(cloud.url()).unwrap();
    stream.write_all(&create_all(&cloud, INSTANCE, "n").bytes()).unwrap();
    eventually("the request arrives", || !cloud.ledger().is_empty());
    drop(stream);
    assert!(!cloud.ledger()[0].accepted);
    eventually("it is accepted", || !cloud.ledger()[0].code.is_empty());
    let entry = cloud.ledger()[0].clone();
    assert!(entry.accepted && !entry.delivered);
    let held = entry.accepted_at.unwrap().duration_since(entry.received);
    assert!(held.as_millis() >= 1_000, "{held}");
}

#[tokio::test]
async fn a_held_request_is_verified_when_it_arrives_or_when_it_is_accepted() {
    for (verify, accepted) in [(Verify::Arrival, true), (Verify::Acceptance, false)] {
        let cloud = cloud().await;
        cloud.add_fault(Rule::new("CreateBackup", Effect::Hold { seconds: 1.0, verify, hang_up: true }));
        assert!(create_all(&cloud, INSTANCE, "n").send(&cloud).is_err(), "the connection ends at once");
        // Meanwhile the signature runs out.
        cloud.switch(|switches| switches.clock_offset_seconds = 1_000);
        eventually("the request is decided", || !cloud.ledger()[0].code.is_empty());
        assert_eq!(cloud.ledger()[0].accepted, accepted, "{verify:?}");
    }
}

#[tokio::test]
async fn a_rule_hits_only_what_it_names() {
    let cloud = cloud().await;
    cloud.add_fault(Rule::new("CreateBackup", Effect::Throttle).instance(INSTANCE).name("_1").skip(1).times(2));
    let code = |instance: &str, name: &str| create_all(&cloud, instance, name).code(&cloud);
    cloud.switch(|switches| switches.backup_seconds = Some(0.0));
    assert_eq!(code(INSTANCE, "a_1"), "OK");
    assert_eq!(code(UNPACKAGED, "a_1"), "OK");
    assert_eq!(code(INSTANCE, "a_2"), "OK");
    assert_eq!(list(&cloud, INSTANCE, &json!({"BackupName": "a_1"})).code(&cloud), "OK");
    assert_eq!(code(INSTANCE, "b_1"), "RequestLimitExceeded");
    assert_eq!(code(INSTANCE, "b_1"), "RequestLimitExceeded");
    assert_eq!(code(INSTANCE, "b_1"), "OK");
    assert_eq!((cloud.faults()[0].matched, cloud.faults()[0].acted), (3, 2));
    cloud.add_fault(Rule::new("CreateBackup", Effect::Throttle).forever());
    assert_eq!(code(INSTANCE, "c"), "RequestLimitExceeded");
    cloud.clear_faults();
    assert_eq!(code(INSTANCE, "c"), "OK");
}

#[tokio::test]
async fn delays_lie_before_the_effect_or_before_the_answer() {
    let cloud = cloud().await;
    cloud.add_fault(Rule::new("CreateBackup", Effect::None).delay(200).answer_delay(300));
    let start = Instant::now();
    assert_eq!(create_all(&cloud, INSTANCE, "n").code(&cloud), "OK");
    let whole = start.elapsed().as_millis();
    let entry = cloud.ledger()[0].clone();
    let before = u128::try_from(entry.accepted_at.unwrap().duration_since(entry.received).as_millis()).unwrap();
    assert!(before >= 200 && whole >= before + 300, "{before} of {whole}");
}

#[tokio::test]
async fn a_listener_hears_of_each_position_while_the_request_stands_still_there() {
    let cloud = cloud().await;
    let heard: Arc<Mutex<Vec<(Event, usize, bool)>>> = Arc::default();
    let (for_listener, seen) = (cloud.clone(), Arc::clone(&heard));
    cloud.on_event(move |event| {
        let delivered = for_listener.ledger()[0].delivered;
        seen.lock().unwrap().push((event.clone(), for_listener.backups().len(), delivered));
    });
    assert_eq!(create_all(&cloud, INSTANCE, "n").code(&cloud), "OK");
    eventually("the answer is noted", || heard.lock().unwrap().len() == 3);
    let heard = heard.lock().unwrap();
    let told: Vec<_> = heard.iter().map(|(event, backups, sent)| (event.stage, *backups, *sent)).collect();
    assert_eq!(told, [(Stage::Received, 0, false), (Stage::Decided, 1, false), (Stage::Answered, 1, true)]);
    assert_eq!((heard[1].0.code.as_str(), heard[1].0.flow_id), ("OK", Some(5293)));
    assert_eq!(heard[2].0.name, "n");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let cloud = cloud().await;
    cloud.switch(|switches| switches.idle_seconds = 1.5);
    let mut stream = connect(cloud.url()).unwrap();
    let call = Call::new(&cloud, "DescribeDBInstances", &json!({}));
    let request = String::from_utf8(call.bytes()).unwrap().replace("Connection: close\r\n", "");
    stream.write_all(request.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    stream.write_all(request.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "in use it stays open: {answers}");
    assert!(!answers.contains("408"), "{answers}");
}

#[tokio::test]
async fn several_clouds_live_side_by_side_and_end_with_their_last_handle() {
    let (one, other) = (cloud().await, cloud().await);
    assert_eq!(create_all(&one, INSTANCE, "n").code(&one), "OK");
    assert!(other.ledger().is_empty());
    let url = one.url().to_owned();
    drop(one);
    eventually("the port closes", || connect(&url).is_err());
    assert_eq!(Call::new(&other, "DescribeDBInstances", &json!({})).code(&other), "OK");
}
