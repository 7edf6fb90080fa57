//! The kinds as they are stored, readable whatever they hold: the types that the controller watches and reads.
//!
//! # What it guarantees
//! - Decoding never fails because of a spec or a status. An object that was stored under another schema, or damaged by
//!   hand, arrives like any other, with a sentence in place of what cannot be read.
//! - A status field that cannot be read takes no other with it: a broken `conditions` does not hide `attempts`,
//!   `submitTime` or `flowId` (I6). What was dropped is named, so that nobody mistakes it for absent.
//!
//! # Why not kube's `DeserializeGuard`
//! It gives the whole object or nothing. An order whose spec became unreadable may still have a backup in flight, and
//! its status says which.

mod meta;

use super::schedule::{
    Cursor, LastResult, LatestCopy, MissedRun, SqlServerBackupSchedule, SqlServerBackupScheduleSpec,
    SqlServerBackupScheduleStatus,
};
use super::{Condition, SqlServerBackup, SqlServerBackupSpec, SqlServerBackupStatus, status};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A stored `SqlServerBackup`. Stands for the same resource of the API server.
#[derive(Resource, serde::Deserialize, Clone, Debug)]
#[resource(inherit = "SqlServerBackup")]
pub struct StoredBackup {
    /// As every object has it, less what nobody here reads.
    #[serde(deserialize_with = "meta::read")]
    pub metadata: ObjectMeta,
    /// The wish, or why it cannot be read.
    #[serde(default)]
    pub spec: Lenient<SqlServerBackupSpec>,
    /// What of the status can be read.
    #[serde(default)]
    pub status: ReadStatus,
}

/// A stored `SqlServerBackupSchedule`. Stands for the same resource of the API server.
#[derive(Resource, serde::Deserialize, Clone, Debug)]
#[resource(inherit = "SqlServerBackupSchedule")]
pub struct StoredSchedule {
    /// As every object has it, less what nobody here reads.
    #[serde(deserialize_with = "meta::read")]
    pub metadata: ObjectMeta,
    /// The promise, or why it cannot be read.
    #[serde(default)]
    pub spec: Lenient<SqlServerBackupScheduleSpec>,
    /// What of the status can be read.
    #[serde(default)]
    pub status: ReadStatus<SqlServerBackupScheduleStatus>,
}

/// A value, or one bounded line that says why the stored form is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lenient<T>(pub Result<T, String>);

/// The readable fields of a stored status. An absent status reads as an empty one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadStatus<S = SqlServerBackupStatus> {
    /// Every field that could be read.
    pub fields: S,
    /// Paths of what could not be read and is therefore absent from `fields`, below `status`: `intent.time`,
    /// `conditions[2]`; `status` itself if it is no object at all.
    pub unreadable: Vec<String>,
}

/// Longest sentence of a [`Lenient`], in characters: it ends up in a condition's message.
const LONGEST: usize = 256;

impl<T: DeserializeOwned> Lenient<T> {
    fn read(text: &str) -> Self {
        let read = serde_json::from_str(text).or_else(|_| {
            // Once more through a value, whose faults name no line and column of a text that nobody sees.
            serde_json::from_str(text).and_then(|value: Value| serde_json::from_value(value))
        });
        Self(read.map_err(|fault| one_line(&fault.to_string())))
    }
}

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(Err("it is missing".to_owned()))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|text| Self::read(text.get()))
    }
}

/// A status whose fields can be read one by one.
pub trait Status: DeserializeOwned + Default {
    /// Removes what cannot be read inside the objects of `fields`, and notes its path.
    fn keep_parts(fields: &mut Map<String, Value>, unreadable: &mut Vec<String>);
}

impl Status for SqlServerBackupStatus {
    fn keep_parts(fields: &mut Map<String, Value>, unreadable: &mut Vec<String>) {
        keep_part::<status::Intent>(fields, "intent", unreadable);
        keep_part::<status::CloudError>(fields, "error", unreadable);
    }
}

impl Status for SqlServerBackupScheduleStatus {
    fn keep_parts(fields: &mut Map<String, Value>, unreadable: &mut Vec<String>) {
        keep_part::<Cursor>(fields, "cursor", unreadable);
        keep_part::<LastResult>(fields, "lastResult", unreadable);
        keep_part::<MissedRun>(fields, "lastMissedRun", unreadable);
        keep_part::<LatestCopy>(fields, "latestCopy", unreadable);
    }
}

impl<'de, S: Status> Deserialize<'de> for ReadStatus<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|text| Self::read(text.get()))
    }
}

impl<S: Status> ReadStatus<S> {
    fn read(text: &str) -> Self {
        // As good as always. Each part is tried alone only where this says that one of them cannot be read. An array would do
        // for a struct as well.
        let whole = text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
        whole.map_or_else(|| Self::read_parts(text), |fields| Self { fields, unreadable: Vec::new() })
    }

    fn read_parts(text: &str) -> Self {
        let mut unreadable = Vec::new();
        let fields = match serde_json::from_str(text) {
            Ok(Value::Null) => S::default(),
            Ok(Value::Object(mut fields)) => {
                S::keep_parts(&mut fields, &mut unreadable);
                if let Some(Value::Array(conditions)) = fields.get_mut("conditions") {
                    keep_conditions(conditions, &mut unreadable);
                }
                keep_readable(&mut fields, "", &mut unreadable)
            }
            Ok(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => {
                unreadable.push("status".to_owned());
                S::default()
            }
        };
        Self { fields, unreadable }
    }
}

fn keep_part<T: DeserializeOwned + Default>(fields: &mut Map<String, Value>, name: &str, unreadable: &mut Vec<String>) {
    if let Some(Value::Object(part)) = fields.get_mut(name) {
        keep_readable::<T>(part, &format!("{name}."), unreadable);
    }
}

/// Removes from `fields` each one that `T` cannot read, notes its path, and reads the rest. `T` is a struct without
/// required fields, so each field can be tried alone.
fn keep_readable<T: DeserializeOwned + Default>(
    fields: &mut Map<String, Value>,
    path: &str,
    unreadable: &mut Vec<String>,
) -> T {
    if let Ok(whole) = T::deserialize(&*fields) {
        return whole;
    }
    fields.retain(|name, value| {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        let readable = T::deserialize(&alone).is_ok();
        if !readable {
            unreadable.push(format!("{path}{name}"));
        }
        readable
    });
    T::deserialize(&*fields).unwrap_or_default()
}

fn keep_conditions(conditions: &mut Vec<Value>, unreadable: &mut Vec<String>) {
    let mut at = 0_usize;
    conditions.retain(|condition| {
        let readable = Condition::deserialize(condition).is_ok();
        if !readable {
            unreadable.push(format!("conditions[{at}]"));
        }
        at += 1;
        readable
    });
}

fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
