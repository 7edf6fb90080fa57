//! The table of the election, cell by cell, and what two candidates that follow it cannot come to.

use serde_json::json;

use super::*;
use crate::runtime::lease::PACE;

const ME: &str = "me";
const WALL: Timestamp = Timestamp::UNIX_EPOCH;

fn lease(holder: &str, version: u64, renewed: i64) -> Lease {
    let renewed = Timestamp::from_second(renewed).unwrap();
    serde_json::from_value(json!({
        "metadata": { "name": "l", "namespace": "n", "resourceVersion": version.to_string(), "labels": { "a": "b" } },
        "spec": {
            "holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 3,
            "renewTime": format!("{renewed:.6}"), "acquireTime": "2020-01-01T00:00:00.000000Z",
        },
    }))
    .unwrap()
}

/// A candidate, and the instant at which it began.
fn candidate() -> (Election, Instant) {
    let now = Instant::now();
    (Election::new(ME.to_owned(), "l".to_owned(), PACE, now), now)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn written(step: Step) -> Lease {
    match step {
        Step::Replace(lease) | Step::Create(lease) => *lease,
        Step::Read | Step::Rest(_) => panic!("not a write: {step:?}"),
    }
}

#[test]
fn at_the_start_it_reads_and_does_not_lead() {
    let (election, now) = candidate();
    assert_eq!(election.next(now, WALL), Step::Read);
    assert_eq!((election.guard(), election.holder()), (None, None));
}

#[test]
fn a_lease_that_is_not_there_is_created() {
    let (mut election, now) = candidate();
    election.read(None, now);
    let Step::Create(lease) = election.next(now, WALL) else { panic!("not created") };
    let spec = lease.spec.unwrap();
    assert_eq!(lease.metadata.name.as_deref(), Some("l"));
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some(ME), Some(15)));
    assert_eq!((spec.acquire_time, spec.renew_time), (Some(MicroTime(WALL)), Some(MicroTime(WALL))));
    assert_eq!(spec.lease_transitions, Some(0));
}

#[test]
fn a_lease_that_nobody_holds_is_taken_at_once_under_its_version() {
    for holder in ["", "absent"] {
        let (mut election, now) = candidate();
        let mut free = lease(holder, 7, 1);
        if holder == "absent" {
            free.spec.as_mut().unwrap().holder_identity = None;
        }
        election.read(Some(free), now);
        let taken = written(election.next(now, WALL));
        assert_eq!(taken.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(taken.metadata.labels.as_ref().unwrap()["a"], "b", "what others put there stays");
        let spec = taken.spec.unwrap();
        assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some(ME), Some(4)));
        assert_eq!(spec.acquire_time, Some(MicroTime(WALL)));
    }
}

#[test]
fn its_own_lease_is_taken_back_at_once_by_a_restarted_container() {
    let (mut election, now) = candidate();
    election.read(Some(lease(ME, 7, 1)), now);
    assert_eq!(election.guard(), None, "the name alone proves nothing: it may be about to run out");
    let spec = written(election.next(now, WALL)).spec.unwrap();
    assert_eq!(spec.lease_transitions, Some(3), "no transition");
    assert_ne!(spec.acquire_time, Some(MicroTime(WALL)), "nor a new beginning");
    assert_eq!(spec.renew_time, Some(MicroTime(WALL)));
}

#[test]
fn a_write_is_good_until_the_deadline_after_it_was_begun() {
    let (mut election, now) = candidate();
    election.wrote(lease(ME, 8, 2), now, now + secs(2));
    assert_eq!(election.guard(), Some(now + PACE.deadline), "not after its answer");
    assert_eq!(election.next(now + millis(1_999), WALL), Step::Rest(now + PACE.retry));
    let renewed = written(election.next(now + PACE.retry, WALL));
    assert_eq!(renewed.metadata.resource_version.as_deref(), Some("8"));
    election.wrote(lease(ME, 9, 4), now + secs(2), now + secs(2));
    assert_eq!(election.guard(), Some(now + secs(12)));
}

#[test]
fn anothers_lease_is_over_after_it_was_watched_unchanged_for_its_length() {
    let (mut election, now) = candidate();
    // Its clock may be years away.
    for renewed in [0, 4_000_000_000] {
        election.read(Some(lease("other", 7, renewed)), now);
        election.watched(lease("other", 7, renewed), false, now + secs(14));
        let Step::Rest(until) = election.next(now + millis(14_999), WALL) else { panic!("taken too early") };
        assert_eq!(until, now + secs(15));
        let taken = written(election.next(now + secs(15), WALL));
        assert_eq!(taken.metadata.resource_version.as_deref(), Some("7"));
    }
}

