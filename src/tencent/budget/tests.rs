//! The budget in virtual time: its pace, its order, and what it forgets.

mod rollout;
mod stalls;
mod throttle;
mod world;

use std::cmp::Reverse;

use super::*;
use Action::{CreateBackup as Create, DescribeBackupByFlowId as Flow, DescribeBackups as List};
use world::{World, at, busiest_second, identity, order, region};

#[test]
fn i8_no_second_holds_more_than_the_share_of_the_limit() {
    for share in [0.05, 0.37, 0.5, 1.0] {
        let mut world = World::new(share);
        world.late = |asks| (asks * 7919) % 700;
        let kinds: [(Urgency, &[(Action, u8)]); 5] = [
            (Urgency::Resolve, &[(List, 4), (Action::DescribeDBInstances, 1)]),
            (Urgency::Look, &[(List, 2), (Create, 1)]),
            (Urgency::Look, &[(Create, 1)]),
            (Urgency::Follow, &[(Flow, 1)]),
            (Urgency::Protected, &[(List, 1), (Action::DescribeDBInstances, 3)]),
        ];
        for number in 0..600_u64 {
            let (urgency, needs) = kinds[usize::try_from(number).unwrap() % 5];
            let namespace = format!("team-{}", number * 31 % 7);
            world.add(at(number * 131 % 9_000), order(&namespace, number * 17 % 600, urgency, needs));
        }
        world.run(at(3_600_000));
        assert!(world.all_served());
        for (action, lane) in world.instants() {
            let rate = f64::from(action.documented_rate()) * share;
            let most = f64::from(busiest_second(&lane, true));
            let together = f64::from(action.side_by_side());
            assert!(most <= rate + together, "{action} at {share}: {most}");
            let most = busiest_second(&lane, false);
            assert!(most <= action.documented_rate(), "{action} at {share}: {most}");
            let group = usize::from(action.side_by_side());
            let gap = lane.windows(group + 1).map(|calls| span(calls[0], calls[group])).min().unwrap();
            assert!(gap >= Duration::from_secs_f64(1.0 / rate), "{action} at {share}: {gap:?}");
        }
    }
}

#[test]
fn the_listings_of_one_look_leave_side_by_side_and_others_find_the_room_behind_them_taken() {
    let mut world = World::new(0.5);
    let needs: &[(Action, u8)] = &[(List, 2), (Create, 1)];
    let first = world.add(at(70_000), order("a", 0, Urgency::Look, needs));
    let second = world.add(at(70_000), order("a", 1, Urgency::Look, needs));
    let doubt = world.add(at(80_000), order("a", 2, Urgency::Resolve, &[(Action::DescribeDBInstances, 1), (List, 4)]));
    world.budget.settle(at(0));
    world.run(at(90_000));
    let leaves = |index: usize| world.stories[index].instants.iter().map(|(_, at)| *at).collect::<Vec<_>>();
    assert_eq!(leaves(first), [at(70_000); 3], "an idle operator keeps nobody waiting");
    let listed = leaves(second);
    assert_eq!(listed[0], listed[1]);
    assert!(listed[0] > at(70_066), "two intervals behind the first: {:?}", listed[0]);
    assert_eq!(leaves(doubt), [at(80_000); 5]);
}

#[test]
fn i8_a_budget_begins_empty_and_saves_nothing_up() {
    let mut world = World::new(1.0);
    let first = world.add(at(0), order("a", 0, Urgency::Look, &[(Create, 1)]));
    let (second, third) = (world.orders[0].clone(), world.orders[0].clone());
    let second = world.add(at(30_000), second);
    let third = world.add(at(30_000), third);
    world.run(at(60_000));
    let instant = |index: usize| world.stories[index].instants[0].1;
    assert!(instant(first) >= at(50), "not at once");
    assert_eq!(instant(second), at(30_000), "at once after a pause");
    assert!(instant(third) >= at(30_050), "but only one");
}

#[test]
fn a_thousand_orders_drain_at_the_pace_and_wake_about_once() {
    for late in [|_| 0, |asks| (asks * 7919) % 300] {
        let mut world = World::new(1.0);
        world.late = late;
        for number in 0..1_000 {
            world.add(at(number % 40), order("a", number * 7 % 1_000, Urgency::Look, &[(Create, 1)]));
        }
        world.run(at(600_000));
        assert!(world.all_served());
        let took = span(at(0), world.end()).as_secs_f64();
        assert!((48.95..=50.95).contains(&took), "{took} s");
        let wakes = f64::from(world.asks) / 1_000.0;
        assert!(wakes <= 3.0, "{wakes} asks an order");
    }
}

