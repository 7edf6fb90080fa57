//! Each figure of a schedule as a function of its object, and what a failed backup of a schedule is made up for by.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::census;
use super::*;
use crate::api::StoredBackup;
use crate::api::gist::Gist;
use crate::api::key::Key;
use crate::core::reason::Reason;
use crate::core::schedule::Cause;

const START: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": at(0).to_string(),
    })
}

/// A schedule that is followed, protected, and has everything.
fn whole() -> Value {
    json!({
        "metadata": { "name": "nightly", "namespace": "shop", "uid": "3c5d", "creationTimestamp": at(0).to_string() },
        "spec": {
            "schedule": "0 2 * * *",
            "objective": { "maxAge": "1h30m" },
            "template": { "spec": { "instanceId": "mssql-a", "region": "ap-a", "strategy": "Instance" } },
        },
        "status": {
            "lastSuccessfulTime": at(10).to_string(),
            "nextScheduleTime": at(20).to_string(),
            "missedRuns": 4,
            "latestCopy": { "startTime": at(5).to_string() },
            "cursor": { "time": at(3).to_string(), "schedule": "0 2 * * * Etc/UTC", "suspended": false },
            "conditions": [condition("Ready", "True", "Scheduled"), condition("Protected", "True", "WithinObjective")],
        },
    })
}

fn stored(object: Value) -> StoredSchedule {
    serde_json::from_value(object).unwrap()
}

/// What is told of `object`.
fn told(object: Value) -> Schedule {
    let mut told = schedules(&[stored(object)]);
    assert_eq!(told.len(), 1);
    told.remove(0)
}

fn with(path: &str, value: Value) -> Value {
    let mut object = whole();
    *object.pointer_mut(path).unwrap() = value;
    object
}

#[test]
fn a_schedule_is_told_of_as_it_stands() {
    let expected = Schedule {
        namespace: "shop".to_owned(),
        name: "nightly".to_owned(),
        ready: Some(true),
        protected: Some(true),
        ready_reason: "Scheduled",
        protected_reason: "WithinObjective",
        objective: Some(5_400),
        latest_copy: Some(at(5)),
        last_success: Some(at(10)),
        next_run: Some(at(20)),
        missed_runs: 4,
        is_suspended: false,
        suspended_since: None,
    };
    assert_eq!(told(whole()), expected);
}

#[test]
fn every_reason_of_both_conditions_is_known_and_another_one_is_other() {
    let reasons = |kind: &str, status: &str, reason: &str| {
        let it = told(with("/status/conditions", json!([condition(kind, status, reason)])));
        if kind == READY { (it.ready, it.ready_reason) } else { (it.protected, it.protected_reason) }
    };
    let value = |verdict: Verdict| match verdict {
        Verdict::True => Some(true),
        Verdict::False => Some(false),
        Verdict::Unknown => None,
    };
    for place in Place::ALL {
        let (ready, _) = place.verdicts();
        assert_eq!(reasons(READY, ready.as_str(), place.as_str()), (value(ready), place.as_str()));
    }
    for reason in protected::Reason::ALL {
        let verdict = reason.verdict();
        assert_eq!(reasons(PROTECTED, verdict.as_str(), reason.as_str()), (value(verdict), reason.as_str()));
    }
    assert_eq!(reasons(PROTECTED, "Unknown", "Pending"), (None, "Pending"), "the schema's default");
    assert_eq!(reasons(READY, "False", "OfANewerVersion"), (Some(false), "Other"), "its value is told all the same");
}

#[test]
fn a_suspension_counts_from_the_cursor_once_a_pass_has_seen_it() {
    let suspended = |spec: bool, seen: bool| {
        let mut object = with("/status/cursor/suspended", json!(seen));
        object["spec"]["suspend"] = json!(spec);
        let it = told(object);
        (it.is_suspended, it.suspended_since)
    };
    assert_eq!(suspended(false, false), (false, None));
    assert_eq!(suspended(true, false), (true, None), "the cursor still speaks of the last slot");
    assert_eq!(suspended(true, true), (true, Some(at(3))));
    assert_eq!(suspended(false, true), (false, None), "resumed, and no pass has seen it yet");
}

