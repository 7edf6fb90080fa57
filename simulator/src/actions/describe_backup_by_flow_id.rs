//! `DescribeBackupByFlowId`: one backup by the number that `CreateBackup` answered, which must come back as a string.

use serde_json::{Value, json};

use super::row::Row;
use crate::state::{Caller, State};
use crate::wire::{Body, Fields, Refusal};

pub(super) fn perform(state: &State, caller: &Caller, body: &[u8]) -> Result<Fields, Refusal> {
    let body = Body::parse(body, &["InstanceId", "FlowId"])?;
    let id = body.required_text("InstanceId")?;
    let flow = body.required_text("FlowId")?;
    let instance = state.instance(caller, id)?;
    let flow_id: i64 =
        flow.parse().map_err(|_| Refusal::illegal(format!("FlowId is `{flow}`, and must be a number in a string.")))?;
    let backup = state
        .backups
        .iter()
        .find(|backup| backup.flow_id == flow_id && backup.instance == instance.id && !backup.hidden)
        .ok_or_else(|| {
            Refusal::new("ResourceNotFound.BackupNotFound", format!("The backup of the flow {flow} was not found."))
        })?;
    // Of an unpackaged backup only the first file is shown.
    let row = Row::files(backup, instance, &state.switches).into_iter().next();
    let Some(Value::Object(mut fields)) = row.map(|row| row.common()) else {
        return Err(Refusal::new("InternalError.DBError", "The backup has no row."));
    };
    if backup.is_running() {
        // Documented: meaningless defaults until the backup ends.
        fields.insert("Strategy".to_owned(), json!(0));
        fields.insert("BackupWay".to_owned(), json!(0));
    }
    Ok(fields)
}
