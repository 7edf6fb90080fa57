//! The stories: what happens in a run beside its fault, and what each order of it has to come to.
//!
//! A story is played with every fault, so it waits for what it needs with patience and never for how it is reached.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tencentdb_simulator::{Effect, End, Instance, Key, PLAYGROUND_SECRET_ID, Rule};

use super::stage::Stage;
use crate::world::{INSTANCE, Order};

/// All stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Story {
    Success,
    Databases,
    Failed,
    Busy,
    Throttled,
    Denied,
    NoDatabase,
    NoInstance,
    Adoption,
    Doubt,
    DeletedAtOnce,
    DeletedWaiting,
    DeletedSubmitting,
    DeletedInDoubt,
    DeletedRunning,
    DeletedCompleted,
    DeletedFailed,
    Recreated,
    Rotated,
    TwoOperators,
    Batch,
}

/// An order at the end of its story.
pub(super) struct Ending {
    pub(super) order: Order,
    /// The rows it may have ended in; none: it was deleted.
    pub(super) rows: &'static [&'static str],
}

impl Ending {
    fn of(order: Order, rows: &'static [&'static str]) -> Self {
        Self { order, rows }
    }
}

impl Story {
    pub(super) const ALL: [Self; 21] = [
        Self::Success,
        Self::Databases,
        Self::Failed,
        Self::Busy,
        Self::Throttled,
        Self::Denied,
        Self::NoDatabase,
        Self::NoInstance,
        Self::Adoption,
        Self::Doubt,
        Self::DeletedAtOnce,
        Self::DeletedWaiting,
        Self::DeletedSubmitting,
        Self::DeletedInDoubt,
        Self::DeletedRunning,
        Self::DeletedCompleted,
        Self::DeletedFailed,
        Self::Recreated,
        Self::Rotated,
        Self::TwoOperators,
        Self::Batch,
    ];

    /// Whether an object goes in it.
    pub(super) fn deletes(self) -> bool {
        matches!(
            self,
            Self::DeletedAtOnce
                | Self::DeletedWaiting
                | Self::DeletedSubmitting
                | Self::DeletedInDoubt
                | Self::DeletedRunning
                | Self::DeletedCompleted
                | Self::DeletedFailed
                | Self::Recreated
        )
    }

    pub(super) fn is_large(self) -> bool {
        self == Self::Batch
    }

    pub(super) fn operators(self) -> usize {
        if self == Self::TwoOperators { 2 } else { 1 }
    }

    /// What the cloud does in this story by itself; added after the plan's own rule.
    pub(super) fn rules(self) -> Vec<Rule> {
        let create = |effect| Rule::new("CreateBackup", effect);
        let error =
            |code: &str| create(Effect::Error { code: code.to_owned(), message: "No.".to_owned(), accept: false });
        match self {
            Self::Busy => vec![error("ResourceUnavailable.InstanceStatusInvalid")],
            Self::DeletedWaiting => vec![error("ResourceUnavailable.InstanceStatusInvalid").forever()],
            Self::Throttled => vec![create(Effect::Throttle)],
            Self::Denied => vec![error("UnauthorizedOperation.PermissionDenied")],
            Self::Adoption => vec![create(Effect::DropAfter { reset: false })],
            Self::Doubt | Self::DeletedInDoubt => vec![create(Effect::DropBefore { reset: true })],
            Self::Success
            | Self::Databases
            | Self::Failed
            | Self::NoDatabase
            | Self::NoInstance
            | Self::DeletedAtOnce
            | Self::DeletedSubmitting
            | Self::DeletedRunning
            | Self::DeletedCompleted
            | Self::DeletedFailed
            | Self::Recreated
            | Self::Rotated
            | Self::TwoOperators
            | Self::Batch => vec![],
        }
    }

