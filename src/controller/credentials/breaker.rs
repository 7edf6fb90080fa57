//! Whose key the cloud has rejected, and until when nobody calls with it.
//!
//! A rejected key stays rejected until somebody mends it. Without this, each of a thousand orders under it would find out
//! by itself, again and again: calls that count against the account's limits, and a series of bad signatures that may alarm
//! somebody. With it one order tries the key, after 60 s growing to 10 min, and the others read what that one heard.
//!
//! # What it guarantees
//! - It is about one holder alone, a Secret or the operator's own identity, and about one version of its key: who stores
//!   another key is not held up by the old one.
//! - It holds back calls, never looks at the object; and it may be lost: that costs one call (I7).

use std::collections::HashMap;

use jiff::Timestamp;

use super::{Holder, Key};
use crate::core::pace::{self, later};
use crate::tencent::fault::Fault;

/// The first and the longest interval between two calls with a rejected key, in seconds.
const INTERVALS: (i64, i64) = (60, 600);

/// One rejected key.
struct Open {
    version: String,
    since: Timestamp,
    until: Timestamp,
    rejections: u64,
    fault: Fault,
}

/// The rejected keys of this process.
#[derive(Default)]
pub(super) struct Breakers(HashMap<Holder, Open>);

impl Breakers {
    /// Whether a pass may begin to call with this key: with how many rejections known, or what the cloud answered.
    ///
    /// Who comes when it is time for another try, is the one that tries.
    pub(super) fn ask(&mut self, holder: &Holder, version: &str, now: Timestamp) -> Result<u64, Fault> {
        let Some(open) = self.0.get_mut(holder).filter(|open| open.version == version) else { return Ok(0) };
        // A pass may have read its clock a while before; one that went back further must not make it longer.
        if (later(open.since, -INTERVALS.0)..open.until).contains(&now) {
            return Err(open.fault.clone());
        }
        open.until = next(open.since, now);
        Ok(open.rejections)
    }

    /// The pass that was to try the key made no call: the next one tries.
    pub(super) fn untried(&mut self, key: &Key) {
        let open = self.0.get_mut(&key.holder).filter(|open| open.version == key.version);
        if let Some(open) = open.filter(|open| open.rejections == key.rejections) {
            open.until = key.since;
        }
    }

    /// What the cloud answered, if it has rejected the key since the pass that holds it began.
    pub(super) fn objection(&self, key: &Key) -> Option<Fault> {
        let open = self.0.get(&key.holder).filter(|open| open.version == key.version)?;
        (open.rejections > key.rejections).then(|| open.fault.clone())
    }

    /// The cloud rejected this key; what to say of it. Of several passes that meet it at once, the first is heard.
    pub(super) fn rejected(&mut self, key: &Key, fault: Fault) -> Fault {
        // One that nobody has asked with for so long is mended or gone.
        self.0.retain(|_, open| key.since < later(open.until, 2 * INTERVALS.1));
        let known = self.0.get(&key.holder);
        if known.is_some_and(|open| open.version != key.version && open.since > key.since) {
            // The holder has another key by now, which was rejected as well.
            return fault;
        }
        let known = known.filter(|open| open.version == key.version);
        if let Some(open) = known.filter(|open| open.rejections > key.rejections) {
            return open.fault.clone();
        }
        // The keys of a role change with every renewal; that it is rejected does not.
        let of_the_role = self.0.get(&key.holder).filter(|_| key.holder == Holder::Own);
        let since = known.or(of_the_role).map_or(key.since, |open| open.since);
        let rejections = known.map_or(0, |open| open.rejections);
        // Counted from the clock that the pass read, as its order's own minute is.
        let open = Open {
            version: key.version.clone(),
            since,
            until: next(since, key.since),
            rejections: rejections.saturating_add(1),
            fault: fault.clone(),
        };
        self.0.insert(key.holder.clone(), open);
        fault
    }

    /// The cloud took this key.
    pub(super) fn taken(&mut self, key: &Key) {
        if self.0.get(&key.holder).is_some_and(|open| open.version == key.version) {
            self.0.remove(&key.holder);
        }
    }
}

