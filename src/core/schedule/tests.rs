//! The rules one by one, and an exploration of everything that two operators and a crash can do to a slot.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::*;
use crate::core::order::Uid;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + minute * 60).unwrap()
}

fn subject() -> Subject {
    let uid = Uid::new(&"ab".repeat(16)).unwrap();
    Subject { uid, name: "nightly".into(), created: at(0), generation: 1, deleting: false }
}

/// A slot every ten minutes.
fn plan() -> Plan {
    let line = "*/10 * * * *";
    Plan {
        calendar: Calendar::new(line, "Etc/UTC", 0, &subject().uid).unwrap(),
        line: line.to_owned(),
        suspend: false,
        starting_deadline: None,
        retries: 0,
        keep: Keep { good: 3, failed: 3 },
        run_now: None,
    }
}

/// A record that was looked at, with the past settled up to `minute`.
fn settled(minute: i64) -> Record {
    Record { line: Some(plan().line), settled: Some(at(minute)), ..Record::default() }
}

fn seen(minute: i64, record: Record, children: Vec<Child>) -> Seen {
    Seen { now: at(minute), subject: subject(), record, children }
}

fn child(slot: i64, state: State) -> Child {
    let cause = Cause::Slot(at(slot), 0);
    Child { name: for_slot("nightly", at(slot), 0), cause, state, created: at(slot), deleting: false }
}

fn step(plan: &Plan, minute: i64, record: &Record, children: &[Child]) -> Decision {
    decide(Ok(plan), &seen(minute, record.clone(), children.to_vec()))
}

fn made(decision: &Decision) -> Option<Timestamp> {
    match decision.step {
        Step::Create { cause: Cause::Slot(slot, 0), .. } => Some(slot),
        Step::Create { .. } | Step::Rest | Step::Remove { .. } => None,
    }
}

#[test]
fn nothing_runs_on_create_edit_suspension_or_resume() {
    let fresh = step(&plan(), 25, &Record::default(), &[]);
    assert_eq!((fresh.step, fresh.record.settled), (Step::Rest, Some(at(0))), "owed since the creation, not before");
    let edited = Plan { line: "5 * * * *".into(), ..plan() };
    let after = step(&edited, 25, &settled(0), &[]);
    assert_eq!((after.step, after.record.settled), (Step::Rest, Some(at(25))));
    let suspended = Plan { suspend: true, ..plan() };
    let after = step(&suspended, 25, &settled(0), &[]);
    assert_eq!((&after.step, after.record.settled, after.until), (&Step::Rest, Some(at(25)), None));
    assert_eq!(step(&suspended, 45, &after.record, &[]).step, Step::Rest);
    let resumed = step(&plan(), 55, &after.record, &[]);
    assert_eq!((resumed.step, resumed.record.settled, resumed.until), (Step::Rest, Some(at(55)), Some(at(60))));
    assert_eq!(made(&step(&plan(), 60, &resumed.record, &[])), Some(at(60)));
    assert_eq!(resumed.record.missed, 0, "what was suspended is not missed");
}

#[test]
fn a_clock_that_went_back_moves_no_cursor() {
    let early = step(&Plan { suspend: true, ..plan() }, 5, &settled(40), &[]);
    assert_eq!(early.record.settled, Some(at(40)));
    let rest = step(&plan(), 5, &settled(40), &[]);
    assert_eq!((rest.step, rest.until), (Step::Rest, Some(at(50))));
}

#[test]
fn of_all_that_was_slept_through_the_latest_runs_and_the_others_are_counted() {
    let decision = step(&plan(), 57, &settled(0), &[]);
    assert_eq!(made(&decision), Some(at(50)));
    assert_eq!((decision.record.missed, decision.missed), (4, Some((4, Why::Late))));
    assert_eq!((decision.record.settled, decision.record.last_run), (Some(at(50)), Some(at(50))));
}