#[test]
fn within_a_namespace_the_oldest_order_goes_first() {
    let mut world = World::new(0.5);
    for number in 0..200_u64 {
        world.add(at(number % 10), order("a", number * 37 % 200, Urgency::Look, &[(Create, 1)]));
    }
    world.run(at(600_000));
    let mut by_instant: Vec<(Timestamp, u64)> =
        world.stories.iter().zip(&world.orders).map(|(story, order)| (story.instants[0].1, order.created)).collect();
    by_instant.sort_unstable();
    // The first instants go to whoever asks before the others are there.
    let later: Vec<u64> = by_instant[10..].iter().map(|(_, created)| *created).collect();
    assert!(later.is_sorted(), "{later:?}");
}

#[test]
fn one_order_of_another_namespace_is_served_within_a_second() {
    for (mine, theirs) in [("a", "b"), ("b", "a")] {
        let mut world = World::new(0.5);
        for number in 0..1_000 {
            world.add(at(number % 40), order(theirs, number, Urgency::Look, &[(Create, 1)]));
        }
        let other = world.add(at(20_000), order(mine, 5_000, Urgency::Look, &[(Create, 1)]));
        world.run(at(60_000));
        let instant = world.stories[other].instants[0].1;
        assert!(span(at(20_000), instant) < Duration::from_secs(1), "{instant}");
    }
}

#[test]
fn namespaces_share_evenly_whatever_their_number_of_orders() {
    let mut world = World::new(0.5);
    for number in 0..300 {
        world.add(at(0), order("many", number, Urgency::Look, &[(Create, 1)]));
    }
    for number in 0..30 {
        world.add(at(0), order("few", 1_000 + number, Urgency::Look, &[(Create, 1)]));
    }
    world.run(at(600_000));
    let last_of_few = world.stories[300..].iter().map(|story| story.instants[0].1).max().unwrap();
    assert!(span(at(0), last_of_few) < Duration::from_millis(7_500), "30 turns of two at 10/s: {last_of_few}");
}

#[test]
fn the_more_urgent_overtakes_and_others_go_on() {
    let mut world = World::new(0.5);
    for number in 0..500 {
        world.add(at(0), order("a", number, Urgency::Look, &[(List, 2), (Create, 1)]));
        world.add(at(0), order("a", number, Urgency::Protected, &[(List, 1)]));
    }
    let resolve = world.add(at(5_000), order("a", 9_999, Urgency::Resolve, &[(List, 4)]));
    let follow = world.add(at(5_000), order("a", 9_999, Urgency::Follow, &[(Flow, 1)]));
    world.run(at(600_000));
    let waited = |index: usize| span(at(5_000), world.stories[index].instants[0].1);
    assert!(waited(resolve) < Duration::from_millis(800), "{:?}", waited(resolve));
    assert!(waited(follow) < Duration::from_millis(200), "another lane: {:?}", waited(follow));
    let last = |urgency: Urgency| {
        let of = world.stories.iter().zip(&world.orders).filter(|(_, order)| order.urgency == urgency);
        of.map(|(story, _)| story.granted.unwrap()).max().unwrap()
    };
    assert!(last(Urgency::Look) < last(Urgency::Protected));
}

#[test]
fn what_is_least_urgent_does_not_starve() {
    let mut world = World::new(0.5);
    // Twice what the lane holds, for ten minutes, from many namespaces.
    for number in 0..36_000_u64 {
        let namespace = format!("team-{}", number % 20);
        world.add(at(number * 1_000 / 60), order(&namespace, number, Urgency::Look, &[(List, 1)]));
    }
    let least = world.add(at(30_000), order("quiet", 40_000, Urgency::Protected, &[(List, 1)]));
    world.run(at(600_000));
    let waited = span(at(30_000), world.stories[least].granted.unwrap());
    assert!(waited < Duration::from_secs(200), "{waited:?}");
}

#[test]
fn a_claim_gets_all_its_instants_or_takes_none() {
    let mut world = World::new(0.5);
    for number in 0..20 {
        world.add(at(0), order("a", number, Urgency::Look, &[(Create, 1)]));
    }
    world.run(at(10));
    let both = world.add(at(10), order("b", 0, Urgency::Look, &[(List, 2), (Create, 1)]));
    assert!(matches!(world.ask(at(10), both), Grant::RestUntil(_)));
    let list = world.add(at(11), order("c", 0, Urgency::Look, &[(List, 1)]));
    world.agenda.clear();
    let Grant::Granted(mut instants) = world.ask(at(11), list) else { panic!("a free lane") };
    assert!(instants.next(List).unwrap() < at(50), "the first instant of the lane");
    assert_eq!(instants.next(List), None);
}

