//! The table of the rules, cell by cell, and what holds for every set of facts.

#![expect(clippy::unnecessary_wraps, reason = "what a pass may lack is made as it is passed on")]

use proptest::prelude::*;

use super::*;
use crate::core::record::Note;

const HOUR: i64 = 3_600;

fn at(hour: i64) -> Timestamp {
    later(Timestamp::from_second(1_767_225_600).unwrap(), hour * HOUR)
}

/// A day, judged every hour, of a schedule that was created at hour 0.
fn terms() -> Terms {
    Terms {
        objective: Some(24 * HOUR),
        region: "ap-guangzhou".into(),
        instance: "mssql-a".into(),
        scope: Scope::Databases(vec!["a".into(), "b".into()]),
        created: at(0),
        interval: HOUR,
    }
}

fn row(start: Option<i64>, holds: Holds) -> Listed {
    let copy = Copy { backup_id: Some(7), start_time: start.map(at), ..Copy::default() };
    Listed { row: Row { name: "nightly".into(), progress: Progress::Succeeded, copy }, holds }
}

fn look(hour: i64, listed: Vec<Listed>) -> Option<Result<Look, Trouble>> {
    Some(Ok(Look { at: at(hour), listed, complete: true }))
}

fn partly(hour: i64, listed: Vec<Listed>) -> Option<Result<Look, Trouble>> {
    Some(Ok(Look { at: at(hour), listed, complete: false }))
}

fn trouble(meaning: Meaning) -> Option<Result<Look, Trouble>> {
    let note = Note { code: "Code".into(), message: "m".into(), request_id: None, time: at(0) };
    Some(Err(Trouble { meaning, sentence: "It does not answer.".into(), note }))
}

fn last(looked: i64, newest: Option<i64>) -> Option<Last> {
    Some(Last { of: words::key(&terms()), looked: Some(at(looked)), newest: newest.map(at) })
}

fn own(start: i64, id: i64) -> Own {
    let copy = Copy { backup_id: Some(id), start_time: Some(at(start)), ..Copy::default() };
    Own {
        name: format!("k8s_{id}"),
        copy,
        region: terms().region,
        instance: terms().instance,
        scope: terms().scope,
        ended: at(start + 1),
    }
}

fn seen(now: i64, look: Option<Result<Look, Trouble>>) -> Seen {
    Seen { now: at(now), own: vec![], last: None, shown: None, look }
}

fn reason(seen: &Seen) -> Reason {
    judge(&terms(), seen).unwrap().reason
}

fn databases(names: &[&str]) -> Holds {
    Holds::Databases(names.iter().map(ToString::to_string).collect())
}

#[test]
fn a_copy_counts_if_it_succeeded_began_and_alone_holds_everything() {
    let judged = |listed: Vec<Listed>| judge(&terms(), &seen(40, look(40, listed))).unwrap();
    for holds in [Holds::Instance, databases(&["b", "a"]), databases(&["a", "b", "c"])] {
        let judgement = judged(vec![row(Some(30), holds.clone())]);
        assert_eq!((judgement.reason, judgement.newest), (Reason::WithinObjective, Some(at(30))), "{holds:?}");
    }
    for holds in [Holds::Unknown, databases(&["a"]), databases(&["A", "B"]), databases(&[])] {
        assert_eq!(judged(vec![row(Some(30), holds.clone())]).newest, None, "{holds:?}");
    }
    assert_eq!(judged(vec![row(Some(30), databases(&["a"])), row(Some(30), databases(&["b"]))]).newest, None);
    assert_eq!(judged(vec![row(None, Holds::Instance)]).newest, None, "without a start");
    for progress in [Progress::Running, Progress::Failed, Progress::Unheard] {
        let mut odd = row(Some(30), Holds::Instance);
        odd.row.progress = progress;
        assert_eq!(judged(vec![odd]).newest, None, "{progress:?}");
    }
    assert_eq!(judged([10, 30, 20].map(|start| row(Some(start), Holds::Instance)).to_vec()).newest, Some(at(30)));
    let whole = Terms { scope: Scope::Instance, ..terms() };
    let listed = look(40, vec![row(Some(30), databases(&["a", "b"]))]);
    assert_eq!(judge(&whole, &seen(40, listed)).unwrap().newest, None, "a list is not the instance");
}

#[test]
fn a_copy_of_another_instance_or_region_vouches_for_nothing() {
    let mine = Seen { own: vec![own(30, 1)], ..seen(31, None) };
    assert_eq!(reason(&mine), Reason::WithinObjective);
    let (mut elsewhere, mut abroad) = (own(30, 1), own(30, 1));
    elsewhere.instance = "mssql-other".to_owned();
    abroad.region = "ap-other".to_owned();
    for other in [elsewhere, abroad] {
        let seen = Seen { own: vec![other.clone()], ..seen(50, look(50, vec![])) };
        assert_eq!(reason(&seen), Reason::ObjectiveMissed, "nor is it missing here: {other:?}");
    }
}

