//! Scenario: every rule of the schema on a real API server, with the real `kubectl`.
//!
//! `tests/fixtures/objects/` holds a file for each rule. Its documents are steps, done in order; each begins with a
//! comment that says what is done and what is to be expected:
//!
//! ```text
//! # create: accepted                           a new object, on which the following steps act
//! # create with 1000 databases: accepted       the same, with so many generated names
//! # create: refused: FRAGMENT                  the message must hold the fragment
//! # replace: …       # merge: …                a PUT, a merge patch (null removes a field)
//! # replace status: …       # merge status: …  the same on the subresource
//! ```
//!
//! A document holds `spec` or `status`; the rest of the object is filled in. Files whose name begins with `schedule-` are
//! about schedules, the others about backups.

use crate::cluster::{self, Cluster};
use serde_json::{Value, json};
use sqlserver_backup_operator::api;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a file is about.
#[derive(Clone, Copy)]
enum Kind {
    Backup,
    Schedule,
}

impl Kind {
    fn of(stem: &str) -> Self {
        if stem.starts_with("schedule-") { Self::Schedule } else { Self::Backup }
    }

    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Backup => ("SqlServerBackup", "ssb"),
            Self::Schedule => ("SqlServerBackupSchedule", "ssbs"),
        }
    }

    /// A spec that is right: of the kind, with this one for its backups.
    fn around(self, wish: Value) -> Value {
        match self {
            Self::Backup => wish,
            Self::Schedule => json!({ "schedule": "30 2 * * *", "template": { "spec": wish } }),
        }
    }

    /// Where the databases stand.
    const fn databases(self) -> &'static str {
        match self {
            Self::Backup => "/spec",
            Self::Schedule => "/spec/template/spec",
        }
    }
}

/// A document of a fixture.
struct Step {
    verb: String,
    /// The fragment of the refusal, or nothing if the step is to be accepted.
    refusal: Option<String>,
    body: Value,
    line: usize,
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/objects");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The documents of a file. The first one is its header and holds only comments.
fn steps(file: &Path) -> Vec<Step> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut line = text.split("---\n").next().unwrap().lines().count() + 2;
    let mut steps = Vec::new();
    for document in text.split("---\n").skip(1) {
        let heading = document.lines().next().and_then(|first| first.strip_prefix("# "));
        let heading = heading.unwrap_or_else(|| panic!("{}:{line}: no heading", file.display()));
        let (verb, expected) = heading.split_once(": ").unwrap();
        let refusal = expected.strip_prefix("refused: ").map(str::to_owned);
        assert!(refusal.is_some() || expected == "accepted", "{}:{line}: {expected}", file.display());
        let body = serde_yaml::from_str(document).unwrap();
        steps.push(Step { verb: verb.to_owned(), refusal, body, line });
        line += document.lines().count() + 1;
    }
    assert!(!steps.is_empty(), "{} holds no step", file.display());
    steps
}

fn perform(cluster: &Cluster, namespace: &str, (kind, name): (Kind, &str), step: &Step) -> Result<String, String> {
    let mut object = step.body.clone();
    object["apiVersion"] = json!("tencentdb.dev/v1alpha1");
    let (full, short) = kind.names();
    object["kind"] = json!(full);
    object["metadata"] = json!({ "name": name, "namespace": namespace });
    let patch = step.body.to_string();
    let merge = ["patch", short, name, "--namespace", namespace, "--type=merge", "--patch", &patch];
    match step.verb.as_str() {
        "merge" => cluster.kubectl(&merge),
        "merge status" => cluster.kubectl(&[&merge[..], &["--subresource=status"]].concat()),
        "replace" => cluster.kubectl_reading(&["replace", "--filename", "-"], &object.to_string()),
        "replace status" => {
            let replace = ["replace", "--subresource=status", "--filename", "-"];
            let wish = json!({ "instanceId": "mssql-a1", "region": "ap-guangzhou", "strategy": "Instance" });
            object["spec"] = kind.around(wish);
            cluster.kubectl_reading(&replace, &object.to_string())
        }
        create => {
            if let Some(number) = create.strip_prefix("create with ") {
                let number: usize = number.strip_suffix(" databases").unwrap().parse().unwrap();
                let wish = object.pointer_mut(kind.databases()).unwrap();
                wish["databases"] = (0..number).map(|at| format!("database {at} of many")).collect();
            } else {
                assert_eq!(create, "create", "no such verb");
            }
            cluster.kubectl_reading(&["create", "--filename", "-"], &object.to_string())
        }
    }
}

/// Does the steps of one file; what was said in the refusals.
fn try_file(cluster: &Cluster, namespace: &str, file: &Path) -> String {
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let (mut name, mut refusals) = (String::new(), String::new());
    for step in steps(file) {
        if step.verb.starts_with("create") {
            name = format!("{stem}-{}", step.line);
        }
        let said = perform(cluster, namespace, (Kind::of(stem), &name), &step);
        let place = format!("{}:{} ({})", file.display(), step.line, step.verb);
        match (&step.refusal, said) {
            (None, Ok(_)) => {}
            (None, Err(said)) => panic!("{place} was refused: {said}"),
            (Some(_), Ok(_)) => panic!("{place} was accepted"),
            (Some(fragment), Err(said)) => {
                assert!(said.contains(fragment), "{place} was refused, but for another reason: {said}");
                refusals.push_str(&said);
            }
        }
    }
    refusals
}

fn messages(schema: &Value, found: &mut BTreeSet<String>) {
    if let Some(rules) = schema["x-kubernetes-validations"].as_array() {
        found.extend(rules.iter().map(|rule| rule["message"].as_str().expect("a rule without message").to_owned()));
    }
    schema["properties"].as_object().into_iter().flat_map(|fields| fields.values()).for_each(|field| {
        messages(field, found);
    });
    if !schema["items"].is_null() {
        messages(&schema["items"], found);
    }
}

/// Every fixture comes out as it says, and no rule is left that none of them has been refused by.
#[test]
fn each_rule_accepts_and_refuses_what_it_should() {
    let cluster = cluster::get();
    let namespace = cluster.namespace();
    for definition in api::all() {
        let kind = definition.spec.names.kind;
        let is_about = |file: &&PathBuf| Kind::of(file.file_stem().unwrap().to_str().unwrap()).names().0 == kind;
        let refusals: String =
            files().iter().filter(is_about).map(|file| try_file(cluster, &namespace, file)).collect();
        let mut rules = BTreeSet::new();
        for version in definition.spec.versions {
            messages(&serde_json::to_value(version.schema).unwrap()["openAPIV3Schema"], &mut rules);
        }
        assert!(rules.len() > 10, "the rules were not found in the definition of {kind}");
        let untried: Vec<&String> = rules.iter().filter(|message| !refusals.contains(message.as_str())).collect();
        assert!(untried.is_empty(), "no fixture of {kind} is refused by these rules: {untried:#?}");
    }
}
