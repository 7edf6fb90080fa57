//! The real programs, started for real: what the other suites take for granted is tried here.

#![allow(clippy::unwrap_used, reason = "the exemption for tests does not reach the functions that they share")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use control_plane::{ControlPlane, Options};

/// A folder of its own for each test: they run at once, and each looks at what is left.
fn directory(test: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(test)
}

#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_mins(1), "not within a minute: {what}");
        sleep(Duration::from_millis(100));
    }
}

/// Whether a process runs; one that ended and that nobody reaped does not.
fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(parent.to_string().as_str())
    };
    processes.filter(is_child).collect()
}

#[test]
fn a_cluster_that_collects_garbage_checks_permissions_and_goes_without_a_trace() {
    let directory = directory("cluster");
    let plane = ControlPlane::start(&Options::new(&directory)).unwrap();
    let run = |line: &str| plane.kubectl_run(&line.split(' ').collect::<Vec<_>>());

    // The garbage collector: a ConfigMap goes with its owner.
    run("create namespace one").unwrap();
    run("--namespace one create configmap owner").unwrap();
    let uid = run("--namespace one get configmap owner --output jsonpath={.metadata.uid}").unwrap();
    let owned = format!(
        r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "owned", "namespace": "one",
            "ownerReferences": [{{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "{uid}"}}]}}}}"#
    );
    plane.kubectl_feed(&["create", "--filename", "-"], &owned).unwrap();
    run("--namespace one delete configmap owner").unwrap();
    eventually("the owned ConfigMap is collected", || run("--namespace one get configmap owned").is_err());

    // RBAC: a ServiceAccount may do nothing until a role says so.
    run("--namespace one create serviceaccount reader").unwrap();
    let kubeconfig = directory.join("reader.kubeconfig");
    plane.service_account_kubeconfig("one", "reader", &kubeconfig, None).unwrap();
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    let refusal = run(&format!("{kubeconfig} get pods")).unwrap_err().to_string();
    assert!(refusal.contains("system:serviceaccount:one:reader"), "{refusal}");
    run("--namespace one create rolebinding reader --clusterrole=view --serviceaccount=one:reader").unwrap();
    eventually("the role is in force", || run(&format!("{kubeconfig} get pods")).is_ok());

    // The namespace controller: a namespace ends.
    run("delete namespace one --timeout=60s").unwrap();
    assert!(!run("get namespaces --output name").unwrap().contains("namespace/one"));

    let (folder, children) = (plane.folder().to_owned(), children_of(std::process::id()));
    assert!(children.contains(&plane.apiserver_pid()), "{children:?}");
    drop(plane);
    assert!(!folder.exists());
    assert_eq!(children.iter().filter(|pid| fs::exists(format!("/proc/{pid}")).unwrap()).count(), 0, "not reaped");
}

#[test]
fn a_killed_parent_takes_its_control_plane_along() {
    let mut parent = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .arg(directory("killed"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("export KUBECONFIG=/"), "{line}");
    let children = children_of(parent.id());
    assert_eq!(children.iter().filter(|pid| is_running(**pid)).count(), 3, "{children:?}");

    parent.kill().unwrap();
    parent.wait().unwrap();

    eventually("the three programs are gone", || !children.iter().any(|pid| is_running(*pid)));
}
