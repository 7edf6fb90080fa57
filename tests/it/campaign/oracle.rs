//! What must be true after every run, whatever happened in it. The witnesses are the cloud's ledger, the history of every
//! object as a watch of the test's own brought it, and the operator's output.

use serde_json::{Value, json};
use tencentdb_simulator::{Effect, End};

use super::plan::{Fault, Plan};
use super::stage::Stage;
use super::story::Ending;
use super::version::UNKNOWN_ROW;
use crate::recorder::{condition, reason};
use crate::world::Order;

const WAITS: [&str; 8] = [
    "Queued",
    "InstanceBusy",
    "DatabaseBusy",
    "Throttled",
    "CloudUnreachable",
    "CredentialsUnavailable",
    "AccessDenied",
    "ClockSkew",
];
const REFUSED: [&str; 4] = ["InstanceNotFound", "DatabaseNotFound", "InvalidRequest", "DeadlineExceeded"];
const FOLLOWED: [&str; 3] = ["Running", "Overdue", "Unobservable"];
const OVER: [&str; 3] = ["Completed", "Failed", "Missing"];

/// The written list: whether an order may go from one row to another.
fn may_follow(from: &str, to: &str) -> bool {
    let is = |rows: &[&str]| rows.contains(&to);
    match from {
        "Pending" => is(&WAITS) || is(&REFUSED) || is(&["Submitting"]),
        // A knock does not leave its row before the answer, so a wait may lead to where a submission leads.
        _ if WAITS.contains(&from) => {
            is(&WAITS) || is(&REFUSED) || is(&FOLLOWED) || is(&OVER) || is(&["Submitting", "OutcomeUnknown"])
        }
        "Submitting" => is(&WAITS) || is(&REFUSED) || is(&FOLLOWED) || is(&OVER) || is(&["OutcomeUnknown"]),
        // Out of a doubt leads what was found, proven absence, or the late answer itself.
        "OutcomeUnknown" => is(&FOLLOWED) || is(&OVER) || is(&WAITS) || is(&REFUSED),
        _ if FOLLOWED.contains(&from) => is(&FOLLOWED) || is(&OVER),
        _ => false,
    }
}

/// Judges a run that has come to rest.
pub(super) async fn judge(mut stage: Stage, endings: &[Ending]) {
    let plan = stage.plan.clone();
    let twice = plan.as_ref().is_some_and(|plan| plan.fault == Fault::Twice) && stage.director.struck() > 0;
    let mut expected = vec![];
    for Ending { order, rows } in endings {
        let accepted = stage.world.accepted(order);
        assert!(accepted <= if twice { 2 } else { 1 }, "{}: {accepted} backups of one order", order.name);
        if twice && accepted == 2 && !rows.is_empty() {
            let events = stage.world.events(order).await;
            assert!(events.iter().any(|(reason, _)| reason == "DuplicateBackups"), "I6 did not speak: {events:?}");
        }
        story_of(&stage, order, endings.len());
        announced(&stage, order);
        if !rows.is_empty() {
            let object = stage.world.read(order).await;
            end(&object, rows, plan.as_ref());
            truth(&stage, order, &object);
            for (_, shape) in stage.rewritten.iter().filter(|(uid, _)| *uid == order.uid) {
                assert!(shape.survives_in(&object), "what {shape:?} wrote is gone: {object:#}");
            }
        }
        expected.push((order, accepted));
    }
    stage.close();
    explained(&stage);
    stage.world.finish_quietly(&expected).await;
}

