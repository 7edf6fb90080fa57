//! What the listing shows of backups, by filter and by switch.

use serde_json::{Value, json};
use tencentdb_simulator::{
    AbsentBackupWay, Cloud, DOWNLOAD_SECRET, End, NameFilter, OffsetMeaning, RunningRows, StringsZone, WindowBy,
};

use crate::client::{INSTANCE, UNPACKAGED, cloud, create, create_all, follow, list};

/// A finished backup of one database; yields its flow.
fn done(cloud: &Cloud, name: &str) -> i64 {
    let flow = create(cloud, INSTANCE, name, &["orders"]).response(cloud)["FlowId"].as_i64().unwrap();
    assert!(cloud.finish(flow, End::Success));
    flow
}

fn names(cloud: &Cloud, more: &Value) -> Vec<String> {
    let answer = list(cloud, INSTANCE, more).response(cloud);
    let rows = answer["Backups"].as_array().unwrap_or_else(|| panic!("{answer}"));
    rows.iter().map(|row| row["BackupName"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_running_backup_has_no_end_and_a_finished_one_has_everything() {
    let cloud = cloud().await;
    let flow = create_all(&cloud, INSTANCE, "whole").response(&cloud)["FlowId"].as_i64().unwrap();
    let row = list(&cloud, INSTANCE, &json!({})).response(&cloud)["Backups"][0].clone();
    let by_flow = follow(&cloud, INSTANCE, flow).response(&cloud);
    for shown in [&row, &by_flow] {
        assert_eq!(shown["Status"], 0);
        assert_eq!(shown["EndTime"], "0000-00-00 00:00:00");
        assert_eq!((&shown["Id"], &shown["FileName"], &shown["Size"]), (&json!(0), &json!(""), &json!(0)));
        assert_eq!(shown["InternalAddr"], "");
        assert_eq!(shown["BackupName"], "whole");
    }
    assert_eq!(row["BackupWay"], 1);
    assert_eq!(by_flow["BackupWay"], 0, "documented as meaningless while it runs");
    assert!(row.get("FlowId").is_none());

    assert!(cloud.finish(flow, End::Success));
    let row = list(&cloud, INSTANCE, &json!({})).response(&cloud)["Backups"][0].clone();
    let by_flow = follow(&cloud, INSTANCE, flow).response(&cloud);
    for shown in [&row, &by_flow] {
        assert_eq!((&shown["Status"], &shown["Strategy"], &shown["BackupWay"]), (&json!(1), &json!(0), &json!(1)));
        assert!(shown["FileName"].as_str().unwrap().starts_with("manual_instance_58001_"), "{shown}");
        assert!(shown["Size"].as_u64().unwrap() > 0 && shown["Id"].as_u64().unwrap() > u64::from(u32::MAX));
        assert!(shown["ExternalAddr"].as_str().unwrap().contains(DOWNLOAD_SECRET));
    }
}

#[tokio::test]
async fn an_unpackaged_backup_is_one_row_or_one_for_each_file() {
    let cloud = cloud().await;
    let flow = create(&cloud, UNPACKAGED, "two", &["orders", "stock"]).response(&cloud)["FlowId"].as_i64().unwrap();
    cloud.finish(flow, End::Success);
    let grouped = list(&cloud, UNPACKAGED, &json!({"Group": 1})).response(&cloud);
    assert_eq!(grouped["TotalCount"], 1);
    let row = &grouped["Backups"][0];
    assert_eq!((&row["Id"], &row["FileName"], &row["BackupFormat"]), (&json!(0), &json!(""), &json!("single")));
    assert_ne!(row["GroupId"], "");
    let flat = list(&cloud, UNPACKAGED, &json!({"Group": 0})).response(&cloud);
    assert_eq!(flat["TotalCount"], 2);
    let by_flow = follow(&cloud, UNPACKAGED, flow).response(&cloud);
    assert_eq!(by_flow["GroupId"], row["GroupId"]);
    assert_eq!(by_flow["DBs"], json!(["orders"]));
    let format = |format: &str| list(&cloud, UNPACKAGED, &json!({"BackupFormat": format})).response(&cloud);
    assert_eq!((&format("single")["TotalCount"], &format("pkg")["TotalCount"]), (&json!(2), &json!(0)));
}

#[tokio::test]
async fn every_filter_filters_and_the_defaults_are_the_documented_ones() {
    let cloud = cloud().await;
    done(&cloud, "alpha");
    let beta = done(&cloud, "beta");
    cloud.change_backup(beta, |backup| backup.storage_strategy = 1);
    let nightly = cloud.begin_nightly(INSTANCE, None).unwrap();
    cloud.finish(nightly, End::Failed);
    cloud.change_backup(nightly, |backup| backup.name = "nightly".to_owned());
    for (more, expected) in [
        (json!({}), vec!["nightly", "alpha"]),
        (json!({"StorageStrategy": 1}), vec!["beta"]),
        (json!({"BackupWay": 0}), vec!["nightly"]),
        (json!({"BackupWay": 1}), vec!["alpha"]),
        (json!({"BackupWay": 2}), vec![]),
        (json!({"Strategy": 0}), vec!["nightly"]),
        (json!({"Strategy": 1}), vec!["alpha"]),
        (json!({"Type": 2}), vec![]),
        (json!({"BackupName": "alpha"}), vec!["alpha"]),
        (json!({"BackupName": "alph"}), vec![]),
        (json!({"DatabaseName": "users"}), vec!["nightly"]),
        (json!({"BackupId": 10_000_058_001_i64}), vec!["alpha"]),
        (json!({"EndTime": "2021-01-01 00:00:00"}), vec![]),
    ] {
        assert_eq!(names(&cloud, &more), expected, "{more}");
    }
    cloud.switch(|switches| switches.name_filter = NameFilter::Fuzzy);
    assert_eq!(names(&cloud, &json!({"BackupName": "lph"})), ["alpha"]);
    cloud.switch(|switches| switches.absent_backup_way = AbsentBackupWay::Periodic);
    assert_eq!(names(&cloud, &json!({})), Vec::<String>::new());
    assert_eq!(names(&cloud, &json!({"BackupWay": 1})), ["alpha"]);
}

#[tokio::test]
async fn a_query_out_of_bounds_is_refused() {
    let cloud = cloud().await;
    for more in [
        json!({"Limit": 0}),
        json!({"Limit": 101}),
        json!({"Offset": -1}),
        json!({"BackupWay": 3}),
        json!({"Type": 0}),
        json!({"Group": 2}),
        json!({"BackupFormat": "zip"}),
        json!({"StartTime": "2020-01-01T00:00:00Z"}),
        json!({"StartTime": "2099-01-02 00:00:00"}),
    ] {
        assert_eq!(list(&cloud, INSTANCE, &more).code(&cloud), "InvalidParameter.InputIllegal", "{more}");
    }
    assert_eq!(list(&cloud, INSTANCE, &json!({"Limit": "20"})).code(&cloud), "InvalidParameter");
    assert_eq!(list(&cloud, INSTANCE, &json!({"FlowId": 1})).code(&cloud), "UnknownParameter");
    cloud.switch(|switches| switches.max_window_days = Some(30));
    assert_eq!(list(&cloud, INSTANCE, &json!({})).code(&cloud), "InvalidParameter.InputIllegal");
    let missing = crate::client::Call::new(&cloud, "DescribeBackups", &json!({"InstanceId": INSTANCE}));
    assert_eq!(missing.code(&cloud), "MissingParameter");
}

#[tokio::test]
async fn offset_is_a_page_or_a_row() {
    let cloud = cloud().await;
    for name in ["a", "b", "c", "d", "e"] {
        done(&cloud, name);
    }
    assert_eq!(names(&cloud, &json!({"Limit": 2})), ["e", "d"]);
    assert_eq!(names(&cloud, &json!({"Limit": 2, "Offset": 1})), ["c", "b"]);
    assert_eq!(names(&cloud, &json!({"Limit": 2, "Offset": 2})), ["a"]);
    cloud.switch(|switches| switches.offset_meaning = OffsetMeaning::Row);
    assert_eq!(names(&cloud, &json!({"Limit": 2, "Offset": 1})), ["d", "c"]);
    assert_eq!(list(&cloud, INSTANCE, &json!({"Limit": 2, "Offset": 9})).response(&cloud)["TotalCount"], 5);
}

#[tokio::test]
async fn a_running_row_may_lag_show_defaults_have_no_name_or_be_absent() {
    let cloud = cloud().await;
    let body = json!({"InstanceId": INSTANCE, "Strategy": 1, "DBNames": ["orders"], "BackupName": "n",
        "StorageStrategy": 1});
    let answer = crate::client::Call::new(&cloud, "CreateBackup", &body).response(&cloud);
    let flow = answer["FlowId"].as_i64().unwrap();
    let manual = json!({"BackupWay": 1, "StorageStrategy": 1});
    assert_eq!(names(&cloud, &manual), ["n"]);

    cloud.switch(|switches| switches.listing_lag_seconds = 3_600.0);
    assert!(names(&cloud, &manual).is_empty());
    assert_eq!(follow(&cloud, INSTANCE, flow).code(&cloud), "OK", "the lag is the listing's alone");
    cloud.switch(|switches| switches.listing_lag_seconds = 0.0);

    cloud.switch(|switches| switches.running_rows = RunningRows { defaults: true, nameless: true, unlisted: false });
    assert!(names(&cloud, &manual).is_empty());
    assert_eq!(names(&cloud, &json!({"BackupWay": 0, "StorageStrategy": 0, "Strategy": 0})), [""]);
    cloud.switch(|switches| switches.running_rows = RunningRows { unlisted: true, ..RunningRows::default() });
    assert!(names(&cloud, &manual).is_empty());
    cloud.finish(flow, End::Success);
    assert_eq!(names(&cloud, &manual), ["n"]);
}

#[tokio::test]
async fn times_are_written_and_read_in_the_zone_that_is_set() {
    let cloud = cloud().await;
    let flow = done(&cloud, "n");
    let started = cloud.backups()[0].started;
    let written = |hours: i32| {
        let offset = jiff::tz::Offset::from_seconds(hours * 3_600).unwrap();
        offset.to_datetime(started).strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    let exactly = |hours: i32| json!({"StartTime": written(hours), "EndTime": written(hours)});
    cloud.change_instance(INSTANCE, |it| it.utc_offset_minutes = -300);
    assert_eq!(follow(&cloud, INSTANCE, flow).response(&cloud)["StartTime"], written(8));
    assert_eq!(names(&cloud, &exactly(8)), ["n"], "both ends are inclusive");
    cloud.switch(|switches| switches.strings_zone = StringsZone::Instance);
    assert_eq!(follow(&cloud, INSTANCE, flow).response(&cloud)["StartTime"], written(-5));
    assert!(names(&cloud, &exactly(8)).is_empty());
    assert_eq!(names(&cloud, &exactly(-5)), ["n"]);

    cloud.change_backup(flow, |backup| {
        backup.ended = Some((started + jiff::SignedDuration::from_hours(1), End::Success));
    });
    cloud.switch(|switches| switches.window_by = WindowBy::End);
    assert!(names(&cloud, &exactly(-5)).is_empty());
    assert_eq!(names(&cloud, &exactly(-4)).len(), 1);
}

#[tokio::test]
async fn backups_end_by_the_clock_as_their_instance_says() {
    let cloud = cloud().await;
    cloud.switch(|switches| switches.backup_seconds = Some(60.0));
    cloud.change_instance(INSTANCE, |it| it.backups_end = End::Failed);
    let flow = create_all(&cloud, INSTANCE, "n").response(&cloud)["FlowId"].as_i64().unwrap();
    cloud.switch(|switches| switches.clock_offset_seconds = 59);
    assert_eq!(follow(&cloud, INSTANCE, flow).response(&cloud)["Status"], 0);
    cloud.switch(|switches| switches.clock_offset_seconds = 62);
    let answer = follow(&cloud, INSTANCE, flow).response(&cloud);
    assert_eq!((&answer["Status"], &answer["Id"], &answer["InternalAddr"]), (&json!(2), &json!(0), &json!("")));
    let backup = &cloud.backups()[0];
    assert_eq!(backup.ended.unwrap().0.duration_since(backup.started).as_secs(), 60);
}
