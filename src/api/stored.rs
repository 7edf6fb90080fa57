//! A `SqlServerBackup` as it is stored, readable whatever it holds: the type that the controller watches and reads.
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

use super::{SqlServerBackup, SqlServerBackupSpec, SqlServerBackupStatus, status};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::{Map, Value};

/// A stored `SqlServerBackup`. Stands for the same resource of the API server.
#[derive(Resource, serde::Deserialize, Clone, Debug)]
#[resource(inherit = "SqlServerBackup")]
pub struct StoredBackup {
    /// As every object has it.
    pub metadata: ObjectMeta,
    /// The wish, or why it cannot be read.
    #[serde(default)]
    pub spec: Lenient<SqlServerBackupSpec>,
    /// What of the status can be read.
    #[serde(default)]
    pub status: ReadStatus,
}

/// A value, or one bounded line that says why the stored form is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lenient<T>(pub Result<T, String>);

/// The readable fields of a stored status. An absent status reads as an empty one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadStatus {
    /// Every field that could be read.
    pub fields: SqlServerBackupStatus,
    /// Paths of what could not be read and is therefore absent from `fields`, below `status`: `intent.time`,
    /// `conditions[2]`; `status` itself if it is no object at all.
    pub unreadable: Vec<String>,
}

/// Longest sentence of a [`Lenient`], in characters: it ends up in a condition's message.
const LONGEST: usize = 256;

impl<T: DeserializeOwned> Lenient<T> {
    fn read(value: Value) -> Self {
        Self(serde_json::from_value(value).map_err(|fault| one_line(&fault.to_string())))
    }
}

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(Err("it is missing".to_owned()))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::read)
    }
}

impl<'de> Deserialize<'de> for ReadStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::read)
    }
}

impl ReadStatus {
    fn read(value: Value) -> Self {
        let mut unreadable = Vec::new();
        let fields = match value {
            Value::Null => SqlServerBackupStatus::default(),
            Value::Object(mut fields) => {
                if let Some(Value::Object(intent)) = fields.get_mut("intent") {
                    keep_readable::<status::Intent>(intent, "intent.", &mut unreadable);
                }
                if let Some(Value::Object(error)) = fields.get_mut("error") {
                    keep_readable::<status::CloudError>(error, "error.", &mut unreadable);
                }
                if let Some(Value::Array(conditions)) = fields.get_mut("conditions") {
                    keep_conditions(conditions, &mut unreadable);
                }
                keep_readable(&mut fields, "", &mut unreadable)
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                unreadable.push("status".to_owned());
                SqlServerBackupStatus::default()
            }
        };
        Self { fields, unreadable }
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
        let readable = k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition::deserialize(condition).is_ok();
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
