//! The shipped `aim`, `decide`, `announce` and `fold`, each asked once for the same question.
//!
//! Records and steps are kept here and have numbers; a world holds numbers. What a fold may never do (I6) is checked here,
//! at each fold that is new.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use jiff::Timestamp;
use sqlserver_backup_operator::core::backup::{Aim, Step, aim, decide};
use sqlserver_backup_operator::core::fold::{announce, fold};
use sqlserver_backup_operator::core::order::{Order, Scope, Storage, Subject, Uid};
use sqlserver_backup_operator::core::reason::Reason;
use sqlserver_backup_operator::core::record::{FlowId, Intent, Note, Record};
use sqlserver_backup_operator::core::seen::{Meaning, Outcome, Seen, Sight, Trouble};

use super::setting::Setting;
use super::sight::{self, Glance};
use super::world::mix;

/// What a record says, at a glance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says {
    pub(crate) attempts: u8,
    /// Number of the intent, and of the intent without its author; 0 without one.
    pub(crate) intent: (u16, u16),
    pub(crate) is_accepted: bool,
    pub(crate) is_ended: bool,
    /// Whether the last call was refused.
    pub(crate) is_refused: bool,
    pub(crate) reason: Option<Reason>,
    pub(crate) flow: u8,
}

/// What became of a call, packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    None,
    Accepted(u8),
    Refused(Meaning, i16),
    InDoubt,
}

/// A record after a step, and whether a second backup was reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folded {
    pub(crate) record: u16,
    pub(crate) is_told: bool,
}

/// The whole shelf.
pub(crate) struct Shelf {
    pub(crate) setting: Setting,
    order: Order,
    subjects: [Subject; 2],
    records: Numbered<Record>,
    says: Vec<Says>,
    intents: Numbered<Intent>,
    steps: Numbered<Step>,
    submits: Vec<Option<(u8, i16)>>,
    pub(crate) glances: Numbered<Glance>,
    aims: HashMap<u64, Aim, Quick>,
    decisions: HashMap<(u64, u64), u16, Quick>,
    folds: HashMap<(u64, u64), Folded, Quick>,
    announcements: HashMap<u64, u16, Quick>,
    /// The first promise that the core broke.
    pub(crate) broken: Option<String>,
}

impl Shelf {
    pub(crate) fn new(setting: Setting) -> Self {
        let order = Order {
            instance: "mssql-a".into(),
            region: "ap-a".into(),
            scope: Scope::Instance,
            storage: Storage::InstanceRetention,
            prefix: None,
            deadline: clock(setting.deadline),
        };
        let subject = |digits: &str| Subject {
            uid: Uid::new(&digits.repeat(16)).unwrap(),
            name: "x".into(),
            created: clock(0),
            generation: 1,
            deleting: false,
        };
        let mut shelf = Self {
            setting,
            order,
            subjects: [subject("aa"), subject("bb")],
            records: Numbered::default(),
            says: vec![],
            intents: Numbered::default(),
            steps: Numbered::default(),
            submits: vec![],
            glances: Numbered::default(),
            aims: HashMap::default(),
            decisions: HashMap::default(),
            folds: HashMap::default(),
            announcements: HashMap::default(),
            broken: None,
        };
        let nobody = Intent { backup_name: String::new(), attempt: 0, time: clock(0), holder: String::new() };
        shelf.intents.number(nobody);
        shelf.keep(Record::default());
        shelf
    }

    /// The number of a record.
    pub(crate) fn keep(&mut self, mut record: Record) -> u16 {
        record.message.clear();
        let number = self.records.number(record);
        if usize::from(number) == self.says.len() {
            let record = self.records.of(number).clone();
            let is_answered = record.error.as_ref().is_some_and(|error| Some(error.time) >= record.submit_time);
            let intent = record.intent.clone().map_or((0, 0), |intent| {
                let anonymous = Intent { holder: String::new(), ..intent.clone() };
                (self.intents.number(intent), self.intents.number(anonymous))
            });
            self.says.push(Says {
                attempts: u8::try_from(record.attempts).unwrap(),
                intent,
                is_accepted: record.is_accepted(),
                is_ended: record.ended,
                is_refused: record.intent.is_none() && record.attempts > 0 && is_answered,
                reason: record.reason,
                flow: record.flow_id.map_or(0, |flow| u8::try_from(flow.value()).unwrap()),
            });
        }
        number
    }

    pub(crate) fn record(&self, record: u16) -> &Record {
        self.records.of(record)
    }

    pub(crate) fn says(&self, record: u16) -> Says {
        self.says[usize::from(record)]
    }

