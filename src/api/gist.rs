//! The gist of an order: what others ask of it than its own passes, which are the figures and the schedule that owns it.
//!
//! It stands for the whole object where no pass needs that any more. Ten thousand finished orders are a usual number, and
//! three quarters of each are sentences that nobody reads again.

use jiff::Timestamp;

use super::conversion::{completed, signs};
use super::key::Key;
use super::schedule::conversion::{self, Ended};
use super::{StoredBackup, Strategy};
use crate::core::protected::Own;
use crate::core::record::Signs;
use crate::core::schedule::Child;

/// See the file's header.
#[derive(Clone, Debug)]
pub struct Gist {
    /// Where it is.
    pub key: Key,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What its standing rests on.
    pub signs: Signs,
    /// When its copy was complete, if there is one.
    pub completed: Option<Timestamp>,
    /// What it is a backup of, if that can be read.
    pub target: Option<Target>,
    /// What its owners ask of it, if it has any.
    pub owned: Option<Box<Owned>>,
}

/// What a backup is of.
#[derive(Clone, Debug)]
pub struct Target {
    /// Region and instance, `ap-guangzhou/mssql-njj2mtpl`.
    pub site: Box<str>,
    /// The databases; `None` for all of them.
    pub databases: Option<Box<[String]>>,
}

/// What a schedule asks of its backup.
#[derive(Clone, Debug)]
pub struct Owned {
    /// The UIDs of the owners.
    pub owners: Box<[String]>,
    /// How far it is.
    pub child: Child,
    /// Its copy, if that is complete.
    pub own: Option<Own>,
    /// How it ended, if it has.
    pub ended: Option<Ended>,
    /// Its UID, and the version that this was read from: what a removal names.
    pub version: (Option<String>, Option<String>),
}

impl Gist {
    /// Of `stored`, which is at `key`.
    pub fn of(stored: &StoredBackup, key: &Key) -> Self {
        let metadata = &stored.metadata;
        Self {
            key: key.clone(),
            created: metadata.creation_timestamp.as_ref().map(|time| time.0),
            deleting: metadata.deletion_timestamp.is_some(),
            signs: signs(&stored.status),
            completed: completed(&stored.status),
            target: target(stored),
            owned: Owned::of(stored).map(Box::new),
        }
    }
}

fn target(stored: &StoredBackup) -> Option<Target> {
    let spec = stored.spec.0.as_ref().ok()?;
    let databases = match spec.strategy {
        Strategy::Instance => None,
        Strategy::Databases => Some(spec.databases.as_deref().unwrap_or_default().into()),
    };
    Some(Target { site: format!("{}/{}", spec.region, spec.instance_id).into(), databases })
}

impl Owned {
    /// Of `stored`; none if nobody owns it.
    pub fn of(stored: &StoredBackup) -> Option<Self> {
        let owners: Box<[String]> =
            stored.metadata.owner_references.iter().flatten().map(|owner| owner.uid.clone()).collect();
        (!owners.is_empty()).then(|| Self {
            owners,
            child: conversion::child(stored),
            own: conversion::own(stored),
            ended: conversion::result(stored),
            version: (stored.metadata.uid.clone(), stored.metadata.resource_version.clone()),
        })
    }
}
