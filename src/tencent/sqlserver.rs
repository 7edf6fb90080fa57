//! The four calls of TencentDB for SQL Server, typed: what is sent, and what is read of the answer.
//!
//! Nothing is decoded that is not needed. Pre-signed download addresses are credentials: no type here has a place for
//! them, so they can reach neither a log nor a status.
//!
//! The vendor marks no field as nullable and shows samples with missing and empty ones, so every field is optional; but a
//! field that decides whether a backup is ours or done (names, ids, states, counts) and is of a wrong type makes the whole
//! answer unreadable. A list that was half understood could pass for proof of absence (I4).

mod by_flow_id;
mod create_backup;
mod describe_backups;
mod instances;
mod wire;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

pub use by_flow_id::DescribeBackupByFlowId;
pub use create_backup::{Accepted, CreateBackup, FlowId};
pub use describe_backups::{BackupPage, BackupRow, BackupState, BackupWay, DescribeBackups};
pub use instances::{DescribeDBInstances, Instance, InstanceStatus, Instances};
pub use wire::{WireTime, read_time};

use super::action::Action;
use super::fault::Doubt;

/// A call: its parameters, which are the body, and its answer.
pub trait Call: Serialize {
    /// Which call it is.
    const ACTION: Action;
    /// What a success that does not decode is called.
    const WITHOUT_RESULT: Doubt = Doubt::Unreadable;
    /// What is read of a success.
    type Answer: DeserializeOwned;
}

/// What is backed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Every database of the instance.
    Instance,
    /// The databases that are named.
    Databases,
}

/// How long the cloud keeps the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StorageStrategy {
    /// As long as the instance's retention says.
    InstanceRetention,
    /// As long as the instance lives.
    InstanceLifetime,
}

impl Serialize for Strategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(match self {
            Self::Instance => 0,
            Self::Databases => 1,
        })
    }
}

impl Serialize for StorageStrategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(match self {
            Self::InstanceRetention => 0,
            Self::InstanceLifetime => 1,
        })
    }
}
