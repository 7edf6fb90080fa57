//! Which object has its next pass when, and the passes that are under way.
//!
//! # What it guarantees
//! - An object has at most one pass at a time. What is asked for meanwhile follows it.
//! - What the watch brought of an object is judged when no pass is under way over it: only then is it known what that pass
//!   has written itself.
//! - Of all that was asked for one object, the earliest counts, once.
//! - Passes begin in the order in which they are due, and no more than [`PASSES`] are under way.
//!
//! # Why not kube's `applier`
//! It reads kube's `Store`, keeps three copies of an object's name for each pass that is due, and wakes every pass that is
//! under way whenever one of them has something to do.

use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use tokio::time::{Instant, sleep_until};

use super::watch::Kind;
use crate::api::key::Key;
use crate::controller::cache::Cache;
use crate::controller::context::Context;
use crate::controller::reconcile::retry;

/// Passes that are made at once; most of their time goes into waiting for the cloud.
const PASSES: usize = 128;
/// The longest rest of a pass, for a timer has an end. Whatever comes back after it is looked at anew.
const LONGEST: Duration = Duration::from_hours(24);

/// A pass that is asked for.
#[derive(Debug)]
pub(super) enum Ask {
    /// Over the object at this key, whatever is known of it.
    Always(Key),
    /// The same, if what the watch has brought of it is news.
    IfNews(Key),
}

/// What is due, by time and by object.
#[derive(Debug, Default)]
struct Queue {
    due: BTreeSet<(Instant, Key)>,
    when: HashMap<Key, Instant>,
    /// The objects that a pass is under way over.
    under_way: HashMap<Key, Meanwhile>,
}

/// What happened while a pass was under way.
#[derive(Debug, Default)]
struct Meanwhile {
    /// When the next one was asked for.
    asked: Option<Instant>,
    /// Whether the watch brought the object.
    is_brought: bool,
}

impl Queue {
    /// Asks for a pass over the object at `key`.
    fn ask(&mut self, key: Key, at: Instant) {
        if let Some(Meanwhile { asked, .. }) = self.under_way.get_mut(&key) {
            *asked = Some(asked.map_or(at, |known| known.min(at)));
            return;
        }
        match self.when.get(&key) {
            Some(known) if *known <= at => return,
            Some(known) => drop(self.due.remove(&(*known, key.clone()))),
            None => {}
        }
        self.when.insert(key.clone(), at);
        self.due.insert((at, key));
    }

    /// The watch has brought the object at `key`. Whether it is to be judged now, and not when the pass over it ends.
    fn bring(&mut self, key: &Key) -> bool {
        self.under_way.get_mut(key).map(|meanwhile| meanwhile.is_brought = true).is_none()
    }

    /// Begins the pass that has been due for longest.
    fn begin(&mut self, now: Instant) -> Option<Key> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        self.when.remove(&key);
        self.under_way.insert(key.clone(), Meanwhile::default());
        Some(key)
    }

    /// Ends the pass over the object at `key`, which asks for another one itself. Whether the watch has brought the object
    /// meanwhile, which is to be judged now.
    fn end(&mut self, key: &Key, again: Option<Instant>) -> bool {
        let Meanwhile { asked, is_brought } = self.under_way.remove(key).unwrap_or_default();
        if let Some(at) = asked.into_iter().chain(again).min() {
            self.ask(key.clone(), at);
        }
        is_brought
    }

    /// When the next pass is due.
    fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }
}

