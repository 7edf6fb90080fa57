//! A throttle slows down its own key, region and action for a while, and nothing else.

use std::ops::Range;

use super::world::{Order, World, at, identity, order, region};
use super::*;

/// Key, region and action; the cloud throttles the first.
const LANES: [(&str, &str, Action); 4] = [
    ("id", "ap-guangzhou", Create),
    ("id", "ap-guangzhou", Flow),
    ("id", "ap-shanghai", Create),
    ("other", "ap-guangzhou", Create),
];

/// How many calls of a lane leave in these milliseconds.
fn calls(world: &World, (key, place, action): (&str, &str, Action), milliseconds: Range<u64>) -> usize {
    let is_of = |order: &Order| {
        order.identity == identity(key) && order.region == region(place) && order.needs == [(action, 1)]
    };
    let of = world.stories.iter().zip(&world.orders).filter(|(_, order)| is_of(order));
    let within = at(milliseconds.start)..at(milliseconds.end);
    of.flat_map(|(story, _)| &story.instants).filter(|(_, instant)| within.contains(instant)).count()
}

#[test]
fn i8_a_throttle_halves_the_pace_of_its_key_region_and_action_alone() {
    let mut world = World::new(0.5);
    for number in 0..300 {
        for (key, place, action) in LANES {
            let urgency = if action == Flow { Urgency::Follow } else { Urgency::Look };
            let order = order("a", number, urgency, &[(action, 1)]);
            world.add(at(number % 40), Order { identity: identity(key), region: region(place), ..order });
        }
    }
    world.run(at(3_000));
    world.budget.throttled(&identity("id"), &region("ap-guangzhou"), Create, at(3_000));
    world.run(at(60_000));
    assert!(world.all_served());
    // What was given away before is up to half a second.
    let halved = LANES.map(|lane| calls(&world, lane, 3_500..5_500));
    assert!((10..=12).contains(&halved[0]), "{halved:?}");
    let recovered = LANES.map(|lane| calls(&world, lane, 14_000..16_000));
    for calls in halved[1..].iter().chain(&recovered) {
        assert!((19..=21).contains(calls), "{halved:?}, {recovered:?}");
    }
}

#[test]
fn what_waits_for_a_throttled_action_holds_up_no_doubt_and_nobody_who_follows() {
    let mut world = World::new(0.5);
    for number in 0..100 {
        world.add(at(0), order("a", number, Urgency::Look, &[(List, 2), (Create, 1)]));
    }
    for second in 1..30 {
        world.run(at(second * 1_000));
        world.budget.throttled(&identity("id"), &region("ap-guangzhou"), Create, at(second * 1_000));
    }
    let doubt =
        world.add(at(29_000), order("a", 200, Urgency::Resolve, &[(Action::DescribeDBInstances, 1), (List, 4)]));
    let follows = world.add(at(29_000), order("a", 201, Urgency::Follow, &[(Flow, 1)]));
    world.run(at(31_000));
    for index in [doubt, follows] {
        let granted = world.stories[index].granted.expect("served");
        assert!(span(at(29_000), granted) < Duration::from_millis(500), "{granted}");
    }
}
