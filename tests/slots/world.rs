//! A schedule, its backups, two operators and a person, and every step that any of them can take next.
//!
//! Time goes by ticks of five minutes, a slot is due every second one. Within a tick anything may happen in any order. What
//! an operator does is what the shell does: decide on a cache that may be old, read live and decide again, create, record
//! under the version that was read; it may die between any two of these.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use jiff::Timestamp;
use sqlserver_backup_operator::core::calendar::Calendar;
use sqlserver_backup_operator::core::order::{Subject, Uid};
use sqlserver_backup_operator::core::schedule::{
    Cause, Child, Decision, Keep, Plan, Record, Seen, State, Step, decide,
};

/// A slot every ten minutes, written in two ways.
const LINE: &str = "*/10 * * * *";
const EDITED: &str = "0-50/10 * * * *";

/// What can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    LiveRead,
    Freshness,
    Version,
    Name,
    Adoption,
    Youngest,
    Cursor,
}

/// What may happen, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) operators: usize,
    pub(crate) end: i64,
    pub(crate) jumps: u8,
    pub(crate) turns: u8,
    pub(crate) tokens: u8,
    pub(crate) deletions: u8,
    pub(crate) refusals: u8,
    pub(crate) retries: i64,
    pub(crate) keep_failed: usize,
    pub(crate) stale: bool,
    pub(crate) without: Option<Guard>,
}

impl Setting {
    pub(crate) fn lacks(&self, guard: Guard) -> bool {
        self.without == Some(guard)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Idle,
    /// Decided on what the cache held.
    Decided(Step),
    /// Read live at this tick, under this version; the creation comes next, and this record if it succeeds.
    Read(i64, u32, Step, Record),
    /// The effect happened; the record comes next.
    Done(u32, Record),
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) tick: i64,
    /// How far the operators' clock is off, in ticks.
    pub(crate) offset: i64,
    pub(crate) record: Record,
    pub(crate) version: u32,
    /// Which line, whether suspended, which token.
    pub(crate) spec: (bool, bool, u8),
    /// The last edit, suspension or resumption, by the operators' clock.
    pub(crate) turned: i64,
    pub(crate) children: BTreeMap<String, Child>,
    /// How often the backup of each cause was created.
    pub(crate) made: BTreeMap<String, u8>,
    pub(crate) operators: Vec<Operator>,
    /// An older record and older children that a cache may still hold.
    pub(crate) old: Option<Box<(Record, Vec<Child>)>>,
    /// Jumps, turns, tokens, deletions and refusals that are left.
    pub(crate) left: [u8; 5],
    pub(crate) wrong: Option<&'static str>,
}

pub(crate) fn at(tick: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + tick * 300).unwrap()
}

fn looked_at() -> Record {
    Record { line: Some(LINE.to_owned()), settled: Some(at(0)), ..Record::default() }
}

fn subject() -> Subject {
    let uid = Uid::new(&"ab".repeat(16)).unwrap();
    Subject { uid, name: "n".into(), created: at(0), generation: 1, deleting: false }
}

/// The plans that a person may choose between, and what was decided already.
pub(crate) struct Plans {
    plans: Vec<Plan>,
    known: RefCell<HashMap<u64, Decision>>,
}

impl Plans {
    pub(crate) fn new(setting: &Setting) -> Self {
        let plan = |line: &str| Plan {
            calendar: Calendar::new(line, "Etc/UTC", 0, &subject().uid).unwrap(),
            line: line.to_owned(),
            suspend: false,
            starting_deadline: None,
            retries: setting.retries,
            keep: Keep { good: 3, failed: setting.keep_failed },
            run_now: None,
        };
        Self { plans: vec![plan(LINE), plan(EDITED)], known: RefCell::default() }
    }

    pub(crate) fn of(&self, spec: (bool, bool, u8)) -> Plan {
        let token = (spec.2 > 0).then(|| spec.2.to_string());
        Plan { suspend: spec.1, run_now: token, ..self.plans[usize::from(spec.0)].clone() }
    }
}

impl World {
    pub(crate) fn new(setting: &Setting) -> Self {
        Self {
            tick: 1,
            offset: 0,
            // An edit that comes before the first look is not known to be one: what is due since the creation is owed.
            record: if setting.turns > 0 { looked_at() } else { Record::default() },
            version: 1,
            spec: (false, false, 0),
            turned: 0,
            children: BTreeMap::new(),
            made: BTreeMap::new(),
            operators: vec![Operator::Idle; setting.operators],
            old: None,
            left: [setting.jumps, setting.turns, setting.tokens, setting.deletions, setting.refusals],
            wrong: None,
        }
    }

