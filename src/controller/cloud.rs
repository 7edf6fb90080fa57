//! The cloud in the core's words: what a call is worth, and what its answer means for an order.
//!
//! # What it guarantees
//! - Every call has a token of the budget (I8) and is counted by action and code.
//! - No call is made with a key that the cloud has just rejected. A read that meets one is made once more if there is
//!   another key by then; a submission never is, it begins anew with a look.
//! - A read is signed when it is sent. A submission is signed for its intent by [`Cloud::sign`] and sent by
//!   [`Cloud::submit`], once (I2).
//! - Each meaning of the cloud's table has exactly one in the core: the match below is exhaustive.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use super::credentials::{Credentials, Key};
use crate::core::order::{Order, Scope, Storage};
use crate::core::record::{Copy, FlowId, Note};
use crate::core::seen::{InstanceStatus, Meaning, Outcome, Progress, Row, Trouble};
use crate::runtime::{clock, metrics::Metrics};
use crate::tencent::action::Action;
use crate::tencent::budget::{Budget, Claim, Grant, Instants, Urgency};
use crate::tencent::client::{Answer, Client, Signed};
use crate::tencent::codes;
use crate::tencent::credential::KeyIdentity;
use crate::tencent::fault::Fault;
use crate::tencent::region::Region;
use crate::tencent::sqlserver::{
    self, BackupRow, BackupState, Call, CreateBackup, DescribeBackupByFlowId, DescribeDBInstances,
};

/// Longest wait for the instant of a token (I8).
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait for what came due in the same stall to leave before.
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// How long the record of a refusal may wait for another key.
const LONGEST_SEARCH: Duration = Duration::from_secs(2);

/// Whose calls these are. Clones share the key, so that one which had to be replaced is replaced for the whole pass.
#[derive(Clone, Debug)]
pub struct Access {
    key: Arc<Mutex<Key>>,
    /// The region.
    pub region: Region,
}

impl Access {
    /// Calls with `key` in `region`.
    pub fn new(key: Key, region: Region) -> Self {
        Self { key: Arc::new(Mutex::new(key)), region }
    }

    /// What the calls count against.
    pub fn identity(&self) -> KeyIdentity {
        self.key().credential().identity()
    }

    /// What the calls are signed with now.
    pub(super) fn key(&self) -> Key {
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, key: Key) {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = key;
    }
}

/// The cloud's API, within its budget.
pub struct Cloud {
    client: Client,
    budget: Mutex<Budget>,
    credentials: Arc<Credentials>,
    metrics: Arc<Metrics>,
    /// How many reads were repeated with another key.
    replaced: AtomicU64,
}

impl Cloud {
    /// Calls through `client`, within `budget`, and tells `credentials` which keys are rejected.
    pub fn new(client: Client, budget: Budget, credentials: Arc<Credentials>, metrics: Arc<Metrics>) -> Self {
        Self { client, budget: Mutex::new(budget), credentials, metrics, replaced: AtomicU64::new(0) }
    }

    /// Whether the key of `access` has been rejected since its pass began.
    pub fn is_held_back(&self, access: &Access) -> bool {
        self.credentials.objection(&access.key()).is_some()
    }

    /// The send instants for a claim, or the instant at which to ask again.
    pub fn room(&self, claim: &Claim<'_>) -> Result<Instants, Timestamp> {
        match self.budget().ask(clock::now(), claim) {
            Grant::Granted(instants) => Ok(instants),
            Grant::RestUntil(until) => Err(until),
        }
    }

    /// One more send instant within a pass, for an order that was `created` then and waits at `place`: now or within a
    /// second, or none.
    pub async fn another(&self, access: &Access, place: &str, created: Timestamp, action: Action) -> Option<Timestamp> {
        let identity = access.identity();
        let claim = Claim {
            identity: &identity,
            region: &access.region,
            needs: &[(action, 1)],
            urgency: Urgency::Look,
            namespace: "",
            created,
            uid: place,
        };
        for _ in 0..2 {
            match self.room(&claim) {
                Ok(mut instants) => return instants.next(action),
                Err(until) => wait_for(Some(until)).await,
            }
        }
        None
    }

