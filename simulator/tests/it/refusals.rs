//! What the service refuses, by which code, and that a refused request leaves nothing behind.

use serde_json::{Value, json};
use tencentdb_simulator::{Cloud, Instance, Key};

use crate::client::{Call, INSTANCE, cloud, create, create_all, follow};

fn asked(cloud: &Cloud, body: &Value) -> String {
    Call::new(cloud, "CreateBackup", body).code(cloud)
}

#[tokio::test]
async fn an_illegal_wish_is_refused_and_begins_nothing() {
    let cloud = cloud().await;
    let many: Vec<String> = (0..101).map(|n| format!("db{n}")).collect();
    let wishes = json!({
        "InvalidParameter": [{"Strategy": "0"}, {"Strategy": 1, "DBNames": null}, {"InstanceId": 5}],
        "InvalidParameter.InputIllegal": [
            {"InstanceId": ""}, {"Strategy": 2}, {"Strategy": 1}, {"Strategy": 1, "DBNames": []},
            {"Strategy": 0, "DBNames": ["orders"]}, {"Strategy": 1, "DBNames": ["orders", "orders"]},
            {"StorageStrategy": 2},
        ],
        "InvalidParameterValue.BackupNameIsIllegal": [
            {"BackupName": ""}, {"BackupName": "with-hyphen"}, {"BackupName": "x".repeat(129)},
        ],
        "LimitExceeded.TooManyDB": [{"Strategy": 1, "DBNames": many}],
        "ResourceNotFound.DBNotFound": [{"Strategy": 1, "DBNames": ["orders", "nope"]}],
        "ResourceNotFound.InstanceNotFound": [{"InstanceId": "mssql-unknown0"}],
        "UnknownParameter": [{"ClientToken": "x"}],
    });
    for (code, wishes) in wishes.as_object().unwrap() {
        for wish in wishes.as_array().unwrap() {
            let mut body = json!({"InstanceId": INSTANCE});
            body.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
            assert_eq!(&asked(&cloud, &body), code, "{body}");
        }
    }
    assert_eq!(asked(&cloud, &json!({})), "InvalidParameter.InputIllegal");
    assert!(cloud.backups().is_empty());
    assert!(cloud.ledger().iter().all(|entry| !entry.accepted && entry.delivered));
    assert_eq!(asked(&cloud, &json!({"InstanceId": INSTANCE, "BackupName": "x".repeat(128)})), "OK");
}

#[tokio::test]
async fn different_databases_go_together_and_a_whole_instance_goes_alone() {
    let cloud = cloud().await;
    cloud.change_instance(INSTANCE, |it| {
        it.databases = ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec();
        it.bad_databases = vec!["f".to_owned()];
    });
    let busy = "ResourceUnavailable.InstanceStatusInvalid";
    let some = |databases: &[&str]| create(&cloud, INSTANCE, "n", databases).code(&cloud);
    assert_eq!(some(&["f"]), "ResourceUnavailable.DBInvalidStatus");
    assert_eq!(some(&["a", "b"]), "OK");
    assert_eq!(some(&["b"]), busy);
    assert_eq!(some(&["c"]), "OK");
    cloud.change_instance(INSTANCE, |it| it.bad_databases.clear());
    assert_eq!(create_all(&cloud, INSTANCE, "n").code(&cloud), busy);
    cloud.change_instance(INSTANCE, |it| it.parallel = 2);
    assert_eq!(some(&["d"]), busy);
    cloud.change_instance(INSTANCE, |it| it.parallel = 3);
    assert_eq!(some(&["d"]), "OK");
}

#[tokio::test]
async fn a_whole_instance_is_whole_also_for_a_database_that_came_later() {
    let cloud = cloud().await;
    assert_eq!(create_all(&cloud, INSTANCE, "n").code(&cloud), "OK");
    cloud.change_instance(INSTANCE, |it| it.databases.push("later".to_owned()));
    let later = create(&cloud, INSTANCE, "n", &["later"]);
    assert_eq!(later.code(&cloud), "ResourceUnavailable.InstanceStatusInvalid");
}

#[tokio::test]
async fn an_instance_at_its_nightly_backup_is_busy_with_the_code_that_is_set() {
    let cloud = cloud().await;
    let nightly = cloud.begin_nightly(INSTANCE, None).unwrap();
    let one = || create(&cloud, INSTANCE, "n", &["orders"]).code(&cloud);
    assert_eq!(one(), "ResourceUnavailable.InstanceStatusInvalid");
    cloud.switch(|switches| switches.busy_code = "ResourceInUse".to_owned());
    assert_eq!(one(), "ResourceInUse");
    let look = Call::new(&cloud, "DescribeDBInstances", &json!({"InstanceIdSet": [INSTANCE]}));
    assert_eq!(look.response(&cloud)["DBInstances"][0]["Status"], 7);
    assert!(cloud.finish(nightly, tencentdb_simulator::End::Success));
    assert_eq!(look.response(&cloud)["DBInstances"][0]["Status"], 2);
    assert_eq!(one(), "OK");
}

