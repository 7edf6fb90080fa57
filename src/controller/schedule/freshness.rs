//! The looks behind `Protected`: what the cloud lists of an instance, read once an interval and shared.
//!
//! # What it guarantees
//! - For each access key, region and instance one round of listings is made in an interval, however many schedules ask; and
//!   one more where a schedule begins to look further back than all before it. A round that found trouble counts as one.
//! - Rounds are the least urgent calls of the budget (I8), and one never keeps a pass for longer than half a minute: it is
//!   given up, and no backup that is due waits for it.
//! - Nothing here is durable. After a restart what was written down stands until the first round.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::controller::cloud::{self, Access};
use crate::controller::context::Context;
use crate::controller::credentials::Found;
use crate::controller::listing::{self, Queries, Search};
use crate::core::order::{Subject, Uid};
use crate::core::pace::later;
use crate::core::protected::{Last, Look, Terms};
use crate::core::seen::{Meaning, Trouble};
use crate::runtime::clock;
use crate::tencent::action::Action;
use crate::tencent::budget::{Claim, Urgency};
use crate::tencent::credential::KeyIdentity;
use crate::tencent::region::Region;

/// How long a round may take.
const LONGEST: Duration = Duration::from_secs(30);
/// How many passes may look at once: the others are for what is due.
const ROUNDS: usize = 32;
/// What is not worth beginning, because a backup is due so soon.
const SHORTEST: Duration = Duration::from_secs(1);
/// When a pass asks again for a round that another one is making.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// What a round brought.
type Result<T = Arc<Look>, E = Trouble> = std::result::Result<T, E>;

/// Whose listing it is, and of what.
type Place = (KeyIdentity, Region, String);

/// One round of listings.
#[derive(Clone, Debug)]
struct Round {
    began: Instant,
    /// How far back it looked, in seconds.
    back: i64,
    brought: Result,
}

/// How a round stands.
enum Standing {
    /// It is to be made, and to look so far back, in seconds.
    Due(i64),
    /// Another pass is making it.
    UnderWay,
    /// It was made not long ago, and looked far enough back.
    Young(Round),
}

/// The rounds of this process, and which of them each schedule has seen.
#[derive(Debug)]
pub struct Freshness {
    /// `None` while one is under way.
    rounds: Mutex<HashMap<Place, Option<Round>>>,
    seen: Mutex<HashMap<Uid, Known>>,
    /// For the passes that look.
    room: Semaphore,
}

impl Default for Freshness {
    fn default() -> Self {
        Self { rounds: Mutex::default(), seen: Mutex::default(), room: Semaphore::new(ROUNDS) }
    }
}

/// What a schedule asked of the cloud, with which Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Question {
    region: String,
    instance: String,
    secret: Option<String>,
    /// In seconds, how far back.
    objective: Option<i64>,
}

/// What is known for one schedule.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The last round that it has seen, and what that was of.
    look: Option<(Instant, Question, Result)>,
    /// What its looks amounted to; written down less often.
    last: Option<Last>,
}

/// What a schedule may judge by, and when it is to ask again.
#[derive(Clone, Debug)]
pub struct View {
    /// The latest look, or why there is none; none before the first.
    pub look: Option<Result>,
    /// When the next one is due.
    pub again: Duration,
}

