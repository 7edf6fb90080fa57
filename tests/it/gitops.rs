//! `docs/gitops.md`: is what it says of other tools what they do, and does what it shows work?
//!
//! Golden and scenario. kstatus and the Lua interpreter of Argo CD are the real ones (`tools/gitops`), the objects are
//! held by the real API server, written there by the code that the operator writes them with. The gate's commands are
//! run by the real kubectl under the account that the page gives them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use jiff::Timestamp;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlserver_backup_operator::api::schedule::conversion::Told;
use sqlserver_backup_operator::api::{self, conversion};
use sqlserver_backup_operator::controller::cluster::Cluster;
use sqlserver_backup_operator::core::protected;
use sqlserver_backup_operator::core::reason::{Acceptance, Reason, Verdict};
use sqlserver_backup_operator::core::record::Record;
use sqlserver_backup_operator::core::schedule::{self, Place};
use tencentdb_simulator::{End, Instance, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY};

use crate::docs::compare;
use crate::world::{Order, World};
use crate::{cluster, rights, tool};

const PAGE: &str = include_str!("../../docs/gitops.md");
const HEALTH: &str = "resource.customizations.health.tencentdb.dev_";

/// What the tools say of one object.
#[derive(Debug, Deserialize)]
struct Word {
    kstatus: String,
    argo: String,
    #[serde(rename = "argoMessage")]
    says: String,
}

/// Asks the tools about `objects`, all of one kind.
fn ask(objects: &[Value]) -> Vec<Word> {
    static TOOL: LazyLock<PathBuf> = LazyLock::new(|| tool::from("gitops.sh", &[]));
    static SCRIPTS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
        let settings = shown().into_iter().find(|object| object["kind"] == "ConfigMap").unwrap();
        let scripts = settings["data"].as_object().unwrap().iter();
        let named = scripts.map(|(name, text)| (name.strip_prefix(HEALTH).unwrap(), text.as_str().unwrap()));
        named.map(|(kind, text)| (kind.to_owned(), tool::file(&format!("{kind}.lua"), text))).collect()
    });
    let kind = objects[0]["kind"].as_str().unwrap();
    let said = tool::run(&TOOL, &[&SCRIPTS[kind]], &json!(objects).to_string()).unwrap();
    serde_json::from_str(&said).unwrap()
}

/// Every object that the page shows.
fn shown() -> Vec<Value> {
    let blocks = PAGE.split("```yaml\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    let texts = blocks.flat_map(|block| block.split("\n---\n"));
    texts.map(|text| serde_yaml::from_str(text).unwrap()).collect()
}

/// An order of each reason, as the API server holds it after the operator's own code wrote its status.
async fn held() -> Vec<(Reason, Value)> {
    let cluster = tokio::task::spawn_blocking(cluster::get).await.unwrap();
    let namespace = tokio::task::spawn_blocking(|| cluster.namespace()).await.unwrap();
    let client = cluster.client().await;
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &rights::kind());
    let writer = Cluster::new(client, "golden");
    let spec = json!({ "spec": { "instanceId": "mssql-a", "region": "ap-a", "strategy": "Instance" } });
    let mut held = vec![];
    for reason in Reason::ALL {
        let name = reason.as_str().to_lowercase();
        let object = DynamicObject::new(&name, &rights::kind()).data(spec.clone());
        api.create(&PostParams::default(), &object).await.unwrap();
        // Nobody has looked at a pending one: it is what the schema makes of it.
        if *reason != Reason::Pending {
            let stored = writer.read(&namespace, &name).await.unwrap();
            let accepted = reason.verdicts(None).submitted == Verdict::True;
            let record = Record {
                reason: Some(*reason),
                message: format!("It is {name}."),
                acceptance: accepted.then_some(Acceptance::Accepted),
                ..Record::default()
            };
            let status = conversion::status(&record, &stored.status.fields, 1, Timestamp::from_second(1).unwrap());
            writer.write_status(&stored, &status).await.unwrap();
        }
        held.push((*reason, serde_json::to_value(api.get(&name).await.unwrap()).unwrap()));
    }
    held
}