/// Makes the passes that are `asked` for, until `end`; then ends with those that are under way.
///
/// It begins with a pass over every object, for nobody knows which ones the leader before has seen. What the watch tells
/// from here on comes through `asked`, and between the two nothing is awaited: no change is missed.
pub(super) async fn passes<K: Kind>(
    asked: &mut (impl Stream<Item = Ask> + Unpin),
    cache: &Cache<K>,
    ctx: &Arc<Context>,
    end: impl Future<Output = ()>,
) {
    let is_news = |key: &Key| cache.open(key).is_some_and(|object| object.is_news(ctx));
    let mut queue = Queue::default();
    for key in cache.open_keys() {
        queue.ask(key, Instant::now());
    }
    let mut under_way = FuturesUnordered::new();
    let mut end = pin!(end);
    let mut is_ending = false;
    loop {
        while !is_ending && under_way.len() < PASSES {
            let Some(key) = queue.begin(Instant::now()) else { break };
            match cache.open(&key) {
                Some(object) => under_way.push(pass(object, ctx.clone()).map(|again| (key, again))),
                None => _ = queue.end(&key, None),
            }
        }
        if is_ending && under_way.is_empty() {
            return;
        }
        let next = queue.next().filter(|_| !is_ending && under_way.len() < PASSES);
        tokio::select! {
            () = &mut end, if !is_ending => is_ending = true,
            Some((key, again)) = under_way.next() => if queue.end(&key, again) && is_news(&key) {
                queue.ask(key, Instant::now());
            },
            ask = asked.next(), if !is_ending => match ask {
                Some(Ask::Always(key)) => queue.ask(key, Instant::now()),
                Some(Ask::IfNews(key)) => if queue.bring(&key) && is_news(&key) {
                    queue.ask(key, Instant::now());
                },
                None => is_ending = true,
            },
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
        // Passes that wait for nothing would otherwise keep the thread from everything else.
        tokio::task::consume_budget().await;
    }
}

/// One pass, and when the next one is due if nothing happens.
async fn pass<K: Kind>(object: Arc<K>, ctx: Arc<Context>) -> Option<Instant> {
    let again = match K::pass(Arc::clone(&object), Arc::clone(&ctx)).await {
        Ok(again) => again,
        Err(error) => retry(object.as_ref(), &error, &ctx),
    };
    again.map(|rest| Instant::now() + rest.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("n", name)
    }

    fn name(key: Option<Key>) -> Option<String> {
        key.map(|key| key.name().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_begins_in_its_order_and_once() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        for (name, seconds) in [("c", 3), ("a", 2), ("b", 1), ("a", 9), ("c", 0)] {
            queue.ask(key(name), after(seconds));
        }
        assert_eq!(name(queue.begin(now)), Some("c".to_owned()), "the earliest that was asked for counts");
        assert_eq!((queue.begin(now), queue.next()), (None, Some(after(1))));
        assert_eq!(name(queue.begin(after(1))), Some("b".to_owned()));
        assert_eq!(queue.next(), Some(after(2)), "what is asked for later puts nothing off");
        assert_eq!(name(queue.begin(after(9))), Some("a".to_owned()));
        assert_eq!((queue.begin(after(9)), queue.next()), (None, None), "each once");
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_has_one_pass_at_a_time_and_then_what_was_asked_for_meanwhile() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let later = now + Duration::from_mins(1);
        queue.ask(key("a"), now);
        assert!(queue.begin(now).is_some());
        queue.ask(key("a"), later);
        queue.ask(key("a"), now);
        assert_eq!(queue.begin(later), None, "one is under way");
        queue.end(&key("a"), Some(later));
        assert_eq!(queue.next(), Some(now));
        assert!(queue.begin(now).is_some());
        queue.end(&key("a"), Some(later));
        assert_eq!((queue.begin(now), queue.next()), (None, Some(later)));
        assert!(queue.begin(later).is_some());
        queue.end(&key("a"), None);
        assert_eq!((queue.next(), queue.when.len(), queue.under_way.len()), (None, 0, 0), "nothing is left of it");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_watch_brings_during_a_pass_is_judged_when_it_ends() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        assert!(queue.bring(&key("a")), "at once, while no pass is under way");
        queue.ask(key("a"), now);
        assert!(queue.begin(now).is_some());
        assert!(!queue.bring(&key("a")) && queue.bring(&key("b")));
        assert!(queue.end(&key("a"), None));
        assert_eq!(queue.next(), None, "what was brought asks for nothing by itself");
        queue.ask(key("a"), now);
        assert!(queue.begin(now).is_some());
        assert!(!queue.end(&key("a"), None), "once");
    }
}