    fn now(&self) -> i64 {
        self.tick + self.offset
    }

    fn seen(&self, record: &Record, children: Vec<Child>) -> Seen {
        Seen { now: at(self.now()), subject: subject(), record: record.clone(), children }
    }

    fn decide(&self, setting: &Setting, plans: &Plans, record: &Record, mut children: Vec<Child>) -> Decision {
        if setting.lacks(Guard::Youngest) {
            for child in &mut children {
                child.created = at(-10);
            }
        }
        if setting.lacks(Guard::Adoption) {
            children.retain(|child| !matches!(child.cause, Cause::Slot(slot, _) if Some(slot) > record.settled));
        }
        let key = BuildHasherDefault::<DefaultHasher>::new().hash_one((self.spec, self.now(), record, &children));
        if let Some(known) = plans.known.borrow().get(&key) {
            return known.clone();
        }
        let mut decision = decide(Ok(&plans.of(self.spec)), &self.seen(record, children));
        if setting.lacks(Guard::Cursor) && decision.record.settled > Some(at(self.now())) {
            decision.record.settled = Some(at(self.now() - 1));
        }
        plans.known.borrow_mut().insert(key, decision.clone());
        decision
    }

    fn live(&self) -> Vec<Child> {
        self.children.values().cloned().collect()
    }

    /// Every world that one step leads to, with what happens.
    pub(crate) fn steps(&self, setting: &Setting, plans: &Plans) -> Vec<(String, Self)> {
        let mut all = vec![];
        self.outside(setting, &mut all);
        for number in 0..self.operators.len() {
            self.operator(number, setting, plans, &mut all);
        }
        // Two operators are alike.
        for (_, world) in &mut all {
            world.operators.sort_by_key(rank);
        }
        all
    }

    /// The world after the next thing that an operator does, if there is one and it lives.
    pub(crate) fn work(&self, setting: &Setting, plans: &Plans) -> Option<Self> {
        let mut all = vec![];
        for number in 0..self.operators.len() {
            self.operator(number, setting, plans, &mut all);
        }
        all.into_iter().find(|(label, _)| !label.ends_with("dies")).map(|(_, next)| next)
    }