impl Freshness {
    /// What is known of the cloud for the schedule `subject` of `namespace`, whose template names `secret`. Looks, if a
    /// look is due and there is time until `within`.
    pub async fn view(
        &self,
        ctx: &Context,
        subject: &Subject,
        (namespace, secret): (&str, Option<&str>),
        terms: &Terms,
        within: Option<Duration>,
    ) -> View {
        let (uid, interval) = (&subject.uid, ctx.protected_interval);
        let question = Question {
            region: terms.region.clone(),
            instance: terms.instance.clone(),
            secret: secret.map(str::to_owned),
            objective: terms.objective,
        };
        let look = self.seen().get(uid).and_then(|known| known.look.clone()).filter(|look| look.1 == question);
        let age = look.as_ref().map(|(at, ..)| at.elapsed());
        let left = age.map(|age| interval.saturating_sub(age)).unwrap_or_default();
        // One that could not be repeated for so long says nothing of now.
        let is_old = age.is_some_and(|age| age >= interval.saturating_mul(2));
        let look = look.map(|(.., look)| if is_old { Err(slow()) } else { look });
        if !left.is_zero() {
            return View { look, again: left };
        }
        let within = within.map_or(LONGEST, |within| within.min(LONGEST));
        if within < SHORTEST {
            return View { look, again: SHORTEST };
        }
        let Ok(_room) = self.room.try_acquire() else { return View { look, again: UNDER_WAY } };
        match timeout(within, self.look(ctx, subject, (namespace, secret), terms)).await {
            Ok(Ok((began, look))) => {
                self.saw(uid, (began, question, look.clone()));
                View { look: Some(look), again: interval.saturating_sub(began.elapsed()).max(UNDER_WAY) }
            }
            Ok(Err(again)) => View { look, again },
            Err(_) if within < LONGEST => View { look, again: SHORTEST },
            Err(_) => {
                self.saw(uid, (Instant::now(), question, Err(slow())));
                View { look: Some(Err(slow())), again: interval }
            }
        }
    }

    /// What the looks for a schedule amount to, if this process knows better than what is `written`.
    pub fn last(&self, uid: &Uid, written: Option<Last>) -> Option<Last> {
        let known = self.seen().get(uid).and_then(|known| known.last.clone());
        known.filter(|known| written.as_ref().is_none_or(|written| known.looked >= written.looked)).or(written)
    }

    /// Remembers what they amount to.
    pub fn remember(&self, uid: &Uid, last: Option<Last>) {
        self.seen().entry(uid.clone()).or_default().last = last;
    }

    /// Forgets a schedule.
    pub fn forget(&self, uid: &Uid) {
        self.seen().remove(uid);
    }

    /// Forgets every schedule that is not `known`.
    pub fn keep(&self, known: &HashSet<Uid>) {
        self.seen().retain(|uid, _| known.contains(uid));
    }

    fn saw(&self, uid: &Uid, look: (Instant, Question, Result)) {
        self.seen().entry(uid.clone()).or_default().look = Some(look);
    }

    /// A round, this process's latest one if it is young enough; or when to ask again.
    async fn look(
        &self,
        ctx: &Context,
        subject: &Subject,
        (namespace, secret): (&str, Option<&str>),
        terms: &Terms,
    ) -> Result<(Instant, Result), Duration> {
        let now = clock::now();
        let key = match ctx.credentials.resolve(namespace, secret, now).await {
            Ok(Found::Key(key)) => key,
            Ok(Found::Not(trouble)) => return Ok((Instant::now(), Err(trouble))),
            Ok(Found::Rejected(fault)) => return Ok((Instant::now(), Err(cloud::trouble(&fault)))),
            Ok(Found::Later(until)) => return Err(ahead(until, now)),
            Err(_) => return Err(UNDER_WAY),
        };
        let Ok(region) = Region::new(&terms.region) else {
            ctx.credentials.untried(&key);
            return Ok((Instant::now(), Err(no_region(&terms.region))));
        };
        let access = Access::new(key, region);
        let place = (access.identity(), access.region.clone(), terms.instance.clone());
        let back = match self.standing(&place, terms.objective.unwrap_or_default(), ctx.protected_interval) {
            Standing::Due(back) => back,
            Standing::UnderWay => {
                ctx.credentials.untried(&access.key());
                return Err(UNDER_WAY);
            }
            Standing::Young(round) => {
                ctx.credentials.untried(&access.key());
                return Ok((round.began, round.brought));
            }
        };
        let claim = Claim {
            identity: &place.0,
            region: &access.region,
            needs: &[(Action::DescribeBackups, Queries::all().calls())],
            urgency: Urgency::Protected,
            namespace,
            created: subject.created,
            uid: subject.uid.as_str(),
        };
        let mut tokens = match ctx.cloud.room(&claim) {
            Ok(tokens) => tokens,
            Err(until) => {
                ctx.credentials.untried(&access.key());
                return Err(ahead(until, now));
            }
        };
        let mut under_way = UnderWay::begin(self, place);
        let began = Instant::now();
        let search = Search {
            instance: &terms.instance,
            since: later(now, back.saturating_neg()),
            until: now,
            place: subject.uid.as_str(),
            created: subject.created,
        };
        let rows = listing::search_all(&ctx.cloud, &access, &search, &Queries::all(), &mut tokens).await;
        let brought = rows.map(|found| Arc::new(Look { at: now, listed: found.rows, complete: found.complete }));
        under_way.end(Round { began, back, brought: brought.clone() });
        Ok((began, brought))
    }

