//! The four actions, as the service performs them once the gateway let a request through.

mod create_backup;
mod describe_backup_by_flow_id;
mod describe_backups;
mod describe_db_instances;
mod row;

use jiff::Timestamp;

use crate::state::{Caller, State};
use crate::sts;
use crate::wire::{Fields, Refusal};

pub use row::DOWNLOAD_SECRET;

/// Every action there is.
pub(crate) const ACTIONS: [&str; 4] =
    ["CreateBackup", "DescribeBackups", "DescribeBackupByFlowId", "DescribeDBInstances"];

/// What an action did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) fields: Fields,
    /// The backups that began.
    pub(crate) flow_ids: Vec<i64>,
}

/// Performs the caller's action. `twice` executes a `CreateBackup` a second time, past all checks.
pub(crate) fn perform(
    state: &mut State,
    caller: &Caller,
    body: &[u8],
    now: Timestamp,
    twice: bool,
) -> Result<Done, Refusal> {
    let fields = match caller.action.as_str() {
        "CreateBackup" => return create_backup::perform(state, caller, body, now, twice),
        "DescribeBackups" => describe_backups::perform(state, caller, body, now)?,
        "DescribeBackupByFlowId" => describe_backup_by_flow_id::perform(state, caller, body)?,
        "DescribeDBInstances" => describe_db_instances::perform(state, caller, body)?,
        sts::ACTION => sts::perform(state, body, now)?,
        other => {
            return Err(Refusal::new("InvalidAction", format!("The action `{other}` is not found.")));
        }
    };
    Ok(Done { fields, flow_ids: Vec::new() })
}

/// The page of `rows` that the two paging parameters ask for.
pub(crate) fn page<T>(rows: Vec<T>, limit: i64, offset: i64, is_page_number: bool) -> Vec<T> {
    let skip = if is_page_number { offset.saturating_mul(limit) } else { offset };
    let whole = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    rows.into_iter().skip(whole(skip)).take(whole(limit)).collect()
}
