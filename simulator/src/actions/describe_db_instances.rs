//! `DescribeDBInstances`: what instances there are, and whether they are at work. An unknown id is an empty list.

use serde_json::{Value, json};

use super::page;
use crate::instance::Instance;
use crate::state::{Caller, State};
use crate::wire::{Body, Fields, Refusal};

/// Filters that are simulated.
const SIMULATED: [&str; 9] = [
    "Offset",
    "Limit",
    "PaginationType",
    "InstanceIdSet",
    "Status",
    "SearchKey",
    "InstanceNameSet",
    "Zone",
    "InstanceType",
];
/// Filters that the real action has besides. A filter that was silently ignored would be worse than one refused.
const REFUSED: [&str; 8] = ["ProjectId", "PayMode", "VpcId", "SubnetId", "VipSet", "VersionSet", "TagKeys", "UidSet"];

pub(super) fn perform(state: &State, caller: &Caller, body: &[u8]) -> Result<Fields, Refusal> {
    let known: Vec<&str> = SIMULATED.into_iter().chain(REFUSED).collect();
    let body = Body::parse(body, &known)?;
    if let Some(name) = REFUSED.into_iter().find(|name| body.has(name)) {
        return Err(Refusal::illegal(format!("The filter {name} is not simulated.")));
    }
    let limit = body.integer_within("Limit", 100, 1, 100)?;
    let offset = body.integer_within("Offset", 0, 0, i64::MAX)?;
    let is_page_number = match body.text("PaginationType")? {
        None | Some("pageNumber") => true,
        Some("offset") => false,
        Some(_) => return Err(Refusal::illegal("PaginationType must be offset or pageNumber.")),
    };
    let (ids, names) = (body.texts("InstanceIdSet")?, body.texts("InstanceNameSet")?);
    let (status, key) = (body.integer("Status")?, body.text("SearchKey")?);
    let (zone, kind) = (body.text("Zone")?, body.text("InstanceType")?);
    let selected: Vec<Value> = state
        .instances
        .values()
        .filter(|it| it.is_visible_to(&caller.secret_id, &caller.region))
        .filter(|it| ids.as_ref().is_none_or(|ids| ids.is_empty() || ids.contains(&it.id)))
        .filter(|it| names.as_ref().is_none_or(|names| names.iter().any(|name| it.id.contains(name))))
        .filter(|it| key.is_none_or(|key| it.id.contains(key)))
        .filter(|it| zone.is_none_or(|zone| zone == zone_of(it)))
        .filter(|_| kind.is_none_or(|kind| kind == "HA"))
        .filter(|it| status.is_none_or(|status| status == state.status_of(it)))
        .map(|it| shown(it, state.status_of(it)))
        .collect();
    Ok(Fields::from_iter([
        ("TotalCount".to_owned(), selected.len().into()),
        ("DBInstances".to_owned(), page(selected, limit, offset, is_page_number).into()),
    ]))
}

fn zone_of(instance: &Instance) -> String {
    format!("{}-1", instance.region)
}

fn shown(instance: &Instance, status: i64) -> Value {
    json!({
        "InstanceId": instance.id,
        // An instance that nobody named is called by its id.
        "Name": instance.id,
        "Region": instance.region,
        "Zone": zone_of(instance),
        "Status": status,
        "VersionName": "SQL Server 2019 Enterprise",
        "Version": "2019",
        "InstanceType": "HA",
        "ROFlag": "",
        "HAFlag": "ALWAYSON",
        "BackupTime": "01:00-05:00",
        "BackupModel": instance.backup_model,
        "BackupCycle": [1, 2, 3, 4, 5, 6, 7],
        "BackupCycleType": "daily",
        "BackupSaveDays": 7,
        "UsedStorage": 4,
        "Storage": 100,
        "TimeZone": instance.time_zone,
        "Collation": "Chinese_PRC_CI_AS",
        "CrossBackupEnabled": "disable",
        "CrossRegions": [],
        "ResourceTags": null,
        "ThroughputPerformance": null,
    })
}