#[test]
fn a_slot_past_its_deadline_is_missed() {
    let strict = Plan { starting_deadline: Some(120), ..plan() };
    assert_eq!(made(&step(&strict, 11, &settled(0), &[])), Some(at(10)));
    let late = step(&strict, 12, &settled(0), &[]);
    assert_eq!((late.step, late.missed, late.record.missed), (Step::Rest, Some((1, Why::Late)), 1));
    assert_eq!((late.record.settled, late.record.last_run), (Some(at(10)), None));
}

#[test]
fn a_backup_at_work_skips_the_slot_and_a_failed_one_does_not() {
    let skipped = step(&plan(), 20, &settled(10), &[child(10, State::AtWork)]);
    assert_eq!((skipped.step, skipped.missed), (Step::Rest, Some((1, Why::Overlap))));
    let goes_on = step(&plan(), 20, &settled(10), &[child(10, State::Bad(at(15), true))]);
    assert_eq!(made(&goes_on), Some(at(20)));
}

#[test]
fn a_backup_that_is_there_settles_its_slot() {
    for state in [State::AtWork, State::Good(at(21)), State::Bad(at(21), true)] {
        let decision = step(&plan(), 21, &settled(10), &[child(20, state)]);
        assert_eq!((&decision.step, decision.record.last_run), (&Step::Rest, Some(at(20))), "{state:?}");
        assert_eq!(decision.missed, None);
    }
}

#[test]
fn the_outcome_of_a_creation_decides_what_is_durable() {
    let now = seen(10, settled(0), vec![]);
    let decision = decide(Ok(&plan()), &now);
    let after = created(decision.clone(), &now, Creation::Made);
    assert_eq!((after.record.settled, after.until), (Some(at(10)), Some(at(10))));
    let refused = created(decision.clone(), &now, Creation::Refused);
    assert_eq!((refused.record, refused.until), (settled(0), Some(at(11))), "owed until it is made");
    let taken = created(decision, &now, Creation::Taken);
    assert_eq!((taken.record.missed, taken.record.last_run), (1, None));
    assert_eq!(taken.missed, Some((1, Why::NameTaken)));
}

#[test]
fn a_token_makes_one_backup_when_nothing_is_at_work() {
    let with = |token: &str| Plan { run_now: Some(token.to_owned()), ..plan() };
    let fresh = step(&with("a"), 1, &Record::default(), &[]);
    assert_eq!((fresh.step, fresh.record.run_now.as_deref()), (Step::Rest, Some("a")), "noted, not run");
    assert_eq!(step(&with("a"), 2, &fresh.record, &[]).step, Step::Rest);
    let asked = step(&with("b"), 3, &fresh.record, &[]);
    let Step::Create { name, cause } = &asked.step else { panic!("{asked:?}") };
    assert_eq!((name, cause), (&for_token("nightly", "b"), &Cause::Token("b".into())));
    assert_eq!(step(&with("b"), 4, &asked.record, &[]).step, Step::Rest, "twice with one token makes one");
    assert_eq!(step(&with("b"), 4, &fresh.record, &[child(0, State::AtWork)]).step, Step::Rest, "it waits");
    let suspended = Plan { suspend: true, ..with("b") };
    let noted = Record { is_suspended: true, ..fresh.record };
    assert!(matches!(step(&suspended, 5, &noted, &[]).step, Step::Create { .. }), "whether suspended or not");
}

#[test]
fn a_slot_that_is_due_goes_before_a_token() {
    let both = Plan { run_now: Some("b".into()), ..plan() };
    assert_eq!(made(&step(&both, 10, &settled(0), &[])), Some(at(10)));
}

