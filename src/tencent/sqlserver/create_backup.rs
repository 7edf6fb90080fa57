//! `CreateBackup`: the call this program exists for, and the only one that must not be repeated.
//!
//! It answers with a flow id and nothing else, and takes no idempotency token. So a success without a usable flow id is
//! not a success but a doubt: the cloud began something that this program has no handle for.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Call, StorageStrategy, Strategy, wire};
use crate::tencent::action::Action;
use crate::tencent::fault::Doubt;

/// The parameters of one backup. The API has no others that matter: packaging and node are settings of the instance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateBackup {
    /// `mssql-…`.
    pub instance_id: String,
    /// The whole instance, or the databases that are named. Always sent: its default is not documented.
    pub strategy: Strategy,
    /// The databases, exactly if the strategy is [`Strategy::Databases`].
    #[serde(rename = "DBNames", skip_serializing_if = "Vec::is_empty")]
    pub db_names: Vec<String>,
    /// Letters, digits and underscores; what the backup is found again by (I3).
    pub backup_name: String,
    /// How long the copy is kept.
    pub storage_strategy: StorageStrategy,
}

impl Call for CreateBackup {
    const ACTION: Action = Action::CreateBackup;
    const WITHOUT_RESULT: Doubt = Doubt::NoFlowId;
    type Answer = Accepted;
}

/// The cloud began a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Accepted {
    /// What the backup is followed by.
    #[serde(rename = "FlowId")]
    pub flow_id: FlowId,
}

/// The cloud's job, 1 to 2^63-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(i64);

impl FlowId {
    /// `None` outside 1 to 2^63-1.
    pub const fn new(id: i64) -> Option<Self> {
        if id > 0 { Some(Self(id)) } else { None }
    }

    /// The number.
    pub const fn value(self) -> i64 {
        self.0
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for FlowId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id: Option<i64> = wire::integer(deserializer)?;
        id.and_then(Self::new).ok_or_else(|| D::Error::custom("no flow id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_holds_what_the_api_names_and_nothing_else() {
        let mut call = CreateBackup {
            instance_id: "mssql-i1z41iwd".into(),
            strategy: Strategy::Instance,
            db_names: vec![],
            backup_name: "k8s_a_1".into(),
            storage_strategy: StorageStrategy::InstanceRetention,
        };
        let body = serde_json::to_string(&call).unwrap();
        assert_eq!(body, r#"{"InstanceId":"mssql-i1z41iwd","Strategy":0,"BackupName":"k8s_a_1","StorageStrategy":0}"#);
        call.strategy = Strategy::Databases;
        call.db_names = vec!["订单库".into(), "d\"b".into()];
        call.storage_strategy = StorageStrategy::InstanceLifetime;
        let body = serde_json::to_string(&call).unwrap();
        assert!(body.contains(r#""Strategy":1,"DBNames":["订单库","d\"b"],"#), "{body}");
        assert!(body.ends_with(r#""StorageStrategy":1}"#), "{body}");
    }

    #[test]
    fn only_a_positive_number_of_63_bits_is_a_flow_id() {
        let read = |flow: &str| serde_json::from_str::<Accepted>(&format!(r#"{{"FlowId":{flow}}}"#)).ok();
        for (flow, expected) in [("5293", 5293), (r#""5293""#, 5293), ("1", 1), ("9223372036854775807", i64::MAX)] {
            assert_eq!(read(flow).map(|accepted| accepted.flow_id.value()), Some(expected), "{flow}");
        }
        for flow in [
            "0",
            "-1",
            "9223372036854775808",
            "18446744073709551616",
            r#""0""#,
            r#""""#,
            r#""x""#,
            "null",
            "true",
            "{}",
            "1.0",
        ] {
            assert_eq!(read(flow), None, "{flow}");
        }
        assert!(serde_json::from_str::<Accepted>("{}").is_err());
    }
}
