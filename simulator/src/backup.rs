//! One backup, from the moment the cloud accepted it.
//!
//! A backup ends by the clock, without a task of its own: who looks after its end finds it ended at exactly that instant.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a backup ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// There is a copy.
    #[default]
    Success,
    /// There is none, and the cloud says nothing about why.
    Failed,
}

/// A backup that was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// What `CreateBackup` answered.
    pub flow_id: i64,
    /// `Id` of its (first) file.
    pub id: u64,
    /// Counts backups; part of the file names.
    pub serial: u64,
    /// The instance it copies.
    pub instance: String,
    /// As given, made up by the cloud, or changed since.
    pub name: String,
    /// 0: the whole instance, 1: `databases`.
    pub strategy: i64,
    /// What it copies; for a whole instance, all that there were.
    pub databases: Vec<String>,
    /// 0: kept as long as the instance says, 1: as long as the instance lives.
    pub storage_strategy: i64,
    /// 0: scheduled, 1: manual, 2: periodic archive.
    pub way: i64,
    /// A file for each database instead of one.
    pub unpackaged: bool,
    /// When the cloud accepted it.
    pub started: Timestamp,
    /// When it will end by the clock, and how; none: by hand.
    pub due: Option<(Timestamp, End)>,
    /// When it ended, and how.
    pub ended: Option<(Timestamp, End)>,
    /// Of all its files, in KB, once it has succeeded.
    pub size_kb: u64,
    /// No call shows it.
    pub hidden: bool,
}

impl Backup {
    /// Whether it is still being made.
    pub fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    /// Status as in `DescribeBackups`: 0 creating, 1 success, 2 failed.
    pub fn status(&self) -> i64 {
        match self.ended {
            None => 0,
            Some((_, End::Success)) => 1,
            Some((_, End::Failed)) => 2,
        }
    }

    /// Handle of an unpackaged backup; empty for a packaged one.
    pub(crate) fn group_id(&self) -> String {
        if self.unpackaged { format!("{}", 16_556_099_400_000 + self.serial) } else { String::new() }
    }
}
