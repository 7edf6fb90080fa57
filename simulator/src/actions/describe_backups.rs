//! `DescribeBackups`: the listing, with every filter and every open question about it.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{page, row};
use crate::actions::row::Row;
use crate::backup::Backup;
use crate::clock;
use crate::instance::Instance;
use crate::state::{Caller, State};
use crate::switches::{AbsentBackupWay, NameFilter, OffsetMeaning, Switches, WindowBy};
use crate::wire::{Body, Fields, Refusal};

const FIELDS: [&str; 14] = [
    "InstanceId",
    "StartTime",
    "EndTime",
    "Limit",
    "Offset",
    "BackupName",
    "Strategy",
    "BackupWay",
    "BackupId",
    "DatabaseName",
    "Group",
    "Type",
    "BackupFormat",
    "StorageStrategy",
];

/// What is asked for. An absent filter lets everything through.
struct Query {
    from: Timestamp,
    to: Timestamp,
    limit: i64,
    offset: i64,
    name: Option<String>,
    strategy: Option<i64>,
    way: Option<i64>,
    id: Option<i64>,
    database: Option<String>,
    is_grouped: bool,
    is_log: bool,
    format: Option<String>,
    storage_strategy: i64,
}

pub(super) fn perform(state: &State, caller: &Caller, body: &[u8], now: Timestamp) -> Result<Fields, Refusal> {
    let body = Body::parse(body, &FIELDS)?;
    let instance = state.instance(caller, body.required_text("InstanceId")?)?;
    let query = query(&body, instance, &state.switches)?;
    // The newest first: while backups are added, a row may move to the next page between two calls.
    let rows: Vec<Row> = state
        .backups
        .iter()
        .rev()
        .filter(|backup| backup.instance == instance.id && is_listed(backup, &state.switches, now))
        .flat_map(|backup| {
            if query.is_grouped {
                vec![Row::task(backup, instance, &state.switches)]
            } else {
                Row::files(backup, instance, &state.switches)
            }
        })
        .map(|row| row.veiled(&state.switches))
        .filter(|row| query.selects(row, &state.switches, now))
        .collect();
    let total = rows.len();
    let is_page_number = state.switches.offset_meaning == OffsetMeaning::Page;
    let rows = page(rows, query.limit, query.offset, is_page_number);
    Ok(Fields::from_iter([
        ("TotalCount".to_owned(), total.into()),
        ("Backups".to_owned(), rows.iter().map(Row::listed).collect::<Value>()),
    ]))
}

fn is_listed(backup: &Backup, switches: &Switches, now: Timestamp) -> bool {
    let lag = SignedDuration::try_from(clock::seconds(switches.listing_lag_seconds)).unwrap_or(SignedDuration::MAX);
    let is_held_back = backup.is_running() && switches.running_rows.unlisted;
    !backup.hidden && !is_held_back && clock::later(backup.started, lag) <= now
}

fn query(body: &Body, instance: &Instance, switches: &Switches) -> Result<Query, Refusal> {
    let time = |name: &str| {
        let text = body.required_text(name)?;
        clock::read(text, row::strings(instance, switches))
            .ok_or_else(|| Refusal::illegal(format!("{name} is `{text}`, and must be yyyy-MM-dd HH:mm:ss.")))
    };
    let one_of = |name: &str, high: i64| match body.integer(name)? {
        None => Ok(None),
        Some(_) => body.integer_within(name, 0, 0, high).map(Some),
    };
    let format = body.text("BackupFormat")?.map(str::to_owned);
    if format.as_deref().is_some_and(|format| !["pkg", "single"].contains(&format)) {
        return Err(Refusal::illegal("BackupFormat must be pkg or single."));
    }
    let absent_way = match switches.absent_backup_way {
        AbsentBackupWay::Any => None,
        AbsentBackupWay::Periodic => Some(2),
    };
    let query = Query {
        from: time("StartTime")?,
        to: time("EndTime")?,
        limit: body.integer_within("Limit", 20, 1, 100)?,
        offset: body.integer_within("Offset", 0, 0, i64::MAX)?,
        name: body.text("BackupName")?.map(str::to_owned),
        strategy: one_of("Strategy", 1)?,
        way: one_of("BackupWay", 2)?.or(absent_way),
        id: body.integer("BackupId")?,
        database: body.text("DatabaseName")?.map(str::to_owned),
        is_grouped: body.integer_within("Group", 0, 0, 1)? == 1,
        is_log: body.integer_within("Type", 1, 1, 2)? == 2,
        format,
        storage_strategy: body.integer_within("StorageStrategy", 0, 0, 1)?,
    };
    check_window(&query, switches)?;
    Ok(query)
}

fn check_window(query: &Query, switches: &Switches) -> Result<(), Refusal> {
    if query.to < query.from {
        return Err(Refusal::illegal("EndTime lies before StartTime."));
    }
    let longest = switches.max_window_days.map(|days| SignedDuration::from_hours(i64::from(days) * 24));
    match longest {
        Some(longest) if query.to.duration_since(query.from) > longest => {
            Err(Refusal::illegal("The time between StartTime and EndTime is too long."))
        }
        _ => Ok(()),
    }
}

impl Query {
    fn selects(&self, row: &Row, switches: &Switches, now: Timestamp) -> bool {
        let at = match switches.window_by {
            WindowBy::Start => row.started,
            WindowBy::End => row.ended.unwrap_or(now),
        };
        // The strings have no fractions, so neither may the comparison: the ends are inclusive to the second.
        let is_within = (self.from.as_second()..=self.to.as_second()).contains(&at.as_second());
        let has_name = self.name.as_deref().is_none_or(|name| match switches.name_filter {
            NameFilter::Exact => row.name == name,
            NameFilter::Fuzzy => row.name.contains(name),
        });
        // No log backup is ever made here.
        !self.is_log
            && is_within
            && has_name
            && self.strategy.is_none_or(|strategy| strategy == row.strategy)
            && self.way.is_none_or(|way| way == row.way)
            && self.id.is_none_or(|id| u64::try_from(id) == Ok(row.id))
            && self.database.as_ref().is_none_or(|database| row.databases.contains(database))
            && self.format.as_deref().is_none_or(|format| format == row.format)
            && self.storage_strategy == row.storage_strategy
    }
}
