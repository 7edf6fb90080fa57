//! Golden: what the workflows may do. That they are workflows at all, actionlint says in `make lint`.
//!
//! An action runs with the workflow's rights, and a tag of somebody else's repository can be moved: so each action is
//! pinned by a commit, with the tag for people beside it. Only the job that publishes may write, and only to what it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn workflows() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let workflows: Vec<_> = files.map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())).collect();
    assert_eq!(workflows.len(), 2, "a new workflow is named here");
    workflows
}

#[test]
fn each_action_is_pinned_by_its_commit() {
    let mut pins = BTreeMap::new();
    for (file, text) in workflows() {
        for used in text.lines().filter_map(|line| Some(line.split_once("uses: ")?.1.trim())) {
            if used.starts_with("./") {
                continue;
            }
            let (action, pin) = used.split_once('@').unwrap();
            let (commit, tag) = pin.split_once(" # v").unwrap_or_else(|| panic!("{}: {used}", file.display()));
            assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{}: {used}", file.display());
            assert!(tag.starts_with(|c: char| c.is_ascii_digit()), "{}: {used}", file.display());
            let other = pins.insert(action.to_owned(), pin.to_owned()).filter(|other| other != pin);
            assert_eq!(other, None, "{action} has two pins");
        }
    }
    assert!(pins.len() > 5, "the actions were not found: {pins:?}");
}

#[test]
fn only_the_job_that_publishes_may_write() {
    for (file, text) in workflows() {
        let workflow: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(workflow["permissions"], serde_json::json!({ "contents": "read" }), "{}", file.display());
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            let rights = job.get("permissions").and_then(Value::as_object);
            let writes = rights.is_some_and(|rights| rights.values().any(|right| right == "write"));
            assert_eq!(writes, name == "publish", "{}: {name}", file.display());
        }
    }
}
