//! What there is to see at one instant: the orders as the API server holds them, and what the cloud really did.
//!
//! The table is kubectl's own output, and what a scene checks is read from the same server through the published types:
//! the audience and the checks see what a user would see.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use sqlserver_backup_operator::api::{SqlServerBackup, SqlServerBackupSchedule, SqlServerBackupStatus};
use tencentdb_simulator::{Backup, Entry};

use crate::stage::Stage;

/// A table with its title. The first row, if there is any, is the head.
pub(crate) struct Board {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// A row of a board.
pub(crate) struct Row {
    pub(crate) text: String,
    /// Equal for rows that differ in nothing but the passage of time, or in the width of their columns.
    pub(crate) key: String,
}

/// One instant.
pub(crate) struct View {
    table: String,
    orders: Vec<SqlServerBackup>,
    /// Nothing before there is a schedule.
    plan: String,
    schedules: Vec<SqlServerBackupSchedule>,
    ledger: Vec<(String, [String; 5])>,
    entries: Vec<Entry>,
    backups: Vec<Backup>,
}

#[derive(Deserialize)]
struct List<K> {
    items: Vec<K>,
}

impl View {
    /// Asks the API server and the cloud.
    pub(crate) fn take(stage: &Stage) -> Result<Self> {
        let table = stage.kubectl(&["get", "ssb"])?;
        let list: List<SqlServerBackup> = serde_json::from_str(&stage.kubectl(&["get", "ssb", "--output", "json"])?)
            .context("the list of backups cannot be read")?;
        let plan = stage.kubectl(&["get", "ssbs", "--ignore-not-found"])?;
        let schedules: List<SqlServerBackupSchedule> =
            serde_json::from_str(&stage.kubectl(&["get", "ssbs", "--output", "json"])?)
                .context("the list of schedules cannot be read")?;
        let (now, entries, backups) = (stage.cloud().now(), stage.cloud().ledger(), stage.cloud().backups());
        // An answer counts as delivered only after its last byte: one that is just leaving is not lost.
        let is_lost = |entry: &Entry| !entry.delivered && now.duration_since(entry.received).as_millis() >= 300;
        let asked = entries.iter().map(|entry| (entry.received.to_string(), row_of(entry, &backups, is_lost(entry))));
        let own = backups.iter().filter(|backup| backup.way == 0);
        let own = own.map(|backup| (backup.started.to_string(), row_of_the_clouds_own(backup)));
        let mut ledger: Vec<_> = asked.chain(own).collect();
        ledger.sort();
        Ok(Self { table, orders: list.items, plan, schedules: schedules.items, ledger, entries, backups })
    }

    /// What is put on the screen.
    pub(crate) fn boards(&self) -> Vec<Board> {
        // The last column is the age.
        let orders = self.table.lines().map(|line| Row { text: line.to_owned(), key: words(line, 1) });
        let head = ["TIME", "FLOW", "BACKUP NAME", "BACKUP", "ANSWER"].map(str::to_owned);
        let lines = aligned(std::iter::once(&head).chain(self.ledger.iter().map(|(_, row)| row)));
        let ledger = lines.into_iter().map(|text| Row { key: words(&text, 0), text });
        let mut boards = vec![Board { title: "kubectl get ssb", rows: orders.collect() }];
        if !self.plan.is_empty() {
            let keys = std::iter::once(String::new()).chain(self.schedules.iter().map(|it| Schedule(it).key()));
            let rows = self.plan.lines().zip(keys).map(|(text, key)| Row { text: text.to_owned(), key });
            boards.insert(0, Board { title: "kubectl get ssbs", rows: rows.collect() });
        }
        boards.push(Board { title: "the cloud's ledger: what it was asked, and what it did", rows: ledger.collect() });
        boards
    }

    /// The order of this name, once it exists.
    pub(crate) fn order(&self, name: &str) -> Option<Order<'_>> {
        self.orders().find(|order| order.name() == name)
    }

    /// The schedule of this name, once it exists.
    pub(crate) fn schedule(&self, name: &str) -> Option<Schedule<'_>> {
        self.schedules.iter().find(|it| it.metadata.name.as_deref() == Some(name)).map(Schedule)
    }

    /// Every order.
    pub(crate) fn orders(&self) -> impl Iterator<Item = Order<'_>> {
        self.orders.iter().map(Order)
    }

    /// Every `CreateBackup` that the cloud received for this order.
    pub(crate) fn asked(&self, order: Order<'_>) -> Vec<&Entry> {
        let uid = order.uid();
        self.entries.iter().filter(|entry| entry.name.contains(&uid)).collect()
    }

    /// Every backup that the cloud made for this order: there may never be two.
    pub(crate) fn made(&self, order: Order<'_>) -> Vec<&Backup> {
        let uid = order.uid();
        self.backups.iter().filter(|backup| backup.name.contains(&uid)).collect()
    }
}

