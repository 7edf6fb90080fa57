//! Who the operator is in the tests: a service account with exactly the rules of `deploy/manifest.yaml`, bound in one
//! namespace, which is also where its lease is, and a kubeconfig with its token.
//!
//! The rules are read from the manifest itself, so that a right that is missing there fails here, and one that is given
//! here is given there.

use std::path::Path;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, Role, RoleBinding};
use kube::api::{Api, ApiResource, PostParams};
use kube::{Client, ResourceExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlserver_backup_operator::api::{SqlServerBackup, SqlServerBackupSchedule};

/// Writes a kubeconfig of the operator of `namespace`, for the API server at `address`; the token in it.
pub(crate) async fn admit(client: &Client, namespace: &str, address: &str, ca: &Path, into: &Path) -> String {
    let token = service_account(client, namespace).await;
    let mut server = json!({ "server": address });
    if address.starts_with("https:") {
        server["certificate-authority"] = json!(ca);
    }
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{ "name": "test", "cluster": server }],
        "users": [{ "name": "test", "user": { "token": token } }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
    });
    std::fs::write(into, kubeconfig.to_string()).unwrap();
    token
}

/// A service account with the deployed rules in `namespace`; its token.
async fn service_account(client: &Client, namespace: &str) -> String {
    let (name, create) = ("operator", PostParams::default());
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let account = ServiceAccount {
        metadata: kube::core::ObjectMeta { name: Some(name.into()), ..<_>::default() },
        ..<_>::default()
    };
    // Both may be there from an earlier call.
    drop(accounts.create(&create, &account).await);
    let everywhere: ClusterRole = deployed("ClusterRole");
    drop(Api::all(client.clone()).create(&create, &everywhere).await);
    let mut at_home: Role = deployed("Role");
    at_home.metadata.namespace = Some(namespace.to_owned());
    drop(Api::namespaced(client.clone(), namespace).create(&create, &at_home).await);
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
    for (kind, role) in [("ClusterRole", everywhere.name_any()), ("Role", at_home.name_any())] {
        let binding = json!({
            "metadata": { "name": format!("{name}-{}", kind.to_lowercase()) },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": namespace }],
        });
        drop(bindings.create(&create, &serde_json::from_value(binding).unwrap()).await);
    }
    let wish = TokenRequest {
        spec: TokenRequestSpec { expiration_seconds: Some(86_400), ..<_>::default() },
        ..<_>::default()
    };
    accounts.create_token_request(name, &create, &wish).await.unwrap().status.unwrap().token
}

/// The rules of `kind` as they are deployed.
fn deployed<Rules: DeserializeOwned>(kind: &str) -> Rules {
    let manifest = include_str!("../../deploy/manifest.yaml");
    let parts = serde_yaml::Deserializer::from_str(manifest).map(|part| Value::deserialize(part).unwrap());
    // What people get is aggregated; the operator's own is not.
    let is_the_operators = |part: &Value| {
        part["kind"] == kind && part["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-admin"].is_null()
    };
    let role = parts.into_iter().find(is_the_operators).unwrap();
    serde_json::from_value(role).unwrap()
}

/// The kind as a client that knows nothing of it sees it.
pub(crate) fn kind() -> ApiResource {
    ApiResource::erase::<SqlServerBackup>(&())
}

/// The other one.
pub(crate) fn schedules() -> ApiResource {
    ApiResource::erase::<SqlServerBackupSchedule>(&())
}