    /// Plays it.
    pub(super) async fn play(self, stage: &mut Stage) -> Vec<Ending> {
        match self {
            Self::Success
            | Self::Busy
            | Self::Throttled
            | Self::Denied
            | Self::Adoption
            | Self::Doubt
            | Self::TwoOperators => one(stage, json!({}), &["Completed"]).await,
            Self::Databases => {
                let spec = json!({ "strategy": "Databases", "databases": ["orders", "stock"] });
                one(stage, spec, &["Completed"]).await
            }
            Self::Failed => {
                stage.world.cloud.change_instance(INSTANCE, |instance| instance.backups_end = End::Failed);
                one(stage, json!({}), &["Failed"]).await
            }
            Self::NoDatabase => {
                let spec = json!({ "strategy": "Databases", "databases": ["orders", "absent"] });
                one(stage, spec, &["DatabaseNotFound"]).await
            }
            Self::NoInstance => one(stage, json!({ "instanceId": "mssql-none" }), &["InstanceNotFound"]).await,
            Self::DeletedAtOnce => deleted(stage, &["Pending"]).await,
            Self::DeletedWaiting => deleted(stage, &["InstanceBusy"]).await,
            Self::DeletedSubmitting => deleted(stage, &["Submitting"]).await,
            Self::DeletedInDoubt => deleted(stage, &["OutcomeUnknown", "CloudUnreachable"]).await,
            Self::DeletedRunning => deleted(stage, &["Running"]).await,
            Self::DeletedCompleted => deleted(stage, &["Completed"]).await,
            Self::DeletedFailed => {
                stage.world.cloud.change_instance(INSTANCE, |instance| instance.backups_end = End::Failed);
                deleted(stage, &["Failed"]).await
            }
            Self::Recreated => {
                let mut endings = deleted(stage, &["Running"]).await;
                endings.extend(one(stage, json!({}), &["Completed"]).await);
                endings
            }
            Self::Rotated => rotated(stage).await,
            Self::Batch => batch(stage).await,
        }
    }
}

async fn one(stage: &mut Stage, spec: Value, rows: &'static [&'static str]) -> Vec<Ending> {
    let order = stage.world.order("order", spec).await;
    stage.ends(&order).await;
    vec![Ending::of(order, rows)]
}

/// Deleted as soon as it was in one of `rows`, or at its end.
async fn deleted(stage: &mut Stage, rows: &[&str]) -> Vec<Ending> {
    let order = stage.world.order("order", json!({})).await;
    let reached = |reason: &String| rows.contains(&reason.as_str());
    stage.until("its phase", |stage| stage.has_ended(&order) || stage.world.reasons(&order).iter().any(reached)).await;
    stage.world.api.delete(&order.name, &DeleteParams::default()).await.unwrap();
    stage.until("its deletion", |stage| stage.world.history(&order).last().is_some_and(|last| last.deleted)).await;
    vec![Ending::of(order, &[])]
}

/// The key is replaced while the backup runs, and the order told of it.
async fn rotated(stage: &mut Stage) -> Vec<Ending> {
    let order = stage.world.order("order", json!({})).await;
    stage.until("accepted", |stage| stage.has_ended(&order) || stage.world.accepted(&order) > 0).await;
    stage.world.cloud.put_key(Key::new("AKIDROTATED", "RotatedSecretKeyNotReal000000000"));
    stage
        .world
        .put_secret("rotated", &json!({ "secretId": "AKIDROTATED", "secretKey": "RotatedSecretKeyNotReal000000000" }))
        .await;
    stage.world.cloud.remove_key(PLAYGROUND_SECRET_ID);
    let edit = Patch::Merge(json!({ "spec": { "credentialsRef": { "name": "rotated" } } }));
    stage.world.api.patch(&order.name, &PatchParams::default(), &edit).await.unwrap();
    stage.edits += 1;
    stage.ends(&order).await;
    vec![Ending::of(order, &["Completed"])]
}

/// Twenty on three instances, each with five databases, five at once.
async fn batch(stage: &mut Stage) -> Vec<Ending> {
    let databases: Vec<String> = (0..7).map(|number| format!("db{number}")).collect();
    for id in ["mssql-batch1", "mssql-batch2", "mssql-batch3"] {
        stage.world.cloud.put_instance(Instance { databases: databases.clone(), ..Instance::new(id) });
    }
    let mut endings = vec![];
    for number in 0..20 {
        let instance = format!("mssql-batch{}", number % 3 + 1);
        let spec = json!({ "instanceId": instance, "strategy": "Databases", "databases": [databases[number / 3]] });
        endings.push(Ending::of(stage.world.order(&format!("order-{number}"), spec).await, &["Completed"]));
    }
    for ending in &endings {
        stage.ends(&ending.order).await;
    }
    endings
}
