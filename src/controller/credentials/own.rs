//! The operator's own identity: a key that was given, the role of its pod, or the role of its node.
//!
//! # What it guarantees
//! - One renewal at a time, shared by all passes. While the old keys are good the others go on with them; without any they
//!   wait a second for the one that asks, and then rest: a slow service holds up none but the orders that need it.
//! - Keys that are still good are used when their renewal fails, and the renewal is tried again, less and less often.
//! - The token file is read at each renewal, for it is replaced while the pod lives. It is never kept.
//!
//! Why not a task that renews by itself: an operator without work would ask for keys that nobody uses, and a failure that
//! nobody waits for would have to be told to nobody.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync;
use tokio::time::{Instant, timeout};

use crate::core::pace::{self, later};
use crate::runtime::{clock, metrics::Metrics};
use crate::tencent::credential::Credential;
use crate::tencent::role::metadata::{self, Metadata};
use crate::tencent::role::sts::{self, Sts, Wish};
use crate::tencent::role::{Cure, Issued, NotIssued};

/// Longest token that is shown, in bytes. A token of Kubernetes has one or two thousand.
const LONGEST_TOKEN: u64 = 16_384;
/// How long a pass waits for another one's renewal while there is no key at all.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long such a pass then rests, in seconds.
const REST_SECONDS: i64 = 2;
/// After a renewal that failed: the first and the longest interval, in seconds.
const AGAIN: (i64, i64) = (5, 60);

const NO_TOKEN: NotIssued = NotIssued::new(
    Cure::Role,
    "no_token",
    "The pod's service account token cannot be read; check TKE_WEB_IDENTITY_TOKEN_FILE and the volume that it names.",
);
const NOT_A_TOKEN: NotIssued = NotIssued::new(
    Cure::Role,
    "no_token",
    "The file of TKE_WEB_IDENTITY_TOKEN_FILE holds no token; check the volume that it names.",
);

/// Where the identity comes from. None of them is more than one of these: which one, the settings have decided.
#[derive(Debug)]
pub enum Source {
    /// There is none.
    Nobody,
    /// A key for the life of the process.
    Given(Credential),
    /// The role of this pod.
    Pod {
        /// Who is asked.
        sts: Sts,
        /// For what.
        wish: Wish,
        /// Where the token is that proves it.
        token_file: PathBuf,
    },
    /// The role of this node.
    Node(Metadata),
}

/// What a pass gets.
#[derive(Debug)]
pub(super) enum Lent {
    /// A key.
    Key(Credential),
    /// None, and why.
    Not(NotIssued),
    /// None yet: another pass is asking.
    Later(Timestamp),
    /// There is no identity.
    Nobody,
}

#[derive(Debug, Default)]
struct Held {
    issued: Option<Issued>,
    /// Since when renewals have failed, until when none is tried, and why.
    failing: Option<(Timestamp, Timestamp, NotIssued)>,
}

/// See the file's header.
#[derive(Debug)]
pub(super) struct Own {
    source: Source,
    held: Mutex<Held>,
    gate: sync::Mutex<()>,
    metrics: Arc<Metrics>,
}

impl Own {
    pub(super) fn new(source: Source, metrics: Arc<Metrics>) -> Self {
        Self { source, held: Mutex::default(), gate: sync::Mutex::new(()), metrics }
    }

    /// A key to call with, at `now`.
    pub(super) async fn lend(&self, now: Timestamp) -> Lent {
        match &self.source {
            Source::Nobody => return Lent::Nobody,
            Source::Given(credential) => return Lent::Key(credential.clone()),
            Source::Pod { .. } | Source::Node(_) => {}
        }
        let (good, is_due) = self.good(now);
        let gate = match good {
            Some(credential) if !is_due => return Lent::Key(credential),
            // Nobody waits for another pass's renewal: a slow service must not fill the places of all passes.
            good => match (self.gate.try_lock(), good) {
                (Ok(gate), _) => gate,
                (Err(_), Some(credential)) => return Lent::Key(credential),
                (Err(_), None) => return Lent::Later(later(now, REST_SECONDS)),
            },
        };
        // Another pass may have been here while this one waited.
        let now = clock::now().max(now);
        if let Some(why) = self.renew(now, None).await {
            let (good, _) = self.good(clock::now());
            drop(gate);
            return good.map_or(Lent::Not(why), Lent::Key);
        }
        drop(gate);
        self.good(now).0.map_or_else(|| Lent::Later(later(now, REST_SECONDS)), Lent::Key)
    }

