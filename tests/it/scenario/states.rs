//! Every row of the state table, reached for real and waited for with the real kubectl, as its columns show it.
//!
//! Not one status is asserted from inside: what `kubectl wait` and `kubectl get` say is what people and scripts have.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tencentdb_simulator::{Effect, End, Instance, Key, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY, Rule};

use crate::gitops;
use crate::recorder::condition;
use crate::world::{Order, SECRET, World};

/// Reason, Submitted, Ready, Reconciling, Stalled.
const TABLE: [(&str, [&str; 4]); 21] = [
    ("Pending", ["Unknown", "Unknown", "True", "False"]),
    ("Queued", ["False", "False", "True", "False"]),
    ("InstanceBusy", ["False", "False", "True", "False"]),
    ("DatabaseBusy", ["False", "False", "True", "False"]),
    ("Throttled", ["False", "False", "True", "False"]),
    ("CloudUnreachable", ["False", "False", "True", "False"]),
    ("CredentialsUnavailable", ["False", "False", "True", "False"]),
    ("AccessDenied", ["False", "False", "True", "False"]),
    ("ClockSkew", ["False", "False", "True", "False"]),
    ("Submitting", ["Unknown", "False", "True", "False"]),
    ("OutcomeUnknown", ["Unknown", "False", "True", "False"]),
    ("InstanceNotFound", ["False", "False", "False", "True"]),
    ("DatabaseNotFound", ["False", "False", "False", "True"]),
    ("InvalidRequest", ["False", "False", "False", "True"]),
    ("DeadlineExceeded", ["False", "False", "False", "True"]),
    ("Running", ["True", "False", "True", "False"]),
    ("Overdue", ["True", "False", "True", "False"]),
    ("Unobservable", ["True", "Unknown", "True", "False"]),
    ("Completed", ["True", "True", "False", "False"]),
    ("Failed", ["True", "False", "False", "True"]),
    ("Missing", ["True", "False", "False", "True"]),
];

/// kubectl waits for the row, and for each of its four conditions, and shows it in the columns; the tools that deploy from
/// Git say of it what their page says.
async fn is_in(world: &World, order: &Order, reason: &str) {
    let verdicts = TABLE.iter().find(|(row, _)| *row == reason).unwrap().1;
    let target = format!("ssb/{}", order.name);
    let wait = |wanted: String, patience: &'static str| {
        let target = target.clone();
        async move { world.kubectl(&["wait", &target, &format!("--for={wanted}"), patience]).await.unwrap() }
    };
    let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")].reason}"#;
    wait(format!("{path}={reason}"), "--timeout=100s").await;
    let kinds = ["Submitted", "Ready", "Reconciling", "Stalled"].into_iter().zip(verdicts);
    if reason == "Pending" {
        // Of a generation that nobody has looked at: a tool that waits must not take it for an answer.
        let hasty = world.kubectl(&["wait", &target, "--for=condition=Stalled=False", "--timeout=1s"]).await;
        assert!(hasty.is_err(), "{hasty:?}");
    } else {
        join_all(kinds.map(|(kind, verdict)| wait(format!("condition={kind}={verdict}"), "--timeout=15s"))).await;
    }
    gitops::agree(&world.reaches(order, reason).await, reason);
    let columns = world.kubectl(&["get", "ssb", &order.name]).await.unwrap();
    let mut lines = columns.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let (head, row) = (lines.next().unwrap(), lines.next().unwrap());
    assert_eq!(head, ["NAME", "READY", "STATUS", "INSTANCE", "FLOW", "SIZE", "AGE"]);
    assert_eq!(row[..3], [order.name.as_str(), verdicts[1], reason], "{columns}");
}

/// A key of its own, in a Secret of that name, so that what befalls it befalls nobody else.
async fn key(world: &World, name: &str) -> Key {
    let key = Key::new(&format!("AKID{}", name.to_uppercase()), &format!("{name}-key-not-real"));
    world.cloud.put_key(key.clone());
    world.put_secret(name, &json!({ "secretId": key.secret_id, "secretKey": key.secret_key })).await;
    key
}

/// An order for an instance of its own.
async fn order(world: &World, name: &str, change: impl FnOnce(&mut Instance), mut spec: Value) -> Order {
    let id = format!("mssql-{}", name.replace('-', ""));
    let mut instance = Instance::new(&id);
    change(&mut instance);
    world.cloud.put_instance(instance);
    spec["instanceId"] = json!(id);
    world.order(name, spec).await
}