#[test]
fn whatever_changes_in_a_lease_begins_its_length_anew_but_what_stands_beside_it_does_not() {
    let (mut election, now) = candidate();
    election.read(Some(lease("other", 7, 1)), now);
    election.watched(lease("other", 8, 3), false, now + secs(10));
    election.read(Some(lease("other", 8, 3)), now + secs(20));
    assert!(matches!(election.next(now + secs(24), WALL), Step::Rest(until) if until == now + secs(25)));
    // A label, or a turn of the version: the holder said nothing.
    let mut labelled = lease("other", 9, 3);
    labelled.metadata.labels = None;
    election.watched(labelled, false, now + secs(24));
    let taken = written(election.next(now + secs(25), WALL));
    assert_eq!(taken.metadata.resource_version.as_deref(), Some("9"), "under the newest version all the same");
    // Another holder.
    election.watched(lease("third", 10, 3), false, now + secs(25));
    assert!(matches!(election.next(now + secs(25), WALL), Step::Rest(_)));
}

#[test]
fn a_length_is_believed_between_bounds() {
    for (given, believed) in [(Some(40), 40), (Some(1), 15), (Some(-1), 15), (None, 15), (Some(i32::MAX), 60)] {
        let (mut election, now) = candidate();
        let mut theirs = lease("other", 7, 1);
        theirs.spec.as_mut().unwrap().lease_duration_seconds = given;
        election.read(Some(theirs.clone()), now);
        election.read(Some(theirs), now + secs(believed) - millis(1));
        assert_eq!(
            election.next(now + secs(believed) - millis(1), WALL),
            Step::Rest(now + secs(believed)),
            "{given:?}"
        );
        assert!(matches!(election.next(now + secs(believed), WALL), Step::Replace(_)), "{given:?}");
    }
}

#[test]
fn a_watch_that_tells_nothing_is_not_believed() {
    let (mut election, now) = candidate();
    election.read(Some(lease("other", 7, 1)), now);
    assert_eq!(election.next(now, WALL), Step::Rest(now + secs(5)));
    assert_eq!(election.next(now + secs(5), WALL), Step::Read);
    election.watched(lease("other", 8, 2), false, now + secs(5));
    assert_eq!(election.next(now + secs(5), WALL), Step::Rest(now + secs(10)));
}

#[test]
fn whoever_finds_anothers_name_stands_by_at_once() {
    let (mut election, now) = candidate();
    election.wrote(lease(ME, 8, 2), now, now);
    election.watched(lease("other", 9, 2), false, now + secs(1));
    assert_eq!((election.guard(), election.holder()), (None, Some("other")));
    assert!(matches!(election.next(now + secs(3), WALL), Step::Rest(_)));
}

#[test]
fn a_lease_that_was_deleted_or_emptied_is_taken_again_under_the_guard_that_still_runs() {
    let (mut election, now) = candidate();
    election.wrote(lease(ME, 8, 2), now, now);
    election.watched(lease(ME, 9, 2), true, now + secs(1));
    assert_eq!(election.guard(), Some(now + PACE.deadline));
    assert!(matches!(election.next(now + secs(1), WALL), Step::Create(_)));
    election.watched(lease("", 10, 2), false, now + secs(1));
    assert!(matches!(election.next(now + secs(1), WALL), Step::Replace(_)));
}

#[test]
fn what_a_watch_tells_late_is_not_heard_but_a_read_has_the_last_word() {
    let (mut election, now) = candidate();
    election.wrote(lease(ME, 8, 2), now, now);
    election.watched(lease("other", 7, 1), false, now);
    election.watched(lease("other", 7, 1), true, now);
    assert_eq!((election.guard(), election.holder()), (Some(now + PACE.deadline), Some(ME)));
    // A cluster that was restored counts from an earlier version on.
    election.read(Some(lease("other", 3, 1)), now);
    assert_eq!((election.guard(), election.holder()), (None, Some("other")));
    election.watched(lease("third", 4, 1), false, now);
    assert_eq!(election.holder(), Some("third"));
    election.read(None, now);
    election.watched(lease("fourth", 2, 1), false, now);
    assert_eq!(election.holder(), Some("fourth"), "also one that was created anew after that");
}