    /// A key in place of `rejected`, which the cloud takes no more. None: there is no other.
    pub(super) async fn replace(&self, rejected: &Credential) -> Option<Credential> {
        if !matches!(self.source, Source::Pod { .. } | Source::Node(_)) {
            return None;
        }
        let _gate = timeout(PATIENCE * 3, self.gate.lock()).await.ok()?;
        // The rejected one is kept until there is another: it may have been rejected in passing.
        drop(self.renew(clock::now(), Some(rejected.secret_id())).await);
        self.good(clock::now()).0.filter(|credential| credential.secret_id() != rejected.secret_id())
    }

    /// The key that is good at `now`, and whether a renewal is due.
    fn good(&self, now: Timestamp) -> (Option<Credential>, bool) {
        let held = self.held();
        // A clock that went back makes nothing younger.
        let good = held.issued.as_ref().filter(|issued| (issued.since..issued.expires).contains(&now));
        let is_due = good.is_none_or(|issued| now >= issued.renew);
        let may_try = held.failing.as_ref().is_none_or(|(since, until, _)| !(*since..*until).contains(&now));
        (good.map(|issued| issued.credential.clone()), is_due && (may_try || good.is_none()))
    }

    /// Asks for keys, unless that was done meanwhile or failed a moment ago; why there are no new ones. Keys by the secret
    /// id `rejected` count as none. Under the gate.
    async fn renew(&self, now: Timestamp, rejected: Option<&str>) -> Option<NotIssued> {
        {
            let held = self.held();
            let is_fresh = |issued: &Issued| {
                (issued.since..issued.renew).contains(&now) && Some(issued.credential.secret_id()) != rejected
            };
            if held.issued.as_ref().is_some_and(is_fresh) {
                return None;
            }
            if let Some((_, _, why)) = held.failing.as_ref().filter(|(since, until, _)| (*since..*until).contains(&now))
            {
                return Some(why.clone());
            }
        }
        let answer = self.ask(now).await;
        let mut held = self.held();
        match answer {
            Ok(issued) => {
                tracing::info!(expires = %issued.expires, "the keys of the operator's role were renewed");
                *held = Held { issued: Some(issued), failing: None };
                None
            }
            Err(why) => {
                let since = held.failing.as_ref().map_or(now, |(since, ..)| *since).min(now);
                let until = pace::next(since, now, AGAIN.0, 2, AGAIN.1);
                let is_good = held.issued.as_ref().is_some_and(|issued| now < issued.expires);
                tracing::warn!(%why, still_good = is_good, "the keys of the operator's role were not renewed");
                held.failing = Some((since, until, why.clone()));
                Some(why)
            }
        }
    }

    async fn ask(&self, now: Timestamp) -> Result<Issued, NotIssued> {
        let began = Instant::now();
        let (label, answer) = match &self.source {
            Source::Pod { sts, wish, token_file } => {
                let token = read_token(token_file.clone()).await?;
                (sts::ACTION, sts.assume(wish, &token, now).await)
            }
            Source::Node(service) => (metadata::LABEL, service.keys(now).await),
            Source::Nobody | Source::Given(_) => return Err(NO_TOKEN),
        };
        let code = answer.as_ref().map_or_else(|why| why.label, |_| "OK");
        self.metrics.call(label, code, began.elapsed());
        answer
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the token, on another thread: a volume that hangs must not hold up the program.
async fn read_token(path: PathBuf) -> Result<SecretString, NotIssued> {
    let read = tokio::task::spawn_blocking(move || token(&path));
    match timeout(PATIENCE * 5, read).await {
        Ok(Ok(token)) => token,
        Ok(Err(_)) | Err(_) => Err(NO_TOKEN),
    }
}

fn token(path: &Path) -> Result<SecretString, NotIssued> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_TOKEN + 1).read_to_end(&mut bytes));
    let read = read.map_err(|_| NO_TOKEN)?;
    let text = String::from_utf8(bytes).map_err(|_| NOT_A_TOKEN)?;
    let bare = text.trim();
    let is_token = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = u64::try_from(read).is_ok_and(|read| read <= LONGEST_TOKEN);
    if is_token && fits { Ok(SecretString::from(bare)) } else { Err(NOT_A_TOKEN) }
}

#[cfg(test)]
mod tests;
