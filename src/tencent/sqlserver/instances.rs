//! `DescribeDBInstances`: is the instance visible to these credentials, and what is it doing?
//!
//! An unknown id gives an empty list, not an error. That is how "visible" is told from "absent", and why an empty list of
//! backups alone proves nothing (I4).

use serde::{Deserialize, Serialize};

use super::{Call, wire};
use crate::tencent::action::Action;

/// Asks for instances by id, at most 100.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeDBInstances {
    /// `mssql-…`, each.
    pub instance_id_set: Vec<String>,
}

impl Call for DescribeDBInstances {
    const ACTION: Action = Action::DescribeDBInstances;
    type Answer = Instances;
}

/// The instances that exist and may be seen.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Instances {
    /// In no particular order. An answer without the list is unreadable: it would pass for absence.
    #[serde(rename = "DBInstances", deserialize_with = "list")]
    pub list: Vec<Instance>,
}

impl Instances {
    /// The instance of that id.
    pub fn find(&self, id: &str) -> Option<&Instance> {
        self.list.iter().find(|instance| instance.instance_id.as_deref() == Some(id))
    }
}

/// What is read of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Instance {
    /// `mssql-…`.
    #[serde(deserialize_with = "wire::text")]
    pub instance_id: Option<String>,
    /// What people call it.
    #[serde(deserialize_with = "wire::text")]
    pub name: Option<String>,
    /// What it is doing.
    #[serde(deserialize_with = "status")]
    pub status: Option<InstanceStatus>,
}

/// What an instance is doing, by the cloud's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InstanceStatus(pub i64);

fn status<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<InstanceStatus>, D::Error> {
    let number: Option<i64> = wire::integer(deserializer)?;
    Ok(number.map(InstanceStatus))
}

fn list<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Instance>, D::Error> {
    Ok(Option::<Vec<Instance>>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_found_by_its_id_and_by_nothing_else() {
        let answer: Instances = serde_json::from_str(
            r#"{"TotalCount":1,"DBInstances":[{"InstanceId":"mssql-a","Name":"orders","Status":"7","ResourceTags":null}]}"#,
        )
        .unwrap();
        let found = answer.find("mssql-a").unwrap();
        assert_eq!(found.status, Some(InstanceStatus(7)));
        assert!(answer.find("mssql-b").is_none());
        assert!(serde_json::from_str::<Instances>(r#"{"TotalCount":0}"#).is_err());
        for empty in [r#"{"DBInstances":null}"#, r#"{"DBInstances":[]}"#] {
            assert!(serde_json::from_str::<Instances>(empty).unwrap().find("mssql-a").is_none(), "{empty}");
        }
    }

    #[test]
    fn the_body_names_the_instances() {
        let call = DescribeDBInstances { instance_id_set: vec!["mssql-a".into()] };
        assert_eq!(serde_json::to_string(&call).unwrap(), r#"{"InstanceIdSet":["mssql-a"]}"#);
    }
}