/// A schedule at each place, and followed ones with each value of Protected, as the API server holds it with the status
/// that the operator's own code makes.
async fn held_schedules() -> Vec<(String, Value)> {
    let cluster = tokio::task::spawn_blocking(cluster::get).await.unwrap();
    let namespace = tokio::task::spawn_blocking(|| cluster.namespace()).await.unwrap();
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client().await, &namespace, &rights::schedules());
    let places = Place::ALL.map(|place| (place.as_str().to_owned(), place, protected::Reason::NoObjective));
    let protected =
        [("Protected", protected::Reason::WithinObjective), ("unprotected", protected::Reason::ObjectiveMissed)];
    let protected = protected.map(|(label, reason)| (label.to_owned(), Place::Scheduled, reason));
    let mut held = vec![];
    for (label, place, protected) in places.into_iter().chain(protected) {
        let name = label.to_lowercase();
        let wish = json!({ "instanceId": "mssql-a", "region": "ap-a", "strategy": "Instance" });
        let spec = json!({ "schedule": "@daily", "suspend": place == Place::Suspended, "template": { "spec": wish } });
        let object = DynamicObject::new(&name, &rights::schedules()).data(json!({ "spec": spec }));
        api.create(&PostParams::default(), &object).await.unwrap();
        if place != Place::Pending {
            let told = Told {
                record: schedule::Record::default(),
                place: (place, format!("It is {name}.")),
                next: None,
                active: vec![],
                last_result: None,
                missed: None,
                protected: Some((protected, "It is so.".to_owned())),
                last: None,
            };
            let now = Timestamp::from_second(1).unwrap();
            let status = api::schedule::conversion::status(&told, &<_>::default(), 1, now);
            let patch = Patch::Merge(json!({ "status": status }));
            api.patch_status(&name, &PatchParams::default(), &patch).await.unwrap();
        }
        held.push((label, serde_json::to_value(api.get(&name).await.unwrap()).unwrap()));
    }
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_schedules_is_what_the_tools_say_of_each_place() {
    let schedules = held_schedules().await;
    let objects: Vec<Value> = schedules.iter().map(|(_, object)| object.clone()).collect();
    let words = ask(&objects);
    let rows = schedules.iter().zip(&words).map(|((label, _), word)| match label.as_str() {
        "Protected" => row("`Scheduled`, `Protected` True", word),
        "unprotected" => row("`Scheduled`, `Protected` False", word),
        place => row(&format!("`{place}`"), word),
    });
    let head = ["| reason | kstatus | Argo CD | a deployment that waits |", "|---|---|---|---|"].map(str::to_owned);
    compare("docs/gitops.md", "gitops-schedules", head.into_iter().chain(rows));
    let unprotected = &words[words.len() - 1];
    assert!(unprotected.says.contains("ObjectiveMissed: It is so."), "what is not protected is said: {unprotected:?}");

    let followed = objects[1].clone();
    let (mut changed, mut deleting, mut bare) = (followed.clone(), followed.clone(), followed);
    changed["metadata"]["generation"] = json!(2);
    deleting["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    bare.as_object_mut().unwrap().remove("status");
    let words = ask(&[changed, deleting, bare]);
    assert_eq!((words[0].kstatus.as_str(), words[0].argo.as_str()), ("InProgress", "Progressing"), "of an older spec");
    assert_eq!(words[1].kstatus, "Terminating");
    assert_eq!(words[2].argo, "Progressing", "a definition without defaults");
}

/// The row of the page's table.
fn row(reason: &str, word: &Word) -> String {
    let effect = match (word.kstatus.as_str(), word.argo.as_str()) {
        ("InProgress", "Progressing") => "waits",
        ("Current", "Healthy" | "Suspended") => "goes on",
        ("Failed", "Degraded") => "fails",
        _ => panic!("{reason}: they disagree: {word:?}"),
    };
    format!("| {reason} | {} | {} | {effect} |", word.kstatus, word.argo)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_is_what_the_tools_say_of_each_reason() {
    let orders = held().await;
    let objects: Vec<Value> = orders.iter().map(|(_, object)| object.clone()).collect();
    let words = ask(&objects);
    for ((reason, _), word) in orders.iter().zip(&words) {
        let looked_at = *reason != Reason::Pending;
        assert_eq!(word.says.starts_with(&format!("{}: ", reason.as_str())), looked_at, "{word:?}");
    }
    let rows = orders.iter().zip(&words).map(|((reason, _), word)| row(&format!("`{}`", reason.as_str()), word));
    let head = ["| reason | kstatus | Argo CD | a deployment that waits |", "|---|---|---|---|"].map(str::to_owned);
    compare("docs/gitops.md", "gitops", head.into_iter().chain(rows));

    let completed = orders.iter().find(|(reason, _)| *reason == Reason::Completed).unwrap().1.clone();
    let (mut changed, mut deleting, mut bare) = (completed.clone(), completed.clone(), completed);
    changed["metadata"]["generation"] = json!(2);
    deleting["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    bare.as_object_mut().unwrap().remove("status");
    let words = ask(&[changed, deleting, bare]);
    assert_eq!((words[0].kstatus.as_str(), words[0].argo.as_str()), ("InProgress", "Progressing"), "of an older wish");
    assert_eq!(words[1].kstatus, "Terminating");
    assert_eq!(words[2].argo, "Progressing", "a definition without defaults");
}

/// The tools say of `object`, which is in the row of `reason`, what the page's table says they do.
pub(crate) fn agree(object: &Value, reason: &str) {
    let word = &ask(std::slice::from_ref(object))[0];
    let row = row(&format!("`{reason}`"), word);
    assert!(PAGE.lines().any(|line| line == row), "{row} is not in docs/gitops.md: {object:#}");
}

#[test]
fn what_the_page_shows_is_accepted() {
    let cluster = cluster::get();
    let namespace = cluster.namespace();
    let mut tried = 0;
    for object in shown() {
        let kind = object["kind"].as_str().unwrap();
        // Of another tool's kind, or in another tool's namespace.
        if ["Kustomization", "ConfigMap"].contains(&kind) {
            continue;
        }
        let create = ["create", "--namespace", &namespace, "--dry-run=server", "--validate=strict", "--filename", "-"];
        cluster.kubectl_reading(&create, &object.to_string()).unwrap_or_else(|said| panic!("{object:#}: {said}"));
        tried += 1;
    }
    assert_eq!(tried, 7, "two orders, a schedule, a Job and its account, role and binding");
}

/// The gate of the page's Helm hooks: what helm creates, in its order, and what the Job's containers run.
struct Gate {
    namespace: String,
    objects: Vec<Value>,
}

impl Gate {
    fn new(namespace: &str) -> Self {
        let weight =
            |object: &Value| object["metadata"]["annotations"]["helm.sh/hook-weight"].as_str().map(str::to_owned);
        let mut objects: Vec<Value> = shown().into_iter().filter(|object| weight(object).is_some()).collect();
        objects.sort_by_key(weight);
        Self { namespace: namespace.to_owned(), objects }
    }

    /// Creates all but the Job, for which there is no node here.
    fn open(&self) {
        for object in self.objects.iter().filter(|object| object["kind"] != "Job") {
            let replace = ["replace", "--force", "--namespace", &self.namespace, "--filename", "-"];
            cluster::get().kubectl_reading(&replace, &object.to_string()).unwrap();
        }
    }

    /// Whether each of the Job's commands succeeds, until one does not.
    fn pass(&self) -> Vec<bool> {
        let job = self.objects.last().unwrap();
        let pod = &job["spec"]["template"]["spec"];
        let account =
            format!("--as=system:serviceaccount:{}:{}", self.namespace, pod["serviceAccountName"].as_str().unwrap());
        let containers = ["initContainers", "containers"].into_iter().flat_map(|kind| pod[kind].as_array().unwrap());
        let mut passed = vec![];
        for container in containers {
            let command: Vec<&str> =
                container["command"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert_eq!(command[0], "kubectl");
            // Nothing here takes hours, and a gate that hangs is a failure; nor need a busy machine find in a second what is
            // there.
            let words = command[1..].iter().map(|word| match *word {
                "--timeout=210m" => "--timeout=120s",
                "--timeout=1s" => "--timeout=10s",
                word => word,
            });
            let words: Vec<&str> = words.chain(["--namespace", &self.namespace, &account]).collect();
            passed.push(cluster::get().kubectl(&words).is_ok());
            if passed.last() == Some(&false) {
                break;
            }
        }
        passed
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_of_the_page_opens_on_a_copy_and_fails_without_one() {
    let world = World::usual().await;
    let instance = "mssql-njj2mtpl";
    world.cloud.put_instance(Instance::new(instance));
    world
        .put_secret("tencentdb", &json!({ "secretId": PLAYGROUND_SECRET_ID, "secretKey": PLAYGROUND_SECRET_KEY }))
        .await;
    let gate = Gate::new(&world.namespace);
    let through = |gate: Gate| {
        tokio::task::spawn_blocking(move || {
            gate.open();
            let passed = gate.pass();
            (gate, passed)
        })
    };
    let (gate, passed) = through(gate).await.unwrap();
    assert_eq!(passed, [true, true], "there is a copy");
    let first = order(&world).await;
    world.cloud.change_instance(instance, |instance| instance.backups_end = End::Failed);
    let (_, passed) = through(gate).await.unwrap();
    assert_eq!(passed, [true, false], "it ended, and there is no copy");
    let second = order(&world).await;
    assert_ne!(first.uid, second.uid, "the same name, another order");
    world.finish(&[(&first, 1), (&second, 1)]).await;
}

async fn order(world: &World) -> Order {
    let object = world.api.get("before-upgrade").await.unwrap();
    Order { name: "before-upgrade".to_owned(), uid: object.metadata.uid.unwrap() }
}
