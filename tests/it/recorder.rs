//! Every version of every order in a namespace, as a watch of the test's own brought it.
//!
//! Histories, and not states, are what the promises are about: how often a status was written, in which order its reasons
//! came, whether a FlowId ever changed. [`check`] holds the ones that are true of every history.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};
use sqlserver_backup_operator::runtime::clock;
use tencentdb_simulator::Backup;

/// Between two tries to watch.
const PAUSE: Duration = Duration::from_millis(50);

/// One version of an object.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) object: Value,
    pub(crate) deleted: bool,
    /// When the watch brought it.
    pub(crate) seen: Timestamp,
}

/// All versions by UID, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histories(Arc<Mutex<BTreeMap<String, Vec<Version>>>>);

impl Histories {
    /// Begins to watch. Ends with the runtime of the test.
    pub(crate) fn record(api: Api<DynamicObject>) -> Self {
        let histories = Self::default();
        let own = histories.clone();
        tokio::spawn(async move {
            let mut events = watcher(api, watcher::Config::default()).boxed();
            loop {
                match events.try_next().await {
                    Ok(Some(Event::Apply(object) | Event::InitApply(object))) => own.add(&object, false),
                    Ok(Some(Event::Delete(object))) => own.add(&object, true),
                    Ok(Some(Event::Init | Event::InitDone)) => {}
                    // The next call takes the watch up again where it was; where there is no server it fails at once.
                    Err(_) => tokio::time::sleep(PAUSE).await,
                    Ok(None) => return,
                }
            }
        });
        histories
    }

    fn add(&self, object: &DynamicObject, deleted: bool) {
        let uid = object.metadata.uid.clone().unwrap();
        let version = Version { object: serde_json::to_value(object).unwrap(), deleted, seen: clock::now() };
        self.0.lock().unwrap().entry(uid).or_default().push(version);
    }

    /// The history of one object.
    pub(crate) fn of(&self, uid: &str) -> Vec<Version> {
        self.0.lock().unwrap().get(uid).cloned().unwrap_or_default()
    }

    /// Every object's UID.
    pub(crate) fn uids(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    /// How many objects have a newest version that is `wanted`.
    pub(crate) fn count(&self, wanted: impl Fn(&Value) -> bool) -> usize {
        let all = self.0.lock().unwrap();
        all.values().filter(|history| history.last().is_some_and(|version| wanted(&version.object))).count()
    }

    /// All versions there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().values().map(Vec::len).sum()
    }
}

/// A condition of an object.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

/// The reason of `Ready`.
pub(crate) fn reason(object: &Value) -> &str {
    condition(object, "Ready")["reason"].as_str().unwrap_or("")
}

/// How often the status was written: versions whose status differs from the one before. The first version is the schema's.
pub(crate) fn writes(history: &[Version]) -> usize {
    history.windows(2).filter(|pair| pair[0].object["status"] != pair[1].object["status"]).count()
}

/// The rows in the order they were entered.
pub(crate) fn reasons(history: &[Version]) -> Vec<String> {
    let mut all: Vec<String> = history.iter().map(|version| reason(&version.object).to_owned()).collect();
    all.dedup();
    all
}

/// What the status of a completed order says must be what the cloud holds.
pub(crate) fn tells_the_truth(object: &Value, backup: &Backup) {
    let status = &object["status"];
    match condition(object, "Submitted")["reason"].as_str() {
        Some("Accepted") => assert_eq!(status["flowId"], json!(backup.flow_id)),
        // A receipt that was written down before the rest was lost stays.
        Some("Adopted") => assert!(status["flowId"].is_null() || status["flowId"] == json!(backup.flow_id)),
        other => panic!("{other:?}: {object:#}"),
    }
    assert_eq!(condition(object, "Ready")["status"], "True");
    assert_eq!(status["backupName"], json!(backup.name));
    let second = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    assert_eq!(second(&status["startTime"]), backup.started.as_second());
    assert_eq!(second(&status["completionTime"]), backup.ended.unwrap().0.as_second());
    assert!(status["intent"].is_null() && status["error"].is_null(), "{status:#}");
    assert_eq!(status["observedGeneration"], object["metadata"]["generation"]);
    if backup.unpackaged {
        assert!(status["groupId"].is_string());
        assert!(status["size"].is_null() && status["fileName"].is_null(), "of one file only: {status:#}");
    } else {
        assert_eq!(status["backupId"], json!(backup.id));
        assert_eq!(kilobytes(status["size"].as_str().unwrap()), backup.size_kb);
        assert!(status["fileName"].is_string() && status["groupId"].is_null(), "{status:#}");
    }
}

/// The quantities that stand in a status are whole powers of 1 024.
fn kilobytes(quantity: &str) -> u64 {
    let (number, unit) = quantity.split_at(quantity.len() - 2);
    let unit = ["Ki", "Mi", "Gi", "Ti"].into_iter().position(|known| known == unit).unwrap();
    number.parse::<u64>().unwrap() << (10 * unit)
}

/// What holds in every history: I5, I6, and four conditions of one row, always.
pub(crate) fn check(history: &[Version]) {
    for version in history {
        let object = &version.object;
        let word = reason(object);
        for kind in ["Submitted", "Ready", "Reconciling", "Stalled"] {
            assert!(condition(object, kind)["status"].is_string(), "{kind} is missing: {object:#}");
        }
        for kind in ["Reconciling", "Stalled"] {
            assert_eq!(condition(object, kind)["reason"], word, "{object:#}");
        }
        let generation = &object["status"]["observedGeneration"];
        assert!(generation.as_i64() <= object["metadata"]["generation"].as_i64(), "ahead of time: {object:#}");
        let is = |kind: &str| condition(object, kind)["status"] == "True";
        assert!(!(is("Ready") && is("Stalled")), "{object:#}");
        assert_eq!(is("Reconciling"), !is("Ready") && !is("Stalled"), "{object:#}");
    }
    for pair in history.windows(2) {
        let (before, after) = (&pair[0].object, &pair[1].object);
        let both = format!("before {before:#}\nafter {after:#}");
        let (old, new) = (&before["status"], &after["status"]);
        assert!(old["flowId"].is_null() || old["flowId"] == new["flowId"], "I6, the FlowId changed: {both}");
        assert!(old["attempts"].as_i64() <= new["attempts"].as_i64(), "I6, attempts went back: {both}");
        assert!(old["submitTime"].as_str() <= new["submitTime"].as_str(), "I6, submitTime went back: {both}");
        let submitted = |object| condition(object, "Submitted")["status"] == "True";
        assert!(!submitted(before) || submitted(after), "I6, Submitted left True: {both}");
        let ended = |object| condition(object, "Reconciling")["status"] == "False";
        assert!(!ended(before) || reason(before) == reason(after), "I5, a finished order went on: {both}");
    }
}
