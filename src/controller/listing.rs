//! The backups of an instance, complete or known to be incomplete (I3, I4).
//!
//! # What it guarantees
//! - A listing is complete only if each of its queries brought as many distinct rows as the cloud counted.
//! - `BackupWay` 1 and 0 are both asked, because a running manual backup may show the default; likewise `StorageStrategy`
//!   0 and the order's own, or both where a doubt is to end.
//! - The window begins a day before the order was created and ends a day ahead: no time zone can hide a row.
//!
//! The API calls `Offset` a page number, and an older page of its documentation a row number. Pages are asked for first;
//! if they do not add up, rows are.

use std::collections::HashSet;

use jiff::Timestamp;

use super::cloud::{Access, Cloud, row, storage, trouble};
use crate::core::order::{Order, Storage};
use crate::core::pace::later;
use crate::core::protected::{Holds, Listed};
use crate::core::seen::{Listing, Progress, Row, Seen, Trouble};
use crate::tencent::action::Action;
use crate::tencent::budget::Instants;
use crate::tencent::fault::{Doubt, Fault};
use crate::tencent::sqlserver::{BackupRow, BackupWay, DescribeBackups, StorageStrategy};

/// A day, in seconds.
const DAY: i64 = 86_400;
/// Most pages of one query: ten thousand backups of two days.
const MOST_PAGES: u32 = 100;

/// The queries of one look.
#[derive(Clone, Debug)]
pub struct Queries(Vec<(BackupWay, StorageStrategy)>);

impl Queries {
    /// Before a submission, and for a backup that is followed in the listing.
    pub fn of(order: &Order) -> Self {
        Self::under(if order.storage == Storage::InstanceRetention {
            &[Storage::InstanceRetention]
        } else {
            &[Storage::InstanceRetention, Storage::InstanceLifetime]
        })
    }

    /// Everything that could hold a row of ours.
    pub fn all() -> Self {
        Self::under(&[Storage::InstanceRetention, Storage::InstanceLifetime])
    }

    fn under(storages: &[Storage]) -> Self {
        let both = |kept: &Storage| [BackupWay::Manual, BackupWay::Scheduled].map(|way| (way, storage(*kept)));
        Self(storages.iter().flat_map(both).collect())
    }

    /// How many calls it takes at least.
    pub fn calls(&self) -> u8 {
        u8::try_from(self.0.len()).unwrap_or(u8::MAX)
    }
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The instance.
    pub instance: &'a str,
    /// Backups that began after this, as far as the queries can tell.
    pub since: Timestamp,
    /// Until when; the window ends a day later.
    pub until: Timestamp,
    /// Where further pages wait for the budget: the UID of who asks, and when that was created.
    pub place: &'a str,
    /// See `place`.
    pub created: Timestamp,
}

/// Reads the listing of an order. The first page of each query has a token; a further page waits for one of its own, and
/// without one the listing stays incomplete.
pub async fn read(
    cloud: &Cloud,
    access: &Access,
    order: &Order,
    seen: &Seen,
    queries: &Queries,
    instants: &mut Instants,
) -> Result<Listing, Trouble> {
    let search = Search {
        instance: &order.instance,
        since: seen.subject.created,
        until: seen.now,
        place: seen.subject.uid.as_str(),
        created: seen.subject.created,
    };
    let found = search_all(cloud, access, &search, queries, instants).await?;
    Ok(Listing { rows: found.rows.into_iter().map(|listed| listed.row).collect(), complete: found.complete })
}

/// The rows of several queries.
#[derive(Debug, Default)]
pub struct Rows {
    /// Distinct rows, in the order in which they came.
    pub rows: Vec<Listed>,
    /// Whether the rows add up to the totals that the cloud named.
    pub complete: bool,
}

