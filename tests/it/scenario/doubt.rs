//! In doubt (I4): every way to lose an answer ends in adoption with one backup, or in proven absence and one more attempt;
//! never in two.

use serde_json::{Map, Value, json};
use tencentdb_simulator::{Effect, Instance, Rule, Verify};

use crate::recorder::condition;
use crate::world::{FENCE, Order, World};

/// An order for an instance of its own, whose first submission suffers.
async fn suffers(world: &World, name: &str, rule: Rule) -> Order {
    let id = format!("mssql-{}", name.replace('-', ""));
    world.cloud.put_instance(Instance::new(&id));
    world.cloud.add_fault(rule.instance(&id));
    world.order(name, json!({ "instanceId": id })).await
}

fn create(effect: Effect) -> Rule {
    Rule::new("CreateBackup", effect)
}

fn error(code: &str, accept: bool) -> Rule {
    create(Effect::Error { code: code.to_owned(), message: "It did not work.".to_owned(), accept })
}

fn answer(flow_id: Value) -> Rule {
    let set = Map::from_iter([("FlowId".to_owned(), flow_id)]);
    create(Effect::Answer { text: vec![], set, remove: vec![] })
}

/// The answer was lost, the backup is there: found by its name, not asked for again.
async fn is_adopted(world: &World, order: &Order, through: &[&str]) {
    let object = world.reaches(order, "Completed").await;
    let name = &order.name;
    let (status, reasons) = (&object["status"], world.reasons(order));
    assert_eq!(world.calls(order).len(), 1, "{name}: one call");
    assert!(through.iter().all(|reason| reasons.iter().any(|it| it == reason)), "{name}: {reasons:?}");
    assert_eq!(condition(&object, "Submitted")["reason"], "Adopted", "{name}");
    assert!(status["flowId"].is_null() && status["intent"].is_null(), "{name}: {status:#}");
    let backup = world.calls(order)[0].flow_ids[0];
    let backup = world.cloud.backups().into_iter().find(|it| it.flow_id == backup).unwrap();
    assert_eq!(status["backupId"], json!(backup.id), "{name}");
    assert_eq!(status["backupName"], json!(backup.name), "{name}");
}

/// The request was lost: after the fence, and not before, it is sent once more under another name.
async fn is_sent_again(world: &World, order: &Order) {
    let object = world.reaches(order, "Completed").await;
    let (name, calls) = (&order.name, world.calls(order));
    assert_eq!(calls.len(), 2, "{name}: {calls:#?}");
    assert_eq!(calls.iter().map(|call| call.accepted).collect::<Vec<_>>(), [false, true], "{name}");
    let signed: Vec<u64> = calls.iter().map(|call| call.signed_at.parse().unwrap()).collect();
    assert!(signed[1] - signed[0] >= FENCE.as_secs(), "{name}: sent again inside the fence, {signed:?}");
    assert!(calls[0].name.ends_with("_1") && calls[1].name.ends_with("_2"), "{name}");
    assert_eq!(object["status"]["attempts"], 2, "{name}");
    assert_eq!(condition(&object, "Submitted")["reason"], "Accepted", "{name}");
    let reasons = world.reasons(order);
    let expected =
        ["Pending", "Submitting", "OutcomeUnknown", "CloudUnreachable", "Submitting", "Running", "Completed"];
    assert_eq!(reasons, expected, "{name}");
}