fn rule(name: &str, action: &str, effect: Effect) -> Rule {
    Rule::new(action, effect).instance(&format!("mssql-{}", name.replace('-', ""))).forever()
}

fn error(code: &str) -> Effect {
    Effect::Error { code: code.to_owned(), message: "No.".to_owned(), accept: false }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_heals_by_itself() {
    let world = World::with(|plan| plan.started = false).await;
    let away = || Effect::Status { status: 503, body: String::new(), accept: false };
    world.cloud.add_fault(rule("unreachable", "DescribeBackups", away()));
    let slow = Rule::new("CreateBackup", Effect::Throttle).instance("mssql-throttled").forever();
    world.cloud.add_fault(slow);
    key(&world, "pace").await;
    let databases = |name: &str| json!({ "strategy": "Databases", "databases": [name] });
    let bad = |instance: &mut Instance| instance.bad_databases = vec!["stock".to_owned()];
    let orders = [
        (order(&world, "busy", |_| {}, json!({})).await, "InstanceBusy"),
        (order(&world, "bad-database", bad, databases("stock")).await, "DatabaseBusy"),
        (order(&world, "throttled", |_| {}, json!({ "credentialsRef": { "name": "pace" } })).await, "Throttled"),
        (order(&world, "unreachable", |_| {}, json!({})).await, "CloudUnreachable"),
    ];
    let nightly = world.cloud.begin_nightly("mssql-busy", Some(1e6)).unwrap();
    for (order, _) in &orders {
        is_in(&world, order, "Pending").await;
    }
    let mut world = world;
    world.start().await;
    for (order, reason) in &orders {
        is_in(&world, order, reason).await;
        let object = world.read(order).await;
        assert!(object["status"]["error"]["code"].is_string(), "{object:#}");
    }
    world.cloud.clear_faults();
    world.cloud.change_instance("mssql-baddatabase", |instance| instance.bad_databases.clear());
    world.cloud.finish(nightly, End::Success);
    for (order, _) in &orders {
        is_in(&world, order, "Completed").await;
    }
    world.finish(&orders.iter().map(|(order, _)| (order, 1)).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_without_a_copy_is_stalled() {
    let world = World::usual().await;
    world.cloud.add_fault(rule("illegal", "CreateBackup", error("InvalidParameter.InputIllegal")));
    let databases = json!({ "strategy": "Databases", "databases": ["orders", "nobody-knows-it"] });
    let fails = |instance: &mut Instance| instance.backups_end = End::Failed;
    let not_there = world.order("no-instance", json!({ "instanceId": "mssql-nobody" })).await;
    let cases = [
        (not_there, "InstanceNotFound", Some("ResourceNotFound.InstanceNotFound"), 0),
        (
            order(&world, "no-database", |_| {}, databases).await,
            "DatabaseNotFound",
            Some("ResourceNotFound.DBNotFound"),
            0,
        ),
        (order(&world, "illegal", |_| {}, json!({})).await, "InvalidRequest", Some("InvalidParameter.InputIllegal"), 0),
        (order(&world, "fails", fails, json!({})).await, "Failed", None, 1),
    ];
    for (order, reason, code, _) in &cases {
        is_in(&world, order, reason).await;
        let object = world.read(order).await;
        let error = &object["status"]["error"];
        assert_eq!(error["code"].as_str(), *code, "{object:#}");
        let message = condition(&object, "Ready")["message"].as_str().unwrap();
        if code.is_some() {
            let id = error["requestId"].as_str().unwrap();
            assert!(message.contains(id) && !error["message"].as_str().unwrap().contains(id), "{object:#}");
        }
        let events = world.told(order, reason).await;
        assert_eq!(events.last().map(|(told, _)| told.as_str()), Some(*reason), "{events:?}");
        let described = world.kubectl(&["describe", "ssb", &order.name]).await.unwrap();
        assert!(described.contains(message), "{described}");
        // A script that waits for the end, and not for a copy, ends.
        world
            .kubectl(&["wait", &format!("ssb/{}", order.name), "--for=condition=Stalled", "--timeout=1s"])
            .await
            .unwrap();
    }
    let wide = world.kubectl(&["get", "ssb", "no-database", "--output", "wide"]).await.unwrap();
    assert!(wide.contains("Databases") && wide.contains("ResourceNotFound.DBNotFound"), "{wide}");
    world.finish(&cases.iter().map(|(order, .., accepted)| (order, *accepted)).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_of_an_accepted_order() {
    let world = World::usual().await;
    let watcher = key(&world, "watcher").await;
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::None).instance("mssql-followed").delay(12_000));
    world.cloud.add_fault(rule("lost", "DescribeBackups", error("InternalError")).skip(2));
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::HalfBody).instance("mssql-lost"));
    let by_hand = |instance: &mut Instance| instance.backup_seconds = Some(100_000.0);
    let followed = order(&world, "followed", by_hand, json!({ "credentialsRef": { "name": "watcher" } })).await;
    let lost = order(&world, "lost", |_| {}, json!({})).await;
    is_in(&world, &followed, "Submitting").await;
    is_in(&world, &lost, "OutcomeUnknown").await;
    is_in(&world, &followed, "Running").await;
    world.cloud.clear_faults();
    is_in(&world, &lost, "Completed").await;
    let denied = vec!["DescribeBackupByFlowId".to_owned(), "DescribeBackups".to_owned()];
    world.cloud.put_key(Key { denied, ..watcher.clone() });
    is_in(&world, &followed, "Unobservable").await;
    let object = world.read(&followed).await;
    assert_eq!(object["status"]["error"]["code"], "UnauthorizedOperation.PermissionDenied");
    world.cloud.put_key(watcher);
    is_in(&world, &followed, "Running").await;
    assert!(world.read(&followed).await["status"]["error"].is_null(), "seen again");
    let flow = world.calls(&followed)[0].flow_ids[0];
    world.cloud.finish(flow, End::Success);
    is_in(&world, &followed, "Completed").await;
    world.finish(&[(&followed, 1), (&lost, 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_without_permission_and_a_clock_that_is_wrong() {
    let world = World::with(|plan| plan.cloud.switches.clock_offset_seconds = -1_000).await;
    let skewed = world.order("skewed", json!({})).await;
    is_in(&world, &skewed, "ClockSkew").await;
    world.finish(&[(&skewed, 0)]).await;

    let world = World::usual().await;
    let reader = key(&world, "reader").await;
    world.cloud.put_key(Key { denied: vec!["CreateBackup".to_owned()], ..reader });
    let denied = world.order("denied", json!({ "credentialsRef": { "name": "reader" } })).await;
    is_in(&world, &denied, "AccessDenied").await;
    let object = world.read(&denied).await;
    assert_eq!(object["status"]["error"]["code"], "UnauthorizedOperation.PermissionDenied");
    assert!(!object["status"]["error"]["message"].as_str().unwrap().contains('\n'), "one line: {object:#}");
    world.finish(&[(&denied, 0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_heal_without_a_restart() {
    let world = World::usual().await;
    let good = json!({ "secretId": PLAYGROUND_SECRET_ID, "secretKey": PLAYGROUND_SECRET_KEY });
    let with = |key: &str, value: &str| {
        let mut secret = good.clone();
        secret[key] = json!(value);
        secret
    };
    let bad = [
        ("missing", None, "missing"),
        ("incomplete", Some(json!({ "secretId": PLAYGROUND_SECRET_ID })), "secretKey"),
        ("newline", Some(with("secretKey", &format!("{PLAYGROUND_SECRET_KEY}\n"))), "secretKey"),
        ("blank", Some(with("secretId", &format!(" {PLAYGROUND_SECRET_ID}"))), "secretId"),
        ("unknown", Some(with("secretId", "AKIDNOBODYKNOWS")), "SecretIdNotFound"),
        ("wrong-key", Some(with("secretKey", "wrong")), "SignatureFailure"),
    ];
    let mut orders = vec![];
    for (name, secret, says) in &bad {
        if let Some(secret) = secret {
            world.put_secret(name, secret).await;
        }
        orders.push((order(&world, name, |_| {}, json!({ "credentialsRef": { "name": name } })).await, says));
    }
    for (order, says) in &orders {
        let object = world.reaches(order, "CredentialsUnavailable").await;
        let message = condition(&object, "Ready")["message"].as_str().unwrap();
        assert!(message.contains(**says), "{message}");
    }
    is_in(&world, &orders[0].0, "CredentialsUnavailable").await;
    for (name, ..) in &bad {
        world.put_secret(name, &good).await;
    }
    for (order, _) in &orders {
        is_in(&world, order, "Completed").await;
        assert_eq!(world.writes(order), 4, "the usual three, and one row more");
    }
    assert_eq!(world.cloud.ledger().len(), bad.len());
    world.finish(&orders.iter().map(|(order, _)| (order, 1)).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_not_accepted_in_time_ends() {
    let world = World::usual().await;
    world.cloud.begin_nightly("mssql-sim00001", Some(1e6));
    let late = world.order("late", json!({ "submitDeadlineSeconds": 60 })).await;
    let keyless =
        json!({ "instanceId": "mssql-sim00002", "submitDeadlineSeconds": 60, "credentialsRef": { "name": "no" } });
    let keyless = world.order("keyless", keyless).await;
    is_in(&world, &late, "InstanceBusy").await;
    is_in(&world, &keyless, "CredentialsUnavailable").await;
    is_in(&world, &late, "DeadlineExceeded").await;
    is_in(&world, &keyless, "DeadlineExceeded").await;
    let object = world.read(&late).await;
    let message = condition(&object, "Ready")["message"].as_str().unwrap();
    assert!(message.contains("ResourceUnavailable.InstanceStatusInvalid"), "says what kept it: {message}");
    let created = object["metadata"]["creationTimestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let last = world.calls(&late).last().unwrap().received;
    assert!(last.duration_since(created).as_secs() < 60, "submitted past its deadline");
    world.finish(&[(&late, 0), (&keyless, 0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_finds_no_room_says_so() {
    // One submission a second; the last of these waits for longer than a minute.
    let world = World::with(|plan| {
        plan.environment.insert("API_SHARE", "0.05".to_owned());
        plan.cloud.switches.backup_seconds = Some(1.0);
    })
    .await;
    let mut orders = vec![];
    for number in 0..90 {
        orders.push(order(&world, &format!("queue-{number}"), |_| {}, json!({})).await);
    }
    // Whose turn comes last: by creation, to the second, then by UID.
    let mut ages = vec![];
    for order in &orders {
        let object = world.read(order).await;
        ages.push((object["metadata"]["creationTimestamp"].to_string(), order.uid.clone()));
    }
    let newest = (0..orders.len()).max_by_key(|at| &ages[*at]).unwrap();
    let last = &orders[newest];
    is_in(&world, last, "Queued").await;
    // Following waits behind looking, so the first of them complete late.
    for order in &orders {
        world.until(order, "acceptance", |object| condition(object, "Submitted")["status"] == "True").await;
    }
    assert_eq!(world.reasons(last)[..4], ["Pending", "Queued", "Submitting", "Running"]);
    let codes = &world.cloud.counts()["CreateBackup"];
    assert_eq!((codes["OK"], codes.len()), (90, 1), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_long_ago_are_overdue_or_missing() {
    let mut world = World::with(|plan| plan.started = false).await;
    let flow = world.cloud.begin_nightly("mssql-sim00001", Some(1e6)).unwrap();
    let (overdue, missing) = (world.order("overdue", json!({})).await, world.order("missing", json!({})).await);
    let day = Duration::from_hours(25);
    let ago = |how_long: Duration| {
        let time = world.cloud.now().checked_sub(how_long).unwrap();
        json!(jiff::Timestamp::from_second(time.as_second()).unwrap().to_string())
    };
    let stored = |flow: i64, reason: &str, ready: &str, since: Duration| {
        let condition = |kind: &str, status: &str, reason: &str| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": "m", "lastTransitionTime": ago(since),
                "observedGeneration": 1,
            })
        };
        json!({
            "observedGeneration": 1, "attempts": 1, "submitTime": ago(since), "flowId": flow,
            "conditions": [
                condition("Submitted", "True", "Accepted"), condition("Ready", ready, reason),
                condition("Reconciling", "True", reason), condition("Stalled", "False", reason),
            ],
        })
    };
    let running = stored(flow, "Running", "False", Duration::from_hours(3));
    world.patch_status(&overdue, running).await.unwrap();
    let mut gone = stored(4_711, "Unobservable", "Unknown", day);
    // A day counts from the first look that found nothing, not from the last one that found something.
    gone["error"] = json!({ "code": "NotFound", "message": "m", "time": ago(day) });
    world.patch_status(&missing, gone).await.unwrap();
    world.start().await;
    is_in(&world, &overdue, "Overdue").await;
    is_in(&world, &missing, "Missing").await;
    world.cloud.finish(flow, End::Success);
    is_in(&world, &overdue, "Completed").await;
    assert!(world.cloud.ledger().is_empty(), "nothing was submitted under {SECRET}");
    world.is_silent(Duration::from_secs(3)).await;
}
