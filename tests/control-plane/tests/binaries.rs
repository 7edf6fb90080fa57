//! `tools/control-plane.sh` with a stand-in for Go: what is built, when, and what a killed build leaves.
//!
//! The real builds take minutes; which of them happen, and that each happens once, shows without them.

#![allow(clippy::unwrap_used, reason = "the exemption for tests does not reach the functions that they share")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// Notes each package it is asked to build, writes half a program, waits as long as it is told, and writes the rest.
const GO: &str = r#"#!/usr/bin/env bash
set -eu
if [[ $1 == env ]]; then
    echo go1.99.0
    exit
fi
[[ $1 == build ]]
while [[ $1 != -o ]]; do shift; done
echo "$3" >>"$WORLD/built"
printf '#!/bin/sh\n' >"$2"
chmod +x "$2"
sleep "$GO_SECONDS"
printf 'echo whole\n' >>"$2"
"#;

/// A cache, a Go, and a record of what it built.
struct World(PathBuf);

impl World {
    fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("binaries-{test}"));
        drop(fs::remove_dir_all(&folder));
        let world = Self(folder);
        world.program("bin/go", GO);
        world
    }

    fn program(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    fn start(&self, go_seconds: &str, assets: Option<&str>) -> Child {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/control-plane.sh");
        let mut command = Command::new(script);
        command
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", self.0.join("bin").display()))
            .env("XDG_CACHE_HOME", self.0.join("cache"))
            .env("WORLD", &self.0)
            .env("GO_SECONDS", go_seconds)
            .env_remove("KUBEBUILDER_ASSETS")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(assets) = assets {
            command.env("KUBEBUILDER_ASSETS", self.0.join(assets));
        }
        command.spawn().unwrap()
    }

    /// The folder that a run which starts now prints, and what it says.
    fn run(&self, assets: Option<&str>) -> (PathBuf, String) {
        folder_of(self.start("0", assets))
    }

    /// The last parts of the package paths that were built so far, in order.
    fn built(&self) -> Vec<String> {
        let built = fs::read_to_string(self.0.join("built")).unwrap_or_default();
        built.lines().map(|line| line.trim_end_matches("/server/v3").rsplit('/').next().unwrap().to_owned()).collect()
    }
}

fn folder_of(run: Child) -> (PathBuf, String) {
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    (PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end()), said)
}

fn says(program: &Path) -> String {
    String::from_utf8(Command::new(program).output().unwrap().stdout).unwrap()
}

#[test]
fn two_runs_at_once_build_each_program_once() {
    let world = World::new("two");
    let (one, two) = (world.start("0.5", None), world.start("0.5", None));
    let ((one, _), (two, _)) = (folder_of(one), folder_of(two));

    assert_eq!(one, two);
    let mut built = world.built();
    built.sort();
    assert_eq!(built, PROGRAMS);
    for program in PROGRAMS {
        assert_eq!(says(&one.join(program)), "whole\n", "{program}");
    }
    assert_eq!(world.run(None), (one, String::new()), "a third run has nothing to do and nothing to say");
}

#[test]
fn a_killed_build_leaves_no_half_program_and_no_lock() {
    let world = World::new("killed");
    let mut run = world.start("60", None);
    let begin = Instant::now();
    while world.built().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(30), "no build began");
        sleep(Duration::from_millis(20));
    }
    // Time for the half program to be written.
    sleep(Duration::from_millis(200));
    let group = format!("-{}", run.id());
    assert!(Command::new("kill").args(["-KILL", "--", &group]).status().unwrap().success());
    run.wait().unwrap();

    let (folder, _) = world.run(None);

    assert_eq!(says(&folder.join("kube-apiserver")), "whole\n");
    assert_eq!(world.built().iter().filter(|name| *name == "kube-apiserver").count(), 2);
}

#[test]
fn the_folder_of_the_convention_comes_first_and_what_it_lacks_is_built() {
    let world = World::new("assets");
    for program in ["etcd", "kube-apiserver", "kubectl"] {
        world.program(&format!("assets/{program}"), "#!/bin/sh\necho Kubernetes v1.99.0\n");
    }
    let (folder, _) = world.run(Some("assets"));
    assert_eq!(world.built(), ["kube-controller-manager"]);
    assert_eq!(says(&folder.join("kube-apiserver")), "Kubernetes v1.99.0\n");
}

#[test]
fn a_controller_manager_is_never_newer_than_its_api_server() {
    let world = World::new("older");
    for program in ["etcd", "kube-apiserver", "kubectl"] {
        world.program(&format!("assets/{program}"), "#!/bin/sh\necho Kubernetes v1.31.0\n");
    }
    let (folder, said) = world.run(Some("assets"));
    assert_eq!(world.built(), ["kube-apiserver", "kube-controller-manager"]);
    assert!(said.contains("v1.31.0, older than the controller manager"), "{said}");
    assert_eq!(says(&folder.join("kubectl")), "Kubernetes v1.31.0\n");
}
