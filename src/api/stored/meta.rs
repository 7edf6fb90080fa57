//! What an object's metadata is read for, and nothing else of it.
//!
//! Most of what the API server sends of an object says which field was written by whom, and what `kubectl apply` was given.
//! Nothing here reads either, and every write of a status brings all of it twice, in the answer and through the watch. It is
//! passed over while it is read: taken out afterwards, it would have been allocated, piece by piece, and left holes.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use serde::de::{Deserialize, Deserializer};

/// The whole object once more, as text.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    annotations: Option<BTreeMap<String, String>>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    name: Option<String>,
    namespace: Option<String>,
    owner_references: Option<Vec<OwnerReference>>,
    resource_version: Option<String>,
    uid: Option<String>,
}

/// Reads the metadata of a stored object.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let meta = Meta::deserialize(deserializer)?;
    let annotations = meta.annotations.map(|mut annotations| {
        annotations.remove(LAST_APPLIED);
        annotations
    });
    Ok(ObjectMeta {
        annotations: annotations.filter(|annotations| !annotations.is_empty()),
        creation_timestamp: meta.creation_timestamp,
        deletion_timestamp: meta.deletion_timestamp,
        finalizers: meta.finalizers,
        generation: meta.generation,
        labels: meta.labels,
        name: meta.name,
        namespace: meta.namespace,
        owner_references: meta.owner_references,
        resource_version: meta.resource_version,
        uid: meta.uid,
        ..ObjectMeta::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_read_stays_and_the_rest_is_passed_over() {
        let whole = json!({
            "annotations": { "a": "b" }, "creationTimestamp": "2026-01-01T00:00:00Z",
            "deletionTimestamp": "2026-01-02T00:00:00Z", "finalizers": ["f"], "generation": 3, "labels": { "l": "m" },
            "name": "n", "namespace": "s", "resourceVersion": "7", "uid": "u",
            "ownerReferences": [{ "apiVersion": "v", "kind": "k", "name": "o", "uid": "p", "controller": true }],
        });
        let expected: ObjectMeta = serde_json::from_value(whole.clone()).unwrap();
        let mut sent = whole;
        sent["managedFields"] = json!([{ "manager": "m", "fieldsV1": { "f:spec": { "f:region": {} } } }]);
        sent["annotations"][LAST_APPLIED] = json!("{}");
        assert_eq!(read(sent).unwrap(), expected);
        let bare = read(json!({ "name": "n", "annotations": { LAST_APPLIED: "{}" } })).unwrap();
        assert_eq!(bare, ObjectMeta { name: Some("n".to_owned()), ..ObjectMeta::default() });
    }
}
