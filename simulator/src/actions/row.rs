//! A backup as the API shows it: one row for a package; for an unpackaged backup, one for the task or one for each file.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Value, json};

use crate::backup::Backup;
use crate::clock::{NO_TIME, written};
use crate::instance::Instance;
use crate::switches::{StringsZone, Switches};

/// Stands in every download address. The addresses are credentials: nothing that this text is found in may leave a client.
pub const DOWNLOAD_SECRET: &str = "SIMULATED-DOWNLOAD-SIGNATURE";

/// One row. Filters compare with what is shown, not with what is true.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) strategy: i64,
    pub(crate) storage_strategy: i64,
    pub(crate) way: i64,
    pub(crate) databases: Vec<String>,
    pub(crate) format: &'static str,
    pub(crate) started: Timestamp,
    /// None while it runs.
    pub(crate) ended: Option<Timestamp>,
    pub(crate) status: i64,
    file_name: String,
    size_kb: u64,
    group_id: String,
    region: String,
    strings: Offset,
}

impl Row {
    /// Everything of a backup in one row; of an unpackaged one, without what belongs to its files.
    pub(crate) fn task(backup: &Backup, instance: &Instance, switches: &Switches) -> Self {
        let is_done = backup.status() == 1;
        let has_file = is_done && !backup.unpackaged;
        Self {
            id: if has_file { backup.id } else { 0 },
            name: backup.name.clone(),
            strategy: backup.strategy,
            storage_strategy: backup.storage_strategy,
            way: backup.way,
            databases: backup.databases.clone(),
            format: if backup.unpackaged { "single" } else { "pkg" },
            started: backup.started,
            ended: backup.ended.map(|(at, _)| at),
            status: backup.status(),
            file_name: if has_file { package_name(backup, instance) } else { String::new() },
            size_kb: if has_file { backup.size_kb } else { 0 },
            group_id: backup.group_id(),
            region: instance.region.clone(),
            strings: strings(instance, switches),
        }
    }

    /// The old flat list: a row for each file of an unpackaged backup that has any.
    pub(crate) fn files(backup: &Backup, instance: &Instance, switches: &Switches) -> Vec<Self> {
        let task = Self::task(backup, instance, switches);
        if !backup.unpackaged || backup.status() != 1 {
            return vec![task];
        }
        let share = backup.size_kb / u64::try_from(backup.databases.len().max(1)).unwrap_or(1);
        let file = |(database, nth): (&String, u64)| Self {
            // The files of one backup must not share an id with those of the next.
            id: backup.id * 1_000 + nth,
            databases: vec![database.clone()],
            file_name: file_name(backup, instance, database),
            size_kb: share,
            ..task.clone()
        };
        backup.databases.iter().zip(0..).map(file).collect()
    }

    /// What a running row of the listing hides, by the switches.
    #[must_use]
    pub(crate) fn veiled(self, switches: &Switches) -> Self {
        let mut row = self;
        if row.ended.is_none() && switches.running_rows.defaults {
            (row.strategy, row.way, row.storage_strategy) = (0, 0, 0);
        }
        if row.ended.is_none() && switches.running_rows.nameless {
            row.name.clear();
        }
        row
    }

    /// The fields that a row of `DescribeBackups` and the answer of `DescribeBackupByFlowId` share.
    pub(crate) fn common(&self) -> Value {
        let address = |network: &str| match self.file_name.as_str() {
            "" => String::new(),
            file => format!(
                "https://{network}.backups.invalid/{file}?q-sign-algorithm=sha1&q-signature={DOWNLOAD_SECRET}-{}",
                self.id
            ),
        };
        json!({
            "Id": self.id,
            "FileName": self.file_name,
            "BackupName": self.name,
            "StartTime": written(self.started, self.strings),
            "EndTime": self.ended.map_or(NO_TIME.to_owned(), |at| written(at, self.strings)),
            "Size": self.size_kb,
            "Strategy": self.strategy,
            "Status": self.status,
            "BackupWay": self.way,
            "DBs": self.databases,
            "InternalAddr": address("internal"),
            "ExternalAddr": address("external"),
            "GroupId": self.group_id,
        })
    }

    /// A row of `DescribeBackups`.
    pub(crate) fn listed(&self) -> Value {
        let mut row = self.common();
        if let Value::Object(fields) = &mut row {
            fields.insert("StorageStrategy".to_owned(), self.storage_strategy.into());
            fields.insert("BackupFormat".to_owned(), self.format.into());
            fields.insert("Region".to_owned(), self.region.as_str().into());
            fields.insert("CrossBackupAddr".to_owned(), json!([]));
            fields.insert("CrossBackupStatus".to_owned(), json!([]));
        }
        row
    }
}

/// The zone in which this instance's times are written.
pub(crate) fn strings(instance: &Instance, switches: &Switches) -> Offset {
    match switches.strings_zone {
        StringsZone::Beijing => Offset::constant(8),
        StringsZone::Instance => instance.offset(),
    }
}

fn stem(backup: &Backup) -> String {
    let way = if backup.way == 1 { "manual" } else { "autoed" };
    let what = if backup.strategy == 0 { "instance" } else { "specific" };
    format!("{way}_{what}_{}", backup.serial)
}

fn package_name(backup: &Backup, instance: &Instance) -> String {
    let at = instance.offset().to_datetime(backup.started).strftime("%Y%m%d%H%M%S");
    format!("{}_{at}.bak.tar", stem(backup))
}

fn file_name(backup: &Backup, instance: &Instance, database: &str) -> String {
    let at = instance.offset().to_datetime(backup.started).strftime("%Y_%m_%d%H%M%S");
    format!("{}_{database}_{at}.bak", stem(backup))
}