/// Reads the listing of an instance, with what each copy holds.
pub async fn search_all(
    cloud: &Cloud,
    access: &Access,
    search: &Search<'_>,
    queries: &Queries,
    instants: &mut Instants,
) -> Result<Rows, Trouble> {
    let window = (later(search.since, -DAY), later(search.until, DAY));
    let one = |(way, kept): (BackupWay, StorageStrategy)| {
        let token = instants.next(Action::DescribeBackups);
        let first = DescribeBackups {
            instance_id: search.instance.to_owned(),
            start_time: window.0.into(),
            end_time: window.1.into(),
            backup_way: way,
            storage_strategy: kept,
            limit: DescribeBackups::PAGE,
            page: 0,
        };
        let place = format!("{}/{way:?}/{kept:?}", search.place);
        Query { cloud, access, place, created: search.created }.run(first, token)
    };
    let all: Vec<_> = queries.0.iter().copied().map(one).collect();
    let mut listing = Rows { rows: vec![], complete: true };
    for part in futures::future::join_all(all).await {
        let part = part.map_err(|fault| trouble(&fault))?;
        listing.complete &= part.complete;
        merge(&mut listing.rows, part.rows);
    }
    Ok(listing)
}

/// A backup that shows defaults while it runs can come back from two queries, the second time further on; it is one
/// backup all the same. Two rows of one query are never taken for one: a request that was executed twice is two backups
/// of one name and one second, and hiding one of them would hide the violation (I6).
fn merge(rows: &mut Vec<Listed>, part: Vec<Listed>) {
    let known = rows.len();
    for listed in part {
        match rows.iter_mut().take(known).find(|known| is_same(&known.row, &listed.row)) {
            Some(known) if listed.row.progress != Progress::Running => *known = listed,
            Some(_) => {}
            None => rows.push(listed),
        }
    }
}

/// Whether rows of two queries are one backup: by a handle that both show, else by name and start.
fn is_same(one: &Row, other: &Row) -> bool {
    let (old, new) = (&one.copy, &other.copy);
    if old.backup_id.is_some() && new.backup_id.is_some() {
        old.backup_id == new.backup_id
    } else if old.group_id.is_some() && new.group_id.is_some() {
        old.group_id == new.group_id
    } else {
        !one.name.is_empty() && one.name == other.name && old.start_time == new.start_time
    }
}

/// One query, over all its pages.
struct Query<'a> {
    cloud: &'a Cloud,
    access: &'a Access,
    /// Where further pages wait for the budget: each query has a place of its own.
    place: String,
    created: Timestamp,
}

impl Query<'_> {
    /// Rows that are too large for one answer are read in smaller pages.
    async fn run(self, mut first: DescribeBackups, token: Option<Timestamp>) -> Result<Rows, Fault> {
        let mut answer = self.pages(&first, token).await;
        while first.limit > 1 && answer.as_ref().is_err_and(is_too_large) {
            first.limit /= 10;
            let token = self.token().await;
            // Without room for another try the fault stands, and the next pass tries again.
            if token.is_none() {
                break;
            }
            answer = self.pages(&first, token).await;
        }
        answer
    }

    async fn pages(&self, first: &DescribeBackups, token: Option<Timestamp>) -> Result<Rows, Fault> {
        let mut found = Found::default();
        let (_, mut total) = found.take(self.cloud.read(self.access, first, token).await?.value);
        for step in [1, first.limit] {
            let mut offset = step;
            while found.rows.len() < total && offset / step < MOST_PAGES {
                let Some(token) = self.token().await else { break };
                let page = DescribeBackups { page: offset, ..first.clone() };
                let (all_new, count) = found.take(self.cloud.read(self.access, &page, Some(token)).await?.value);
                total = count;
                // A page that overlaps the one before was no page: the number means rows.
                if !all_new {
                    break;
                }
                offset = offset.saturating_add(step);
            }
        }
        Ok(Rows { complete: found.rows.len() == total, rows: found.rows })
    }

    async fn token(&self) -> Option<Timestamp> {
        self.cloud.another(self.access, &self.place, self.created, Action::DescribeBackups).await
    }
}

