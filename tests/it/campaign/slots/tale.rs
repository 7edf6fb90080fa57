//! What happens in a run for schedules beside its fault. As elsewhere in the campaign, a tale waits for what it needs and
//! never for how it is reached.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Unit};
use kube::api::DeleteParams;
use rustix::process::Signal;
use serde_json::{Value, json};
use tencentdb_simulator::End;

use super::oracle::{Child, Every};
use super::stage::Stage;
use crate::recorder::reason;
use sqlserver_backup_operator::runtime::clock;

/// Seconds that a backup takes, and its end.
const USUAL: (f64, End) = (1.2, End::Success);

/// All tales.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tale {
    /// A slot, a token, another slot, a suspension.
    Life,
    /// The same with two operators and no election.
    Pair,
    /// A backup that fails, and its second try.
    Retry,
    /// The API server is away over three slots.
    Away,
    /// Nobody is there over three slots.
    Dead,
    /// The operator stands still over three slots.
    Frozen,
    /// The operator's clock is set by hours, forth and back, while so many schedules are followed.
    Clock(usize),
    /// People delete backups, and a schedule.
    Persons,
    /// So many due in one second.
    Crowd(usize),
    /// Old backups are removed, which takes eleven minutes.
    Pruned,
    /// The same with two operators.
    PrunedPair,
}

impl Tale {
    pub(super) fn operators(self) -> usize {
        if matches!(self, Self::Pair | Self::PrunedPair) { 2 } else { 1 }
    }

    pub(super) fn is_large(self) -> bool {
        matches!(self, Self::Crowd(_))
    }

    /// Whether something is left to be done at its end.
    pub(super) fn goes_on(self) -> bool {
        matches!(self, Self::Pruned | Self::PrunedPair)
    }

    pub(super) fn patience(self) -> Duration {
        Duration::from_mins(match self {
            Self::Pruned | Self::PrunedPair => 16,
            Self::Crowd(_) => 12,
            Self::Clock(_) => 8,
            Self::Life | Self::Pair | Self::Retry | Self::Away | Self::Dead | Self::Frozen | Self::Persons => 5,
        })
    }

    /// How many slots it costs by itself.
    pub(super) fn missed(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Away | Self::Dead | Self::Frozen => 1..=2,
            // What passes while the clock is behind and nothing is at work.
            Self::Clock(_) => 0..=2,
            Self::Life
            | Self::Pair
            | Self::Retry
            | Self::Persons
            | Self::Crowd(_)
            | Self::Pruned
            | Self::PrunedPair => 0..=0,
        }
    }

    pub(super) async fn play(self, stage: &mut Stage) {
        match self {
            Self::Life | Self::Pair => life(stage).await,
            Self::Retry => retry(stage).await,
            Self::Away | Self::Dead | Self::Frozen => absence(stage).await,
            Self::Clock(size) => clock_set(stage, size).await,
            Self::Persons => persons(stage).await,
            Self::Crowd(size) => crowd(stage, size).await,
            Self::Pruned | Self::PrunedPair => pruned(stage).await,
        }
    }
}

/// The full minute that comes next, at least so many seconds ahead.
fn minute_in(seconds: i64) -> Timestamp {
    let soon = clock::now() + SignedDuration::from_secs(seconds);
    let minute = soon.round((Unit::Minute, 1)).unwrap();
    if minute < soon { minute + SignedDuration::from_mins(1) } else { minute }
}

async fn life(stage: &mut Stage) {
    let it = stage.create("life", Every::Minute, USUAL, json!({ "spreadSeconds": 10 })).await;
    stage.completes(it, 1).await;
    stage.change(it, json!({ "metadata": { "annotations": { "tencentdb.dev/run-now": "now" } } })).await;
    let is_asked_for = |child: &Child| child.token.as_deref() == Some("now");
    stage.until("a backup for the token", |stage| stage.children(it).iter().any(is_asked_for)).await;
    stage.completes(it, 2).await;
    let slots = |stage: &Stage| stage.children(it).iter().filter(|child| child.slot.is_some()).count();
    stage.until("a second slot", |stage| slots(stage) >= 2).await;
    stage.completes(it, 3).await;
    stage.suspend(it).await;
}