#[test]
fn keys_and_regions_have_budgets_of_their_own() {
    let mut world = World::new(0.5);
    for number in 0..100 {
        world.add(at(0), order("a", number, Urgency::Look, &[(Create, 1)]));
    }
    let mut foreign = order("a", 5_000, Urgency::Look, &[(Create, 1)]);
    foreign.identity = identity("other");
    let mut far = order("a", 5_000, Urgency::Look, &[(Create, 1)]);
    far.region = region("ap-tokyo");
    let apart = [world.add(at(1_000), foreign), world.add(at(1_000), far)];
    world.run(at(60_000));
    for index in apart {
        assert_eq!(world.stories[index].granted, Some(at(1_000)));
    }
}

#[test]
fn whoever_does_not_come_back_is_forgotten_and_holds_nobody_up() {
    let mut world = World::new(0.5);
    for number in 0..100 {
        let index = world.add(at(0), order("a", number, Urgency::Resolve, &[(Create, 1)]));
        let _ = world.ask(at(0), index);
    }
    world.agenda.clear();
    assert!(world.budget.waiting() > 90);
    let alive = world.add(at(1), order("b", 0, Urgency::Look, &[(Create, 1)]));
    world.run(at(30_000));
    let waited = span(at(0), world.stories[alive].granted.unwrap());
    assert!(waited < Duration::from_secs(13), "a hundred were due within ten seconds: {waited:?}");
    world.budget.settle(at(200_000));
    assert_eq!(world.budget.waiting(), 0);
    assert!(world.budget.desks.is_empty(), "an idle budget costs nothing");
}

#[test]
fn i8_what_came_due_while_the_process_stood_still_leaves_spaced() {
    let mut world = World::new(1.0);
    for number in 0..100 {
        world.add(at(0), order("a", number, Urgency::Look, &[(List, 2), (Create, 1)]));
    }
    world.run(at(3_000));
    let order = world.orders[0].clone();
    for action in [Create, List] {
        let mut depart = |_| world.budget.depart(&order.identity, &order.region, action, at(3_000), false);
        let leaves: Vec<Timestamp> = (0..70).map(|call| depart(call).unwrap_or(at(3_000))).collect();
        assert!(busiest_second(&leaves, false) <= action.documented_rate(), "{action}: {leaves:?}");
        assert!(span(at(3_000), leaves[0]).is_zero(), "the first at once");
    }
}

#[test]
fn a_large_claim_at_the_smallest_share_is_served_among_others() {
    let mut world = World::new(0.05);
    for number in 0..20 {
        world.add(at(0), order("a", number, Urgency::Look, &[(List, 4), (Create, 1)]));
        world.add(at(0), order("b", number, Urgency::Look, &[(Create, 1)]));
        world.add(at(0), order("c", number, Urgency::Resolve, &[(List, 30), (Action::DescribeDBInstances, 1)]));
    }
    world.run(at(3_600_000));
    assert!(world.all_served());
    let took = span(at(0), world.end());
    assert!(took < Duration::from_secs(260), "20 x 34 listings at 3/s are 227 s: {took:?}");
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_anybody() {
    let mut world = World::new(0.5);
    let index = world.add(at(0), order("a", 0, Urgency::Look, &[(Create, 1)]));
    for _ in 0..3 {
        let _ = world.ask(at(3_600_000), index);
    }
    world.agenda.clear();
    world.agenda.push(Reverse((at(0), index)));
    world.run(at(1_000));
    assert!(world.stories[index].granted.unwrap() <= at(100));
    assert!(matches!(world.ask(at(3_600_000), index), Grant::Granted(_)), "nor does one that jumps ahead");
}

#[test]
fn two_passes_that_overtake_each_other_are_no_clock_set_back() {
    let mut world = World::new(0.5);
    let one = world.add(at(500), order("a", 0, Urgency::Look, &[(Create, 1)]));
    let other = world.add(at(499), order("a", 1, Urgency::Look, &[(Create, 1)]));
    let (Grant::Granted(first), Grant::Granted(second)) = (world.ask(at(500), one), world.ask(at(499), other)) else {
        panic!("two free instants")
    };
    assert!(span(first.0[0].1, second.0[0].1) >= Duration::from_millis(100));
}

#[test]
fn a_claim_that_needs_nothing_gets_it() {
    let mut world = World::new(0.5);
    let index = world.add(at(0), order("a", 0, Urgency::Look, &[(Create, 0)]));
    assert_eq!(world.ask(at(0), index), Grant::Granted(Instants::default()));
}