#[test]
fn the_verdicts_by_the_clock_alone() {
    let listed = |start| vec![row(Some(start), Holds::Instance)];
    for (now, look, expected) in [
        (1, look(1, vec![]), Reason::NoBackupYet),
        (23, look(23, vec![]), Reason::NoBackupYet),
        (24, look(24, vec![]), Reason::ObjectiveMissed),
        (53, look(53, listed(30)), Reason::WithinObjective),
        (54, look(54, listed(30)), Reason::ObjectiveMissed),
        (30, look(30, listed(40)), Reason::WithinObjective),
        (10, look(10, listed(-20)), Reason::ObjectiveMissed),
    ] {
        assert_eq!(reason(&seen(now, look.clone())), expected, "at {now}: {look:?}");
    }
    let nothing = Terms { objective: None, ..terms() };
    for look in [None, look(1, listed(0)), trouble(Meaning::AccessDenied)] {
        assert_eq!(judge(&nothing, &seen(1, look)).unwrap().reason, Reason::NoObjective);
    }
}

#[test]
fn what_cannot_be_seen_is_unobservable_and_what_passes_may_pass() {
    let blind = |now, last, meaning| reason(&Seen { last, ..seen(now, trouble(meaning)) });
    for meaning in [
        Meaning::NoCredentials,
        Meaning::Credentials,
        Meaning::AccessDenied,
        Meaning::ClockSkew,
        Meaning::InstanceNotFound,
        Meaning::InvalidRequest,
    ] {
        assert_eq!(blind(31, last(31, Some(30)), meaning), Reason::Unobservable, "{meaning:?}");
    }
    for meaning in [Meaning::Throttled, Meaning::Unavailable, Meaning::InstanceBusy] {
        assert_eq!(blind(32, last(31, Some(30)), meaning), Reason::WithinObjective);
        assert_eq!(blind(33, last(31, Some(30)), meaning), Reason::Unobservable, "two intervals");
        assert_eq!(blind(54, last(53, Some(30)), meaning), Reason::Unobservable, "aged out unseen");
        assert_eq!(blind(56, last(55, Some(30)), meaning), Reason::ObjectiveMissed, "missed when last seen");
        assert_eq!(blind(1, None, meaning), Reason::NoBackupYet, "never seen, just created");
        assert_eq!(blind(2, None, meaning), Reason::Unobservable);
    }
    let incomplete = Seen { last: last(31, Some(30)), ..seen(32, partly(32, vec![])) };
    assert_eq!(reason(&incomplete), Reason::WithinObjective, "takes nothing away");
    for now in [33, 54] {
        let unsure = Seen { last: last(31, Some(30)), ..seen(now, partly(now, vec![])) };
        assert_eq!(reason(&unsure), Reason::Unobservable, "nor tells what it does not hold, after {now} hours");
    }
    let newer = Seen { now: at(55), ..Seen { last: last(54, Some(30)), ..seen(55, None) } };
    let newer = Seen { look: partly(55, vec![row(Some(50), Holds::Instance)]), ..newer };
    let judgement = judge(&terms(), &newer).unwrap();
    assert_eq!((judgement.reason, judgement.last), (Reason::WithinObjective, last(54, Some(50))), "and may add");
}

#[test]
fn our_own_newest_copy_is_missed_if_a_complete_listing_lacks_it() {
    let judged = |now, own: Vec<Own>, look| judge(&terms(), &Seen { own, ..seen(now, look) }).unwrap();
    let lost = judged(40, vec![own(30, 1)], look(40, vec![]));
    assert_eq!((lost.reason, lost.newest, lost.turns), (Reason::LastBackupMissing, None, Some(at(54))));
    assert_eq!(judged(54, vec![own(30, 1)], look(54, vec![])).reason, Reason::ObjectiveMissed, "it would be too old");
    let another = vec![row(Some(20), Holds::Instance)];
    assert_eq!(judged(40, vec![own(30, 1)], look(40, another)).reason, Reason::WithinObjective, "another one counts");
    assert_eq!(judged(40, vec![own(39, 1)], look(40, vec![])).newest, Some(at(39)), "it has only just ended");
    assert_eq!(judged(40, vec![own(39, 1)], look(39, vec![])).reason, Reason::WithinObjective, "the look is older");
    let held = |change: &dyn Fn(&mut Row)| {
        let mut listed = row(Some(30), databases(&["a"]));
        listed.row.copy.backup_id = None;
        change(&mut listed.row);
        judged(40, vec![own(30, 1)], look(40, vec![listed])).reason
    };
    assert_eq!(held(&|row| row.copy.backup_id = Some(1)), Reason::WithinObjective, "by its id, whatever it shows");
    assert_eq!(held(&|row| row.name = "K8S_1".into()), Reason::WithinObjective, "by its name");
    assert_eq!(held(&|row| row.copy.backup_id = Some(2)), Reason::LastBackupMissing);
    assert_eq!(held(&|_| ()), Reason::LastBackupMissing, "two absent ids are not the same");
    let narrow = Own { scope: Scope::Databases(vec!["a".into()]), ..own(30, 1) };
    assert_eq!(judged(40, vec![narrow], look(40, vec![])).reason, Reason::ObjectiveMissed, "not what is promised");
    let partly = Seen { own: vec![own(30, 1)], last: last(40, Some(30)), ..seen(41, partly(41, vec![])) };
    assert_eq!(reason(&partly), Reason::WithinObjective, "an incomplete listing takes nothing away");
}