async fn retry(stage: &mut Stage) {
    let every = Every::hour(minute_in(5));
    let it = stage.create("retry", every, (1.2, End::Failed), json!({ "retries": 1 })).await;
    stage.until("a failure", |stage| stage.children(it).iter().any(|child| child.is("Failed"))).await;
    stage.world.cloud.change_instance("mssql-retry", |instance| instance.backups_end = End::Success);
    stage.completes(it, 1).await;
    stage.suspend(it).await;
}

/// Three slots pass while nobody can do anything: the last is caught up with, unless its deadline is over as well.
async fn absence(stage: &mut Stage) {
    // So that the first slot of both is the same.
    if minute_in(10) != minute_in(0) {
        stage.pass(minute_in(0)).await;
    }
    let late = stage.create("late", Every::Minute, USUAL, json!({})).await;
    let deadline = json!({ "startingDeadlineSeconds": 60 });
    let strict = stage.create("strict", Every::hour(minute_in(5)), USUAL, deadline).await;
    let is_seen = |stage: &Stage, at| stage.schedule(at)["status"]["nextScheduleTime"].is_string();
    stage.until("the first look", |stage| is_seen(stage, late) && is_seen(stage, strict)).await;
    let [first, other] = [strict, late].map(|at| stage.kept[at].every.next(stage.kept[at].since));
    assert!(first == other && clock::now() < first, "too late: the slot of {first} or {other} has begun");
    match stage.plan.tale {
        Tale::Dead => {
            stage.is_resting = true;
            stage.signal(Signal::KILL);
        }
        Tale::Frozen => stage.signal(Signal::STOP),
        Tale::Life
        | Tale::Pair
        | Tale::Retry
        | Tale::Away
        | Tale::Clock(_)
        | Tale::Persons
        | Tale::Crowd(_)
        | Tale::Pruned
        | Tale::PrunedPair => stage.director.part(true),
    }
    stage.pass(first + SignedDuration::from_secs(125)).await;
    assert!(stage.children(late).is_empty() && stage.children(strict).is_empty(), "somebody was there after all");
    stage.is_resting = false;
    stage.director.part(false);
    if stage.plan.tale == Tale::Frozen {
        stage.signal(Signal::CONT);
    }
    stage.completes(late, 1).await;
    stage.until("what was missed", |stage| stage.schedule(strict)["status"]["missedRuns"] == 1).await;
    stage.suspend(strict).await;
    stage.suspend(late).await;
    let ran = stage.children(late);
    let caught_up = ran[0].slot.unwrap().0;
    assert_eq!(caught_up, first + SignedDuration::from_mins(2), "of all that passed the latest is run");
    let history = stage.histories.of(&stage.kept[late].order.uid);
    let told = history.iter().find(|version| version.object["status"]["lastScheduleTime"].is_string()).unwrap();
    // A status that is written late may count a slot that overlaps the one that was caught up with.
    let missed = told.object["status"]["missedRuns"].as_i64().unwrap();
    assert!((2..=3).contains(&missed), "and the others are counted: {missed}");
}

/// Backups are deleted at work, finished and failed, and a schedule is deleted and created anew: no slot is run again.
async fn persons(stage: &mut Stage) {
    let every = Every::hour(minute_in(5));
    let at_work = stage.create("at-work", Every::Minute, (6.0, End::Success), json!({})).await;
    let finished = stage.create("finished", Every::Minute, USUAL, json!({})).await;
    let failed = stage.create("failed", every, (1.2, End::Failed), json!({ "retries": 3 })).await;
    let anew = stage.create("anew", every, USUAL, json!({})).await;
    let delete = |stage: &Stage, child: &Child| {
        let (api, name) = (stage.world.api.clone(), child.order.name.clone());
        async move { drop(api.delete(&name, &DeleteParams::default()).await) }
    };
    // One that is settled and at work: the cloud has accepted it.
    let is_settled = |stage: &Stage, at: usize| stage.schedule(at)["status"]["lastScheduleTime"].is_string();
    stage.until("one at work", |stage| is_settled(stage, at_work) && !stage.children(at_work).is_empty()).await;
    let child = stage.children(at_work).remove(0);
    assert!(!child.is_over(), "it was to be deleted at work");
    delete(stage, &child).await;
    // Within the minute after which it would be tried again.
    stage
        .until("a failure", |stage| is_settled(stage, failed) && stage.children(failed).iter().all(Child::is_over))
        .await;
    let child = stage.children(failed).remove(0);
    delete(stage, &child).await;
    stage.completes(finished, 1).await;
    stage.until("its record", |stage| is_settled(stage, finished)).await;
    let child = stage.children(finished).remove(0);
    delete(stage, &child).await;
    stage.completes(anew, 1).await;
    let is_told = |stage: &Stage| {
        let status = &stage.schedule(anew)["status"];
        status["lastSuccessfulTime"].is_string() && status["active"] == json!([])
    };
    stage.until("its record", is_told).await;
    stage.remove(anew).await;
    let begin = clock::now();
    let again = stage.create("anew", every, USUAL, json!({})).await;
    // The next slot of the first two, and the time at which the failed one would have been tried again.
    stage.until("the next slot", |stage| stage.children(at_work).len() > 1 && stage.children(finished).len() > 1).await;
    stage.completes(finished, 2).await;
    stage.completes(at_work, 1).await;
    stage.pass(begin + SignedDuration::from_secs(70)).await;
    for (at, expected) in [(failed, 1), (anew, 1), (again, 0)] {
        assert_eq!(stage.children(at).len(), expected, "of {}", stage.kept[at].order.name);
    }
    for at in [at_work, finished, failed, again] {
        stage.suspend(at).await;
    }
}