    pub(crate) fn step(&self, step: u16) -> &Step {
        self.steps.of(step)
    }

    /// Attempt and time, if the step is a submission.
    pub(crate) fn submits(&self, step: u16) -> Option<(u8, i16)> {
        self.submits[usize::from(step)]
    }

    fn seen(&self, of: u8, deleting: bool, now: i16, record: u16, sight: Sight) -> Seen {
        let subject = Subject { deleting, ..self.subjects[usize::from(of)].clone() };
        let record = self.record(record).clone();
        Seen { now: clock(now), subject, record, is_its_turn: true, failing_since: None, sight }
    }

    pub(crate) fn aim(&mut self, of: u8, deleting: bool, now: i16, record: u16) -> Aim {
        let key = question(of, deleting, now, record, 0);
        if let Some(known) = self.aims.get(&key) {
            return *known;
        }
        let seen = self.seen(of, deleting, now, record, Sight::Nothing { until: None });
        let aim = aim(Ok(&self.order), &seen, &self.setting.limits());
        self.aims.insert(key, aim);
        aim
    }

    pub(crate) fn decide(&mut self, of: u8, deleting: bool, now: i16, record: u16, glance: Glance) -> u16 {
        let key = (question(of, deleting, now, record, 1), glance.key());
        if let Some(known) = self.decisions.get(&key) {
            return *known;
        }
        let uids = [&self.subjects[0].uid, &self.subjects[1].uid];
        let seen = self.seen(of, deleting, now, record, sight::sight(glance, uids));
        let step = decide(Ok(&self.order), &seen, &self.setting.limits());
        if self.setting.has_all_guards() {
            self.speaks_of_both(of, &seen, &step);
        }
        let number = self.steps.number(quiet(step));
        if usize::from(number) == self.submits.len() {
            self.submits.push(match self.steps.of(number) {
                Step::Submit { attempt, time, .. } => Some((u8::try_from(*attempt).unwrap(), second(*time))),
                _ => None,
            });
        }
        self.decisions.insert(key, number);
        number
    }

    /// I6: a pass that sees two backups of its order, and may still write, says so; of one that is followed, at its end.
    fn speaks_of_both(&mut self, of: u8, seen: &Seen, step: &Step) {
        let listing = match &seen.sight {
            Sight::Before { listing, .. } | Sight::Doubt { listing, .. } => listing.as_ref().ok(),
            Sight::Flow { listing, .. } => listing.as_ref().and_then(|listing| listing.as_ref().ok()),
            Sight::Nothing { .. } | Sight::NoRoom { .. } => None,
        };
        let both = listing.is_some_and(|listing| listing.ours(&self.subjects[usize::from(of)].uid).count() > 1);
        let may_be_silent =
            matches!(step, Step::Follow { .. }) || (seen.record.ended && matches!(step, Step::Rest { .. }));
        let is_told = matches!(step, Step::Adopt { others, .. } if !others.is_empty());
        if both && !is_told && !may_be_silent {
            self.break_promise(format!("I6: two backups are seen and not told: {seen:?} leads to {step:?}"));
        }
    }

    pub(crate) fn announce(&mut self, of: u8, record: u16, step: u16, holder: usize) -> u16 {
        let key = u64::from(record) | u64::from(step) << 16 | u64::from(of) << 32 | (holder as u64) << 40;
        if let Some(known) = self.announcements.get(&key) {
            return *known;
        }
        let Step::Submit { backup_name, attempt, time } = self.step(step).clone() else { panic!("not a submission") };
        let intent = Intent { backup_name, attempt, time, holder: holder.to_string() };
        let seen = self.seen(of, false, 0, record, Sight::Nothing { until: None });
        let announced = announce(&seen, &intent);
        self.keeps_its_promises(record, &announced, "announce");
        let number = self.keep(announced);
        self.announcements.insert(key, number);
        number
    }

    /// The record after a step; the one before if that is not worth a write.
    pub(crate) fn fold(&mut self, of: u8, record: u16, step: u16, answer: Answer, now: i16) -> Folded {
        let key = (question(of, false, now, record, 2), u64::from(step) | u64::from(answer.number()) << 16);
        if let Some(known) = self.folds.get(&key) {
            return *known;
        }
        let seen = self.seen(of, false, now, record, Sight::Nothing { until: None });
        let outcome = outcome(answer);
        let next = fold(Some(&self.order), &seen, self.step(step), &outcome, clock(now), &self.setting.limits());
        let is_told = next.duplicates > 0;
        if is_told && !next.news.is_some_and(|news| news.reason == "DuplicateBackups" && news.is_warning) {
            self.break_promise(format!("I6: two backups are counted and not told, after {:?}", self.step(step)));
        }
        self.keeps_its_promises(record, &next.record, self.step(step).name());
        let number = if seen.record.differs(&next.record) { self.keep(next.record) } else { record };
        let folded = Folded { record: number, is_told };
        self.folds.insert(key, folded);
        folded
    }

