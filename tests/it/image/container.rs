//! What `make image` left: the layout that would be pushed, containers of the same image in buildah's own store, and the
//! processes in them as the host's kernel shows them.
//!
//! A container is a folder and a `chroot` into it, with the user, groups and capabilities that the image's configuration
//! leaves: it needs no registry, no daemon and no namespace of the network, so what listens on loopback is reached.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::Pid;
use serde_json::Value;

use crate::operator::Environment;
use crate::world::PATIENCE;

/// Where the program lies in the image.
pub(super) const PROGRAM: &str = "/sqlserver-backup-operator";

/// Debian's name of the machine that an architecture of images runs on.
pub(super) fn machine(architecture: &str) -> &'static str {
    match architecture {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => panic!("no machine is known for {other}"),
    }
}

/// What starts a program of another machine than this one, if this one needs anything for that.
fn emulator(architecture: &str) -> Option<String> {
    let machine = machine(architecture);
    (machine != std::env::consts::ARCH).then(|| format!("/usr/bin/qemu-{machine}-static"))
}

/// What `make image` made.
pub(super) fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("image");
    assert!(folder.join("storage").is_dir(), "there is no image in {}: run make image", folder.display());
    folder
}

/// The output of a command that must succeed.
pub(super) fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout).unwrap());
    }
    Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// An image as it would be pushed.
pub(super) struct Layout {
    folder: PathBuf,
    manifest: Value,
}

impl Layout {
    pub(super) fn read(architecture: &str) -> Self {
        let folder = folder().join(format!("oci-{architecture}"));
        let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
        let mut layout = Self { folder, manifest: Value::Null };
        layout.manifest = layout.json(&index["manifests"][0]);
        layout
    }

    fn blob(&self, descriptor: &Value) -> PathBuf {
        self.folder.join("blobs").join(descriptor["digest"].as_str().unwrap().replace(':', "/"))
    }

    fn json(&self, descriptor: &Value) -> Value {
        serde_json::from_slice(&fs::read(self.blob(descriptor)).unwrap()).unwrap()
    }

    fn layers(&self) -> &Vec<Value> {
        self.manifest["layers"].as_array().unwrap()
    }

    pub(super) fn config(&self) -> Value {
        self.json(&self.manifest["config"])
    }

    /// Bytes of the compressed layers and the configuration.
    pub(super) fn pulled(&self) -> u64 {
        let descriptors = self.layers().iter().chain([&self.manifest["config"]]);
        descriptors.map(|descriptor| fs::metadata(self.blob(descriptor)).unwrap().len()).sum()
    }

    /// Mode, owner and path of each file and folder.
    pub(super) fn files(&self) -> BTreeSet<String> {
        let list = ["--list", "--verbose", "--numeric-owner", "--gzip", "--file"];
        let listings =
            self.layers().iter().map(|layer| run(Command::new("tar").args(list).arg(self.blob(layer))).unwrap());
        let lines: Vec<String> = listings.flat_map(|it| it.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        lines
            .iter()
            .map(|line| {
                let parts: Vec<&str> = line.split_whitespace().collect();
                [parts[0], parts[1], parts[5]].join(" ")
            })
            .collect()
    }
}

/// A container of the image, removed on drop.
pub(super) struct Container {
    name: String,
    emulator: Option<String>,
    options: Vec<String>,
}

impl Container {
    pub(super) fn of(architecture: &str) -> Self {
        let image = format!("localhost/sqlserver-backup-operator:{architecture}");
        let name = run(buildah().args(["from", "--quiet", "--pull-never", &image])).unwrap().trim().to_owned();
        let mut container = Self { name, emulator: emulator(architecture), options: Vec::new() };
        if let Some(emulator) = container.emulator.clone() {
            container.mount(Path::new(&emulator), &emulator);
        }
        container
    }

