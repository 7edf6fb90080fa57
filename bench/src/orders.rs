//! The objects of a row: orders that are created, and orders whose past is made up.
//!
//! A row about ten thousand finished orders would take hours if each had to be made. Their status is written here as the
//! operator would have left it; whether a running one really runs is up to the row, which begins a backup for it.

use std::time::Instant;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::Request;
use kube::{Client, Resource as _, ResourceExt as _};
use serde_json::{Value, json};

use crate::clock;

/// The region of every instance that no row moves elsewhere.
pub(crate) const REGION: &str = "ap-guangzhou";
/// The Secret with the access key, in every namespace.
pub(crate) const SECRET: &str = "tencentdb";
/// The namespace of most orders.
pub(crate) const NAMESPACE: &str = "shop";

/// Requests of the bench under way at once.
const AT_ONCE: usize = 16;

/// The kind, as a client that knows nothing of the operator's types sees it.
pub(crate) fn kind() -> ApiResource {
    ApiResource {
        group: "tencentdb.dev".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "tencentdb.dev/v1alpha1".to_owned(),
        kind: "SqlServerBackup".to_owned(),
        plural: "sqlserverbackups".to_owned(),
    }
}

/// The instance with this number.
pub(crate) fn instance(number: usize) -> String {
    format!("mssql-b{number:07}")
}

/// An order that somebody wants.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Of the object.
    pub(crate) namespace: String,
    /// Of the object.
    pub(crate) name: String,
    /// What to back up.
    pub(crate) instance: String,
    /// Where it is.
    pub(crate) region: String,
    /// Only these databases; none: the whole instance.
    pub(crate) databases: Vec<String>,
    /// The Secret with the key.
    pub(crate) secret: String,
}

impl Wish {
    /// A whole instance, from [`NAMESPACE`].
    pub(crate) fn new(name: &str, instance: String) -> Self {
        Self {
            namespace: NAMESPACE.to_owned(),
            name: name.to_owned(),
            instance,
            region: REGION.to_owned(),
            databases: Vec::new(),
            secret: SECRET.to_owned(),
        }
    }

    /// So many, each on an instance of its own.
    pub(crate) fn many(count: usize) -> Vec<Self> {
        (0..count).map(|number| Self::new(&format!("order-{number:05}"), instance(number))).collect()
    }

    fn object(&self) -> DynamicObject {
        let mut spec = json!({
            "instanceId": self.instance, "region": self.region, "strategy": "Instance",
            "credentialsRef": { "name": self.secret },
        });
        if let (Some(spec), false) = (spec.as_object_mut(), self.databases.is_empty()) {
            spec.insert("strategy".to_owned(), "Databases".into());
            spec.insert("databases".to_owned(), json!(self.databases));
        }
        DynamicObject::new(&self.name, &kind()).within(&self.namespace).data(json!({ "spec": spec }))
    }
}

/// An order that the API server has taken.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// Who it is.
    pub(crate) uid: String,
    /// What was wished.
    pub(crate) wish: Wish,
    /// When the server's answer was here.
    pub(crate) at: Timestamp,
}

/// Creates one.
pub(crate) async fn create(client: &Client, wish: Wish) -> Result<Made> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &wish.namespace, &kind());
    let made = api.create(&PostParams::default(), &wish.object()).await;
    let made = made.with_context(|| format!("{} cannot be created", wish.name))?;
    Ok(Made { uid: made.uid().context("an object without a UID")?, wish, at: clock::now() })
}

/// Creates many at once, in no particular order.
pub(crate) async fn create_all(client: &Client, wishes: Vec<Wish>) -> Result<Vec<Made>> {
    let creations = wishes.into_iter().map(|wish| create(client, wish));
    stream::iter(creations).buffer_unordered(AT_ONCE).try_collect().await
}

/// Seconds until the API server has handed out all orders in one answer, to a reader who looks at none of them.
pub(crate) async fn listing(client: &Client) -> Result<f64> {
    let request = Request::new(DynamicObject::url_path(&kind(), None)).list(&ListParams::default())?;
    let begin = Instant::now();
    client.request_text(request).await.context("the orders cannot be listed")?;
    Ok(begin.elapsed().as_secs_f64())
}

/// Gives each order the past that `status` makes up.
pub(crate) async fn pretend<'a>(client: &Client, pasts: impl IntoIterator<Item = (&'a Made, Value)>) -> Result<()> {
    let writes = pasts.into_iter().map(|(made, status)| {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &made.wish.namespace, &kind());
        let patch = Patch::Merge(json!({ "status": status }));
        async move { api.patch_status(&made.wish.name, &PatchParams::default(), &patch).await.map(drop) }
    });
    stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await.context("a past cannot be written")
}

/// The status of an order that the cloud accepted at `since` and whose backup runs.
pub(crate) fn running(made: &Made, flow: i64, since: Timestamp) -> Value {
    accepted(made, flow, since, [("False", "Running"), ("True", "Running"), ("False", "Running")])
}

/// The status of an order that was accepted at `since` and completed a minute later.
pub(crate) fn finished(made: &Made, flow: i64, since: Timestamp) -> Value {
    let rows = [("True", "Completed"), ("False", "Completed"), ("False", "Completed")];
    let mut status = accepted(made, flow, since, rows);
    if let Some(status) = status.as_object_mut() {
        let end = clock::moved(since, 60);
        let more = json!({
            "backupId": 10_000_000_000_i64 + flow, "fileName": format!("manual_instance_{flow}.bak.tar"),
            "size": "600Mi", "startTime": whole(since), "completionTime": whole(end),
        });
        status.extend(more.as_object().cloned().unwrap_or_default());
    }
    status
}

/// With the states of `Ready`, `Reconciling` and `Stalled`.
fn accepted(made: &Made, flow: i64, since: Timestamp, rows: [(&str, &str); 3]) -> Value {
    let name = format!("k8s_{}_{}_1", made.wish.name.replace('-', "_"), made.uid.replace('-', ""));
    let condition = |kind: &str, (state, reason): (&str, &str)| {
        json!({
            "type": kind, "status": state, "reason": reason, "observedGeneration": 1,
            "message": "As it would be if it had been.", "lastTransitionTime": whole(since),
        })
    };
    let [ready, reconciling, stalled] = rows;
    json!({
        "observedGeneration": 1, "attempts": 1, "backupName": name, "submitTime": whole(since), "flowId": flow,
        "requestId": "3de3f7cb-c5ef-55c6-7e5b-4813f92a28f4",
        "conditions": [
            condition("Submitted", ("True", "Accepted")), condition("Ready", ready),
            condition("Reconciling", reconciling), condition("Stalled", stalled),
        ],
    })
}

/// As the status has instants: whole seconds.
fn whole(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