    /// The state of an instance; `None` if these credentials do not see it.
    pub async fn instance(
        &self,
        access: &Access,
        id: &str,
        token: Option<Timestamp>,
    ) -> Result<Option<InstanceStatus>, Trouble> {
        let call = DescribeDBInstances { instance_id_set: vec![id.to_owned()] };
        let answer = self.read(access, &call, token).await.map_err(|fault| trouble(&fault))?;
        let seen = answer.value.find(id).map(|instance| instance.status);
        // Seen without a state: at work is the state that proves least.
        Ok(seen.map(|status| InstanceStatus(status.map_or(7, |status| status.0))))
    }

    /// The backup of a flow.
    pub async fn flow(
        &self,
        access: &Access,
        id: &str,
        flow: FlowId,
        token: Option<Timestamp>,
    ) -> Result<Row, Trouble> {
        let Some(flow_id) = sqlserver::FlowId::new(flow.value()) else {
            return Err(local(Meaning::BackupNotFound, "The recorded FlowId is no FlowId."));
        };
        let call = DescribeBackupByFlowId { instance_id: id.to_owned(), flow_id };
        self.read(access, &call, token).await.map(|answer| row(answer.value)).map_err(|fault| trouble(&fault))
    }

    /// One read, at the instant of its token; and once more if its key was rejected and there is another.
    pub async fn read<C: Call>(
        &self,
        access: &Access,
        call: &C,
        token: Option<Timestamp>,
    ) -> Result<Answer<C::Answer>, Fault> {
        wait_for(token).await;
        let key = access.key();
        let key = match self.credentials.objection(&key) {
            Some(fault) => self.replace(access, &key).await.ok_or(fault)?,
            None => key,
        };
        let signed = self.client.sign(key.credential(), &access.region, call, clock::now())?;
        let fault = match self.send(access, &key, signed).await {
            Err(fault) if is_rejected(&fault) => self.credentials.rejected(&key, fault),
            answer => return answer,
        };
        let Some(fresh) = self.replace(access, &key).await else { return Err(fault) };
        // A place of its own: when a key is replaced, many passes ask at once.
        let place = format!("replaced/{}", self.replaced.fetch_add(1, Ordering::Relaxed));
        if self.another(access, &place, Timestamp::MIN, C::ACTION).await.is_none() {
            return Err(fault);
        }
        let signed = self.client.sign(fresh.credential(), &access.region, call, clock::now())?;
        self.send(access, &fresh, signed).await.map_err(|fault| match fault {
            fault if is_rejected(&fault) => self.credentials.rejected(&fresh, fault),
            fault => fault,
        })
    }

    /// Another key in place of one that was rejected, also for the rest of the pass.
    async fn replace(&self, access: &Access, key: &Key) -> Option<Key> {
        // Boxed, as what is rare and large: every pass would carry the room for it.
        let fresh = Box::pin(self.credentials.replace(key)).await?;
        access.replace(fresh.clone());
        Some(fresh)
    }

    /// The request of a submission, signed for the instant of its intent. Nothing is sent.
    pub fn sign(
        &self,
        access: &Access,
        order: &Order,
        backup_name: &str,
        at: Timestamp,
    ) -> Result<Signed<CreateBackup>, Trouble> {
        let (strategy, db_names) = match &order.scope {
            Scope::Instance => (sqlserver::Strategy::Instance, vec![]),
            Scope::Databases(names) => (sqlserver::Strategy::Databases, names.clone()),
        };
        let call = CreateBackup {
            instance_id: order.instance.clone(),
            strategy,
            db_names,
            backup_name: backup_name.to_owned(),
            storage_strategy: storage(order.storage),
        };
        self.client.sign(access.key().credential(), &access.region, &call, at).map_err(|fault| trouble(&fault))
    }

