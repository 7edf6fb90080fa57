//! One database instance, as its owner set it up.
//!
//! Whether it is at work is not stored here: that follows from the backups that run.

use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use crate::backup::End;

/// Status 2: running, and nothing else.
pub const RUNNING: i64 = 2;
/// Status 7: a task (a backup, a rollback) is at work.
pub const AT_WORK: i64 = 7;

/// A database instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Instance {
    /// `mssql-` and eight characters.
    pub id: String,
    /// Where it lives; other regions do not know it.
    pub region: String,
    /// Its status while no backup runs, in the numbers of `DescribeDBInstances`; 2 is running.
    pub status: i64,
    /// The user databases.
    pub databases: Vec<String>,
    /// Those of them that cannot be backed up now: `ResourceUnavailable.DBInvalidStatus`.
    pub bad_databases: Vec<String>,
    /// The secret ids that see it; none named: every key.
    pub owners: Vec<String>,
    /// `master_pkg`, `slave_pkg` (one file) or `master_no_pkg`, `slave_no_pkg` (a file for each database).
    pub backup_model: String,
    /// Backups that may run at once, on different databases.
    pub parallel: usize,
    /// What `TimeZone` says.
    pub time_zone: String,
    /// The same zone as an offset from UTC, in minutes.
    pub utc_offset_minutes: i32,
    /// How long its backups run, in seconds, if not as long as the switch says.
    pub backup_seconds: Option<f64>,
    /// How its backups end by the clock.
    pub backups_end: End,
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            id: String::new(),
            region: "ap-guangzhou".to_owned(),
            status: RUNNING,
            databases: vec!["orders".to_owned(), "stock".to_owned(), "users".to_owned()],
            bad_databases: Vec::new(),
            owners: Vec::new(),
            backup_model: "master_pkg".to_owned(),
            parallel: 5,
            time_zone: "China Standard Time".to_owned(),
            utc_offset_minutes: 480,
            backup_seconds: None,
            backups_end: End::Success,
        }
    }
}

impl Instance {
    /// An instance with the defaults: running, in `ap-guangzhou`, with the databases `orders`, `stock` and `users`.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }

    /// Whether its backups are one file for each database.
    pub(crate) fn is_unpackaged(&self) -> bool {
        self.backup_model.ends_with("_no_pkg")
    }

    pub(crate) fn is_visible_to(&self, secret_id: &str, region: &str) -> bool {
        self.region == region && (self.owners.is_empty() || self.owners.iter().any(|owner| owner == secret_id))
    }

    pub(crate) fn offset(&self) -> Offset {
        Offset::from_seconds(self.utc_offset_minutes.saturating_mul(60)).unwrap_or(Offset::UTC)
    }
}