    /// I6: no FlowId is replaced, attempts and submitTime never go back, what is accepted stays accepted.
    fn keeps_its_promises(&mut self, before: u16, after: &Record, what: &str) {
        let before = self.record(before);
        let keeps = (before.flow_id.is_none() || before.flow_id == after.flow_id)
            && after.attempts >= before.attempts
            && after.submit_time >= before.submit_time
            && (before.acceptance.is_none() || after.acceptance.is_some());
        if !keeps {
            self.break_promise(format!("I6: {what} makes {after:?} of {before:?}"));
        }
    }

    fn break_promise(&mut self, words: String) {
        if self.setting.has_all_guards() {
            self.broken.get_or_insert(words);
        }
    }
}

impl Answer {
    /// Packed, for a world.
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Accepted(flow) => 0x1000 | u16::from(flow),
            Self::Refused(meaning, time) => {
                let place = MEANINGS.iter().position(|known| *known == meaning).unwrap();
                0x2000 | u16::try_from(place << 9).unwrap() | u16::try_from(time + BEFORE).unwrap()
            }
            Self::InDoubt => 0x3000,
        }
    }

    pub(crate) fn of(number: u16) -> Self {
        match number >> 12 {
            0 => Self::None,
            1 => Self::Accepted((number & 0xff) as u8),
            2 => Self::Refused(MEANINGS[usize::from(number >> 9 & 7)], (number & 0x1ff) as i16 - BEFORE),
            _ => Self::InDoubt,
        }
    }
}

/// What calls are refused with.
const MEANINGS: [Meaning; 4] =
    [Meaning::Unavailable, Meaning::InstanceBusy, Meaning::DatabaseNotFound, Meaning::ClockSkew];
/// Clocks may show a little less than the beginning.
const BEFORE: i16 = 16;

fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::None => Outcome::None,
        Answer::Accepted(flow) => Outcome::Accepted { flow_id: FlowId::new(flow.into()).unwrap(), request_id: None },
        Answer::Refused(meaning, time) => Outcome::Refused(trouble(meaning, time)),
        Answer::InDoubt => Outcome::InDoubt { why: String::new() },
    }
}

pub(crate) fn trouble(meaning: Meaning, time: i16) -> Trouble {
    let note = Note { code: String::new(), message: String::new(), request_id: None, time: clock(time) };
    Trouble { meaning, sentence: String::new(), note }
}

/// A step without its texts and its rests: neither decides anything.
fn quiet(mut step: Step) -> Step {
    match &mut step {
        Step::Wait { message, until, .. }
        | Step::Adopt { message, until, .. }
        | Step::StayInDoubt { message, until, .. }
        | Step::Follow { message, until, .. } => {
            message.clear();
            *until = clock(0);
        }
        Step::End { message, .. } => message.clear(),
        Step::Rest { until } => *until = None,
        Step::Submit { .. } | Step::Absent => {}
    }
    step
}

fn question(of: u8, deleting: bool, now: i16, record: u16, kind: u8) -> u64 {
    let now = (now + BEFORE) as u64;
    u64::from(record) | now << 16 | u64::from(of) << 32 | u64::from(deleting) << 33 | u64::from(kind) << 34
}

pub(crate) fn clock(second: i16) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + i64::from(second)).unwrap()
}

fn second(time: Timestamp) -> i16 {
    i16::try_from(time.as_second() - 1_700_000_000).unwrap()
}

/// Values with numbers, in the order in which they came.
pub(crate) struct Numbered<T> {
    all: Vec<T>,
    numbers: HashMap<T, u16>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { all: vec![], numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Numbered<T> {
    pub(crate) fn number(&mut self, value: T) -> u16 {
        if let Some(known) = self.numbers.get(&value) {
            return *known;
        }
        let number = u16::try_from(self.all.len()).unwrap();
        assert!(number < u16::MAX, "too many for their numbers");
        self.all.push(value.clone());
        self.numbers.insert(value, number);
        number
    }

    pub(crate) fn of(&self, number: u16) -> &T {
        &self.all[usize::from(number)]
    }
}

/// Hashes numbers: the tables are asked a hundred million times.
pub(crate) type Quick = BuildHasherDefault<Mixed>;

#[derive(Default)]
pub(crate) struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            mix(&mut self.0, u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        mix(&mut self.0, word);
    }
}