    /// Sends a submission, once, at the instant of its token.
    pub async fn submit(&self, access: &Access, signed: Signed<CreateBackup>, token: Option<Timestamp>) -> Outcome {
        wait_for(token).await;
        // If we die here, the intent is durable and the next pass is in doubt (I4), whether or not the bytes left.
        let key = access.key();
        match self.send(access, &key, signed).await {
            Ok(answer) => match FlowId::new(answer.value.flow_id.value()) {
                Some(flow_id) => Outcome::Accepted { flow_id, request_id: answer.request_id },
                None => Outcome::InDoubt { why: "The cloud answered without a FlowId.".to_owned() },
            },
            Err(fault) if fault.may_have_taken_effect() => Outcome::InDoubt { why: sentence(&fault) },
            Err(fault) if is_rejected(&fault) => {
                let fault = self.credentials.rejected(&key, fault);
                // Not for long: if we die here, what is known to be refused becomes a doubt.
                let fresh = timeout(LONGEST_SEARCH, self.replace(access, &key)).await.ok().flatten();
                Outcome::Refused(if fresh.is_some() { passing(&fault) } else { trouble(&fault) })
            }
            Err(fault) => Outcome::Refused(trouble(&fault)),
        }
    }

    async fn send<C: Call>(&self, access: &Access, key: &Key, signed: Signed<C>) -> Result<Answer<C::Answer>, Fault> {
        // If we die here, nothing has left; what was announced is a doubt all the same (I4).
        self.departure(&access.identity(), &access.region, C::ACTION).await;
        let began = Instant::now();
        let answer = self.client.send(signed).await;
        let (code, request_id) = match &answer {
            Ok(answer) => ("OK", answer.request_id.as_deref()),
            Err(fault) => (fault.label(), fault.request_id()),
        };
        self.metrics.call(C::ACTION.name(), code, began.elapsed());
        tracing::debug!(action = C::ACTION.name(), code, request_id, "called the cloud");
        if let Err(Fault::Throttled(_)) = &answer {
            self.budget().throttled(&access.identity(), &access.region, C::ACTION, clock::now());
        }
        // A wrong time is refused before the key is looked at.
        let is_of_the_key = |fault: &Fault| is_rejected(fault) || fault.meaning() == codes::Meaning::ClockSkew;
        let is_taken = |fault: &Fault| matches!(fault, Fault::Refused(_)) && !is_of_the_key(fault);
        if answer.as_ref().map_or_else(is_taken, |_| true) {
            self.credentials.taken(key);
        }
        answer
    }

