//! What must be true of every schedule after every run. The witnesses are the history of each schedule and each backup, as
//! watches of the test's own brought it, and the cloud's ledger.
//!
//! - No name was ever created twice, and no slot has two backups beside its further tries.
//! - Each slot between the creation and the suspension ran or is counted as missed, and no other slot ran.
//! - Nothing in a status goes back, and nothing in it is untrue of the backups.
//! - Each backup has one accepted call in the ledger, and the cloud refused none for its rate.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::Value;

use super::stage::Stage;
use super::tale::Tale;
use crate::campaign::plan::{Api, Fault};
use crate::recorder::{Histories, Version, condition, reason, writes};
use crate::world::Order;

/// How long after it was due a slot may still be open when the schedule is suspended.
const OPEN: SignedDuration = SignedDuration::from_secs(20);
/// The age below which nothing is removed.
const YOUNGEST: SignedDuration = SignedDuration::from_secs(660);

/// When slots are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Every {
    Minute,
    /// This minute of each hour.
    Hour(i64),
}

impl Every {
    /// Hourly, at the minute of this instant.
    pub(super) fn hour(slot: Timestamp) -> Self {
        Self::Hour(slot.as_second() / 60 % 60)
    }

    pub(super) fn line(self) -> String {
        match self {
            Self::Minute => "* * * * *".to_owned(),
            Self::Hour(minute) => format!("{minute} * * * *"),
        }
    }

    /// The first slot after an instant.
    pub(super) fn next(self, after: Timestamp) -> Timestamp {
        self.slots(after, after + SignedDuration::from_hours(1))[0]
    }

    /// The slots after the one instant, up to the other.
    fn slots(self, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let minutes = after.as_second().div_euclid(60) + 1..=until.as_second().div_euclid(60);
        let minutes = minutes.filter(|minute| match self {
            Self::Minute => true,
            Self::Hour(wanted) => minute % 60 == wanted,
        });
        minutes.map(|minute| Timestamp::from_second(minute * 60).unwrap()).collect()
    }
}

/// A schedule of a run.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) order: Order,
    pub(super) instance: String,
    pub(super) every: Every,
    pub(super) since: Timestamp,
    pub(super) suspended: Option<Timestamp>,
}

/// A backup of a schedule, with all its versions.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) order: Order,
    /// Its slot, and its number of tries before.
    pub(super) slot: Option<(Timestamp, i64)>,
    pub(super) token: Option<String>,
    created: Timestamp,
    last: Value,
    /// When it was first seen to be over.
    ended: Option<Timestamp>,
    /// When its object was seen to be gone.
    pub(super) removed: Option<Timestamp>,
}

impl Child {
    fn of(history: &[Version]) -> Option<Self> {
        let (first, last) = (&history.first()?.object, history.last()?);
        let text = |at: &str| first.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let note = |key: &str| first["metadata"]["annotations"][key].as_str().map(str::to_owned);
        let slot = note("tencentdb.dev/scheduled-for").map(|slot| slot.parse().unwrap());
        let number = note("tencentdb.dev/retry").map_or(0, |number| number.parse().unwrap());
        Some(Self {
            order: Order { name: text("/metadata/name")?, uid: text("/metadata/uid")? },
            slot: slot.map(|slot| (slot, number)),
            token: note("tencentdb.dev/run-now"),
            created: text("/metadata/creationTimestamp")?.parse().unwrap(),
            last: last.object.clone(),
            ended: history.iter().find(|version| is_over(version)).map(|version| version.seen),
            removed: last.deleted.then_some(last.seen),
        })
    }

    pub(super) fn is(&self, row: &str) -> bool {
        reason(&self.last) == row
    }

    /// Whether nothing more is to come of it.
    pub(super) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    fn completed(&self) -> Option<Timestamp> {
        self.is("Completed").then(|| instant(&self.last["status"]["completionTime"])).flatten()
    }
}

/// The backups that this schedule ever had, in the order of their creation.
pub(super) fn children(histories: &Histories, schedule: &str) -> Vec<Child> {
    let all = histories.uids().into_iter().map(|uid| histories.of(&uid));
    let own = all.filter(|history| history.first().is_some_and(|version| owner(&version.object) == schedule));
    let mut own: Vec<Child> = own.filter_map(|history| Child::of(&history)).collect();
    own.sort_by_key(|child| (child.created, child.order.name.clone()));
    own
}

fn is_over(version: &Version) -> bool {
    version.deleted || condition(&version.object, "Reconciling")["status"] == "False"
}

fn owner(object: &Value) -> &str {
    object["metadata"]["ownerReferences"][0]["uid"].as_str().unwrap_or_default()
}

fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str().map(|text| text.parse().unwrap())
}