/// A row, with what it says to hold.
fn listed(shown: BackupRow) -> Listed {
    let holds = match (shown.strategy, shown.databases.as_slice()) {
        (Some(0), _) => Holds::Instance,
        (Some(1), [_, ..]) => Holds::Databases(shown.databases.clone()),
        (Some(_) | None, _) => Holds::Unknown,
    };
    Listed { row: row(shown), holds }
}

fn is_too_large(fault: &Fault) -> bool {
    match fault {
        Fault::InDoubt { reason, .. } => *reason == Doubt::TooLarge,
        Fault::Refused(refusal) => refusal.said.code == "ResponseSizeLimitExceeded",
        Fault::Throttled(_) | Fault::NotSent { .. } => false,
    }
}

/// What tells two rows of one query apart: id, group, name, start.
type Identity = (Option<i64>, Option<String>, String, Option<Timestamp>);

/// Distinct rows of one query.
#[derive(Default)]
struct Found {
    rows: Vec<Listed>,
    known: HashSet<Identity>,
}

impl Found {
    /// Takes the new rows of a page. Whether there were rows and all of them new, and how many the cloud counts in all.
    ///
    /// A row that an earlier page showed is the same row, moved by what came meanwhile; within one page alike rows are two.
    fn take(&mut self, page: crate::tencent::sqlserver::BackupPage) -> (bool, usize) {
        let mut all_new = !page.rows.is_empty();
        let before = self.known.clone();
        for Listed { row, holds } in page.rows.into_iter().map(listed) {
            let copy = &row.copy;
            let key = (copy.backup_id, copy.group_id.clone(), row.name.clone(), copy.start_time);
            if before.contains(&key) {
                all_new = false;
            } else {
                self.known.insert(key);
                self.rows.push(Listed { row, holds });
            }
        }
        (all_new, usize::try_from(page.total_count).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::Copy;

    fn row(id: Option<i64>, progress: Progress) -> Listed {
        let copy = Copy { backup_id: id, start_time: Some(Timestamp::UNIX_EPOCH), ..Copy::default() };
        Listed { row: Row { name: "k8s_a_1".to_owned(), progress, copy }, holds: Holds::Instance }
    }

    #[test]
    fn i6_two_backups_of_one_name_and_second_stay_two() {
        let mut rows = vec![];
        merge(&mut rows, vec![row(Some(1), Progress::Succeeded), row(Some(2), Progress::Succeeded)]);
        assert_eq!(rows.len(), 2, "of one query");
        merge(&mut rows, vec![row(Some(3), Progress::Succeeded)]);
        assert_eq!(rows.len(), 3, "of two queries, by their ids");
        let mut failed = vec![];
        merge(&mut failed, vec![row(None, Progress::Failed), row(None, Progress::Failed)]);
        assert_eq!(failed.len(), 2, "failed ones show no id");
    }

    #[test]
    fn a_backup_that_two_queries_show_is_one() {
        let mut rows = vec![row(None, Progress::Running)];
        merge(&mut rows, vec![row(Some(1), Progress::Succeeded)]);
        assert_eq!(rows, [row(Some(1), Progress::Succeeded)], "the later row is further on");
        merge(&mut rows, vec![row(None, Progress::Running)]);
        assert_eq!(rows, [row(Some(1), Progress::Succeeded)]);
    }

    #[test]
    fn within_a_page_alike_rows_are_two_and_between_pages_one() {
        let page = || {
            let row = r#"{"BackupName": "k8s_a_1", "StartTime": "2026-01-01 00:00:00", "Status": 2}"#;
            serde_json::from_str(&format!(r#"{{"TotalCount": 2, "Backups": [{row}, {row}]}}"#)).unwrap()
        };
        let mut found = Found::default();
        assert_eq!((found.take(page()), found.rows.len()), ((true, 2), 2));
        assert_eq!(found.take(page()), (false, 2));
        assert_eq!(found.rows.len(), 2, "moved to another page");
    }
}
