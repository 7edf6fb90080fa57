//! A rollout over many keys and regions, while people use what the share leaves them: the operator that leads ends in the
//! middle, and the next one knows nothing of what was called.

use std::collections::BTreeMap;

use super::world::{Order, World, at, order, region};
use super::*;

const KEYS: usize = 8;
const REGIONS: [&str; 4] = ["ap-guangzhou", "ap-shanghai", "ap-singapore", "eu-frankfurt"];
/// Keys and regions.
const PLACES: usize = KEYS * REGIONS.len();
/// For each key and region.
const ORDERS: usize = 60;

/// Calls by place and action.
type Lanes = BTreeMap<(usize, Action), Vec<Timestamp>>;

/// The order of this number, which stands at the place of its number.
fn wish(number: usize) -> Order {
    let kinds: [(Urgency, &[(Action, u8)]); 3] =
        [(Urgency::Look, &[(List, 2), (Create, 1)]), (Urgency::Follow, &[(Flow, 1)]), (Urgency::Follow, &[(List, 1)])];
    let (urgency, needs) = kinds[number / PLACES % kinds.len()];
    let order = order("a", u64::try_from(number).unwrap(), urgency, needs);
    Order { identity: identity(&format!("id-{}", number % KEYS)), region: region(REGIONS[number / KEYS % 4]), ..order }
}

/// One operator, from one millisecond to another. Adds the calls that leave meanwhile, and comes back with the orders that
/// are still open.
fn term(orders: &[usize], begin: u64, end: u64, lanes: &mut Lanes) -> Vec<usize> {
    let mut world = World::new(0.5);
    for number in orders {
        world.add(at(begin + u64::try_from(*number).unwrap() % 40), wish(*number));
    }
    world.run(at(end));
    let mut open = vec![];
    for (number, (story, order)) in orders.iter().zip(world.stories.iter().zip(&world.orders)) {
        let left: Vec<_> = story.instants.iter().filter(|(_, instant)| *instant <= at(end)).collect();
        if left.len() < order.needs.iter().map(|(_, need)| usize::from(*need)).sum() {
            open.push(*number);
        }
        for (action, instant) in left {
            lanes.entry((number % PLACES, *action)).or_default().push(*instant);
        }
    }
    open
}

#[test]
fn i8_a_rollout_leaves_people_their_half_of_every_key_and_region() {
    let all: Vec<usize> = (0..PLACES * ORDERS).collect();
    for (end, pause) in (600..1_400).step_by(57).zip([0, 1, 30, 99, 400].into_iter().cycle()) {
        let mut lanes = Lanes::new();
        let open = term(&all, 0, end, &mut lanes);
        assert!(!open.is_empty() && open.len() < all.len(), "{} are open in the middle", open.len());
        assert_eq!(term(&open, end + pause, 3_600_000, &mut lanes), [0; 0], "all are served");
        assert_eq!(lanes.len(), PLACES * 3);
        for ((place, action), mut calls) in lanes {
            calls.sort();
            // A look lists side by side, so that in some seconds there is one call more.
            let ours = action.documented_rate() / 2 + u32::from(action.side_by_side() - 1);
            let most = busiest_second(&calls, false);
            assert!(most <= ours, "{most} calls of {action} at {place}, one operator ended after {end} ms");
        }
    }
}