#[test]
fn a_failed_backup_is_tried_again_until_the_next_slot() {
    let plan = Plan { retries: 2, ..plan() };
    let ran = Record { last_run: Some(at(10)), ..settled(10) };
    let failed = |minute| vec![child(10, State::Bad(at(minute), true))];
    assert_eq!(step(&plan, 12, &ran, &failed(12)).until, Some(at(13)));
    let again = step(&plan, 13, &ran, &failed(12));
    let Step::Create { name, cause } = &again.step else { panic!("{again:?}") };
    assert_eq!((name.as_str(), cause), ("nightly-20260101-0010-r1", &Cause::Slot(at(10), 1)));
    assert_eq!(again.record.tried_again, 1);
    let second = |state| {
        let name = for_slot("nightly", at(10), 1);
        vec![child(10, State::Bad(at(12), true)), Child { name, cause: Cause::Slot(at(10), 1), ..child(10, state) }]
    };
    assert_eq!(step(&plan, 14, &again.record, &second(State::AtWork)).step, Step::Rest);
    let later_on = step(&plan, 17, &again.record, &second(State::Bad(at(15), true)));
    assert!(matches!(&later_on.step, Step::Create { name, .. } if name.ends_with("-r2")), "{later_on:?}");
    assert_eq!(step(&plan, 16, &again.record, &second(State::Bad(at(15), true))).until, Some(at(17)), "doubled");
    assert_eq!(step(&plan, 19, &later_on.record, &second(State::Bad(at(15), true))).step, Step::Rest, "no more");
    assert_eq!(made(&step(&plan, 20, &ran, &failed(12))), Some(at(20)), "the next slot comes first");
    assert_eq!(step(&plan, 13, &ran, &[child(10, State::Bad(at(12), false))]).step, Step::Rest, "in vain");
    assert_eq!(step(&plan, 13, &again.record, &[]).step, Step::Rest, "of deleted ones nothing follows");
}

#[test]
fn only_old_finished_ones_are_removed_and_never_the_newest_good_one() {
    let keep = |good, failed| Plan { keep: Keep { good, failed }, suspend: true, ..plan() };
    let record = Record { is_suspended: true, ..settled(90) };
    let removed = |plan: &Plan, children: &[Child]| match step(plan, 100, &record, children).step {
        Step::Remove { name } => Some(name),
        Step::Rest | Step::Create { .. } => None,
    };
    let good: Vec<Child> = [10, 20, 30].map(|slot| child(slot, State::Good(at(slot + 1)))).to_vec();
    assert_eq!(removed(&keep(3, 3), &good), None);
    assert_eq!(removed(&keep(2, 3), &good).as_deref(), Some("nightly-20260101-0010"));
    assert_eq!(removed(&keep(0, 0), &good[2..]), None, "the newest good one stays");
    let failed: Vec<Child> = [40, 50].map(|slot| child(slot, State::Bad(at(slot + 1), true))).to_vec();
    assert_eq!(removed(&keep(3, 1), &failed).as_deref(), Some("nightly-20260101-0040"));
    assert_eq!(removed(&keep(0, 0), &[child(10, State::AtWork)]), None);
    let deleting = [Child { deleting: true, ..failed[0].clone() }, failed[1].clone()];
    assert_eq!(removed(&keep(3, 1), &deleting), None, "once is enough");
    let young = [child(95, State::Bad(at(96), true))];
    let rest = step(&keep(3, 0), 100, &record, &young);
    assert_eq!((rest.step, rest.until), (Step::Rest, Some(at(106))));
}

#[test]
fn an_invalid_spec_runs_nothing_and_settles_the_past_when_it_is_mended() {
    let invalid = Invalid::new("spec.schedule", "is odd", "mend it");
    let broken = decide(Err(&invalid), &seen(25, settled(0), vec![]));
    assert_eq!((&broken.step, broken.until), (&Step::Rest, None));
    let mended = step(&plan(), 35, &broken.record, &[]);
    assert_eq!((mended.step, mended.record.settled), (Step::Rest, Some(at(35))));
    let first = decide(Err(&invalid), &seen(25, Record::default(), vec![]));
    assert_eq!(first.record.line, None, "still a first look");
}