/// One order, as a user reads it.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a>(&'a SqlServerBackup);

impl<'a> Order<'a> {
    pub(crate) fn name(self) -> &'a str {
        self.0.metadata.name.as_deref().unwrap_or_default()
    }

    /// As it stands in names in the cloud.
    fn uid(self) -> String {
        self.0.metadata.uid.as_deref().unwrap_or("no uid").replace('-', "")
    }

    pub(crate) fn status(self) -> Option<&'a SqlServerBackupStatus> {
        self.0.status.as_ref()
    }

    /// Status, reason and message of a condition; empty before there is one.
    pub(crate) fn condition(self, kind: &str) -> [&'a str; 3] {
        let conditions = self.status().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let found = conditions.iter().find(|condition| condition.type_ == kind);
        found.map(|it| [&*it.status, &*it.reason, &*it.message]).unwrap_or_default()
    }

    /// Where the order is: what the column STATUS shows.
    pub(crate) fn reason(self) -> &'a str {
        let [_, reason, _] = self.condition("Ready");
        reason
    }

    pub(crate) fn is(self, kind: &str) -> bool {
        let [status, ..] = self.condition(kind);
        status == "True"
    }
}

/// One schedule.
#[derive(Clone, Copy)]
pub(crate) struct Schedule<'a>(&'a SqlServerBackupSchedule);

impl<'a> Schedule<'a> {
    /// The reason of a condition; empty before there is one.
    pub(crate) fn reason(self, kind: &str) -> &'a str {
        let conditions = self.0.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        conditions.iter().find(|condition| condition.type_ == kind).map_or("", |condition| &condition.reason)
    }

    /// What its row tells beside two ages.
    fn key(self) -> String {
        let name = self.0.metadata.name.as_deref().unwrap_or_default();
        let next = self.0.status.as_ref().and_then(|status| status.next_schedule_time.as_ref());
        let next = next.map(|next| next.0.to_string()).unwrap_or_default();
        format!("schedule {name} {} {} {next} {}", self.reason("Ready"), self.reason("Protected"), self.0.spec.suspend)
    }
}

fn row_of(entry: &Entry, backups: &[Backup], is_lost: bool) -> [String; 5] {
    let flow = entry.flow_ids.first();
    let backup = backups.iter().find(|backup| Some(&backup.flow_id) == flow);
    let answer = match entry.code.as_str() {
        "" => "...",
        "OK" if is_lost => "OK, but lost on the way",
        code => code,
    };
    [
        entry.received.strftime("%H:%M:%S").to_string(),
        flow.map_or_else(|| "-".to_owned(), ToString::to_string),
        short(&entry.name),
        backup.map_or("none", progress).to_owned(),
        answer.to_owned(),
    ]
}

fn row_of_the_clouds_own(backup: &Backup) -> [String; 5] {
    [
        backup.started.strftime("%H:%M:%S").to_string(),
        backup.flow_id.to_string(),
        "(the nightly one)".to_owned(),
        progress(backup).to_owned(),
        "nobody asked".to_owned(),
    ]
}

fn progress(backup: &Backup) -> &'static str {
    match backup.status() {
        0 => "running",
        1 => "complete",
        _ => "failed",
    }
}

/// A name in the cloud without its UID, which is too long to be read.
fn short(name: &str) -> String {
    let is_uid = |part: &str| part.len() == 32 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<_> = name.split('_').map(|part| if is_uid(part) { "…" } else { part }).collect();
    parts.join("_")
}

/// The words of a line, without the last so many.
fn words(line: &str, without: usize) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    words.get(..words.len().saturating_sub(without)).unwrap_or_default().join(" ")
}

fn aligned<'a, const N: usize>(rows: impl Iterator<Item = &'a [String; N]> + Clone) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows.clone() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_what_tells_it_apart() {
        assert_eq!(short("k8s_a_b_0123456789abcdef0123456789abcdef_12"), "k8s_a_b_…_12");
        assert_eq!(short("by_hand"), "by_hand");
    }

    #[test]
    fn a_row_that_only_grew_older_or_wider_is_the_same() {
        assert_eq!(words("a   True  5s", 1), words("a      True   6s", 1));
        assert_ne!(words("a   True  5s", 1), words("a   False   6s", 1));
    }

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [["A", "LONG"], ["x…y", "z"]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(rows.iter()), ["A    LONG", "x…y  z"]);
    }
}
