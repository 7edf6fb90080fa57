//! The programs that judge the chart, and what helm makes of it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

pub(crate) use crate::tool::from as made;

/// The release's name and its namespace, unless a test needs another one.
pub(crate) const NAME: &str = "sqlserver-backup-operator";
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/charts/sqlserver-backup-operator");

/// Runs helm without a cluster, unless `kubeconfig` names one: its output, or what it complained about.
pub(crate) fn helm(kubeconfig: Option<&Path>, arguments: &[&str]) -> Result<String, String> {
    static HELM: OnceLock<PathBuf> = OnceLock::new();
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("helm");
    let mut command = Command::new(HELM.get_or_init(|| made("chart-tool.sh", &["helm"])));
    for place in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(place, home.join(place));
    }
    // Nothing of the machine's own cluster may be seen, let alone touched.
    command.env("KUBECONFIG", kubeconfig.unwrap_or(Path::new("/nonexistent")));
    command.env_remove("KUBECACHEDIR").args(arguments);
    run(command, "")
}

/// The output of a program that is fed `input`, or its complaint.
pub(crate) fn run(mut command: Command, input: &str) -> Result<String, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end without having read all: its own words are then the better complaint.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        return Ok(text(output.stdout));
    }
    Err(text(output.stdout) + &text(output.stderr))
}

/// What the chart renders for the release [`NAME`], as text.
pub(crate) fn render(arguments: &[&str]) -> Result<String, String> {
    helm(None, &[&["template", NAME, CHART, "--namespace", NAME], arguments].concat())
}

/// The objects in a text of YAML documents.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text).map(|one| Value::deserialize(one).unwrap());
    documents.filter(|one| !one.is_null()).collect()
}

/// The objects that the chart renders with these arguments.
pub(crate) fn rendered(arguments: &[&str]) -> Vec<Value> {
    objects(&render(arguments).unwrap_or_else(|said| panic!("{arguments:?}: {said}")))
}

/// The only object of a kind; none: null.
pub(crate) fn one<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or(&Value::Null);
    assert!(found.next().is_none(), "more than one {kind}");
    first
}

/// The sets of values that are tried, as paths.
pub(crate) fn value_sets() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/values");
    let mut sets: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    sets.sort();
    assert!(sets.len() >= 6, "{sets:?}");
    sets
}

/// On a machine that has neither Go nor Python.
#[test]
fn a_tool_that_cannot_be_made_says_what_to_install() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bare-machine");
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    for name in ["bash", "basename", "dirname", "flock", "mkdir", "mktemp", "realpath", "rm", "sed", "sort"] {
        let program =
            ["/usr/bin", "/bin"].map(|place| Path::new(place).join(name)).into_iter().find(|path| path.exists());
        std::os::unix::fs::symlink(program.expect(name), folder.join("bin").join(name)).unwrap();
    }
    for (script, argument) in [("chart-tool.sh", "helm"), ("chart-tool.sh", "promtool"), ("monitoring.sh", "")] {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(script));
        command.env_clear().env("PATH", folder.join("bin")).env("XDG_CACHE_HOME", folder.join("cache"));
        let said = run(
            {
                command.args(Some(argument).filter(|it| !it.is_empty()));
                command
            },
            "",
        )
        .expect_err(script);
        assert!(said.contains("no Go 1.26") && said.contains("install one, or Python 3"), "{script}: {said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