#[test]
fn what_cannot_be_read_is_told_of_as_far_as_it_can() {
    let mut odd = with("/spec", json!({ "schedule": 5 }));
    odd["status"]["latestCopy"] = json!("yesterday");
    odd["status"]["missedRuns"] = json!(-1);
    odd["status"]["cursor"]["suspended"] = json!(true);
    let it = told(odd);
    assert_eq!((it.ready, it.objective, it.latest_copy, it.missed_runs), (Some(true), None, None, 0));
    assert_eq!((it.is_suspended, it.suspended_since), (true, Some(at(3))), "by what the last pass saw");
    let bare = told(json!({ "metadata": { "name": "bare" } }));
    assert_eq!((bare.ready, bare.ready_reason, bare.protected_reason), (None, "Pending", "Pending"));
    assert_eq!((bare.missed_runs, bare.is_suspended), (0, false));
}

#[test]
fn they_are_told_of_in_one_order_and_without_what_is_being_deleted() {
    let named = |namespace: &str, name: &str| {
        let mut object = whole();
        object["metadata"]["namespace"] = json!(namespace);
        object["metadata"]["name"] = json!(name);
        object
    };
    let mut going = named("a", "going");
    going["metadata"]["deletionTimestamp"] = json!(at(1).to_string());
    let objects: Vec<_> = [named("b", "x"), named("a", "y"), going, named("a", "x")].into_iter().map(stored).collect();
    let told: Vec<_> = schedules(&objects).into_iter().map(|it| (it.namespace, it.name)).collect();
    assert_eq!(told, [("a", "x"), ("a", "y"), ("b", "x")].map(|(a, b)| (a.to_owned(), b.to_owned())));
}

/// A backup that the schedule made for the slot at `second`, its try of that number, in the row of `reason`.
fn child(schedule: &StoredSchedule, second: i64, number: i64, reason: Reason) -> StoredBackup {
    let made = conversion::backup(schedule, "child", &Cause::Slot(at(second), number)).unwrap();
    let mut object = serde_json::to_value(made).unwrap();
    object["metadata"]["creationTimestamp"] = json!(at(second + 100 * number + 1).to_string());
    let verdicts = reason.verdicts(None);
    object["status"] = json!({ "conditions": [
        condition("Submitted", verdicts.submitted.as_str(), reason.as_str()),
        condition("Ready", verdicts.ready.as_str(), reason.as_str()),
        condition("Stalled", verdicts.stalled.as_str(), reason.as_str()),
    ] });
    serde_json::from_value(object).unwrap()
}

#[test]
fn a_failed_backup_of_a_schedule_is_open_until_its_next_slot_or_try_is_good() {
    let schedule = stored(whole());
    let open = |children: &[StoredBackup]| {
        let gists: Vec<_> = children.iter().map(|object| Gist::of(object, &Key::of(object))).collect();
        let counted = census(&gists, at(1_000_000), 660).remove("shop").unwrap();
        (counted.unresolved.get("Failed").copied().unwrap_or_default(), counted.oldest_unmet)
    };
    let failed = || child(&schedule, 0, 0, Reason::Failed);
    let since = Some(at(1));
    assert_eq!(open(&[failed()]), (1, since));
    assert_eq!(open(&[child(&schedule, -86_400, 0, Reason::Completed), failed()]), (1, since), "the slot before");
    assert_eq!(open(&[failed(), child(&schedule, 86_400, 0, Reason::Running)]), (1, since), "the next one is at work");
    assert_eq!(open(&[failed(), child(&schedule, 86_400, 0, Reason::Failed)]), (2, since), "and fails too");
    assert_eq!(open(&[failed(), child(&schedule, 86_400, 0, Reason::Completed)]), (0, None), "the next slot");
    assert_eq!(open(&[failed(), child(&schedule, 0, 1, Reason::Completed)]), (0, None), "a further try of the same");
    // What is kept of the history never loses the newest good one, so the failures before it stay made up for.
    let history = [failed(), child(&schedule, 1, 0, Reason::Failed), child(&schedule, 2, 0, Reason::Completed)];
    assert_eq!(open(&history), (0, None));
}

/// A scrape waits for this on the thread that does the work. Unoptimised, and so generous by far.
#[test]
fn five_hundred_schedules_are_cheap() {
    let objects: Vec<_> = (0..500).map(|at| with("/metadata/name", json!(format!("s{at}")))).map(stored).collect();
    let begin = std::time::Instant::now();
    assert_eq!(schedules(&objects).len(), 500);
    let took = begin.elapsed();
    assert!(took < std::time::Duration::from_millis(100), "{took:?}");
}