/// Set ahead, the clock makes the cloud refuse what is due; set back, it lets nothing be due; right again, all goes on.
async fn clock_set(stage: &mut Stage, size: usize) {
    const HOURS: i64 = 3 * 3_600;
    let copies = |stage: &Stage, it| stage.children(it).iter().filter(|child| child.is("Completed")).count();
    for number in 0..size {
        stage.create(&format!("timed-{number}"), Every::Minute, USUAL, json!({})).await;
    }
    stage.until("a copy of each", |stage| (0..size).all(|it| copies(stage, it) >= 1)).await;
    stage.set_clock(HOURS);
    let is_refused = |object: &Value| reason(object) == "ClockSkew";
    stage.until("refusals", |stage| stage.world.histories.count(is_refused) >= size).await;
    stage.set_clock(-HOURS);
    stage.pass(minute_in(0) + SignedDuration::from_secs(5)).await;
    stage.set_clock(0);
    stage.until("three copies of each", |stage| (0..size).all(|it| copies(stage, it) >= 3)).await;
    // At a moment at which nothing is due.
    stage.pass(minute_in(0) + SignedDuration::from_secs(15)).await;
    stage.suspend_all(0..=size - 1).await;
    stage.until("nothing at work", |stage| (0..size).all(|it| stage.children(it).iter().all(Child::is_over))).await;
}

async fn crowd(stage: &mut Stage, size: usize) {
    // Creating them takes a moment, and so do as many first looks.
    let slot = minute_in(i64::try_from(size / 20 + 10).unwrap());
    for number in 0..size {
        let every = Every::hour(slot);
        stage.create(&format!("crowd-{number}"), every, (2.0, End::Success), json!({})).await;
    }
    let is_seen = |object: &Value| object["status"]["nextScheduleTime"].is_string();
    stage.until("the first looks", |stage| stage.histories.count(is_seen) == size).await;
    assert!(clock::now() < slot, "too late: the slot has begun");
    stage.pass(slot).await;
    let begin = std::time::Instant::now();
    stage.until("a backup for each", |stage| stage.world.histories.count(|_| true) >= size).await;
    let made = begin.elapsed();
    let is_done = |object: &Value| reason(object) == "Completed";
    stage.until("a copy for each", |stage| stage.world.histories.count(is_done) >= size).await;
    let is_told = |object: &Value| object["status"]["lastSuccessfulTime"].is_string();
    stage.until("a word of each", |stage| stage.histories.count(is_told) >= size).await;
    eprintln!("{size} due in one second: created after {made:.1?}, all complete after {:.1?}", begin.elapsed());
}

async fn pruned(stage: &mut Stage) {
    let it = stage.create("pruned", Every::Minute, USUAL, json!({ "successfulHistoryLimit": 1 })).await;
    let gone = |stage: &Stage| stage.children(it).iter().filter(|child| child.removed.is_some()).count();
    stage.until("two removals", |stage| gone(stage) >= 2).await;
    // At a moment at which nothing is due.
    let after = minute_in(0) + SignedDuration::from_secs(15);
    stage.pass(after).await;
    stage.until("nothing at work", |stage| stage.children(it).iter().all(Child::is_over)).await;
    stage.suspend(it).await;
}
