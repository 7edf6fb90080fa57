//! Scenario: the types and the schema are two descriptions of one thing. What the types write, a real API server keeps
//! to the last field and gives back to [`StoredBackup`]; a field that only one of the two knows would be lost.

use crate::cluster;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use sqlserver_backup_operator::api::{
    CloudError, Condition, CredentialsRef, Intent, SqlServerBackup, SqlServerBackupSpec, SqlServerBackupStatus,
    StorageStrategy, StoredBackup, Strategy,
};
use sqlserver_backup_operator::core::reason::{self, Reason};

fn full_spec() -> SqlServerBackupSpec {
    SqlServerBackupSpec {
        instance_id: "mssql-a1".to_owned(),
        region: "ap-guangzhou".to_owned(),
        strategy: Strategy::Databases,
        databases: Some(vec!["orders".to_owned(), "订单".to_owned()]),
        backup_name_prefix: Some("nightly".to_owned()),
        storage_strategy: StorageStrategy::InstanceLifetime,
        credentials_ref: Some(CredentialsRef { name: "tencentdb".to_owned() }),
        submit_deadline_seconds: 3_600,
    }
}

/// Every field is set, and named here, so that a new one has to be added.
fn full_status() -> SqlServerBackupStatus {
    let some = |text: &str| Some(text.to_owned());
    let time = |second| Time(format!("2026-11-24T10:00:{second:02}Z").parse().unwrap());
    let condition = |kind: &str| Condition {
        type_: kind.to_owned().into(),
        status: "True".into(),
        reason: Reason::Running.as_str().into(),
        message: "Said.".into(),
        last_transition_time: time(0),
        observed_generation: Some(3),
    };
    SqlServerBackupStatus {
        observed_generation: Some(3),
        backup_name: some("nightly_0_2"),
        attempts: Some(2),
        submit_time: Some(time(1)),
        flow_id: Some(i64::MAX),
        request_id: some("4be5990d"),
        backup_id: Some(i64::MAX),
        group_id: some("16556099469691"),
        file_name: some("a.bak.tar"),
        size: Some(Quantity("1536Ki".to_owned())),
        start_time: Some(time(2)),
        completion_time: Some(time(3)),
        error: Some(Box::new(CloudError {
            code: some("InternalError"),
            message: some("It said so."),
            request_id: some("5ce5990d"),
            time: Some(time(4)),
        })),
        conditions: Some(reason::CONDITION_TYPES.iter().map(|kind| condition(kind)).collect()),
        intent: Some(Box::new(Intent {
            backup_name: some("nightly_0_2"),
            attempt: Some(2),
            time: Some(time(5)),
            holder: some("operator-0"),
        })),
    }
}

#[tokio::test]
async fn the_server_keeps_every_field_that_the_types_write() {
    let cluster = cluster::get();
    let (client, namespace) = (cluster.client().await, cluster.namespace());
    let typed: Api<SqlServerBackup> = Api::namespaced(client.clone(), &namespace);
    let stored: Api<StoredBackup> = Api::namespaced(client, &namespace);

    typed.create(&PostParams::default(), &SqlServerBackup::new("full", full_spec())).await.unwrap();
    let status = Patch::Merge(json!({ "status": full_status() }));
    stored.patch_status("full", &PatchParams::default(), &status).await.unwrap();

    let listed = stored.list(&ListParams::default()).await.unwrap().items;
    let [object] = &listed[..] else { panic!("{} objects", listed.len()) };
    assert_eq!(object.spec.0, Ok(full_spec()));
    assert_eq!(object.status.unreadable, Vec::<String>::new());
    assert_eq!(object.status.fields, full_status());
}

#[tokio::test]
async fn the_defaults_of_the_types_are_those_of_the_schema() {
    let cluster = cluster::get();
    let (client, namespace) = (cluster.client().await, cluster.namespace());
    let bare = json!({ "instanceId": "mssql-a1", "region": "ap-guangzhou", "strategy": "Instance" });
    let object = json!({
        "apiVersion": "tencentdb.dev/v1alpha1", "kind": "SqlServerBackup", "metadata": { "name": "bare" }, "spec": bare,
    });
    let create = ["create", "--namespace", &namespace, "--filename", "-"];
    cluster.kubectl_reading(&create, &object.to_string()).unwrap();

    let stored: Api<StoredBackup> = Api::namespaced(client, &namespace);
    let by_server = stored.get("bare").await.unwrap().spec.0;
    assert_eq!(by_server, Ok(serde_json::from_value(bare).unwrap()));
}
