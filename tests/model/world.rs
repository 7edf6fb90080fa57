//! The world around the core: a store with versions, controllers that may die, a cloud that may be slow, lossy and late.

use jiff::Timestamp;
use sqlserver_backup_operator::core::backup::{Aim, Limits, Step, aim, decide};
use sqlserver_backup_operator::core::fold::{announce, fold};
use sqlserver_backup_operator::core::name;
use sqlserver_backup_operator::core::order::{Order, Scope, Storage, Subject, Uid};
use sqlserver_backup_operator::core::record::{Copy, FlowId, Intent, Note, Record};
use sqlserver_backup_operator::core::seen::{
    InstanceStatus, Listing, Meaning, Outcome, Progress, Row, Seen, Sight, Trouble,
};

/// Scaled seconds: validity 2, skew 1, lag 1; the fence is 4.
const LIMITS: Limits = Limits { signature_validity: 2, clock_skew: 1, listing_lag: 1, poll_min: 1, poll_max: 1 };

/// A guard of the protocol, to be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The intent is written under the version that was read.
    ResourceVersion,
    /// The listing is read before each submission.
    LookBefore,
    /// Absence waits for the fence.
    Fence,
    /// The request is signed for the intent's time.
    SignedForIntent,
    /// Only a complete listing proves absence.
    CompleteListing,
    /// A running row without a name keeps the doubt.
    Unattributed,
    /// An instance at work without a running row keeps the doubt.
    Unexplained,
    /// A write that did not clearly succeed is read again.
    ReadAgain,
    /// The intent is durable before the call.
    WriteAhead,
}

/// What a world is made of.
#[expect(clippy::struct_excessive_bools, reason = "each is one freedom of the world, and all are combined")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setting {
    /// One more than none; the default is one.
    pub(crate) controllers: usize,
    /// How far each controller's clock is off.
    pub(crate) offsets: [i64; 2],
    /// When time ends.
    pub(crate) end: i64,
    /// Running rows show no name.
    pub(crate) nameless: bool,
    /// Running rows are not listed.
    pub(crate) unlisted: bool,
    /// Listings may come with holes, and say so.
    pub(crate) holes: bool,
    /// A refusal is a refusal. Two replicas whose clocks are further apart than the listing lags could otherwise not agree
    /// on how long one is to rest.
    pub(crate) honest: bool,
    /// The guard that is taken away.
    pub(crate) without: Option<Guard>,
}

impl Setting {
    fn limits(&self) -> Limits {
        if self.lacks(Guard::Fence) {
            Limits { signature_validity: 0, clock_skew: 0, listing_lag: 0, ..LIMITS }
        } else {
            LIMITS
        }
    }

    fn lacks(&self, guard: Guard) -> bool {
        self.without == Some(guard)
    }
}

/// Where a controller is in its pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Controller {
    Idle,
    /// Read the clock and the object.
    Began {
        seen: Seen,
        version: u32,
        aim: Aim,
    },
    /// Looked, and decided.
    Decided {
        seen: Seen,
        version: u32,
        step: Step,
    },
    /// The intent is durable, nothing is sent.
    Durable {
        seen: Seen,
        step: Step,
    },
    /// Sent.
    Sent {
        seen: Seen,
        step: Step,
    },
    /// Answered, not yet recorded.
    Answered {
        seen: Seen,
        step: Step,
        outcome: Outcome,
    },
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Request {
    from: usize,
    attempt: i64,
    signed: i64,
}

/// A backup that the cloud accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Backup {
    attempt: i64,
    listed_from: i64,
    is_running: bool,
}

/// Everything at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    time: i64,
    /// What the server holds.
    pub(crate) record: Record,
    version: u32,
    /// What a cache that is behind holds.
    stale: Option<(Record, u32)>,
    controllers: Vec<Controller>,
    requests: Vec<Request>,
    /// What the cloud accepted.
    pub(crate) backups: Vec<Backup>,
}

type Steps = Vec<(String, World)>;

impl World {
    /// An order that nobody looked at.
    pub(crate) fn new(setting: &Setting) -> Self {
        Self {
            time: 0,
            record: Record::default(),
            version: 1,
            stale: None,
            controllers: vec![Controller::Idle; setting.controllers.max(1)],
            requests: vec![],
            backups: vec![],
        }
    }

    /// Every step that can come next.
    pub(crate) fn steps(&self, setting: &Setting) -> Steps {
        let mut steps = vec![];
        if self.time < setting.end {
            steps.push(self.then(format!("time becomes {}", self.time + 1), |world| world.time += 1));
        }
        for (at, controller) in self.controllers.iter().enumerate() {
            if *controller != Controller::Idle {
                steps.push(self.then(format!("{at} dies"), |world| world.controllers[at] = Controller::Idle));
            }
            self.go_on(setting, at, controller, &mut steps);
        }
        for at in 0..self.requests.len() {
            self.arrive(setting, at, &mut steps);
        }
        for at in 0..self.backups.len() {
            if self.backups[at].is_running {
                let label = format!("the backup of attempt {} ends", self.backups[at].attempt);
                steps.push(self.then(label, |world| world.backups[at].is_running = false));
            }
        }
        steps
    }

