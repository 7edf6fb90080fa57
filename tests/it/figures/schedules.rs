//! The schedules of the world that is scraped: one that has everything a figure can tell, and one that is suspended.

use std::time::{Duration, Instant};

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use sqlserver_backup_operator::api::SqlServerBackupSchedule;

use super::page::Page;
use crate::world::{INSTANCE, SECRET, World};

/// Nine series of the one, without the time of a suspension; six of the other, without objective, copies and next run.
pub(super) const SERIES: usize = 15;

/// Makes both, and waits until all of it stands in their statuses. Nothing of them is due before the leap day.
pub(super) async fn create(world: &World) {
    let kind = ApiResource::erase::<SqlServerBackupSchedule>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &kind);
    let wish = json!({
        "instanceId": INSTANCE, "region": "ap-guangzhou", "strategy": "Instance", "credentialsRef": { "name": SECRET },
    });
    let template = json!({ "spec": wish });
    for (name, spec) in [
        ("done", json!({ "schedule": "0 0 29 2 *", "objective": { "maxAge": "26h" }, "template": template })),
        ("paused", json!({ "schedule": "0 0 29 2 *", "suspend": true, "template": template })),
    ] {
        let object = DynamicObject::new(name, &kind).within(&world.namespace).data(json!({ "spec": spec }));
        api.create(&PostParams::default(), &object).await.unwrap();
    }
    until(&api, "paused", |status| status["cursor"]["suspended"] == json!(true)).await;
    until(&api, "done", |status| !status["cursor"]["time"].is_null()).await;
    let run_now = json!({ "metadata": { "annotations": { "tencentdb.dev/run-now": "1" } } });
    api.patch("done", &PatchParams::default(), &Patch::Merge(run_now)).await.unwrap();
    until(&api, "done", |status| !status["lastSuccessfulTime"].is_null()).await;
    until(&api, "done", |status| !status["latestCopy"]["startTime"].is_null()).await;
}

async fn until(api: &Api<DynamicObject>, name: &str, wanted: impl Fn(&Value) -> bool) {
    let begin = Instant::now();
    loop {
        let status = api.get(name).await.unwrap().data["status"].clone();
        if wanted(&status) {
            return;
        }
        assert!(begin.elapsed() < Duration::from_mins(1), "{name}: {status:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether the watch has brought what was written last.
pub(super) fn are_shown(page: &Page) -> bool {
    let whole = page.values("sqlserver_backup_operator_schedule_last_success_timestamp_seconds", "name");
    let paused = page.values("sqlserver_backup_operator_schedule_suspended_timestamp_seconds", "name");
    whole.contains("done") && paused.contains("paused")
}
