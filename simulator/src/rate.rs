//! The documented request rates: so many calls in one second for each key, region and action.
//!
//! Fixed windows of one second of the cloud's clock, the simplest reading of "20 requests per second" and the one that
//! forgives bursts least at their start.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::state::Caller;

#[derive(Debug, Default)]
pub(crate) struct Rates(HashMap<(String, String, String), (i64, u32)>);

impl Rates {
    /// Counts one call. False if it is beyond `limit` within its second.
    pub(crate) fn admits(&mut self, caller: &Caller, limit: u32, now: Timestamp) -> bool {
        let key = (caller.secret_id.clone(), caller.region.clone(), caller.action.clone());
        let window = self.0.entry(key).or_default();
        if window.0 != now.as_second() {
            *window = (now.as_second(), 0);
        }
        window.1 = window.1.saturating_add(1);
        window.1 <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_within_a_second_and_for_each_action_alone() {
        let caller =
            |action: &str| Caller { action: action.to_owned(), secret_id: "id".to_owned(), region: "r".to_owned() };
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut rates = Rates::default();
        assert!(rates.admits(&caller("A"), 2, at(1)));
        assert!(rates.admits(&caller("A"), 2, at(1)));
        assert!(!rates.admits(&caller("A"), 2, at(1)));
        assert!(rates.admits(&caller("B"), 2, at(1)));
        assert!(rates.admits(&caller("A"), 2, at(2)));
    }
}