    fn then(&self, label: String, change: impl FnOnce(&mut Self)) -> (String, Self) {
        let mut next = self.clone();
        change(&mut next);
        (label, next)
    }

    fn go_on(&self, setting: &Setting, at: usize, controller: &Controller, steps: &mut Steps) {
        match controller {
            Controller::Idle => self.begin(setting, at, steps),
            Controller::Began { seen, version, aim } => {
                for (words, sight) in self.sights(setting, *aim) {
                    let seen = Seen { sight, ..seen.clone() };
                    let step = decide(Ok(&order()), &seen, &setting.limits());
                    let label = format!("{at} looks{words} and decides to {}", step.name());
                    let version = *version;
                    let next = Controller::Decided { seen, version, step };
                    steps.push(self.then(label, |world| world.controllers[at] = next));
                }
            }
            Controller::Decided { seen, version, step } => self.act(setting, at, seen, *version, step, steps),
            Controller::Durable { seen, step } => self.send(setting, at, seen, step, steps),
            Controller::Sent { seen, step } => {
                let outcome = Outcome::InDoubt { why: String::new() };
                let next = Controller::Answered { seen: seen.clone(), step: step.clone(), outcome };
                steps.push(self.then(format!("{at} gets no answer"), |world| world.controllers[at] = next));
            }
            Controller::Answered { seen, step, outcome } => {
                let now = clock(self.time + setting.offsets[at]);
                steps.push(self.then(format!("{at} records the answer"), |world| {
                    // Retried against live reads until it lands.
                    let seen = Seen { record: world.record.clone(), ..seen.clone() };
                    world.write(fold(Some(&order()), &seen, step, outcome, now, &setting.limits()).record);
                    world.controllers[at] = Controller::Idle;
                }));
            }
        }
    }

    /// A pass begins, on the cache; a submission is planned on a live read.
    fn begin(&self, setting: &Setting, at: usize, steps: &mut Steps) {
        let now = clock(self.time + setting.offsets[at]);
        let caches = std::iter::once((self.record.clone(), self.version)).chain(self.stale.clone());
        for (record, version) in caches {
            let seen = seen(now, record);
            let aim_then = aim(Ok(&order()), &seen, &setting.limits());
            let (seen, version) = match aim_then {
                Aim::Nothing(_) => continue,
                Aim::Before { .. } => (self::seen(now, self.record.clone()), self.version),
                Aim::Doubt | Aim::Flow { .. } => (seen, version),
            };
            if aim(Ok(&order()), &seen, &setting.limits()) == aim_then {
                let label = format!("{at} begins a pass at version {version}");
                let next = Controller::Began { seen, version, aim: aim_then };
                steps.push(self.then(label, |world| world.controllers[at] = next));
            }
        }
    }

    /// What the cloud may show now.
    fn sights(&self, setting: &Setting, aim: Aim) -> Vec<(&'static str, Sight)> {
        let is_listed = |backup: &&Backup| backup.listed_from <= self.time && !(setting.unlisted && backup.is_running);
        let rows: Vec<Row> = self.backups.iter().filter(is_listed).map(|backup| row(setting, backup)).collect();
        let at_work = self.backups.iter().any(|backup| backup.is_running) && !setting.lacks(Guard::Unexplained);
        let instance = Ok(Some(InstanceStatus(if at_work { 7 } else { 2 })));
        let mut listings = vec![("", Listing { rows, complete: true })];
        if setting.holes {
            listings.push((
                " at half a listing",
                Listing { rows: vec![], complete: setting.lacks(Guard::CompleteListing) },
            ));
        }
        let sight = |listing: Listing| match aim {
            Aim::Before { .. } if setting.lacks(Guard::LookBefore) => {
                Sight::Before { listing: Ok(Listing { rows: vec![], complete: true }), instance: None }
            }
            Aim::Before { instance: wanted } => {
                Sight::Before { listing: Ok(listing), instance: instance.clone().unwrap().filter(|_| wanted) }
            }
            Aim::Doubt => Sight::Doubt { listing: Ok(listing), instance: instance.clone() },
            Aim::Flow { .. } => Sight::Flow { flow: None, listing: Some(Ok(listing)) },
            Aim::Nothing(until) => Sight::Nothing { until },
        };
        listings.into_iter().map(|(words, listing)| (words, sight(listing))).collect()
    }

