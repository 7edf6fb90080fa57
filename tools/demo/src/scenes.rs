//! The five scenes: what happens, what to look at, and what must be true at the end of each.
//!
//! A scene tells the cloud how to behave, applies objects of `examples/`, and waits until the API server and the cloud's
//! ledger show what was promised. It fails as soon as that cannot come any more, at the latest after some patience. No
//! scene hopes for good timing: what has to happen before something else is held back until it did.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tencentdb_simulator::{Effect, End, Rule};

use crate::stage::{LISTING_LAG, PARTS, WHOLE};
use crate::theatre::{BREATH, Theatre, Told};

/// One promise, acted out.
pub(crate) struct Scene {
    pub(crate) title: &'static str,
    pub(crate) look_at: &'static str,
    /// Plays it; what was seen to be true at its end.
    pub(crate) play: fn(&mut Theatre<'_>) -> Result<String>,
}

/// In the order of the play.
pub(crate) const SCENES: [Scene; 5] = [
    Scene {
        title: "two orders, two copies",
        look_at: "A whole instance and two databases of another one. Watch STATUS: the cloud's receipt comes as FLOW, and \
                  READY turns True when the cloud, not the operator, says that the copy is complete.",
        play: two_copies,
    },
    Scene {
        title: "a database that does not exist",
        look_at: "One name is misspelt. The cloud refuses, nothing is backed up, and the object says so for good: only its \
                  author can mend it, with a new object.",
        play: a_mistyped_database,
    },
    Scene {
        title: "an instance that is busy",
        look_at: "The nightly backup runs, and the cloud takes no other meanwhile. The order waits its turn, knocks now and \
                  then, and is accepted by itself: nobody has to come back.",
        play: a_busy_instance,
    },
    Scene {
        title: "an answer that is lost, and a killed operator",
        look_at: "The cloud accepts, but its answer never arrives; then the operator is killed. A script that asks again \
                  makes a second backup here. Count the lines of this order in the ledger.",
        play: a_lost_answer,
    },
    Scene {
        title: "a schedule, and a promise of freshness",
        look_at: "A backup every minute, by the clocks of Shanghai, with a few seconds of spread; and a promise: a good copy \
                  of the whole instance, never older than ten minutes. A first one, asked for now, fails in the cloud. Watch \
                  PROTECTED: a failure stops nothing, and the next time of the schedule keeps the promise.",
        play: a_schedule,
    },
];

fn two_copies(it: &mut Theatre<'_>) -> Result<String> {
    let names = it.order("apply", &["01-secret.yaml", "02-whole-instance.yaml", "03-two-databases.yaml"])?;
    ensure!(names.len() == 2, "expected two orders, found {names:?}");
    let mut sentences = Vec::new();
    for name in &names {
        let Told { size, from, to, flow_id, .. } = it.until_ready(name)?;
        let flow_id = flow_id.with_context(|| format!("{name} is Ready and has no FlowId"))?;
        sentences.push(format!("{name} is Ready: FlowId {flow_id}, {size}, from {from} to {to} UTC."));
    }
    Ok(sentences.join(" "))
}

fn a_mistyped_database(it: &mut Theatre<'_>) -> Result<String> {
    let name = it.order_one("apply", "05-mistyped-database.yaml")?;
    it.until_reason(&name, "DatabaseNotFound")?;
    let view = it.watch()?;
    let order = view.order(&name).context("the order is gone")?;
    let error = order.status().and_then(|status| status.error.as_ref()).context("the status has no error")?;
    let (code, request_id) = (error.code.as_deref(), error.request_id.as_deref());
    let [entry] = view.asked(order)[..] else { bail!("the cloud was asked {} times", view.asked(order).len()) };
    ensure!(code == Some("ResourceNotFound.DBNotFound"), "the code is {code:?}");
    ensure!(
        request_id == Some(&entry.request_id),
        "the RequestId is {request_id:?}, in the ledger {}",
        entry.request_id
    );
    ensure!(view.made(order).is_empty(), "the cloud made a backup");
    ensure!(order.is("Stalled"), "the order is not Stalled");
    let [_, _, message] = order.condition("Ready");
    ensure!(!message.is_empty() && !message.contains('\n'), "the message is {message:?}");
    let quoted =
        [format!("status.error.code       {}", entry.code), format!("status.error.requestId  {}", entry.request_id)];
    it.screen.aside(&format!("The object says: {message}"), &quoted)?;
    Ok(format!("{name} is DatabaseNotFound. The ledger shows the same RequestId, and no backup."))
}

fn a_busy_instance(it: &mut Theatre<'_>) -> Result<String> {
    let flow = it.stage.cloud().begin_nightly(WHOLE, None).context("there is no such instance")?;
    // It ends once the order has been seen waiting.
    it.stage.cloud().change_backup(flow, |backup| backup.due = None);
    let name = it.order_one("create", "04-generate-name.yaml")?;
    it.until_reason(&name, "InstanceBusy")?;
    it.linger(Duration::from_secs(4))?;
    ensure!(it.stage.cloud().finish(flow, End::Success), "the nightly backup ended too early");
    it.screen.say("The nightly backup has ended.")?;
    let Told { flow_id, refusals, .. } = it.until_ready(&name)?;
    let flow_id = flow_id.context("no FlowId")?;
    ensure!(refusals > 0, "the cloud never refused it");
    Ok(format!("{name} was refused {refusals} times, then accepted by itself: FlowId {flow_id}, one backup."))
}

fn a_lost_answer(it: &mut Theatre<'_>) -> Result<String> {
    // Until the operator is dead, the listing does not help it either; and it finds a backup that still runs.
    it.stage.cloud().switch(|switches| switches.listing_lag_seconds = 3600.0);
    it.stage.cloud().change_instance(WHOLE, |instance| instance.backup_seconds = Some(10.0));
    let lost = Rule::new("CreateBackup", Effect::DropAfter { reset: true }).instance(WHOLE);
    it.stage.cloud().add_fault(lost);
    let name = it.order_one("create", "04-generate-name.yaml")?;
    it.until_reason(&name, "OutcomeUnknown")?;
    it.linger(BREATH)?;
    let pid = it.stage.kill_operator()?;
    let reason = it.watch()?.order(&name).map(|order| order.reason().to_owned());
    ensure!(reason.as_deref() == Some("OutcomeUnknown"), "killed too late: {name} was {reason:?} already");
    it.screen.command(&format!("kill -KILL {pid}"), "")?;
    it.screen.say("The operator is gone. The cloud goes on with a backup that nobody asks about.")?;
    it.linger(Duration::from_secs(3))?;
    it.stage.cloud().switch(|switches| switches.listing_lag_seconds = LISTING_LAG);
    let pid = it.stage.start_operator()?;
    it.screen.say(&format!(
        "A new operator starts, process {pid}. It finds an intent without an answer, and looks before it asks."
    ))?;
    let Told { acceptance, refusals, size, .. } = it.until_ready(&name)?;
    ensure!(acceptance == "Adopted", "Submitted says {acceptance:?}, not Adopted");
    ensure!(refusals == 0, "the cloud was asked {} times", refusals + 1);
    let view = it.watch()?;
    let order = view.order(&name).context("the order is gone")?;
    ensure!(view.asked(order).iter().all(|entry| !entry.delivered), "the answer was not lost");
    Ok(format!("{name} was adopted and is Ready, {size}. The cloud was asked once and made one backup."))
}

fn a_schedule(it: &mut Theatre<'_>) -> Result<String> {
    it.stage.cloud().change_instance(PARTS, |instance| instance.backups_end = End::Failed);
    let name = it.schedule()?;
    it.until_protected(&name, "NoBackupYet")?;
    it.annotate(&name, "tencentdb.dev/run-now=please")?;
    let failed = it.until_child(&name, "Failed")?;
    it.linger(BREATH)?;
    let view = it.watch()?;
    let schedule = view.schedule(&name).context("the schedule is gone")?;
    ensure!(schedule.reason("Protected") == "NoBackupYet", "Protected by a backup that failed");
    ensure!(schedule.reason("Ready") == "Scheduled", "a failure stopped the schedule");
    it.stage.cloud().change_instance(PARTS, |instance| instance.backups_end = End::Success);
    it.screen
        .say("The cloud can make backups again, and nobody does anything: the next time of the schedule comes.")?;
    let copy = it.until_child(&name, "Completed")?;
    it.until_protected(&name, "WithinObjective")?;
    it.suspend(&name)?;
    it.until_rest(&name)?;
    Ok(format!("{failed} failed and stopped nothing; {copy} was made at its time, and PROTECTED turned True."))
}