    /// Shows a file of this machine in the container, not to be written to.
    pub(super) fn mount(&mut self, file: &Path, place: &str) {
        self.options.extend(["--volume".to_owned(), format!("{}:{place}:ro", file.display())]);
    }

    pub(super) fn environment(&mut self, environment: &Environment) {
        let options = environment.iter().flat_map(|(name, value)| ["--env".to_owned(), format!("{name}={value}")]);
        self.options.extend(options);
    }

    /// The words of a command line that runs `command` in the container.
    pub(super) fn words(&self, command: &[&str]) -> Vec<String> {
        let run = ["run", "--isolation", "chroot"].map(str::to_owned);
        let end = [self.name.clone(), "--".to_owned()].into_iter().chain(self.emulator.clone());
        let command = command.iter().map(|word| (*word).to_owned());
        store().into_iter().chain(run).chain(self.options.clone()).chain(end).chain(command).collect()
    }

    /// What `command` says in the container, which ends with `end`. What a program says that ends at once, buildah loses
    /// now and then, or its end: then it is asked again.
    pub(super) fn output(&self, command: &[&str], end: &str) -> Result<String, String> {
        let words = self.words(command);
        let mut said = String::new();
        for _ in 0..5 {
            said = run(Command::new(&words[0]).args(&words[1..]))?;
            if said.ends_with(end) {
                return Ok(said);
            }
        }
        Err(format!("{command:?} says {said:?} and not, at the end, {end:?}"))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        drop(run(buildah().args(["rm", &self.name])));
    }
}

/// buildah with the store of `make image`.
fn store() -> Vec<String> {
    let home = folder();
    let (root, runroot) = (home.join("storage").display().to_string(), home.join("run").display().to_string());
    ["buildah", "--root", &root, "--runroot", &runroot, "--storage-driver", "vfs"].map(str::to_owned).to_vec()
}

fn buildah() -> Command {
    let words = store();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// What buildah itself wants to know.
pub(super) fn environment() -> Environment {
    std::env::home_dir().map(|home| ("HOME", home.display().to_string())).into_iter().collect()
}

/// The probe, compiled for `architecture` by what compiled the program.
pub(super) fn probe(architecture: &str) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/image/probe.rs");
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("probe-{architecture}"));
    let mut compile = Command::new("rustc");
    compile.args(["--edition", "2024", "-C", "panic=abort", source, "-o"]).arg(&binary);
    compile.arg("--target").arg(format!("{}-unknown-linux-musl", machine(architecture)));
    if emulator(architecture).is_some() {
        compile.args(["-C", &format!("linker={}-linux-gnu-gcc", machine(architecture))]);
    }
    run(&mut compile).unwrap();
    binary
}

/// A process in a container, as the kernel shows it outside.
pub(super) struct Process {
    status: String,
}

impl Process {
    /// The one that has no children, of those that descend from `ancestor`.
    pub(super) fn below(ancestor: Pid) -> Self {
        let begin = Instant::now();
        loop {
            if let Some(status) = last(ancestor.as_raw_nonzero().get()).and_then(|pid| read(&format!("{pid}/status"))) {
                return Self { status };
            }
            assert!(begin.elapsed() < PATIENCE, "no process below {ancestor:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it says behind `field`.
    pub(super) fn says(&self, field: &str) -> &str {
        self.status.lines().find_map(|line| line.strip_prefix(field)).unwrap().trim()
    }

    pub(super) fn ids(&self, field: &str) -> Vec<u32> {
        self.says(field).split_whitespace().map(|id| id.parse().unwrap()).collect()
    }
}

fn last(ancestor: i32) -> Option<i32> {
    let mut pid = ancestor;
    loop {
        // Each thread has children of its own.
        let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let children = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        match children.collect::<String>().split_whitespace().next() {
            Some(child) => pid = child.parse().ok()?,
            None => return (pid != ancestor).then_some(pid),
        }
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new("/proc").join(path)).ok()
}