/// Judges a run that has come to rest.
pub(super) async fn judge(mut stage: Stage) {
    let by_schedule = by_schedule(&stage);
    let mut orders = vec![];
    for (kept, children) in stage.kept.iter().zip(&by_schedule) {
        let history = stage.histories.of(&kept.order.uid);
        made_once(kept, children);
        no_slot_lost(&stage, kept, children, &history);
        the_truth(kept, children, &history);
        calm(&stage, kept, children, &history);
        if stage.plan.tale.goes_on() {
            pruned(&stage, kept, children);
        }
        for child in children {
            let accepted = stage.world.accepted(&child.order);
            // One that a person deleted may never have been submitted.
            let least = usize::from(child.removed.is_none());
            assert!((least..=1).contains(&accepted), "{accepted} backups for {}", child.order.name);
            orders.push((child.order.clone(), accepted));
        }
        if !stage.plan.tale.is_large() {
            let told = stage.world.events(&kept.order).await;
            let of_creation = ["BackupCreated", "BackupRequested", "BackupRetried"];
            let told = told.iter().filter(|(reason, _)| of_creation.contains(&reason.as_str())).count();
            assert!(told <= children.len(), "{told} creations told, of {}", children.len());
        }
    }
    stage.close();
    let refused = stage.world.cloud.calls().into_iter().filter(|call| call.code.starts_with("RequestLimitExceeded"));
    assert_eq!(refused.count(), 0, "calls refused for their rate");
    let expected: Vec<(&Order, usize)> = orders.iter().map(|(order, accepted)| (order, *accepted)).collect();
    stage.world.finish_quietly(&expected).await;
}

/// The backups of each schedule, with all histories read once.
fn by_schedule(stage: &Stage) -> Vec<Vec<Child>> {
    let mut all: BTreeMap<String, Vec<Child>> = BTreeMap::new();
    for uid in stage.world.histories.uids() {
        let history = stage.world.histories.of(&uid);
        let owner = history.first().map(|version| owner(&version.object).to_owned()).unwrap_or_default();
        all.entry(owner).or_default().extend(Child::of(&history));
    }
    stage.kept.iter().map(|kept| all.remove(&kept.order.uid).unwrap_or_default()).collect()
}

/// No name twice, no slot twice, and a name that says what it is for.
fn made_once(kept: &Kept, children: &[Child]) {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut tries = BTreeSet::new();
    for child in children {
        *names.entry(&child.order.name).or_default() += 1;
        let Some((slot, number)) = child.slot else { continue };
        assert!(tries.insert((slot, number)), "slot {slot}, try {number}, was made twice");
        let again = if number > 0 { format!("-r{number}") } else { String::new() };
        assert_eq!(child.order.name, format!("{}-{}{again}", kept.order.name, slot.strftime("%Y%m%d-%H%M")));
        assert!(child.created >= slot, "{} was created at {}", child.order.name, child.created);
    }
    let twice: Vec<_> = names.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "created more than once: {twice:?}");
    let tokens = children.iter().filter(|child| child.slot.is_none()).count();
    assert!(tokens <= 1, "{tokens} backups for one token");
}

/// Each slot ran or is counted, and as few are counted as the fault explains.
fn no_slot_lost(stage: &Stage, kept: &Kept, children: &[Child], history: &[Version]) {
    let ran: BTreeSet<Timestamp> = children.iter().filter_map(|child| child.slot.map(|(slot, _)| slot)).collect();
    let last = &history.last().unwrap().object;
    let is_followed = |version: &&Version| !version.object["status"]["cursor"]["suspended"].as_bool().unwrap_or(false);
    let until = history.iter().rev().find(is_followed).and_then(|it| instant(&it.object["status"]["cursor"]["time"]));
    let until = until.unwrap_or(kept.since);
    let owed = kept.every.slots(kept.since, until);
    let stray: Vec<_> = ran.iter().filter(|slot| !owed.contains(slot)).collect();
    assert!(stray.is_empty(), "{stray:?} ran, and are no slots from {} to {until}", kept.since);
    let missed = usize::try_from(last["status"]["missedRuns"].as_i64().unwrap()).unwrap();
    let all = ran.len() + missed;
    let words = format!("{}: {owed:?} were owed, {ran:?} ran, {missed} are counted", kept.order.name);
    // Of two operators one may count as missed what the other has just made.
    assert!(all == owed.len() || (all > owed.len() && stage.plan.tale.operators() == 2), "{words}");
    let mut allowed = stage.plan.tale.missed();
    if stage.plan.fault.as_ref().is_some_and(costs_a_slot) {
        allowed = *allowed.start()..=allowed.end() + 2;
    }
    let overlapped = overlapped(children, history, &words);
    let explained = missed.saturating_sub(overlapped);
    assert!(allowed.contains(&explained), "{words}, {overlapped} of them for an overlap, and {allowed:?} may be");
    let Some(suspended) = kept.suspended else { return };
    // What was due long before the suspension is settled.
    let spread = history.iter().rev().find_map(next).map_or(0, |next| next.as_second() % 60);
    let due = |slot: &Timestamp| *slot + SignedDuration::from_secs(spread) + OPEN < suspended;
    let open: Vec<_> = kept.every.slots(until, suspended).into_iter().filter(due).collect();
    assert!(open.is_empty(), "{}: {open:?} were due, and nothing came of them", kept.order.name);
}

