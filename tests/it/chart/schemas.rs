//! JSON schemas for kubeconform, made from what the API server itself publishes: of its own kinds, of ours, and of the
//! Prometheus operator's as its Go types define them. Nothing is fetched.
//!
//! Strict: a field that the server would drop in silence is an error. OpenAPI leaves that to the reader, so it is added.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::plane;
use crate::cluster::Cluster;

/// What the chart renders is of these.
const VERSIONS: [&str; 8] = [
    "api/v1",
    "apis/apps/v1",
    "apis/apiextensions.k8s.io/v1",
    "apis/monitoring.coreos.com/v1",
    "apis/networking.k8s.io/v1",
    "apis/policy/v1",
    "apis/rbac.authorization.k8s.io/v1",
    "apis/tencentdb.dev/v1alpha1",
];

/// The folder with one schema for each kind, as `kind-group-version.json` in the way of kubeconform.
pub(crate) fn folder(cluster: &Cluster) -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| write(cluster))
}

fn write(cluster: &Cluster) -> PathBuf {
    let folder = plane::file(cluster, "schemas");
    fs::create_dir_all(&folder).unwrap();
    for version in VERSIONS {
        let text = cluster.kubectl(&["get", "--raw", &format!("/openapi/v3/{version}")]).unwrap();
        let published: Value = serde_json::from_str(&text).unwrap();
        let mut definitions = published["components"]["schemas"].clone();
        definitions.as_object_mut().unwrap().values_mut().for_each(translate);
        for (name, schema) in published["components"]["schemas"].as_object().unwrap() {
            for kind in schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
                let part = |name: &str| kind[name].as_str().unwrap_or_default().to_lowercase();
                let group = part("group").split('.').next().unwrap_or_default().to_owned();
                let group = if group.is_empty() { group } else { group + "-" };
                let file = folder.join(format!("{}-{group}{}.json", part("kind"), part("version")));
                let whole = json!({ "$ref": format!("#/definitions/{name}"), "definitions": definitions });
                fs::write(file, whole.to_string()).unwrap();
            }
        }
    }
    folder
}

/// OpenAPI as the API server writes it, in the words of JSON schema.
fn translate(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(translate),
        Value::Object(keywords) => {
            keywords.values_mut().for_each(translate);
            if let Some(Value::String(target)) = keywords.get_mut("$ref") {
                *target = target.replace("#/components/schemas/", "#/definitions/");
            }
            if keywords.get("format").is_some_and(|format| format == "int-or-string") {
                keywords.insert("type".to_owned(), json!(["integer", "string"]));
            }
            if is_closed(keywords) {
                keywords.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether it lists all fields that there may be. A property that is itself called `properties` has no `type` beside it.
fn is_closed(keywords: &Map<String, Value>) -> bool {
    keywords.get("type").is_some_and(|kind| kind == "object")
        && keywords.get("properties").is_some_and(Value::is_object)
        && !keywords.contains_key("additionalProperties")
        && !keywords.contains_key("x-kubernetes-preserve-unknown-fields")
}