/// What the exploration plays with: two operators on one schedule, two slots, ten minutes apart.
#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    /// What the clock says.
    minute: i64,
    /// Minutes that really passed: no clock tells them, but a stopwatch.
    passed: i64,
    /// How often the clock may still be set, back or ahead.
    jumps: u32,
    end: i64,
    record: Record,
    version: u32,
    /// Objects by name: alive or deleted, and how often the name was created.
    children: BTreeMap<String, (Child, bool, u32)>,
    operators: Vec<Operator>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Operator {
    Idle,
    /// Decided on this version, when so many minutes had passed; the effect comes next.
    Decided(u32, Record, Step, i64),
    /// The effect happened; the record comes next.
    Done(u32, Record),
}

impl World {
    /// Time goes on, or somebody sets the clock.
    fn times(&self) -> Vec<(String, Self)> {
        let (mut steps, on, set) = (vec![], self.minute + 5, self.jumps.saturating_sub(1));
        if self.minute < self.end {
            steps.push((format!("minute {on}"), Self { minute: on, passed: self.passed + 5, ..self.clone() }));
        }
        for by in [-10, 10].into_iter().filter(|by| self.jumps > 0 && self.minute + by <= self.end) {
            let next = Self { minute: self.minute + by, jumps: set, ..self.clone() };
            steps.push((format!("the clock is set by {by}"), next));
        }
        steps
    }

    fn steps(&self, plan: &Plan) -> Vec<(String, Self)> {
        let mut steps = self.times();
        let mut add = |label: String, change: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            change(&mut next);
            steps.push((label, next));
        };
        for (name, (child, is_alive, _)) in &self.children {
            if *is_alive && child.state == State::AtWork {
                let end = |state| move |world: &mut Self| world.children.get_mut(name).unwrap().0.state = state;
                add(format!("{name} completes"), &end(State::Good(child.created)));
                add(format!("{name} fails"), &end(State::Bad(child.created, true)));
            }
            // Somebody deletes a backup whose creation is settled.
            if *is_alive && self.has_recorded(&child.cause) {
                add(format!("{name} is deleted"), &|world| world.children.get_mut(name).unwrap().1 = false);
            }
        }
        for (number, operator) in self.operators.iter().enumerate() {
            match operator {
                Operator::Idle => {
                    let alive = self.children.values().filter(|(_, is_alive, _)| *is_alive);
                    let children = alive.map(|(child, ..)| child.clone()).collect();
                    let decision = decide(Ok(plan), &seen(self.minute, self.record.clone(), children));
                    let next =
                        Operator::Decided(self.version, decision.record.clone(), decision.step.clone(), self.passed);
                    if decision.step != Step::Rest || decision.record != self.record {
                        add(format!("{number} decides {:?}", decision.step), &|world| {
                            world.operators[number] = next.clone();
                        });
                    }
                }
                Operator::Decided(version, record, step, passed) => {
                    add(format!("{number} dies"), &|world| world.operators[number] = Operator::Idle);
                    add(format!("{number} acts"), &|world| {
                        // A creation that was planned too long ago is not sent, and one that was overtaken is not planned.
                        let is_fresh = world.passed == *passed && world.version == *version;
                        match step {
                            Step::Create { .. } if !is_fresh => {
                                world.operators[number] = Operator::Idle;
                                return;
                            }
                            Step::Create { name, cause } => world.create(name, cause),
                            Step::Rest | Step::Remove { .. } => {}
                        }
                        world.operators[number] = Operator::Done(*version, record.clone());
                    });
                }
                Operator::Done(version, record) => {
                    add(format!("{number} dies"), &|world| world.operators[number] = Operator::Idle);
                    add(format!("{number} records"), &|world| {
                        if world.version == *version {
                            world.record = record.clone();
                            world.version += 1;
                        }
                        world.operators[number] = Operator::Idle;
                    });
                }
            }
        }
        steps
    }

    fn has_recorded(&self, cause: &Cause) -> bool {
        let Cause::Slot(slot, number) = cause else { return false };
        self.record.last_run > Some(*slot)
            || (self.record.last_run == Some(*slot) && self.record.tried_again >= *number)
    }

    fn create(&mut self, name: &str, cause: &Cause) {
        let Cause::Slot(slot, _) = cause else { return };
        let new = Child { created: *slot, ..child(0, State::AtWork) };
        let new = Child { name: name.to_owned(), cause: cause.clone(), ..new };
        let times = self.children.get(name).map_or(0, |(.., times)| *times);
        match self.children.get(name) {
            Some((_, true, _)) => {}
            _ => drop(self.children.insert(name.to_owned(), (new, true, times + 1))),
        }
    }
}