    fn outside(&self, setting: &Setting, all: &mut Vec<(String, Self)>) {
        let mut add = |label: String, change: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            change(&mut next);
            all.push((label, next));
        };
        if self.tick < setting.end {
            add(format!("tick {}", self.tick + 1), &|world| world.tick += 1);
        }
        for jump in [-3, 3].into_iter().filter(|_| self.left[0] > 0) {
            add(format!("the clock jumps by {jump}"), &|world| {
                (world.offset, world.left[0]) = (jump, self.left[0] - 1);
            });
        }
        // What is taken back before any operator has seen it leaves no trace that a decision could rest on.
        let line = if self.spec.0 { EDITED } else { LINE };
        let is_noted = self.record.line.as_deref() == Some(line) && self.record.is_suspended == self.spec.1;
        if self.left[1] > 0 && is_noted {
            let turn = |spec: (bool, bool, u8)| {
                move |world: &mut Self| {
                    (world.spec, world.turned, world.left[1]) = (spec, self.now(), self.left[1] - 1);
                }
            };
            add("suspend or resume".to_owned(), &turn((self.spec.0, !self.spec.1, self.spec.2)));
            add("edit".to_owned(), &turn((!self.spec.0, self.spec.1, self.spec.2)));
        }
        if self.left[2] > 0 {
            add("a token".to_owned(), &|world| (world.spec.2, world.left[2]) = (self.spec.2 + 1, self.left[2] - 1));
        }
        for (name, child) in &self.children {
            if child.state == State::AtWork {
                let end = |state| move |world: &mut Self| world.children.get_mut(name).unwrap().state = state;
                add(format!("{name} completes"), &end(State::Good(at(self.tick))));
                add(format!("{name} fails"), &end(State::Bad(at(self.tick), true)));
            }
            // Not within the minute in which somebody else's creation of it may be on its way.
            if self.left[3] > 0 && child.created < at(self.tick) && self.is_recorded(&child.cause) {
                add(format!("{name} is deleted"), &|world| {
                    world.children.remove(name);
                    world.left[3] -= 1;
                });
            }
        }
    }

    fn is_recorded(&self, cause: &Cause) -> bool {
        match cause {
            Cause::Slot(slot, number) => {
                self.record.settled >= Some(*slot)
                    && (self.record.last_run > Some(*slot)
                        || (self.record.last_run == Some(*slot) && self.record.tried_again >= *number))
            }
            Cause::Token(token) => self.record.run_now.as_ref() == Some(token),
        }
    }

    /// Whether a slot that is about to run is the latest one, and later than the last turn. Clocks that jump decide otherwise.
    fn is_owed(&self, step: &Step, setting: &Setting) -> bool {
        let Step::Create { cause: Cause::Slot(slot, 0), .. } = step else { return true };
        let is_latest = self.now() * 300 - 600 < (*slot - at(0)).get_seconds();
        (*slot > at(self.turned) && is_latest) || self.left[0] < setting.jumps
    }

    /// What a pass may come to, on what the cache may hold.
    fn passes(&self, setting: &Setting, plans: &Plans) -> Vec<Operator> {
        let mut caches = vec![(self.record.clone(), self.live())];
        caches.extend(self.old.iter().filter(|_| setting.stale).map(|old| (**old).clone()));
        let mut all = vec![];
        for (record, children) in caches {
            let decision = self.decide(setting, plans, &record, children);
            match decision.step {
                Step::Rest if decision.record != record && record == self.record => {
                    all.push(Operator::Done(self.version, decision.record));
                }
                Step::Rest => (),
                Step::Create { .. } | Step::Remove { .. } => all.push(Operator::Decided(decision.step)),
            }
        }
        all
    }

    fn operator(&self, number: usize, setting: &Setting, plans: &Plans, all: &mut Vec<(String, Self)>) {
        let mut add = |label: &str, change: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            change(&mut next);
            all.push((format!("operator {number} {label}"), next));
        };
        if self.operators[number] != Operator::Idle {
            add("dies", &|world| world.operators[number] = Operator::Idle);
        }
        match &self.operators[number] {
            Operator::Idle => {
                for next in self.passes(setting, plans) {
                    let step = match &next {
                        Operator::Decided(step) => step,
                        Operator::Idle | Operator::Read(..) | Operator::Done(..) => &Step::Rest,
                    };
                    add(&format!("decides {step:?}"), &|world| world.operators[number] = next.clone());
                }
            }
            Operator::Decided(Step::Remove { name }) => add("removes", &|world| {
                world.children.remove(name);
                world.operators[number] = Operator::Idle;
            }),
            Operator::Decided(step) => add("reads live", &|world| {
                let decision = self.decide(setting, plans, &self.record, self.live());
                world.operators[number] = Operator::Idle;
                if decision.step == *step || setting.lacks(Guard::LiveRead) {
                    world.operators[number] = Operator::Read(self.tick, self.version, step.clone(), decision.record);
                    let is_wrong = !setting.lacks(Guard::LiveRead) && !self.is_owed(step, setting);
                    world.wrong = is_wrong.then_some("a slot runs that is not owed");
                }
            }),
            Operator::Read(tick, version, step, record) => {
                if *tick != self.tick && !setting.lacks(Guard::Freshness) {
                    return;
                }
                add("creates", &|world| {
                    let is_made = world.create(number, step, setting);
                    let next = if is_made { Operator::Done(*version, record.clone()) } else { Operator::Idle };
                    world.operators[number] = next;
                });
                if self.left[4] > 0 {
                    add("is refused", &|world| {
                        world.left[4] -= 1;
                        world.operators[number] = Operator::Idle;
                    });
                }
            }
            Operator::Done(version, record) => add("records", &|world| {
                if world.version == *version || setting.lacks(Guard::Version) {
                    world.old = Some(Box::new((self.record.clone(), self.live())));
                    world.record = record.clone();
                    world.version += 1;
                    if record.settled < self.record.settled {
                        world.wrong = Some("the cursor goes back");
                    }
                }
                world.operators[number] = Operator::Idle;
            }),
        }
    }

    fn create(&mut self, number: usize, step: &Step, setting: &Setting) -> bool {
        let Step::Create { name, cause } = step else { return false };
        let key = name.clone();
        let name = if setting.lacks(Guard::Name) { format!("{name}-{number}") } else { name.clone() };
        if self.children.contains_key(&name) {
            return !setting.lacks(Guard::Adoption);
        }
        let child = Child {
            name: name.clone(),
            cause: cause.clone(),
            state: State::AtWork,
            created: at(self.tick),
            deleting: false,
        };
        self.children.insert(name, child);
        let times = self.made.entry(key).or_default();
        *times += 1;
        if *times > 1 {
            self.wrong = Some("a backup is made twice");
        }
        true
    }
}

fn rank(operator: &Operator) -> u8 {
    match operator {
        Operator::Idle => 0,
        Operator::Decided(_) => 1,
        Operator::Read(..) => 2,
        Operator::Done(..) => 3,
    }
}
