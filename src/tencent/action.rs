//! The calls this program makes, and what the vendor documents about each as a call: its name, its version, how often
//! it may be made, and whether it changes anything.

use std::fmt;

/// The service's name in every scope, whatever the host.
pub const SERVICE: &str = "sqlserver";
/// The version of the API.
pub const VERSION: &str = "2018-03-28";

/// One of the four calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Begins a backup. The only call that changes anything, and not one that can be repeated.
    CreateBackup,
    /// Lists backups of one instance.
    DescribeBackups,
    /// Shows the backup that a flow makes.
    DescribeBackupByFlowId,
    /// Shows instances.
    DescribeDBInstances,
}

impl Action {
    /// Every call.
    pub const ALL: [Self; 4] =
        [Self::CreateBackup, Self::DescribeBackups, Self::DescribeBackupByFlowId, Self::DescribeDBInstances];

    /// The name in `X-TC-Action`, and the label in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateBackup => "CreateBackup",
            Self::DescribeBackups => "DescribeBackups",
            Self::DescribeBackupByFlowId => "DescribeBackupByFlowId",
            Self::DescribeDBInstances => "DescribeDBInstances",
        }
    }

    /// Calls a second that the vendor documents, for each account, region and call.
    pub const fn documented_rate(self) -> u32 {
        match self {
            Self::CreateBackup | Self::DescribeBackupByFlowId => 20,
            Self::DescribeBackups => 60,
            Self::DescribeDBInstances => 70,
        }
    }

    /// How many calls of one look may leave in the same instant. The listings of a look are asked side by side, because one
    /// order on an idle operator waits for the slowest of them and not for their sum; everything else is asked one by one.
    pub const fn side_by_side(self) -> u8 {
        match self {
            Self::DescribeBackups => 4,
            Self::CreateBackup | Self::DescribeBackupByFlowId | Self::DescribeDBInstances => 1,
        }
    }

    /// Whether making the call twice may do something twice.
    pub const fn is_mutation(self) -> bool {
        matches!(self, Self::CreateBackup)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