/// Every reachable world, checked by `check`; how many, and how many of them ran each slot, missed one, tried one again.
fn explore(operators: usize, jumps: u32, check: impl Fn(&World, i64, i64)) -> [usize; 4] {
    let plan = Plan { retries: 1, ..plan() };
    let first = World {
        minute: 5,
        passed: 0,
        jumps,
        end: 20,
        record: settled(0),
        version: 1,
        children: BTreeMap::new(),
        operators: vec![Operator::Idle; operators],
    };
    let hash = |world: &World| BuildHasherDefault::<DefaultHasher>::new().hash_one(world);
    let (mut known, mut queue) = (HashSet::from([hash(&first)]), VecDeque::from([first]));
    let mut figures = [0; 4];
    while let Some(world) = queue.pop_front() {
        let slots = (world.record.settled.unwrap().as_second() - at(0).as_second()) / 600;
        let has_run = |slot: &i64| world.children.contains_key(&for_slot("nightly", at(slot * 10), 0));
        let ran = i64::try_from((1..=slots).filter(has_run).count()).unwrap();
        assert!(!world.children.keys().any(|name| name.ends_with("-r2")), "one further try, and no more");
        check(&world, slots, ran);
        figures[0] += 1;
        figures[1] += usize::from(slots > 0 && ran == slots);
        figures[2] += usize::from(world.record.missed > 0);
        figures[3] += usize::from(world.children.keys().any(|name| name.ends_with("-r1")));
        for (_, next) in world.steps(&plan) {
            if known.insert(hash(&next)) {
                queue.push_back(next);
            }
        }
    }
    figures
}

fn is_made_once(world: &World) {
    let twice = world.children.values().find(|(.., times)| *times > 1);
    assert!(twice.is_none(), "{twice:?} was made twice");
}

#[test]
fn one_operator_that_may_die_anywhere_runs_or_counts_each_slot_once() {
    let figures = explore(1, 0, |world, slots, ran| {
        is_made_once(world);
        assert_eq!(ran + world.record.missed, slots);
    });
    assert!(figures.iter().all(|figure| *figure > 50), "the exploration gets somewhere: {figures:?}");
}

#[test]
fn two_operators_make_no_slot_twice_and_lose_none() {
    let figures = explore(2, 0, |world, slots, ran| {
        is_made_once(world);
        // One may count as missed what the other one has just made; never the other way round.
        assert!(ran + world.record.missed >= slots);
    });
    assert!(figures.iter().all(|figure| *figure > 1_000), "the exploration gets somewhere: {figures:?}");
}

#[test]
fn a_clock_that_is_set_back_and_ahead_runs_no_slot_twice_and_loses_none() {
    let figures = explore(1, 1, |world, slots, ran| {
        is_made_once(world);
        assert_eq!(ran + world.record.missed, slots);
    });
    assert!(figures.iter().all(|figure| *figure > 100), "the exploration gets somewhere: {figures:?}");
    let figures = explore(2, 1, |world, slots, ran| {
        is_made_once(world);
        assert!(ran + world.record.missed >= slots);
    });
    assert!(figures.iter().all(|figure| *figure > 1_000), "the exploration gets somewhere: {figures:?}");
}
