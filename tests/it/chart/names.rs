//! Names and labels, whatever somebody chooses: strings stay strings, no key comes twice, and what is cut is a name still.
//!
//! YAML is read here by a reader that refuses a key that comes twice; the one of the other tests takes the last.

use serde::Deserialize;
use serde_json::Value;

use super::tools::{self, CHART, one, rendered};

/// The fields below which only strings may stand, wherever they are.
const STRINGS: [&str; 8] = [
    "name",
    "namespace",
    "serviceAccountName",
    "priorityClassName",
    "secretName",
    "labels",
    "matchLabels",
    "resourceNames",
];

/// Adds the places of what is no string and should be one.
fn unquoted(value: &Value, path: &str, must: bool, found: &mut Vec<String>) {
    match value {
        Value::Object(all) => all.iter().for_each(|(name, below)| {
            unquoted(below, &format!("{path}.{name}"), must || STRINGS.contains(&name.as_str()), found);
        }),
        Value::Array(all) => all.iter().for_each(|below| unquoted(below, path, must, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) if must => found.push(format!("{path}: {value}")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn names_that_look_like_numbers_stay_names() {
    let values = format!("{}/tests/fixtures/values/like-numbers.yaml", env!("CARGO_MANIFEST_DIR"));
    for namespaces in [r#"watchNamespaces=["123","1e3"]"#, "watchNamespaces=null"] {
        let arguments = ["template", "77", CHART, "--namespace", "1e9", "--values", &values, "--set-json", namespaces];
        let text = tools::helm(None, &[&arguments[..], &["--set", "crds.install=false"]].concat()).unwrap();
        let mut found = Vec::new();
        for object in tools::objects(&text) {
            unquoted(&object, object["kind"].as_str().unwrap(), false, &mut found);
        }
        assert_eq!(found, Vec::<String>::new());
    }
}

#[test]
fn no_key_comes_twice() {
    let ours = ["name", "instance", "version", "managed-by"].map(|it| format!(r#""app.kubernetes.io/{it}":"theirs""#));
    let labels = format!(r#"{{{},"helm.sh/chart":"theirs","team":"platform"}}"#, ours.join(","));
    let mut arguments: Vec<String> = ["podMonitor", "prometheusRule", "dashboard"]
        .iter()
        .flat_map(|it| ["--set-json".to_owned(), format!(r#"{it}={{"enabled":true,"labels":{labels}}}"#)])
        .collect();
    let annotations = r#"podAnnotations={"kubectl.kubernetes.io/default-container":"theirs","team":"platform"}"#;
    arguments.extend(["--set-json".to_owned(), annotations.to_owned()]);
    let text = tools::render(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    for document in serde_yaml::Deserializer::from_str(&text) {
        serde_yaml::Value::deserialize(document).unwrap();
    }
    let objects = tools::objects(&text);
    for kind in ["PodMonitor", "PrometheusRule", "ConfigMap"] {
        let labels = &one(&objects, kind)["metadata"]["labels"];
        assert_eq!((&labels["app.kubernetes.io/name"], &labels["team"]), (&tools::NAME.into(), &"platform".into()));
    }
    let pod = &one(&objects, "Deployment")["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(pod["kubectl.kubernetes.io/default-container"], "operator");
    assert_eq!(pod["team"], "platform");
}

#[test]
fn what_is_cut_is_a_name_still() {
    for end in ["-.", "..", ".-", "--"] {
        let long = format!("{}{end}{}", "a".repeat(50), "b".repeat(9));
        let objects = rendered(&["--set", &format!("fullnameOverride={long},nameOverride={long}")]);
        let deployment = &one(&objects, "Deployment")["metadata"];
        assert_eq!(deployment["name"], "a".repeat(50), "{end}");
        assert_eq!(deployment["labels"]["app.kubernetes.io/name"], "a".repeat(50), "{end}");
    }
}
