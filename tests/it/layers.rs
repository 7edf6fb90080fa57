//! Layers: who knows whom, read from the sources themselves.
//!
//! A layer that begins to use another one, or the core a library that waits, looks at a clock or draws lots, compiles as
//! well as before; only this test objects. It reads every path in the code, not only `use` lines, because a path can be
//! written in full anywhere. Tests beside the code may use what they like.

use std::collections::BTreeSet;
use std::path::Path;

/// A layer, the layers that it uses, and the libraries that it may use.
struct Layer {
    name: &'static str,
    layers: &'static [&'static str],
    libraries: &'static [&'static str],
}

const LAYERS: [Layer; 5] = [
    Layer { name: "core", layers: &[], libraries: &["croner", "jiff", "thiserror"] },
    Layer {
        name: "api",
        layers: &["core"],
        libraries: &["jiff", "k8s_openapi", "kube", "schemars", "serde", "serde_json", "serde_yaml"],
    },
    Layer {
        name: "tencent",
        layers: &[],
        libraries: &["hex", "hmac", "jiff", "reqwest", "rustls", "secrecy", "serde", "serde_json", "sha2", "thiserror"],
    },
    Layer {
        name: "runtime",
        layers: &[],
        libraries: &[
            "anyhow",
            "clap",
            "futures",
            "http_body_util",
            "hyper",
            "hyper_util",
            "jiff",
            "k8s_openapi",
            "kube",
            "prometheus_client",
            "rustix",
            "rustls",
            "secrecy",
            "thiserror",
            "tokio",
            "tracing",
            "tracing_subscriber",
        ],
    },
    Layer {
        name: "controller",
        layers: &["api", "core", "runtime", "tencent"],
        libraries: &[
            "futures",
            "jiff",
            "k8s_openapi",
            "kube",
            "secrecy",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
        ],
    },
];

#[test]
fn each_layer_uses_the_layers_of_its_row_and_no_other() {
    for layer in &LAYERS {
        let used: BTreeSet<String> = paths(layer.name).filter_map(|path| path.own_module()).collect();
        let others: Vec<&str> = used.iter().map(String::as_str).filter(|used| *used != layer.name).collect();
        assert_eq!(others, layer.layers, "src/{}", layer.name);
    }
}

#[test]
fn each_layer_uses_the_libraries_of_its_row_and_no_other() {
    let libraries = libraries();
    for layer in &LAYERS {
        let used = paths(layer.name).filter_map(|path| path.segments.into_iter().next());
        let used: BTreeSet<String> = used.filter(|used| libraries.contains(used)).collect();
        let others: Vec<_> = used.iter().filter(|used| !layer.libraries.contains(&used.as_str())).collect();
        assert!(others.is_empty() && !used.is_empty(), "src/{} uses {others:?}", layer.name);
    }
}

/// No clock, no environment, no files, no threads, and no map whose order differs from run to run.
#[test]
fn the_core_uses_only_what_has_no_effect_of_the_standard_library() {
    const REFUSED: [&str; 9] = ["env", "fs", "io", "net", "process", "sync", "thread", "time", "HashMap"];
    for path in paths("core").filter(|path| path.segments.first().is_some_and(|first| first == "std")) {
        assert!(!path.segments.iter().any(|segment| REFUSED.contains(&segment.as_str())), "{path:?}");
    }
}

#[test]
fn every_folder_of_the_sources_is_a_layer() {
    let folders: BTreeSet<String> = std::fs::read_dir(sources())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    // `run` is where the layers meet, and is none itself.
    let expected = LAYERS.iter().map(|layer| layer.name).chain(["run"]);
    assert_eq!(folders, expected.map(str::to_owned).collect());
}

/// A path in the code of a file.
#[derive(Debug)]
struct Written {
    /// The modules that lead to the file, from the root of the crate.
    module: Vec<String>,
    segments: Vec<String>,
}

impl Written {
    /// The module below the crate's root that this path leads to, if it is one of this crate that is written from above.
    fn own_module(&self) -> Option<String> {
        let ups = self.segments.iter().take_while(|segment| *segment == "super").count();
        let first = self.segments.first().map(String::as_str);
        if first == Some("crate") {
            // A group would hide what it leads to.
            return Some(self.segments.get(1).unwrap_or_else(|| panic!("write it out: {self:?}")).clone());
        }
        (ups > 0 && ups >= self.module.len()).then(|| self.segments.get(ups).cloned()).flatten()
    }
}

/// Every path in the code of a layer, outside of tests.
fn paths(layer: &str) -> impl Iterator<Item = Written> {
    let root = sources();
    let mut files = vec![root.join(format!("{layer}.rs"))];
    collect(&root.join(layer), &mut files);
    assert!(files.len() > 1, "src/{layer} is empty");
    let read = |file: std::path::PathBuf| {
        let relative = file.strip_prefix(sources()).unwrap().with_extension("");
        let module: Vec<String> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        let code = code(&std::fs::read_to_string(&file).unwrap());
        written(&code).into_iter().map(move |segments| Written { module: module.clone(), segments }).collect::<Vec<_>>()
    };
    files.into_iter().flat_map(read)
}

fn sources() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_test {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            files.push(path);
        }
    }
}

/// Without comments, and without the tests, which stand at the end of a file.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The segments of each path, `a::b::c`. A group or a star ends it.
fn written(code: &str) -> Vec<Vec<String>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(|c: char| !is_part(c))
        .filter(|word| word.contains("::"))
        .map(|word| word.split("::").map(|part| part.trim_matches(':').to_owned()).filter(|p| !p.is_empty()).collect())
        .collect()
}

/// What the package depends on, as code writes it.
fn libraries() -> BTreeSet<String> {
    let manifest = include_str!("../../Cargo.toml");
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    section.lines().filter_map(|line| line.split_once(" =")).map(|(name, _)| name.replace('-', "_")).collect()
}
