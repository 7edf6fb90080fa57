//! The schedules of a scenario: created, changed, waited for, with their backups.

use std::time::{Duration, Instant};

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use sqlserver_backup_operator::api::SqlServerBackupSchedule;

use crate::world::{INSTANCE, Order, SECRET, World};

/// How long a slot of a minute is waited for, with everything that comes after.
pub(super) const MINUTES: Duration = Duration::from_secs(200);

/// The schedules of a world.
pub(super) struct Schedules<'a> {
    pub(super) world: &'a World,
    pub(super) api: Api<DynamicObject>,
}

impl<'a> Schedules<'a> {
    pub(super) fn of(world: &'a World) -> Self {
        let kind = ApiResource::erase::<SqlServerBackupSchedule>(&());
        Self { world, api: Api::namespaced_with(world.client.clone(), &world.namespace, &kind) }
    }

    /// A schedule of every minute, with `spec` over it.
    pub(super) async fn create(&self, name: &str, annotations: Value, spec: Value) -> Order {
        let wish = json!({
            "instanceId": INSTANCE, "region": "ap-guangzhou", "strategy": "Instance", "credentialsRef": { "name": SECRET },
        });
        let mut whole = json!({ "schedule": "* * * * *", "template": { "spec": wish } });
        for (field, value) in spec.as_object().unwrap() {
            whole[field] = value.clone();
        }
        let kind = ApiResource::erase::<SqlServerBackupSchedule>(&());
        let mut object = DynamicObject::new(name, &kind).within(&self.world.namespace).data(json!({ "spec": whole }));
        object.metadata.annotations = serde_json::from_value(annotations).unwrap();
        let created = self.api.create(&PostParams::default(), &object).await.unwrap();
        Order { name: name.to_owned(), uid: created.uid().unwrap() }
    }

    pub(super) async fn change(&self, name: &str, patch: Value) {
        self.api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub(super) async fn read(&self, name: &str) -> Value {
        serde_json::to_value(self.api.get(name).await.unwrap()).unwrap()
    }

    /// The schedule, once `wanted` holds.
    pub(super) async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let object = self.read(name).await;
            if wanted(&object) {
                return object;
            }
            assert!(begin.elapsed() < MINUTES, "{name} never came to: {what}; it is {:#}", object["status"]);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Its backups, the oldest first.
    pub(super) async fn backups(&self, schedule: &str) -> Vec<DynamicObject> {
        let params = ListParams::default().labels(&format!("tencentdb.dev/schedule={schedule}"));
        let mut all = self.world.api.list(&params).await.unwrap().items;
        all.sort_by_key(|backup| (backup.creation_timestamp().map(|time| time.0), backup.name_any()));
        all
    }

    pub(super) async fn names(&self, schedule: &str) -> Vec<String> {
        self.backups(schedule).await.iter().map(ResourceExt::name_any).collect()
    }
}

pub(super) fn order(backup: &DynamicObject) -> Order {
    Order { name: backup.name_any(), uid: backup.uid().unwrap() }
}

/// Status and reason of a condition.
pub(super) fn condition(object: &Value, kind: &str) -> (String, String) {
    let all = object["status"]["conditions"].as_array().unwrap();
    let one = all.iter().find(|condition| condition["type"] == kind).unwrap();
    (one["status"].as_str().unwrap().to_owned(), one["reason"].as_str().unwrap().to_owned())
}

pub(super) fn is(object: &Value, kind: &str, status: &str, reason: &str) -> bool {
    condition(object, kind) == (status.to_owned(), reason.to_owned())
}

/// The full minute that comes next. One that is almost there is waited for, so that what is created now runs at no other.
pub(super) async fn next_minute() -> Timestamp {
    loop {
        let now = sqlserver_backup_operator::runtime::clock::now();
        let ceiling = TimestampRound::new().smallest(Unit::Minute).mode(RoundMode::Ceil);
        let next = now.round(ceiling).unwrap();
        if next.duration_since(now) > SignedDuration::from_secs(10) {
            return next;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A full minute with room for preparations before it, and the line of a schedule that has no other this hour.
pub(super) fn minute_with_room() -> (Timestamp, Value) {
    let soon = sqlserver_backup_operator::runtime::clock::now() + SignedDuration::from_secs(25);
    let slot = soon.round(TimestampRound::new().smallest(Unit::Minute).mode(RoundMode::Ceil)).unwrap();
    (slot, json!({ "schedule": format!("{} * * * *", slot.strftime("%-M")) }))
}

pub(super) fn name_of(schedule: &str, slot: Timestamp) -> String {
    format!("{schedule}-{}", slot.strftime("%Y%m%d-%H%M"))
}
