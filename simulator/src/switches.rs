//! What the documentation leaves open, as switches: each can be set before the start and while the cloud runs.
//!
//! The defaults are what the documentation says, or, where it is silent, what is expected. Changing one changes the answer
//! of the very next request and nothing that already happened.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Meaning of `Offset` in the listings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffsetMeaning {
    /// Number of the page, from 0: what is documented.
    #[default]
    Page,
    /// Rows to leave out: what the page of 2019 said.
    Row,
}

/// How `BackupName` filters in `DescribeBackups`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameFilter {
    /// The whole name.
    #[default]
    Exact,
    /// Any part of the name.
    Fuzzy,
}

/// What `DescribeBackups` lists when `BackupWay` is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbsentBackupWay {
    /// Everything: the Chinese documentation.
    #[default]
    Any,
    /// Periodic archives (2) only: the English documentation.
    Periodic,
}

/// The zone of the time strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StringsZone {
    /// UTC+8, whatever the instance's own zone.
    #[default]
    Beijing,
    /// The instance's own zone.
    Instance,
}

/// Which instant of a backup `StartTime` and `EndTime` of `DescribeBackups` are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowBy {
    /// Its start.
    #[default]
    Start,
    /// Its end; now, while it runs.
    End,
}

/// How running backups look in `DescribeBackups`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunningRows {
    /// `Strategy`, `BackupWay` and `StorageStrategy` show 0, and filters compare with that 0.
    pub defaults: bool,
    /// `BackupName` is empty.
    pub nameless: bool,
    /// Not listed at all before they end.
    pub unlisted: bool,
}

/// All switches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// How far `X-TC-Timestamp` may lie from the cloud's clock, in seconds.
    pub signature_window_seconds: u32,
    /// How far the cloud's clock is ahead of the machine's, in seconds.
    pub clock_offset_seconds: i64,
    /// Calls in one second for each key, region and action; an action that is not named is not limited.
    pub rates: BTreeMap<String, u32>,
    /// Whether `rates` are enforced.
    pub enforce_rates: bool,
    /// How long a backup runs, in seconds; null: until it is finished by hand.
    pub backup_seconds: Option<f64>,
    /// How long an accepted backup stays out of `DescribeBackups`, in seconds.
    pub listing_lag_seconds: f64,
    /// What `CreateBackup` answers while the instance is at work.
    pub busy_code: String,
    /// See [`AbsentBackupWay`].
    pub absent_backup_way: AbsentBackupWay,
    /// See [`OffsetMeaning`].
    pub offset_meaning: OffsetMeaning,
    /// See [`NameFilter`].
    pub name_filter: NameFilter,
    /// See [`StringsZone`].
    pub strings_zone: StringsZone,
    /// See [`WindowBy`].
    pub window_by: WindowBy,
    /// The longest window that `DescribeBackups` takes, in days; null: any.
    pub max_window_days: Option<u32>,
    /// See [`RunningRows`].
    pub running_rows: RunningRows,
    /// Whether a name that another backup of the instance bears is accepted.
    pub repeated_names: bool,
    /// After how long without a request a connection is closed, in seconds; read when a connection begins.
    pub idle_seconds: f64,
    /// How long the keys of roles live, in seconds; null: as long as was asked for.
    pub issued_seconds: Option<f64>,
    /// More names than this in `DBNames` are `LimitExceeded.TooManyDB`.
    pub max_databases: usize,
}

impl Default for Switches {
    fn default() -> Self {
        let rates = [
            ("CreateBackup", 20),
            ("DescribeBackups", 60),
            ("DescribeBackupByFlowId", 20),
            ("DescribeDBInstances", 70),
        ];
        Self {
            signature_window_seconds: 300,
            clock_offset_seconds: 0,
            rates: rates.map(|(action, limit)| (action.to_owned(), limit)).into(),
            enforce_rates: true,
            backup_seconds: Some(20.0),
            listing_lag_seconds: 2.0,
            busy_code: "ResourceUnavailable.InstanceStatusInvalid".to_owned(),
            absent_backup_way: AbsentBackupWay::default(),
            offset_meaning: OffsetMeaning::default(),
            name_filter: NameFilter::default(),
            strings_zone: StringsZone::default(),
            window_by: WindowBy::default(),
            max_window_days: None,
            running_rows: RunningRows::default(),
            repeated_names: true,
            idle_seconds: 60.0,
            issued_seconds: None,
            max_databases: 100,
        }
    }
}