/// I1 and I2: whatever arrived at the cloud had been announced by its name, and was signed for the time of that intent and
/// for no other.
fn announced(stage: &Stage, order: &Order) {
    let history = stage.world.history(order);
    for call in stage.world.calls(order) {
        let is_its = |intent: &&Value| intent["backupName"] == json!(call.name);
        let intents: Vec<&Value> =
            history.iter().map(|version| &version.object["status"]["intent"]).filter(is_its).collect();
        let time = |intent: &Value| intent["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
        let is_signed_for = |intent: &&&Value| time(intent).to_string() == call.signed_at;
        assert!(intents.iter().any(|intent| is_signed_for(&intent)), "{call:?} was announced as {intents:?}");
    }
}

/// The program logs an error when it panics or gives up, and no fault is a reason to. Its client's library logs one for each
/// answer of the API server that is none, so those need a fault of the API server.
fn explained(stage: &Stage) {
    let is_of_the_server = |fault: &Fault| matches!(fault, Fault::Api(_) | Fault::Halt(..));
    let has_such = stage.plan.as_ref().is_some_and(|plan| plan.faults().any(is_of_the_server));
    for log in ["earlier.log", "operator.log"] {
        let words = crate::operator::lines(&stage.world.folder.join(log));
        let is_explained = |line: &Value| {
            has_such && line["target"].as_str().is_some_and(|target| target.starts_with("kube_client::"))
        };
        let errors: Vec<_> = words.iter().filter(|line| line["level"] == "ERROR" && !is_explained(line)).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

/// Transitions and the number of writes.
fn story_of(stage: &Stage, order: &Order, orders: usize) {
    let mut rows = stage.world.reasons(order);
    // A word of another version's is on no list of this one's.
    rows.retain(|row| row != UNKNOWN_ROW);
    rows.dedup();
    for pair in rows.windows(2) {
        assert!(may_follow(&pair[0], &pair[1]), "{} to {} is on no list: {rows:?}", pair[0], pair[1]);
    }
    let refused = stage.world.calls(order).iter().filter(|call| !call.accepted).count();
    // A second operator is a fault that lasts: it may doubt what the first is sending, and the first then adds its FlowId.
    let faults = stage.director.struck() + stage.story.operators() - 1;
    // Pending, Submitting, Running, Completed; but a knock is announced without leaving the row of its wait.
    let knocked = stage.world.calls(order).len() > refused && !rows.iter().any(|row| row == "Submitting");
    let usual = if knocked { 3 } else { 4 };
    let bound = 3 + rows.len().saturating_sub(usual) + 2 * refused + 2 * faults + stage.edits;
    let writes = stage.world.writes(order);
    assert!(writes <= bound, "{writes} status writes, at most {bound}, of {orders} orders: {rows:?}");
}

/// It came to the end that its story has, or to one that its fault names.
fn end(object: &Value, rows: &[&str], plan: Option<&Plan>) {
    let row = reason(object);
    let faults = plan.into_iter().flat_map(Plan::faults);
    let is_named = faults.into_iter().any(|fault| {
        let refuses = matches!(fault, Fault::Cloud(_, Effect::Error { accept: false, .. }));
        (refuses && REFUSED.contains(&row)) || (*fault == Fault::Fail && row == "Failed")
    });
    assert!(rows.contains(&row) || is_named, "ended in {row}, which is neither its story's nor its fault's end");
}

/// The status does not contradict the ledger.
fn truth(stage: &Stage, order: &Order, object: &Value) {
    let status = &object["status"];
    let row = reason(object);
    let flows: Vec<i64> = stage.world.calls(order).into_iter().flat_map(|call| call.flow_ids).collect();
    let backups = stage.world.cloud.backups();
    let ours: Vec<_> = backups.iter().filter(|backup| flows.contains(&backup.flow_id)).collect();
    if REFUSED.contains(&row) {
        assert!(ours.is_empty(), "{row}, and the cloud made {ours:?}");
        assert_eq!(condition(object, "Submitted")["status"], "False", "{status:#}");
        return;
    }
    let wanted = if row == "Completed" { End::Success } else { End::Failed };
    let backup = ours.iter().find(|backup| backup.ended.is_some_and(|(_, end)| end == wanted));
    let backup = backup.unwrap_or_else(|| panic!("{row}, and the cloud has {ours:?}"));
    let flow = &status["flowId"];
    assert!(flow.is_null() || *flow == json!(backup.flow_id) || ours.len() > 1, "{flow}, and the cloud has {backup:?}");
    assert_eq!(status["backupName"], json!(backup.name), "{status:#}");
    assert!(status["intent"].is_null(), "{status:#}");
    assert_eq!(status["observedGeneration"], object["metadata"]["generation"], "{status:#}");
    assert_eq!(condition(object, "Submitted")["status"], "True", "{status:#}");
    let start = status["startTime"].as_str().map(|time| time.parse::<jiff::Timestamp>().unwrap().as_second());
    assert!(start.is_none_or(|start| start == backup.started.as_second()), "{start:?}, and {backup:?}");
}