#[test]
fn a_conflict_is_read_after_a_moment_and_a_failure_after_the_interval() {
    let (mut election, now) = candidate();
    election.wrote(lease(ME, 8, 2), now, now);
    election.conflicted(now + secs(2));
    assert_eq!(election.guard(), Some(now + PACE.deadline), "until it is known who wrote");
    assert_eq!(election.next(now + secs(2), WALL), Step::Rest(now + millis(2_200)));
    assert_eq!(election.next(now + millis(2_200), WALL), Step::Read);
    election.failed(now + secs(4));
    assert_eq!(election.next(now + millis(5_900), WALL), Step::Rest(now + secs(6)));
    assert_eq!(election.next(now + secs(7), WALL), Step::Read, "an attempt that took longer is followed at once");
    // The write may have happened: its own name is no news, and the write is made again.
    election.read(Some(lease(ME, 9, 3)), now + secs(7));
    assert!(matches!(election.next(now + secs(7), WALL), Step::Replace(_)));
}

#[test]
fn what_was_watched_before_a_failure_counts_after_it() {
    let (mut election, now) = candidate();
    election.read(Some(lease("other", 7, 1)), now);
    election.failed(now + secs(5));
    election.read(Some(lease("other", 7, 1)), now + secs(15));
    assert!(matches!(election.next(now + secs(15), WALL), Step::Replace(_)));
}

#[test]
fn only_its_own_lease_is_given_up() {
    let (election, _) = candidate();
    assert_eq!(election.release(&lease("other", 7, 1), WALL), None);
    let free = election.release(&lease(ME, 7, 1), WALL).unwrap();
    assert_eq!(free.metadata.resource_version.as_deref(), Some("7"));
    assert_eq!(free.spec.unwrap().holder_identity.as_deref(), Some(""));
}

/// Two candidates and one lease over an hour of seconds: each is cut off, asleep or deaf by turns that a small generator
/// draws. However it goes, no second sees two guards.
#[test]
fn two_guards_never_run_at_once() {
    let mut terms = 0;
    for seed in 1..=200_u64 {
        terms += play(seed);
    }
    assert!(terms > 2_000, "hardly anything happened: {terms} terms");
}

fn play(seed: u64) -> usize {
    let mut draw = seed;
    let mut dice = move |sides: u64| {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        draw % sides
    };
    let start = Instant::now();
    let new = |name: &str| Election::new(name.to_owned(), "l".to_owned(), PACE, start);
    let mut candidates = [new("a"), new("b")];
    let (mut asleep, mut cut) = ([0_u64; 2], [0_u64; 2]);
    let (mut stored, mut version): (Option<Lease>, u64) = (None, 0);
    let (mut leader, mut terms) = (None, 0);
    for second in 0..3_600_u64 {
        let now = start + secs(second);
        let wall = Timestamp::from_second(i64::try_from(second * 7 % 1_000).unwrap()).unwrap();
        for (one, election) in candidates.iter_mut().enumerate() {
            if dice(150) == 0 {
                asleep[one] = second + dice(40);
            }
            if dice(150) == 0 {
                cut[one] = second + dice(40);
            }
            if second < asleep[one] {
                continue;
            }
            for _ in 0..3 {
                let step = election.next(now, wall);
                let (is_cut, is_lost) = (second < cut[one], dice(20) == 0);
                match step {
                    Step::Rest(_) => break,
                    Step::Read | Step::Create(_) | Step::Replace(_) if is_cut => election.failed(now),
                    Step::Read => election.read(stored.clone(), now),
                    Step::Create(lease) | Step::Replace(lease) => {
                        let expected = stored.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
                        if lease.metadata.resource_version != expected {
                            election.conflicted(now);
                            continue;
                        }
                        version += 1;
                        let mut lease = *lease;
                        lease.metadata.resource_version = Some(version.to_string());
                        stored = Some(lease.clone());
                        if is_lost { election.failed(now) } else { election.wrote(lease, now, now) }
                    }
                }
            }
        }
        let lead = |one: &Election| one.guard().is_some_and(|guard| now < guard);
        let leads: Vec<bool> = candidates.iter().map(lead).collect();
        assert!(leads != [true, true], "seed {seed}, second {second}: both lead");
        let now_leads = leads.iter().position(|leads| *leads);
        terms += usize::from(now_leads.is_some() && now_leads != leader);
        leader = now_leads.or(leader);
    }
    terms
}