    /// Waits until a call may leave whose instant has come (I8).
    async fn departure(&self, identity: &KeyIdentity, region: &Region, action: Action) {
        let mut waited = false;
        loop {
            let turn = self.budget().depart(identity, region, action, clock::now(), waited);
            let Some(turn) = turn else { return };
            wait_until(turn, LONGEST_DELAY).await;
            waited = true;
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a send instant, if there is one.
async fn wait_for(token: Option<Timestamp>) {
    if let Some(at) = token {
        wait_until(at, LONGEST_WAIT).await;
    }
}

/// Waits for an instant; no longer than `most`, whatever the clock does meanwhile.
async fn wait_until(at: Timestamp, most: Duration) {
    let ahead = Duration::try_from(at.duration_since(clock::now())).unwrap_or_default();
    if !ahead.is_zero() {
        tokio::time::sleep(ahead.min(most)).await;
    }
}

/// How long the copy is kept, as the API says it.
pub const fn storage(storage: Storage) -> sqlserver::StorageStrategy {
    match storage {
        Storage::InstanceRetention => sqlserver::StorageStrategy::InstanceRetention,
        Storage::InstanceLifetime => sqlserver::StorageStrategy::InstanceLifetime,
    }
}

/// A row of the cloud. An unpackaged backup shows its first file only, so size and file are left out.
pub fn row(row: BackupRow) -> Row {
    let progress = match row.status {
        Some(BackupState::Running) => Progress::Running,
        Some(BackupState::Succeeded) => Progress::Succeeded,
        Some(BackupState::Failed) => Progress::Failed,
        Some(BackupState::Other(_)) | None => Progress::Unheard,
    };
    let is_one_file = row.group_id.is_none();
    let size_kb = row.size.and_then(|size| i64::try_from(size).ok());
    Row {
        name: row.backup_name.unwrap_or_default(),
        progress,
        copy: Copy {
            backup_id: row.id.and_then(|id| i64::try_from(id).ok()),
            group_id: row.group_id,
            file_name: row.file_name.filter(|_| is_one_file),
            size_kb: size_kb.filter(|size| is_one_file && *size > 0),
            start_time: row.start_time,
            completion_time: row.end_time,
        },
    }
}

/// A fault of a read, or a refusal.
pub fn trouble(fault: &Fault) -> Trouble {
    let said = fault.said();
    Trouble {
        meaning: meaning(fault.meaning()),
        sentence: sentence(fault),
        note: Note {
            code: said.map_or_else(|| fault.label().to_owned(), |said| said.code.clone()),
            message: said.map_or_else(|| fault.to_string(), |said| said.message.clone()),
            request_id: fault.request_id().map(str::to_owned),
            time: clock::now(),
        },
    }
}

/// Whether the cloud refused a call for its key.
fn is_rejected(fault: &Fault) -> bool {
    matches!(fault, Fault::Refused(_)) && fault.meaning() == codes::Meaning::Credentials
}

/// A submission that was refused for its key where there is another one by now: nobody has to mend anything.
fn passing(fault: &Fault) -> Trouble {
    let trouble = trouble(fault);
    let sentence = format!(
        "The access key had run out or was replaced, so the next attempt uses the new one ({}).",
        proof(fault).join(", ")
    );
    Trouble { meaning: Meaning::Unavailable, sentence, ..trouble }
}

/// A trouble that needed no call.
pub(super) fn local(meaning: Meaning, sentence: &str) -> Trouble {
    let note = Note { code: "NotCalled".into(), message: sentence.into(), request_id: None, time: clock::now() };
    Trouble { meaning, sentence: sentence.to_owned(), note }
}

/// What happened, in one sentence, with the code and the RequestId where there are any.
fn sentence(fault: &Fault) -> String {
    let mut text = fault.sentence().to_owned();
    let proof = proof(fault);
    if !proof.is_empty() {
        text = format!("{} ({}).", text.trim_end_matches('.'), proof.join(", "));
    }
    text
}

/// What the vendor's support asks for.
fn proof(fault: &Fault) -> Vec<String> {
    let code = fault.said().map(|said| said.code.clone());
    code.into_iter().chain(fault.request_id().map(|id| format!("RequestId {id}"))).collect()
}

const fn meaning(meaning: codes::Meaning) -> Meaning {
    match meaning {
        codes::Meaning::InstanceBusy => Meaning::InstanceBusy,
        codes::Meaning::DatabaseBusy => Meaning::DatabaseBusy,
        codes::Meaning::Throttled => Meaning::Throttled,
        codes::Meaning::Credentials => Meaning::Credentials,
        codes::Meaning::AccessDenied => Meaning::AccessDenied,
        codes::Meaning::ClockSkew => Meaning::ClockSkew,
        codes::Meaning::InstanceNotFound => Meaning::InstanceNotFound,
        codes::Meaning::DatabaseNotFound => Meaning::DatabaseNotFound,
        codes::Meaning::BackupNotFound => Meaning::BackupNotFound,
        codes::Meaning::InvalidRequest => Meaning::InvalidRequest,
        codes::Meaning::Unavailable => Meaning::Unavailable,
    }
}