    /// How the round of `place` stands for who wants to look so many seconds `back`. A new one looks as far as the one before
    /// it, so that schedules with different objectives share it.
    fn standing(&self, place: &Place, back: i64, interval: Duration) -> Standing {
        let mut rounds = self.rounds();
        // Of what nobody asks any more.
        rounds.retain(|_, round| round.as_ref().is_none_or(|round| round.began.elapsed() < interval.saturating_mul(4)));
        match rounds.get(place) {
            Some(None) => Standing::UnderWay,
            Some(Some(round)) if round.began.elapsed() < interval && round.back >= back => {
                Standing::Young(round.clone())
            }
            Some(Some(round)) => Standing::Due(round.back.max(back)),
            None => Standing::Due(back),
        }
    }

    fn rounds(&self) -> MutexGuard<'_, HashMap<Place, Option<Round>>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<Uid, Known>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A round that is being made. Given up, it leaves no trace, and another pass makes it.
struct UnderWay<'a> {
    of: &'a Freshness,
    place: Place,
    before: Option<Round>,
}

impl<'a> UnderWay<'a> {
    fn begin(of: &'a Freshness, place: Place) -> Self {
        let before = of.rounds().insert(place.clone(), None).flatten();
        Self { of, place, before }
    }

    fn end(&mut self, round: Round) {
        self.before = Some(round);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut rounds = self.of.rounds();
        match self.before.take() {
            Some(round) => drop(rounds.insert(self.place.clone(), Some(round))),
            None => drop(rounds.remove(&self.place)),
        }
    }
}

fn ahead(until: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default().max(Duration::from_millis(100))
}

fn slow() -> Trouble {
    cloud::local(Meaning::Unavailable, "The cloud did not list the backups in time.")
}

fn no_region(region: &str) -> Trouble {
    cloud::local(Meaning::InvalidRequest, &format!("{region:?} is no region."))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::tencent::credential::Credential;

    fn place() -> Place {
        let key = Credential::new("AKID", SecretString::from("key"), None).unwrap().identity();
        (key, Region::new("ap-guangzhou").unwrap(), "mssql-a".to_owned())
    }

    fn round(back: i64) -> Round {
        Round { began: Instant::now(), back, brought: Err(slow()) }
    }

    #[tokio::test(start_paused = true)]
    async fn schedules_of_different_objectives_share_a_round_that_looks_back_as_far_as_any() {
        let (freshness, hour) = (Freshness::default(), Duration::from_hours(1));
        let due = |back, interval| match freshness.standing(&place(), back, interval) {
            Standing::Due(back) => Some(back),
            Standing::UnderWay | Standing::Young(_) => None,
        };
        assert_eq!(due(10, hour), Some(10), "none was made");
        UnderWay::begin(&freshness, place()).end(round(10));
        assert_eq!((due(10, hour), due(9, hour)), (None, None));
        assert_eq!(due(20, hour), Some(20), "it did not look so far back");
        UnderWay::begin(&freshness, place()).end(round(20));
        tokio::time::advance(hour).await;
        assert_eq!(due(10, hour), Some(20), "the next one is for all of them");
    }

    #[test]
    fn a_round_that_was_given_up_is_made_by_another_pass() {
        let (freshness, hour) = (Freshness::default(), Duration::from_hours(1));
        let under_way = UnderWay::begin(&freshness, place());
        assert!(matches!(freshness.standing(&place(), 1, hour), Standing::UnderWay));
        drop(under_way);
        assert!(matches!(freshness.standing(&place(), 1, hour), Standing::Due(1)));
    }
}
