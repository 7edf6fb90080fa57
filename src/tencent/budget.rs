//! Evenly spaced send instants.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::action::Action;
use super::credential::KeyIdentity;
use super::region::Region;

/// Urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// r
    Resolve,
    /// l
    Look,
    /// f
    Follow,
}

/// Claim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// i
    pub identity: KeyIdentity,
    /// r
    pub region: Region,
    /// n
    pub needs: Vec<(Action, u8)>,
    /// u
    pub urgency: Urgency,
    /// n
    pub namespace: String,
    /// c
    pub created: Timestamp,
    /// u
    pub uid: String,
}

/// Grant.
#[derive(Clone, Debug)]
pub enum Grant {
    /// g
    Granted(Vec<(Action, Timestamp)>),
    /// r
    RestUntil(Timestamp),
}

/// Budget.
#[derive(Debug)]
pub struct Budget {
    share: f64,
    next: HashMap<(KeyIdentity, Region, Action), Timestamp>,
}

impl Budget {
    /// n
    pub fn new(share: f64) -> Self {
        Self { share, next: HashMap::new() }
    }

    /// a
    pub fn ask(&mut self, now: Timestamp, claim: &Claim) -> Grant {
        let mut granted = vec![];
        let mut next = self.next.clone();
        for (action, n) in &claim.needs {
            for _ in 0..*n {
                let key = (claim.identity.clone(), claim.region.clone(), *action);
                let at = next.get(&key).copied().unwrap_or(now).max(now);
                if at > now + SignedDuration::from_secs(1) {
                    return Grant::RestUntil(at - SignedDuration::from_millis(900));
                }
                let gap = SignedDuration::from_secs_f64(1.0 / (f64::from(action.documented_rate()) * self.share));
                next.insert(key, at + gap);
                granted.push((*action, at));
            }
        }
        self.next = next;
        Grant::Granted(granted)
    }

    /// t
    pub fn throttled(&mut self, _: &KeyIdentity, _: &Region, _: Action, _: Timestamp) {}
}