/// The slots that were given up because a backup was at work: one was, or it is a lie.
fn overlapped(children: &[Child], history: &[Version], words: &str) -> usize {
    let mut overlapped = BTreeSet::new();
    for version in history {
        let last = &version.object["status"]["lastMissedRun"];
        if last["reason"] == "Overlap" {
            let slot = instant(&last["time"]).unwrap();
            let is_at_work = |child: &Child| child.created <= version.seen && child.ended.is_none_or(|at| at > slot);
            assert!(children.iter().any(is_at_work), "nothing was at work at {slot}: {words}");
            overlapped.insert(slot);
        }
    }
    overlapped.len()
}

/// Faults that last for longer than the time between two slots.
fn costs_a_slot(fault: &Fault) -> bool {
    matches!(fault, Fault::Stop(60..) | Fault::Api(Api::Status(409)))
}

fn next(version: &Version) -> Option<Timestamp> {
    instant(&version.object["status"]["nextScheduleTime"])
}

/// Nothing in any version goes back or is untrue.
fn the_truth(kept: &Kept, children: &[Child], history: &[Version]) {
    let (mut cursor, mut missed, mut ran, mut good) = (None, 0, None, None);
    for version in history {
        let status = &version.object["status"];
        let read = |field: &str| instant(&status[field]);
        let words = || format!("{}: {status:#}", kept.order.name);
        let later = (instant(&status["cursor"]["time"]), status["missedRuns"].as_i64().unwrap_or(0));
        assert!(later.0 >= cursor && later.1 >= missed, "the cursor or the count went back: {}", words());
        assert!(read("lastScheduleTime") >= ran && read("lastSuccessfulTime") >= good, "went back: {}", words());
        (cursor, missed) = later;
        (ran, good) = (read("lastScheduleTime"), read("lastSuccessfulTime"));
        assert!(ran <= cursor, "run and not settled: {}", words());
        let has_slot = |slot| children.iter().any(|child| child.slot.is_some_and(|(of, _)| of == slot));
        assert!(ran.is_none_or(has_slot), "no backup of that slot was ever made: {}", words());
        assert!(good.is_none() || children.iter().any(|child| child.completed() == good), "no such copy: {}", words());
        for name in status["active"].as_array().into_iter().flatten() {
            assert!(children.iter().any(|child| child.order.name == *name), "no such backup: {}", words());
        }
        let token = status["lastRunNow"].as_str();
        let was_made = |token: &str| children.iter().any(|child| child.token.as_deref() == Some(token));
        assert!(token.is_none_or(was_made), "nothing was made for the token: {}", words());
    }
    let status = &history.last().unwrap().object["status"];
    assert_eq!(status["active"].as_array().map(Vec::len), Some(0), "at rest: {status:#}");
    assert_eq!(ran, children.iter().filter_map(|child| child.slot.map(|(slot, _)| slot)).max(), "{status:#}");
    let newest = children.iter().filter(|child| child.removed.is_none()).filter_map(Child::completed).max();
    assert!(good >= newest, "a copy of {newest:?} is not told: {status:#}");
}

/// A status is written when something happened, and not for anything else.
fn calm(stage: &Stage, kept: &Kept, children: &[Child], history: &[Version]) {
    let missed = usize::try_from(history.last().unwrap().object["status"]["missedRuns"].as_i64().unwrap()).unwrap();
    let faults = stage.director.struck() + stage.plan.tale.operators() - 1;
    // The first look, the suspension; for each backup its creation, its end, and the next slot that is told.
    let bound = 3 + 3 * children.len() + missed + 2 * faults;
    let writes = writes(history);
    assert!(writes <= bound, "{writes} status writes of {}, at most {bound}", kept.order.name);
}

/// Only what is finished, old and not the newest good one was removed, and every copy is still there.
fn pruned(stage: &Stage, kept: &Kept, children: &[Child]) {
    let suspended = kept.suspended.unwrap();
    for child in children {
        let is_newer = |other: &&Child| other.completed() > child.completed();
        let Some(removed) = child.removed else {
            let is_old = child.created + YOUNGEST + OPEN < suspended;
            let is_newest = children.iter().filter(is_newer).count() == 0;
            assert!(!is_old || is_newest, "{} was kept", child.order.name);
            continue;
        };
        assert!(child.is("Completed"), "{} was removed before its end", child.order.name);
        let age = removed.duration_since(child.created).round(Unit::Second).unwrap();
        assert!(age >= YOUNGEST, "{} was removed at {age:#}", child.order.name);
        assert!(children.iter().any(|other| is_newer(&other) && other.created < removed), "the newest was removed");
    }
    assert!(stage.plan.tale != Tale::Pruned || children.iter().any(|child| child.removed.is_some()));
    let copies = stage.world.cloud.backups().into_iter().filter(|backup| backup.instance == kept.instance);
    assert_eq!(copies.count(), children.len(), "a copy is gone, or one too many");
}