    fn act(&self, setting: &Setting, at: usize, seen: &Seen, version: u32, step: &Step, steps: &mut Steps) {
        let Step::Submit { backup_name, attempt, time } = step else {
            let next = fold(Some(&order()), seen, step, &Outcome::None, seen.now, &setting.limits()).record;
            steps.push(self.then(format!("{at} records {}", step.name()), |world| {
                if world.version == version && seen.record.differs(&next) {
                    world.write(next);
                }
                world.controllers[at] = Controller::Idle;
            }));
            return;
        };
        let holder = at.to_string();
        let intent = Intent { backup_name: backup_name.clone(), attempt: *attempt, time: *time, holder };
        let announced = announce(seen, &intent);
        let durable =
            Controller::Durable { seen: Seen { record: announced.clone(), ..seen.clone() }, step: step.clone() };
        let may_write = self.version == version || setting.lacks(Guard::ResourceVersion);
        if setting.lacks(Guard::WriteAhead) {
            steps.push(self.then(format!("{at} announces nothing"), |world| world.controllers[at] = durable.clone()));
            return;
        }
        steps.push(self.then(format!("{at} writes the intent"), |world| {
            world.controllers[at] = if may_write { durable.clone() } else { Controller::Idle };
            if may_write {
                world.write(announced.clone());
            }
        }));
        // A write without a clear answer, which did not happen: only a read tells.
        let next = if setting.lacks(Guard::ReadAgain) { durable } else { Controller::Idle };
        steps.push(self.then(format!("{at}'s write of the intent is lost"), |world| world.controllers[at] = next));
    }

    fn send(&self, setting: &Setting, at: usize, seen: &Seen, step: &Step, steps: &mut Steps) {
        let Step::Submit { attempt, time, .. } = step else { return };
        let intended = time.as_second() - clock(0).as_second();
        let signed = if setting.lacks(Guard::SignedForIntent) { self.time + setting.offsets[at] } else { intended };
        let request = Request { from: at, attempt: *attempt, signed };
        steps.push(self.then(format!("{at} sends attempt {attempt}, signed for {signed}"), |world| {
            world.requests.push(request);
            world.controllers[at] = Controller::Sent { seen: seen.clone(), step: step.clone() };
        }));
    }

    /// A request comes to the cloud, or is lost. The answer reaches a controller that still waits for it.
    fn arrive(&self, setting: &Setting, at: usize, steps: &mut Steps) {
        let Request { attempt, signed, .. } = self.requests[at];
        steps.push(self.then(format!("the request of attempt {attempt} is lost"), |world| {
            world.requests.remove(at);
        }));
        if (self.time - signed).abs() > LIMITS.signature_validity {
            steps.push(self.answered(at, "is refused as stale", Some(Meaning::ClockSkew), None));
            return;
        }
        steps.push(self.answered(at, "is refused", Some(Meaning::Unavailable), None));
        for listed_from in [self.time, self.time + LIMITS.listing_lag] {
            let backup = || Some(Backup { attempt, listed_from, is_running: true });
            steps.push(self.answered(at, "is accepted", None, backup()));
            if !setting.honest {
                let words = "is accepted and refused all the same";
                steps.push(self.answered(at, words, Some(Meaning::Unavailable), backup()));
            }
        }
    }

    fn answered(&self, at: usize, words: &str, refusal: Option<Meaning>, backup: Option<Backup>) -> (String, Self) {
        let Request { from, attempt, .. } = self.requests[at];
        let outcome = match refusal {
            Some(meaning) => Outcome::Refused(trouble(meaning, self.time)),
            None => Outcome::Accepted { flow_id: FlowId::new(attempt).unwrap(), request_id: None },
        };
        self.then(format!("the request of attempt {attempt} {words}"), |world| {
            world.requests.remove(at);
            world.backups.extend(backup);
            if let Controller::Sent { seen, step } = &world.controllers[from] {
                let (seen, step) = (seen.clone(), step.clone());
                if matches!(&step, Step::Submit { attempt: waiting, .. } if *waiting == attempt) {
                    world.controllers[from] = Controller::Answered { seen, step, outcome };
                }
            }
        })
    }

    /// A write that lands; the version before stays in a cache that is behind. Texts do not count.
    fn write(&mut self, mut record: Record) {
        record.message.clear();
        self.stale = Some((self.record.clone(), self.version));
        self.record = record;
        self.version += 1;
    }
}

fn clock(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn uid() -> Uid {
    Uid::new(&"ab".repeat(16)).unwrap()
}

fn order() -> Order {
    Order {
        instance: "mssql-a".into(),
        region: "ap-a".into(),
        scope: Scope::Instance,
        storage: Storage::InstanceRetention,
        prefix: None,
        deadline: clock(1_000),
    }
}

fn seen(now: Timestamp, record: Record) -> Seen {
    let subject = Subject { uid: uid(), name: "x".into(), created: clock(0), generation: 1, deleting: false };
    Seen { now, subject, record, is_its_turn: true, failing_since: None, sight: Sight::Nothing { until: None } }
}

fn row(setting: &Setting, backup: &Backup) -> Row {
    let known = name::for_attempt(None, "x", &uid(), backup.attempt);
    let name = match setting.nameless && backup.is_running {
        true if setting.lacks(Guard::Unattributed) => "somebody's".to_owned(),
        true => String::new(),
        false => known,
    };
    let progress = if backup.is_running { Progress::Running } else { Progress::Succeeded };
    Row { name, progress, copy: Copy::default() }
}

fn trouble(meaning: Meaning, time: i64) -> Trouble {
    let note = Note { code: String::new(), message: String::new(), request_id: None, time: clock(time) };
    Trouble { meaning, sentence: String::new(), note }
}
