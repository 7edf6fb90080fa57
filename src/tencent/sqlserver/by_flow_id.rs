//! `DescribeBackupByFlowId`: how an accepted backup is followed.
//!
//! The flow id, a number in the answer that gave it, is a string here. The answer is a row as the listing has it. While
//! the backup runs most of the row is a default; a failed one brings no reason.

use serde::{Serialize, Serializer};

use super::{BackupRow, Call, FlowId};
use crate::tencent::action::Action;

/// Asks for the backup of one flow.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeBackupByFlowId {
    /// `mssql-…`.
    pub instance_id: String,
    /// The flow.
    #[serde(serialize_with = "as_digits")]
    pub flow_id: FlowId,
}

impl Call for DescribeBackupByFlowId {
    const ACTION: Action = Action::DescribeBackupByFlowId;
    type Answer = BackupRow;
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field over by reference")]
fn as_digits<S: Serializer>(flow: &FlowId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(flow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flow_is_sent_as_a_string() {
        let call = DescribeBackupByFlowId { instance_id: "mssql-x".into(), flow_id: FlowId::new(5293).unwrap() };
        assert_eq!(serde_json::to_string(&call).unwrap(), r#"{"InstanceId":"mssql-x","FlowId":"5293"}"#);
    }
}
