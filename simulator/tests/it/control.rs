//! The control port says and changes the same as the handle.

use std::io::Write;

use serde_json::{Value, json};
use tencentdb_simulator::{Cloud, Instance, Key};

use crate::client::{Call, INSTANCE, cloud, connect, create, create_all, list, read_response};

fn ask(cloud: &Cloud, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let mut stream = connect(cloud.control_url()).unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: c\r\nConnection: close\r\nContent-Length: {}", body.len());
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    let response = read_response(stream).unwrap();
    (response.status, serde_json::from_str(&response.body).unwrap_or(Value::String(response.body)))
}

fn told(cloud: &Cloud, path: &str) -> Value {
    let (status, value) = ask(cloud, "GET", path, &Value::Null);
    assert_eq!(status, 200, "{path}: {value}");
    value
}

fn done(cloud: &Cloud, method: &str, path: &str, body: &Value) -> Value {
    let (status, value) = ask(cloud, method, path, body);
    assert_eq!(status, 200, "{method} {path}: {value}");
    value
}

#[tokio::test]
async fn ledger_and_calls_are_told() {
    let cloud = cloud().await;
    create_all(&cloud, INSTANCE, "n").response(&cloud);
    create_all(&cloud, INSTANCE, "m").response(&cloud);
    let ledger = told(&cloud, "/ledger");
    assert_eq!((&ledger[0]["name"], &ledger[0]["accepted"]), (&json!("n"), &json!(true)));
    assert_eq!(ledger[1]["code"], "ResourceUnavailable.InstanceStatusInvalid");
    let counts = json!({"CreateBackup": {"OK": 1, "ResourceUnavailable.InstanceStatusInvalid": 1}});
    assert_eq!(told(&cloud, "/calls"), counts);
    assert_eq!(told(&cloud, "/calls/last")[1]["body"]["BackupName"], "m");
    assert!(told(&cloud, "/").as_str().unwrap().contains("GET    /ledger"));
}

#[tokio::test]
async fn backups_are_finished_renamed_and_hidden() {
    let cloud = cloud().await;
    create_all(&cloud, INSTANCE, "n").response(&cloud);
    done(&cloud, "POST", "/backups/5293/finish", &json!({"size_kb": 77}));
    done(&cloud, "PATCH", "/backups/5293", &json!({"name": "renamed"}));
    let row = list(&cloud, INSTANCE, &json!({})).response(&cloud)["Backups"][0].clone();
    assert_eq!((&row["BackupName"], &row["Status"], &row["Size"]), (&json!("renamed"), &json!(1), &json!(77)));
    assert_eq!(ask(&cloud, "POST", "/backups/5293/finish", &Value::Null).0, 404, "it runs no more");
    done(&cloud, "PATCH", "/backups/5293", &json!({"hidden": true}));
    assert_eq!(list(&cloud, INSTANCE, &json!({})).response(&cloud)["TotalCount"], 0);
    let nightly = done(&cloud, "POST", &format!("/instances/{INSTANCE}/nightly"), &json!({"seconds": 60}));
    assert_eq!(nightly["flow_id"], 5294);
    done(&cloud, "POST", "/backups/5294/finish", &json!({"end": "failed"}));
    assert_eq!(told(&cloud, "/backups")[1]["ended"][1], "failed");
}

#[tokio::test]
async fn instances_keys_switches_and_faults_are_changed() {
    let cloud = cloud().await;
    done(&cloud, "PUT", "/instances/mssql-new00001", &json!({"databases": ["x"]}));
    let expected = Instance { databases: vec!["x".to_owned()], ..Instance::new("mssql-new00001") };
    assert_eq!(cloud.instance("mssql-new00001"), Some(expected.clone()));
    done(&cloud, "PUT", "/instances/mssql-new00001", &json!({"status": 4}));
    assert_eq!(cloud.instance("mssql-new00001"), Some(Instance { status: 4, ..expected }));
    done(&cloud, "DELETE", "/instances/mssql-new00001", &Value::Null);
    assert_eq!(cloud.instance("mssql-new00001"), None);

    done(&cloud, "PUT", "/keys/AKIDNEW", &json!({"secret_key": "k", "denied": ["CreateBackup"]}));
    let call = Call::new(&cloud, "DescribeDBInstances", &json!({})).key("AKIDNEW", "k");
    assert_eq!(call.code(&cloud), "OK");
    assert!(!told(&cloud, "/keys").to_string().contains("\"k\""));
    done(&cloud, "DELETE", "/keys/AKIDNEW", &Value::Null);
    assert_eq!(call.code(&cloud), "AuthFailure.SecretIdNotFound");

    let patch = json!({"running_rows": {"nameless": true}, "rates": {"CreateBackup": 1}, "backup_seconds": 5.0});
    let switches = done(&cloud, "PATCH", "/switches", &patch);
    assert_eq!(
        switches["rates"],
        json!({"CreateBackup": 1, "DescribeBackups": 60, "DescribeBackupByFlowId": 20,
        "DescribeDBInstances": 70})
    );
    assert!(cloud.switches().running_rows.nameless && !cloud.switches().running_rows.unlisted);
    done(&cloud, "PATCH", "/switches", &json!({"backup_seconds": null}));
    assert_eq!(cloud.switches().backup_seconds, None);

    let rule = json!({"action": "CreateBackup", "name": "x", "effect": {"kind": "throttle"}});
    assert_eq!(done(&cloud, "POST", "/faults", &rule)["id"], 1);
    assert_eq!(create(&cloud, INSTANCE, "x", &["orders"]).code(&cloud), "RequestLimitExceeded");
    assert_eq!(told(&cloud, "/faults")[0]["acted"], 1);
    done(&cloud, "DELETE", "/faults", &Value::Null);
    assert_eq!(told(&cloud, "/faults"), json!([]));
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_changes_nothing() {
    let cloud = cloud().await;
    cloud.put_key(Key::new("AKIDOTHER", "k"));
    let before = cloud.switches();
    for (method, path, body, status) in [
        ("GET", "/nothing", Value::Null, 404),
        ("POST", "/ledger", Value::Null, 404),
        ("GET", "/instances/mssql-nothing0", Value::Null, 404),
        ("PATCH", "/backups/1", json!({"name": "n"}), 404),
        ("POST", "/backups/x/finish", Value::Null, 404),
        ("PATCH", "/switches", json!({"listing_lag": 1}), 400),
        ("PATCH", "/switches", json!({"backup_seconds": "soon"}), 400),
        ("PATCH", "/switches", json!([]), 400),
        ("POST", "/faults", json!({"effect": {"kind": "explode"}}), 400),
        ("PUT", "/instances/mssql-x", json!({"colour": 1}), 400),
        ("PUT", "/keys/AKIDOTHER", json!({"token": "t"}), 400),
    ] {
        let (got, answer) = ask(&cloud, method, path, &body);
        assert_eq!(got, status, "{method} {path}: {answer}");
        assert!(answer["error"].is_string(), "{answer}");
    }
    assert_eq!(cloud.switches(), before);
    assert!(cloud.faults().is_empty() && cloud.instance("mssql-x").is_none());
}
