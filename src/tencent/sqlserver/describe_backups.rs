//! `DescribeBackups`: the listing that submissions, doubts and adopted backups are looked up in (I3, I4).
//!
//! `BackupName` and `Strategy` are never sent. Whether the name filter is exact is not documented, and a running row may
//! still show a default in place of its strategy: a filter on either could hide a row of ours, and a hidden row would pass
//! for absence. So the listing is by instance and time, and matching is ours.
//!
//! `BackupWay` is always sent, because its default is documented differently in two languages; `Type` 1 leaves out log
//! backups; `Group` 1 shows one row a backup also where files are not packaged.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::wire::{self, WireTime};
use super::{Call, StorageStrategy};
use crate::tencent::action::Action;

/// Which backups are listed, by what began them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BackupWay {
    /// By the instance's plan. A running manual one may show here: the documentation calls 0 its default meanwhile.
    Scheduled,
    /// By a call or in the console.
    Manual,
}

impl Serialize for BackupWay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(match self {
            Self::Scheduled => 0,
            Self::Manual => 1,
        })
    }
}

/// One page of one listing.
#[derive(Clone, Debug)]
pub struct DescribeBackups {
    /// `mssql-…`.
    pub instance_id: String,
    /// From when; a day wider than needed, because the zone of an instance may differ.
    pub start_time: WireTime,
    /// Until when; likewise.
    pub end_time: WireTime,
    /// One of the two ways: there is no value for both.
    pub backup_way: BackupWay,
    /// One of the two: a backup made with one may be invisible under the other.
    pub storage_strategy: StorageStrategy,
    /// Rows a page, 1 to 100. Less than [`DescribeBackups::PAGE`] only after an answer that was too large.
    pub limit: u32,
    /// Which page, from 0. The parameter is called Offset and counts pages.
    pub page: u32,
}

impl DescribeBackups {
    /// Most rows that a page may hold.
    pub const PAGE: u32 = 100;
}

impl Serialize for DescribeBackups {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            instance_id: &'a str,
            start_time: &'a WireTime,
            end_time: &'a WireTime,
            backup_way: BackupWay,
            storage_strategy: StorageStrategy,
            r#type: u8,
            group: u8,
            limit: u32,
            offset: u32,
        }
        let Self { instance_id, start_time, end_time, backup_way, storage_strategy, limit, page } = self;
        let body = Body {
            instance_id,
            start_time,
            end_time,
            backup_way: *backup_way,
            storage_strategy: *storage_strategy,
            r#type: 1,
            group: 1,
            limit: *limit,
            offset: *page,
        };
        body.serialize(serializer)
    }
}

impl Call for DescribeBackups {
    const ACTION: Action = Action::DescribeBackups;
    type Answer = BackupPage;
}

/// What a page holds. It is complete only together with the other pages: as many distinct rows as `total_count`.
#[derive(Clone, Debug)]
pub struct BackupPage {
    /// How many rows the whole listing has.
    pub total_count: u64,
    /// This page's.
    pub rows: Vec<BackupRow>,
}

impl<'de> Deserialize<'de> for BackupPage {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body {
            #[serde(default, deserialize_with = "wire::integer")]
            total_count: Option<u64>,
            #[serde(default)]
            backups: Option<Vec<BackupRow>>,
        }
        let Body { total_count, backups } = Body::deserialize(deserializer)?;
        // A page that does not say how many rows there are proves nothing about the ones it does not hold.
        let total_count = total_count.ok_or_else(|| serde::de::Error::missing_field("TotalCount"))?;
        Ok(Self { total_count, rows: backups.unwrap_or_default() })
    }
}

/// A backup as the cloud shows it. The same row comes from the listing and from the flow; no row names its flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BackupRow {
    /// The file's id; 0 while running and for unpackaged backups, which is `None` here.
    #[serde(deserialize_with = "positive")]
    pub id: Option<u64>,
    /// The handle of an unpackaged backup.
    #[serde(deserialize_with = "wire::text")]
    pub group_id: Option<String>,
    /// The name it was given or was renamed to.
    #[serde(deserialize_with = "wire::text")]
    pub backup_name: Option<String>,
    /// The file, the first one of an unpackaged backup.
    #[serde(deserialize_with = "wire::text")]
    pub file_name: Option<String>,
    /// How far it is.
    #[serde(deserialize_with = "state")]
    pub status: Option<BackupState>,
    /// Kilobytes of 1 024 bytes, of the first file only for an unpackaged backup; 0 while running.
    #[serde(deserialize_with = "wire::integer_or_none")]
    pub size: Option<u64>,
    /// When it began.
    #[serde(deserialize_with = "wire::time")]
    pub start_time: Option<Timestamp>,
    /// When it ended; `None` while running.
    #[serde(deserialize_with = "wire::time")]
    pub end_time: Option<Timestamp>,
    /// 0 the instance, 1 databases; a default while running.
    #[serde(deserialize_with = "wire::integer_or_none")]
    pub strategy: Option<i64>,
    /// The databases that it holds, those of the first file only for an unpackaged backup.
    #[serde(rename = "DBs", deserialize_with = "wire::texts")]
    pub databases: Vec<String>,
    /// 0 scheduled, 1 manual, 2 archive; a default while running.
    #[serde(deserialize_with = "wire::integer_or_none")]
    pub backup_way: Option<i64>,
    /// 0 the retention, 1 the instance's life.
    #[serde(deserialize_with = "wire::integer_or_none")]
    pub storage_strategy: Option<i64>,
}