#[test]
fn a_restart_and_an_edit_change_what_they_should() {
    let restarted = |shown| Seen { last: last(31, Some(30)), shown, ..seen(50, None) };
    assert_eq!(reason(&restarted(Some(Reason::WithinObjective))), Reason::WithinObjective, "however long it was away");
    assert_eq!(judge(&terms(), &restarted(Some(Reason::Unobservable))), None, "left as it is until it has looked");
    let edited = Terms { instance: "mssql-b".into(), ..terms() };
    assert_eq!(judge(&edited, &restarted(None)).unwrap().newest, None, "what was seen of another instance is nothing");
    let turned = Terms { scope: Scope::Databases(vec!["b".into(), "a".into()]), ..terms() };
    assert_eq!(judge(&turned, &restarted(None)).unwrap().newest, Some(at(30)), "the order of names is nothing");
    let other_replica = Seen { last: last(40, Some(39)), ..seen(41, look(30, vec![])) };
    assert_eq!(judge(&terms(), &other_replica).unwrap().last, last(40, Some(39)), "an older look changes nothing");
    let ahead = Seen { last: last(400, Some(30)), ..seen(41, look(41, vec![])) };
    assert_eq!(judge(&terms(), &ahead).unwrap().last, last(41, None), "another clock's look hides nothing");
}

#[test]
fn the_reasons_read_back_and_a_person_reads_instants() {
    for reason in Reason::ALL {
        assert_eq!(Reason::parse(reason.as_str()), Some(reason));
    }
    let judgement = judge(&terms(), &seen(40, look(40, vec![row(Some(30), Holds::Instance)]))).unwrap();
    let words = "The newest copy of all 2 databases began at 2026-01-02T06:00:00Z, within the objective of 24h.";
    assert_eq!(judgement.message, words);
}

fn facts() -> impl Strategy<Value = Seen> {
    let hour = -30..60_i64;
    let listed = prop::collection::vec(hour.clone().prop_map(|start| row(Some(start), Holds::Instance)), 0..3);
    let looked = (0..60_i64, listed, any::<bool>())
        .prop_map(|(hour, listed, complete)| if complete { look(hour, listed) } else { partly(hour, listed) });
    let look =
        prop_oneof![looked, Just(trouble(Meaning::Unavailable)), Just(trouble(Meaning::AccessDenied)), Just(None)];
    let known = prop::option::of((0..60_i64, prop::option::of(hour.clone())));
    let own = prop::collection::vec((hour, 7..9_i64).prop_map(|(start, id)| own(start, id)), 0..3);
    (0..30_i64, own, known, look).prop_map(|(more, own, known, look)| {
        let last = known.and_then(|(looked, newest)| last(looked, newest));
        Seen { own, last, ..seen(60 + more, look) }
    })
}

proptest! {
    #[test]
    fn the_reason_stays_until_it_turns_and_the_words_with_it(facts in facts(), ahead in 1..200_i64) {
        let terms = Terms { created: at(40), ..terms() };
        let now = judge(&terms, &facts).unwrap();
        let then = judge(&terms, &Seen { now: later(facts.now, ahead * HOUR / 2), ..facts.clone() }).unwrap();
        if now.turns.is_none_or(|turns| later(facts.now, ahead * HOUR / 2) < turns) {
            prop_assert_eq!((now.reason, &now.message), (then.reason, &then.message));
        }
        if let Some(turns) = now.turns {
            prop_assert!(turns > facts.now);
            prop_assert_ne!(judge(&terms, &Seen { now: turns, ..facts.clone() }).unwrap().reason, now.reason);
        }
        // What is durable says the same again, with nothing else than the same backups.
        let again = Seen { last: now.last.clone(), look: None, ..facts.clone() };
        if facts.look.as_ref().is_some_and(|look| look.as_ref().is_ok_and(|look| look.complete)) {
            prop_assert_eq!(judge(&terms, &again).unwrap().reason, now.reason);
        }
    }
}
