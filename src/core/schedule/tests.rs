//! The rules one by one. What two operators and a crash can do to a slot is explored in `tests/slots.rs`.

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
fn a_clock_far_ahead_of_the_servers_is_not_believed() {
    let [server, ahead] = [at(0), at(180)];
    assert_eq!(believed(ahead, server), server);
    for own in [at(1), at(0), at(-180)] {
        assert_eq!(believed(own, server), own, "not far ahead");
    }
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
    let made = |state| Child { name: for_token("nightly", "b"), cause: Cause::Token("b".into()), ..child(0, state) };
    for state in [State::AtWork, State::Good(at(4)), State::Bad(at(4), true)] {
        let adopted = step(&with("b"), 4, &fresh.record, &[made(state)]);
        assert_eq!((&adopted.step, adopted.record.run_now.as_deref()), (&Step::Rest, Some("b")), "{state:?}: is there");
    }
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
fn a_further_try_is_over_once_anything_is_settled_after_its_slot() {
    let plan = Plan { retries: 2, ..plan() };
    let failed = vec![child(10, State::Bad(at(12), true))];
    let ran = Record { last_run: Some(at(10)), ..settled(10) };
    assert!(matches!(step(&plan, 14, &ran, &failed).step, Step::Create { .. }));
    for (what, settled, minute) in [("resumed or edited", at(13), 14), ("a later slot was missed", at(20), 24)] {
        let record = Record { settled: Some(settled), ..ran.clone() };
        assert_eq!(step(&plan, minute, &record, &failed).step, Step::Rest, "{what}");
    }
}

#[test]
fn a_name_that_is_taken_counts_only_for_a_slot_that_has_no_backup() {
    let plan = Plan { retries: 2, ..plan() };
    let ran = Record { last_run: Some(at(10)), ..settled(10) };
    let now = seen(14, ran, vec![child(10, State::Bad(at(12), true))]);
    let taken = created(decide(Ok(&plan), &now), &now, Creation::Taken);
    assert_eq!((taken.record.missed, taken.record.tried_again, taken.missed), (0, 1, None));
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
    let plan = Plan { run_now: Some("a".into()), ..plan() };
    let mended = step(&plan, 35, &first.record, &[]);
    assert_eq!((mended.step, mended.record.settled), (Step::Rest, Some(at(35))), "nothing is owed of that time");
    assert_eq!(mended.record.run_now.as_deref(), Some("a"), "noted, not run");
}