/// How far a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackupState {
    /// 0.
    Running,
    /// 1.
    Succeeded,
    /// 2. The cloud gives no reason.
    Failed,
    /// A number that is not documented.
    Other(i64),
}

fn state<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<BackupState>, D::Error> {
    let number: Option<i64> = wire::integer(deserializer)?;
    Ok(number.map(|number| match number {
        0 => BackupState::Running,
        1 => BackupState::Succeeded,
        2 => BackupState::Failed,
        other => BackupState::Other(other),
    }))
}

fn positive<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number: Option<u64> = wire::integer(deserializer)?;
    Ok(number.filter(|number| *number > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i4_the_body_never_filters_by_name_or_strategy() {
        let call = DescribeBackups {
            instance_id: "mssql-i1z41iwd".into(),
            start_time: WireTime::from(Timestamp::UNIX_EPOCH),
            end_time: WireTime::from(Timestamp::from_second(86_400).unwrap()),
            backup_way: BackupWay::Scheduled,
            storage_strategy: StorageStrategy::InstanceLifetime,
            limit: DescribeBackups::PAGE,
            page: 3,
        };
        assert_eq!(
            serde_json::to_string(&call).unwrap(),
            concat!(
                r#"{"InstanceId":"mssql-i1z41iwd","StartTime":"1970-01-01 08:00:00","EndTime":"1970-01-02 08:00:00","#,
                r#""BackupWay":0,"StorageStrategy":1,"Type":1,"Group":1,"Limit":100,"Offset":3}"#
            )
        );
    }

    #[test]
    fn a_row_is_read_with_numbers_as_strings_and_without_its_addresses() {
        let page: BackupPage = serde_json::from_str(
            r#"{"TotalCount":"2","Backups":[
            {"Id":"4294967297","BackupName":"n","FileName":"f.bak.tar","Size":1024,"Status":1,"Strategy":0,"BackupWay":1,
             "StartTime":"2021-09-14 14:43:12","EndTime":"2021-09-14 14:50:00","InternalAddr":"http://a?sign=x",
             "ExternalAddr":"http://b?sign=x","DBs":["a"],"StorageStrategy":1,"GroupId":"","CrossBackupAddr":null,"New":{}},
            {"Id":0,"BackupName":"","FileName":"","Size":0,"Status":"0","EndTime":"0000-00-00 00:00:00","GroupId":"16556099469691"}
            ],"RequestId":"r"}"#,
        )
        .unwrap();
        assert_eq!(page.total_count, 2);
        let [done, running] = page.rows.as_slice() else { panic!("two rows") };
        assert_eq!((done.id, done.size, done.status), (Some(4_294_967_297), Some(1024), Some(BackupState::Succeeded)));
        assert_eq!(done.start_time, "2021-09-14T06:43:12Z".parse().ok());
        assert_eq!(done.group_id, None);
        assert_eq!((running.id, running.backup_name.as_ref(), running.end_time), (None, None, None));
        assert_eq!(running.status, Some(BackupState::Running));
        assert_eq!(running.group_id.as_deref(), Some("16556099469691"));
        assert!(!format!("{page:?}").contains("sign="));
    }

    #[test]
    fn i4_a_page_that_cannot_be_wholly_understood_is_no_page() {
        let read = |json: &str| serde_json::from_str::<BackupPage>(json).is_ok();
        assert!(read(r#"{"TotalCount":0}"#) && read(r#"{"TotalCount":0,"Backups":null}"#));
        for bad in [
            r#"{"Backups":[]}"#,
            r#"{"TotalCount":null,"Backups":[]}"#,
            r#"{"TotalCount":-1,"Backups":[]}"#,
            r#"{"TotalCount":1,"Backups":{}}"#,
            r#"{"TotalCount":1,"Backups":[{"Id":"x"}]}"#,
            r#"{"TotalCount":1,"Backups":[{"BackupName":7}]}"#,
            r#"{"TotalCount":1,"Backups":[{"Status":"done"}]}"#,
            r#"{"TotalCount":1,"Backups":[null]}"#,
        ] {
            assert!(!read(bad), "{bad}");
        }
        assert!(read(r#"{"TotalCount":1,"Backups":[{"Size":"big","StartTime":7,"Strategy":"x"}]}"#));
    }
}