fn next(since: Timestamp, now: Timestamp) -> Timestamp {
    pace::next(since, now, INTERVALS.0, 2, INTERVALS.1)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::tencent::credential::Credential;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn secret(name: &str) -> Holder {
        Holder::Secret { namespace: "team".to_owned(), name: name.to_owned() }
    }

    fn key(holder: Holder, version: &str, since: i64, rejections: u64) -> Key {
        let credential = Credential::new("id", SecretString::from("key"), None).unwrap();
        Key { holder, credential, version: version.to_owned(), since: at(since), rejections }
    }

    fn fault() -> Fault {
        Fault::from_code("AuthFailure.SecretIdNotFound", "m", Some("r-1"))
    }

    #[test]
    fn a_rejected_key_is_tried_by_one_pass_after_intervals_that_grow() {
        let mut breakers = Breakers::default();
        let mut tries = vec![];
        for second in 0..3_600 {
            if let Ok(rejections) = breakers.ask(&secret("bad"), "1", at(second)) {
                breakers.rejected(&key(secret("bad"), "1", second, rejections), fault());
                tries.push(second);
            }
        }
        assert_eq!(tries, [0, 60, 120, 180, 270, 405, 607, 910, 1_365, 1_965, 2_565, 3_165]);
    }

    #[test]
    fn while_one_tries_the_others_wait_also_if_it_never_calls() {
        let mut breakers = Breakers::default();
        breakers.rejected(&key(secret("bad"), "1", 0, 0), fault());
        assert!(breakers.ask(&secret("bad"), "1", at(59)).is_err());
        assert_eq!(breakers.ask(&secret("bad"), "1", at(60)).unwrap(), 1);
        let said = breakers.ask(&secret("bad"), "1", at(60)).unwrap_err();
        assert_eq!(said.to_string(), fault().to_string());
        assert!(breakers.ask(&secret("bad"), "1", at(120)).is_ok());
    }

    #[test]
    fn a_try_that_found_no_room_is_the_next_ones() {
        let mut breakers = Breakers::default();
        breakers.rejected(&key(secret("bad"), "1", 0, 0), fault());
        let trial = key(secret("bad"), "1", 60, breakers.ask(&secret("bad"), "1", at(60)).unwrap());
        breakers.untried(&trial);
        assert_eq!(breakers.ask(&secret("bad"), "1", at(61)).unwrap(), 1);
        breakers.rejected(&trial, fault());
        breakers.untried(&trial);
        assert!(breakers.ask(&secret("bad"), "1", at(62)).is_err(), "somebody has tried it meanwhile");
    }

    #[test]
    fn a_role_that_is_rejected_is_tried_less_and_less_though_its_keys_change() {
        let mut breakers = Breakers::default();
        let mut tries = vec![];
        let mut version = 0;
        for second in 0..3_600 {
            let Ok(rejections) = breakers.ask(&Holder::Own, &version.to_string(), at(second)) else { continue };
            breakers.rejected(&key(Holder::Own, &version.to_string(), second, rejections), fault());
            tries.push(second);
            // The rejected key is replaced at once, and the new one is tried in the same pass.
            version += 1;
            let new = version.to_string();
            let rejections = breakers.ask(&Holder::Own, &new, at(second)).unwrap();
            breakers.rejected(&key(Holder::Own, &new, second, rejections), fault());
        }
        assert_eq!(tries, [0, 60, 120, 180, 270, 405, 607, 910, 1_365, 1_965, 2_565, 3_165]);
    }

    #[test]
    fn nobody_else_is_held_up_and_another_version_is_another_key() {
        let mut breakers = Breakers::default();
        breakers.rejected(&key(secret("bad"), "1", 0, 0), fault());
        assert!(breakers.ask(&secret("good"), "1", at(1)).is_ok());
        assert!(breakers.ask(&Holder::Own, "1", at(1)).is_ok());
        let elsewhere = Holder::Secret { namespace: "other".to_owned(), name: "bad".to_owned() };
        assert!(breakers.ask(&elsewhere, "1", at(1)).is_ok());
        assert!(breakers.ask(&secret("bad"), "2", at(1)).is_ok());
        assert!(breakers.ask(&secret("bad"), "1", at(-61)).is_ok(), "a clock that went back");
    }

    #[test]
    fn a_pass_under_way_makes_no_further_call_once_the_key_is_rejected() {
        let mut breakers = Breakers::default();
        let (early, other) = (key(secret("bad"), "1", 0, 0), key(secret("good"), "1", 0, 0));
        assert!(breakers.objection(&early).is_none());
        breakers.rejected(&early, fault());
        assert!(breakers.objection(&early).is_some() && breakers.objection(&other).is_none());
        let trial = key(secret("bad"), "1", 60, breakers.ask(&secret("bad"), "1", at(60)).unwrap());
        assert!(breakers.objection(&trial).is_none());
        breakers.taken(&key(secret("bad"), "2", 60, 0));
        assert!(breakers.objection(&early).is_some(), "another version says nothing of this one");
        breakers.taken(&trial);
        assert!(breakers.objection(&early).is_none());
    }

    #[test]
    fn of_several_passes_that_meet_it_at_once_the_first_is_heard() {
        let mut breakers = Breakers::default();
        let (one, other) = (key(secret("bad"), "1", 0, 0), key(secret("bad"), "1", 1, 0));
        let second = Fault::from_code("AuthFailure.SecretIdNotFound", "m", Some("r-2"));
        assert_eq!(breakers.rejected(&one, fault()).request_id(), Some("r-1"));
        assert_eq!(breakers.rejected(&other, second.clone()).request_id(), Some("r-1"));
        assert_eq!(breakers.ask(&secret("bad"), "1", at(60)).unwrap(), 1, "one rejection, whoever met it");
        let trial = key(secret("bad"), "1", 60, 1);
        assert_eq!(breakers.rejected(&trial, second).request_id(), Some("r-2"));
        // A late answer to a key of before takes nothing from the one that is there now.
        breakers.rejected(&key(secret("bad"), "2", 70, 0), fault());
        breakers.rejected(&one, fault());
        assert!(breakers.ask(&secret("bad"), "2", at(71)).is_err());
    }
}
