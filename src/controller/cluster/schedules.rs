//! What a schedule needs of the API server: itself read live, its backups listed live, one created, one removed, its status.
//!
//! # What it guarantees
//! - A creation says whose the object of that name is: an answer that was lost does not matter, for the next pass asks for
//!   the same name and is told that it is there.
//! - A removal names the object in the version in which it was seen to be finished.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use kube::api::{Api, DeleteParams, GetParams, ListParams, PatchParams, PostParams, Preconditions, Request};
use kube::client::Body;
use kube::core::Status;
use kube::{Client, ResourceExt};
use serde_json::{Map, Value};

use super::{Cluster, Trouble, filled, guarded, keep_unread};
use crate::api::gist::Owned;
use crate::api::schedule::conversion::{SCHEDULE, is_owned};
use crate::api::{SqlServerBackup, SqlServerBackupScheduleStatus, StoredBackup, StoredSchedule};
use crate::core::schedule::{Creation, label};

impl Cluster {
    /// The schedule as the server has it now, and what time it is there, to the second, if it says so.
    pub async fn schedule(&self, namespace: &str, name: &str) -> Result<(StoredSchedule, Option<Timestamp>), Trouble> {
        self.room.within(dated(&self.client, namespace, name)).await
    }

    /// The backups that `schedule` owns, as the server has them now: those of its label, and those of `known` that have lost
    /// it.
    pub async fn backups_of(
        &self,
        schedule: &StoredSchedule,
        known: impl Iterator<Item = String>,
    ) -> Result<Vec<StoredBackup>, Trouble> {
        let label = format!("{SCHEDULE}={}", label(&schedule.name_any()));
        let params = ListParams::default().labels(&label);
        let namespace = schedule.namespace().unwrap_or_default();
        let mut all = self.room.within(self.backups(&namespace).list(&params)).await?.items;
        for name in known {
            if !all.iter().any(|backup| backup.name_any() == name) {
                match self.read(&namespace, &name).await {
                    Ok(backup) => all.push(backup),
                    Err(Trouble::Gone) => {}
                    Err(trouble) => return Err(trouble),
                }
            }
        }
        let uid = schedule.uid().unwrap_or_default();
        all.retain(|backup| is_owned(backup, &uid));
        Ok(all)
    }

    /// Creates a backup of `schedule`. Refused with the words of the API server.
    pub async fn create(
        &self,
        schedule: &StoredSchedule,
        backup: &SqlServerBackup,
    ) -> Result<(Creation, bool), Trouble> {
        let (namespace, name) = (schedule.namespace().unwrap_or_default(), backup.name_any());
        let backups: Api<SqlServerBackup> = Api::namespaced(self.client.clone(), &namespace);
        match self.room.within(backups.create(&PostParams::default(), backup)).await {
            Ok(_) => Ok((Creation::Made, true)),
            Err(Trouble::Conflict) => {
                let there = match self.read(&namespace, &name).await {
                    // A quota that many count against at once is a conflict as well.
                    Err(Trouble::Gone) => return Err(Trouble::Conflict),
                    there => there?,
                };
                let is_ours = is_owned(&there, &schedule.uid().unwrap_or_default());
                Ok((if is_ours { Creation::Made } else { Creation::Taken }, false))
            }
            // A create of an object that is not there says so of its namespace.
            Err(Trouble::Gone) => Err(Trouble::Refused(format!("the namespace {namespace} is not there"))),
            Err(trouble) => Err(trouble),
        }
    }

    /// Removes the object of a finished backup of `schedule`, unless it has changed since it was read.
    pub async fn remove(&self, schedule: &StoredSchedule, backup: &Owned) -> Result<(), Trouble> {
        let (uid, resource_version) = backup.version.clone();
        let preconditions = Preconditions { uid, resource_version };
        let params = DeleteParams::background().preconditions(preconditions);
        let namespace = schedule.namespace().unwrap_or_default();
        match self.room.within(self.backups(&namespace).delete(&backup.child.name, &params)).await {
            Ok(_) | Err(Trouble::Gone) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    /// Writes the status of `object` under the version in which it was read, and returns what the server then holds.
    pub async fn write_schedule(
        &self,
        object: &StoredSchedule,
        status: &SqlServerBackupScheduleStatus,
    ) -> Result<StoredSchedule, Trouble> {
        let mut fields = complete(status);
        keep_unread(&mut fields, &["missedRuns", "cursor"], &object.status.unreadable);
        let schedules: Api<StoredSchedule> =
            Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default());
        self.room
            .within(schedules.patch_status(&object.name_any(), &PatchParams::default(), &guarded(object, fields)))
            .await
    }
}

/// The schedule with the date of the answer, which the library's own read keeps to itself.
async fn dated(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<(StoredSchedule, Option<Timestamp>), kube::Error> {
    let schedules: Api<StoredSchedule> = Api::namespaced(client.clone(), namespace);
    let request = Request::new(schedules.resource_url()).get(name, &GetParams::default());
    let answer = client.send(request.map_err(kube::Error::BuildRequest)?.map(Body::from)).await?;
    let (head, body) = answer.into_parts();
    let body = body.collect_bytes().await?;
    if head.status.is_success() {
        let object = serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?;
        return Ok((object, head.headers.get("date").and_then(|date| instant(date.to_str().ok()?))));
    }
    let said: Result<Status, _> = serde_json::from_slice(&body);
    let status = said.unwrap_or_else(|_| Status::failure("an answer that is none", "")).with_code(head.status.as_u16());
    Err(kube::Error::Api(status.boxed()))
}

/// A date as HTTP writes it.
fn instant(date: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(date).ok()
}

/// The fields of `status`, and null for each that is absent, so that a merge removes it.
fn complete(status: &SqlServerBackupScheduleStatus) -> Map<String, Value> {
    const FIELDS: [&str; 9] = [
        "observedGeneration",
        "lastScheduleTime",
        "lastSuccessfulTime",
        "nextScheduleTime",
        "lastResult",
        "lastMissedRun",
        "lastRunNow",
        "latestCopy",
        "cursor",
    ];
    const PARTS: [(&str, &[&str]); 2] =
        [("cursor", &["time", "schedule"]), ("latestCopy", &["startTime", "lookTime", "lookedFor"])];
    filled(serde_json::to_value(status), &FIELDS, &PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        assert_eq!(instant("Tue, 24 Nov 2026 18:47:12 GMT"), "2026-11-24T18:47:12Z".parse().ok());
        assert_eq!(instant("yesterday"), None);
    }

    #[test]
    fn every_field_of_the_status_is_written_or_removed() {
        let status = SqlServerBackupScheduleStatus {
            active: Some(vec![]),
            missed_runs: Some(0),
            cursor: Some(crate::api::schedule::Cursor {
                suspended: Some(false),
                retries: Some(0),
                ..crate::api::schedule::Cursor::default()
            }),
            latest_copy: Some(crate::api::schedule::LatestCopy::default()),
            conditions: Some(vec![]),
            ..SqlServerBackupScheduleStatus::default()
        };
        let known = complete(&status);
        let schema = serde_json::to_value(crate::api::all()).unwrap();
        let properties = schema[1].pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status/properties");
        let properties = properties.unwrap().as_object().unwrap();
        assert!(properties.len() > 10);
        for (name, field) in properties {
            assert!(known.get(name).is_some(), "{name} would survive a merge");
            if ["cursor", "latestCopy"].contains(&name.as_str()) {
                for part in field["properties"].as_object().unwrap().keys() {
                    assert!(known[name].get(part).is_some(), "{name}.{part} would survive a merge");
                }
            }
        }
    }
}