#[tokio::test]
async fn an_instance_is_there_for_its_owner_in_its_region_only() {
    let cloud = cloud().await;
    cloud.put_key(Key::new("AKIDOTHER", "k"));
    cloud.put_instance(Instance { owners: vec!["AKIDOTHER".to_owned()], ..Instance::new("mssql-other001") });
    let call = create_all(&cloud, "mssql-other001", "n");
    assert_eq!(call.code(&cloud), "ResourceNotFound.InstanceNotFound");
    let owner = call.key("AKIDOTHER", "k");
    let elsewhere = owner.clone().header("X-TC-Region", "ap-shanghai");
    assert_eq!(elsewhere.code(&cloud), "ResourceNotFound.InstanceNotFound");
    assert_eq!(owner.code(&cloud), "OK");
    cloud.change_instance("mssql-other001", |it| it.status = 4);
    assert_eq!(owner.code(&cloud), "ResourceUnavailable.InstanceStatusInvalid");

    let look = Call::new(&cloud, "DescribeDBInstances", &json!({"InstanceIdSet": ["mssql-other001"]}));
    assert_eq!(look.response(&cloud)["TotalCount"], 0);
    assert_eq!(look.clone().key("AKIDOTHER", "k").response(&cloud)["DBInstances"][0]["Status"], 4);
    cloud.remove_instance("mssql-other001");
    assert_eq!(owner.code(&cloud), "ResourceNotFound.InstanceNotFound");
}

#[tokio::test]
async fn a_key_may_only_what_it_may() {
    let cloud = cloud().await;
    cloud.put_key(Key { denied: vec!["CreateBackup".to_owned()], ..Key::new("AKIDREADER", "k") });
    let call = create_all(&cloud, INSTANCE, "n").key("AKIDREADER", "k");
    let error = call.response(&cloud)["Error"].clone();
    assert_eq!(error["Code"], "UnauthorizedOperation.PermissionDenied");
    let message = error["Message"].as_str().unwrap();
    assert!(message.starts_with("[request id:") && message.contains('\n'), "{message}");
    let look = Call::new(&cloud, "DescribeDBInstances", &json!({})).key("AKIDREADER", "k");
    assert_eq!(look.code(&cloud), "OK");
    cloud.put_key(Key { allowed: Some(vec!["CreateBackup".to_owned()]), ..Key::new("AKIDREADER", "k") });
    assert_eq!(look.code(&cloud), "UnauthorizedOperation.PermissionDenied");
    assert_eq!(call.code(&cloud), "OK");
}

#[tokio::test]
async fn a_flow_is_asked_for_by_a_string_and_only_where_it_belongs() {
    let cloud = cloud().await;
    let answer = create_all(&cloud, INSTANCE, "n").response(&cloud);
    let flow = answer["FlowId"].as_i64().unwrap();
    let ask = |instance: &str, flow: Value| {
        Call::new(&cloud, "DescribeBackupByFlowId", &json!({"InstanceId": instance, "FlowId": flow})).code(&cloud)
    };
    assert_eq!(ask(INSTANCE, json!(flow.to_string())), "OK");
    assert_eq!(ask(INSTANCE, json!(flow)), "InvalidParameter");
    assert_eq!(ask(INSTANCE, json!("x")), "InvalidParameter.InputIllegal");
    assert_eq!(ask(INSTANCE, json!("1")), "ResourceNotFound.BackupNotFound");
    assert_eq!(ask("mssql-sim00002", json!(flow.to_string())), "ResourceNotFound.BackupNotFound");
    cloud.change_backup(flow, |backup| backup.hidden = true);
    assert_eq!(follow(&cloud, INSTANCE, flow).code(&cloud), "ResourceNotFound.BackupNotFound");
}

#[tokio::test]
async fn rates_hold_for_each_key_region_and_action() {
    let cloud = cloud().await;
    cloud.put_key(Key::new("AKIDOTHER", "k"));
    cloud.switch(|switches| {
        switches.enforce_rates = true;
        switches.rates.insert("DescribeDBInstances".to_owned(), 3);
    });
    let call = Call::new(&cloud, "DescribeDBInstances", &json!({}));
    // Within one second of the cloud's clock, or the window changes under the test.
    while cloud.now().subsec_millisecond() > 300 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let codes: Vec<String> = (0..4).map(|_| call.code(&cloud)).collect();
    assert_eq!(codes, ["OK", "OK", "OK", "RequestLimitExceeded"]);
    assert_eq!(call.clone().key("AKIDOTHER", "k").code(&cloud), "OK");
    assert_eq!(call.clone().header("X-TC-Region", "ap-shanghai").code(&cloud), "OK");
    cloud.switch(|switches| switches.enforce_rates = false);
    assert_eq!(call.code(&cloud), "OK");
    assert_eq!(cloud.counts()["DescribeDBInstances"]["RequestLimitExceeded"], 1);
}
