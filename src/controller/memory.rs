//! What this process remembers of its orders, and may lose (I7).
//!
//! Nothing here is a fact about an order. Lost, each entry costs one more look at the cloud; wrong, it cannot: a rest is
//! bounded, and a version that was written makes a pass read the object again, or come no sooner than it is due anyway.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::core::order::Uid;

/// What is remembered of one order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The cloud is not looked at again before this, and for which generation that was said: our own status writes come
    /// back as events, and a look for each would double the calls. No clock that is set back makes it longer.
    pub rest: Option<(Instant, i64)>,
    /// Since when looks at an accepted backup have failed in passing.
    pub failing_since: Option<Timestamp>,
    /// The newest version that the server showed this process, and when: a cache that shows an older one is behind.
    pub written: Option<(u64, Instant)>,
    /// Whether a pass waits for the watch to bring that version.
    pub awaited: bool,
    /// The last call that was refused, and since when this process knows that it was: its backup, were the refusal none,
    /// is listed at the latest a listing lag after that. Lost, the lag is waited for once more.
    pub refused: Option<((i64, Option<Timestamp>), Instant)>,
    /// How many backups that must not exist were counted. Lost, they are counted once more.
    pub duplicates: usize,
}

impl Entry {
    /// The server holds this version now.
    pub fn wrote(&mut self, version: Option<u64>) {
        self.written = version.map(|version| (version, Instant::now()));
        self.awaited = false;
    }

    /// The server holds this version, and a pass waits for the watch to bring it.
    pub fn await_version(&mut self, version: Option<u64>) {
        self.wrote(version);
        self.awaited = true;
    }

    /// Whether a version that the watch brings is nothing that this process has not written itself, in a pass that said when
    /// the next one is due, and no pass waits for it.
    pub fn knows(&self, brought: Option<u64>) -> bool {
        !self.awaited && self.written.zip(brought).is_some_and(|((written, _), brought)| brought <= written)
    }

    /// The call was refused. Since when that is known here.
    pub fn learn(&mut self, call: (i64, Option<Timestamp>)) -> Instant {
        match self.refused {
            Some((known, since)) if known == call => since,
            _ => self.refused.insert((call, Instant::now())).1,
        }
    }
}

/// The memory of one process.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<Uid, Entry>>);

impl Memory {
    /// What is remembered of `uid`.
    pub fn recall(&self, uid: &Uid) -> Entry {
        self.entries().get(uid).cloned().unwrap_or_default()
    }

    /// Changes what is remembered of `uid`.
    pub fn change(&self, uid: &Uid, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries();
        let mut entry = entries.remove(uid).unwrap_or_default();
        change(&mut entry);
        if entry != Entry::default() {
            entries.insert(uid.clone(), entry);
        }
    }

    /// Forgets an order that ended or is gone.
    pub fn forget(&self, uid: &Uid) {
        self.change(uid, |entry| *entry = Entry::default());
    }

    /// Forgets every order that is not `known`: one that was deleted while the watch was down is never told.
    pub fn keep(&self, known: &HashSet<Uid>) {
        self.entries().retain(|uid, _| known.contains(uid));
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Uid, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resource versions as numbers, which Kubernetes promises for its own resources and their custom ones (KEP-5504). One
/// that is no number is never taken for newer or older.
pub fn version(resource_version: Option<&str>) -> Option<u64> {
    resource_version?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_at_rest_costs_nothing_once_it_is_forgotten() {
        let memory = Memory::default();
        let uid = Uid::new(&"a".repeat(32)).unwrap();
        memory.change(&uid, |entry| entry.wrote(Some(7)));
        assert!(memory.recall(&uid).written.is_some());
        memory.forget(&uid);
        assert!(memory.entries().is_empty());
    }

    #[test]
    fn i3_a_refusal_is_known_since_it_was_learnt_and_not_since_it_was_looked_at_again() {
        let (mut entry, call) = (Entry::default(), |second| (1, Timestamp::from_second(second).ok()));
        let since = entry.learn(call(5));
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert_eq!(entry.learn(call(5)), since);
        assert!(entry.learn(call(6)) > since, "another call under the same number, as after a wiped status");
    }

    #[test]
    fn what_was_written_here_is_no_news_unless_a_pass_waits_for_it() {
        let mut entry = Entry::default();
        assert!(!entry.knows(Some(7)), "nothing was written");
        entry.wrote(Some(7));
        assert!(entry.knows(Some(7)) && entry.knows(Some(6)), "its own write, and what it was made upon");
        assert!(!entry.knows(Some(8)) && !entry.knows(None), "somebody else's, and one that compares to nothing");
        entry.await_version(Some(7));
        assert!(!entry.knows(Some(7)), "awaited");
        entry.wrote(Some(9));
        assert!(entry.knows(Some(9)), "no longer");
    }

    #[test]
    fn versions_that_are_no_numbers_compare_to_nothing() {
        assert_eq!(version(Some("42")), Some(42));
        assert_eq!((version(Some("abc")), version(None)), (None, None));
    }
}