async fn once_each(world: World, orders: &[Order]) {
    world.finish(&orders.iter().map(|order| (order, 1)).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_an_accepted_backup_whose_answer_is_lost_is_adopted() {
    let world = World::usual().await;
    let text = |text: &str| text.to_owned();
    let cases = [
        ("closed", create(Effect::DropAfter { reset: false })),
        ("reset", create(Effect::DropAfter { reset: true })),
        ("time-out", create(Effect::None).answer_delay(24_000)),
        ("http-500", create(Effect::Status { status: 500, body: text("oops"), accept: true })),
        ("http-502-json", create(Effect::Status { status: 502, body: text(r#"{"Response":{}}"#), accept: true })),
        ("html", create(Effect::Garbage { accept: true })),
        ("half-a-body", create(Effect::HalfBody)),
        ("too-large", create(Effect::Big { mebibytes: 2 })),
        ("no-flow", create(Effect::Answer { text: vec![], set: Map::new(), remove: vec![text("FlowId")] })),
        ("flow-0", answer(json!(0))),
        ("flow-negative", answer(json!(-1))),
        ("flow-2-63", answer(json!(9_223_372_036_854_775_808_u64))),
        ("flow-fraction", answer(json!(1.5))),
        ("flow-null", answer(json!(null))),
        ("flow-words", answer(json!("a flow"))),
        ("unheard-code", error("Unheard.OfBefore", true)),
        ("internal", error("InternalError", true)),
        ("internal-flow", error("InternalError.CreateFlowFailed", true)),
        ("operation", error("FailedOperation.GcsError", true)),
        ("unavailable", error("ServiceUnavailable", true)),
    ];
    let mut orders = vec![];
    for (name, rule) in cases {
        orders.push(suffers(&world, name, rule).await);
    }
    for order in &orders {
        is_adopted(&world, order, &["Submitting", "OutcomeUnknown"]).await;
        let events: Vec<String> =
            world.told(order, "OutcomeUnknown").await.into_iter().map(|(reason, _)| reason).collect();
        assert_eq!(events.first().map(String::as_str), Some("OutcomeUnknown"), "{}", order.name);
    }
    once_each(world, &orders).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_refusal_that_was_none_is_adopted() {
    let world = World::usual().await;
    let cases = [
        ("busy", "ResourceUnavailable.InstanceStatusInvalid", "InstanceBusy"),
        ("database-busy", "ResourceUnavailable.DBInvalidStatus", "DatabaseBusy"),
        ("throttled", "RequestLimitExceeded", "Throttled"),
    ];
    let mut orders = vec![];
    for (name, code, reason) in cases {
        orders.push((suffers(&world, name, error(code, true)).await, reason));
    }
    for (order, reason) in &orders {
        is_adopted(&world, order, &[reason]).await;
    }
    once_each(world, &orders.into_iter().map(|(order, _)| order).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_a_request_that_was_lost_is_sent_again_after_the_fence() {
    let world = World::usual().await;
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("http://{}/", elsewhere.local_addr().unwrap());
    let redirect = |status| create(Effect::Redirect { location: location.clone(), status });
    let cases = [
        ("closed", create(Effect::DropBefore { reset: false })),
        ("reset", create(Effect::DropBefore { reset: true })),
        ("http-500", create(Effect::Status { status: 500, body: String::new(), accept: false })),
        ("html", create(Effect::Garbage { accept: false })),
        ("unheard-code", error("Unheard.OfBefore", false)),
        ("internal", error("InternalError.SystemError", false)),
        ("redirect-302", redirect(302)),
        ("redirect-307", redirect(307)),
    ];
    let mut orders = vec![];
    for (name, rule) in cases {
        orders.push(suffers(&world, name, rule).await);
    }
    for order in &orders {
        is_sent_again(&world, order).await;
    }
    let visited = tokio::time::timeout(std::time::Duration::from_millis(100), elsewhere.accept()).await;
    assert!(visited.is_err(), "a redirection was followed");
    once_each(world, &orders).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_a_request_that_is_taken_in_late_is_adopted_or_refused_for_its_age() {
    let world = World::with(|plan| {
        plan.cloud.switches.signature_window_seconds = 4;
        plan.environment.insert("SIGNATURE_VALIDITY_SECONDS", "4".to_owned());
        plan.environment.insert("LISTING_LAG_SECONDS", "3".to_owned());
    })
    .await;
    let hold = |seconds, verify| create(Effect::Hold { seconds, verify, hang_up: true });
    let inside = suffers(&world, "inside", hold(4.0, Verify::Arrival)).await;
    let outside = suffers(&world, "outside", hold(6.5, Verify::Acceptance)).await;
    is_adopted(&world, &inside, &["OutcomeUnknown"]).await;
    is_sent_again(&world, &outside).await;
    assert_eq!(world.calls(&outside)[0].code, "AuthFailure.SignatureExpire");
    once_each(world, &[inside, outside]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_only_look_odd_are_understood() {
    let world = World::usual().await;
    let set = Map::from_iter([("Added".to_owned(), json!({ "Later": [1, 2] }))]);
    let content_type = |value: &str| create(Effect::ContentType { value: value.to_owned() });
    let cases = [
        ("text", create(Effect::Answer { text: vec!["FlowId".to_owned()], set: Map::new(), remove: vec![] })),
        ("unknown-fields", create(Effect::Answer { text: vec![], set, remove: vec![] })),
        ("charset", content_type("application/json; charset=utf-8")),
        ("plain", content_type("text/plain")),
        ("slow", create(Effect::Drip { bytes: 16, every_milliseconds: 100 })),
        ("late", create(Effect::None).delay(3_000)),
    ];
    let mut orders = vec![];
    for (name, rule) in cases {
        orders.push(suffers(&world, name, rule).await);
    }
    for order in &orders {
        let object = world.reaches(order, "Completed").await;
        assert_eq!(object["status"]["flowId"], json!(world.calls(order)[0].flow_ids[0]), "{}", order.name);
        assert_eq!(world.reasons(order), ["Pending", "Submitting", "Running", "Completed"], "{}", order.name);
        assert_eq!(world.calls(order).len(), 1, "{}", order.name);
    }
    once_each(world, &orders).await;
}

/// A backup that runs longer than the fence, in a listing that shows running rows as `rows` say.
async fn runs_in_the_dark(rows: tencentdb_simulator::RunningRows, ends: &[&str]) {
    let world = World::with(|plan| {
        plan.cloud.switches.running_rows = rows;
        plan.cloud.switches.backup_seconds = Some(FENCE.as_secs_f64() + 4.0);
    })
    .await;
    world.cloud.add_fault(create(Effect::DropAfter { reset: false }));
    let spec = json!({ "strategy": "Databases", "databases": ["orders"], "storageStrategy": "InstanceLifetime" });
    let order = world.order("dark", spec).await;
    is_adopted(&world, &order, &["OutcomeUnknown"]).await;
    let reasons = world.reasons(&order);
    assert!(reasons.ends_with(&ends.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()), "{reasons:?}");
    once_each(world, &[order]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_running_rows_that_show_defaults_are_found() {
    let rows = tencentdb_simulator::RunningRows { defaults: true, ..Default::default() };
    runs_in_the_dark(rows, &["OutcomeUnknown", "Running", "Completed"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_a_running_row_without_a_name_keeps_the_doubt() {
    let rows = tencentdb_simulator::RunningRows { nameless: true, ..Default::default() };
    runs_in_the_dark(rows, &["OutcomeUnknown", "Completed"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_an_instance_at_work_on_nothing_that_is_listed_keeps_the_doubt() {
    let rows = tencentdb_simulator::RunningRows { unlisted: true, ..Default::default() };
    runs_in_the_dark(rows, &["OutcomeUnknown", "Completed"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_a_listing_that_lags_is_waited_for() {
    let world = World::with(|plan| {
        plan.environment.insert("LISTING_LAG_SECONDS", "7".to_owned());
        plan.cloud.switches.listing_lag_seconds = 7.0;
        plan.cloud.switches.backup_seconds = Some(1.0);
    })
    .await;
    world.cloud.add_fault(create(Effect::DropAfter { reset: true }));
    let order = world.order("lag", json!({})).await;
    is_adopted(&world, &order, &["OutcomeUnknown"]).await;
    once_each(world, &[order]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_no_doubt_ends_while_the_instance_is_invisible() {
    let world = World::usual().await;
    let gone = suffers(&world, "gone", create(Effect::DropAfter { reset: false })).await;
    // Other credentials may see nothing and be told no error.
    let empty = suffers(&world, "empty", create(Effect::DropAfter { reset: false })).await;
    for (action, list) in [("DescribeBackups", "Backups"), ("DescribeDBInstances", "DBInstances")] {
        let set = Map::from_iter([("TotalCount".to_owned(), json!(0)), (list.to_owned(), json!([]))]);
        let effect = Effect::Answer { text: vec![], set, remove: vec![] };
        world.cloud.add_fault(Rule::new(action, effect).instance("mssql-empty").forever());
    }
    for order in [&gone, &empty] {
        world.reaches(order, "OutcomeUnknown").await;
    }
    let instance = world.cloud.instance("mssql-gone").unwrap();
    world.cloud.remove_instance("mssql-gone");
    tokio::time::sleep(FENCE + std::time::Duration::from_secs(3)).await;
    for order in [&gone, &empty] {
        let last = world.reasons(order).pop();
        assert_eq!(last.as_deref(), Some("OutcomeUnknown"), "an empty list is no absence");
    }
    world.cloud.put_instance(instance);
    world.cloud.clear_faults();
    for order in [&gone, &empty] {
        is_adopted(&world, order, &["OutcomeUnknown"]).await;
    }
    once_each(world, &[gone, empty]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_two_backups_of_one_order_are_both_reported() {
    let world = World::usual().await;
    world.cloud.switch(|switches| switches.backup_seconds = None);
    world.cloud.add_fault(create(Effect::DropAfter { reset: false }));
    world.cloud.add_fault(Rule::new("DescribeBackups", Effect::DropBefore { reset: true }).skip(2).forever());
    let order = world.order("twice", json!({})).await;
    world.wait_for("acceptance", |world| world.accepted(&order) == 1).await;
    let flow = world.cloud.begin_nightly(crate::world::INSTANCE, None).unwrap();
    let other = format!("{}9", world.calls(&order)[0].name.strip_suffix('1').unwrap());
    world.cloud.change_backup(flow, |backup| backup.name.clone_from(&other));
    // Seen only once both are listed.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    world.cloud.clear_faults();
    world.reaches(&order, "Running").await;
    let events = world.told(&order, "DuplicateBackups").await;
    let told = events.iter().find(|(reason, _)| reason == "DuplicateBackups");
    assert!(told.is_some_and(|(_, note)| note.contains(&other)), "{events:?}");
    for backup in world.cloud.backups() {
        world.cloud.finish(backup.flow_id, tencentdb_simulator::End::Success);
    }
    world.reaches(&order, "Completed").await;
    assert_eq!(world.cloud.backups().len(), 2, "none is deleted");
    assert!(world.metrics().await.contains("sqlserver_backup_operator_duplicate_backups_total 1\n"));
    once_each(world, &[order]).await;
}
