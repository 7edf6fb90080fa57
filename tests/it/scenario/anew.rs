//! An object that is deleted and created anew under the same name is another order, whatever the first one still waits for.

use kube::api::DeleteParams;
use serde_json::json;
use tencentdb_simulator::{Effect, Rule};

use crate::world::World;

/// The answer to the first order comes when its object is gone and another one has its name: it has no place, and holds
/// nobody up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_created_anew_while_the_first_is_being_submitted_gets_its_turn() {
    let world = World::usual().await;
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::None).answer_delay(2_000).times(1));
    let first = world.order("twice", json!({})).await;
    world.reaches(&first, "Submitting").await;
    world.wait_for("the first call", |world| world.accepted(&first) == 1).await;
    world.api.delete("twice", &DeleteParams::default()).await.unwrap();
    let second = world.order("twice", json!({})).await;
    world.reaches(&second, "Completed").await;
    let lines = world.lines();
    let flow = world.calls(&first)[0].flow_ids[0];
    assert!(lines.iter().any(|line| line["flow_id"] == json!(flow)), "the log alone can still name the FlowId {flow}");
    world.finish(&[(&first, 1), (&second, 1)]).await;
}
