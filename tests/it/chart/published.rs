//! The chart as a release publishes it: the step of the workflow that packages it, run on a copy of the tree.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::tools::{self, CHART, objects, one};

/// The commands of the workflow's step.
fn step(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/release.yaml");
    let workflow: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let steps = workflow["jobs"]["publish"]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name:?}"));
    step["run"].as_str().unwrap().to_owned()
}

#[test]
fn the_packaged_chart_names_the_image_of_its_release() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("published-chart");
    drop(std::fs::remove_dir_all(&folder));
    let charts = folder.join("deploy/charts");
    std::fs::create_dir_all(&charts).unwrap();
    let mut copy = Command::new("cp");
    copy.args(["-r", CHART]).arg(&charts);
    tools::run(copy, "").unwrap();
    std::os::unix::fs::symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("tools"), folder.join("tools")).unwrap();

    let (image, digest) =
        ("registry.example:5000/team/sqlserver-backup-operator", format!("sha256:{}", "0a".repeat(32)));
    let mut bash = Command::new("bash");
    bash.args(["-eo", "pipefail", "-c", &step("Package the chart")]).current_dir(&folder);
    bash.envs([("IMAGE", image), ("DIGEST", &digest), ("VERSION", "7.8.9"), ("KUBECONFIG", "/nonexistent")]);
    tools::run(bash, "").unwrap();

    let package = folder.join("sqlserver-backup-operator-7.8.9.tgz");
    let text = tools::helm(None, &["template", "any", package.to_str().unwrap()]).unwrap();
    let deployment = one(&objects(&text), "Deployment").clone();
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["image"], format!("{image}@{digest}"));
    assert_eq!(deployment["metadata"]["labels"]["app.kubernetes.io/version"], "7.8.9");
    std::fs::remove_dir_all(folder).unwrap();
}
