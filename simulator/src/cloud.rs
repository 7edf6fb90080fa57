//! The handle: starts a cloud inside this program, looks into it, and changes it while it runs.
//!
//! Everything here is synchronous and may be called from any thread; the servers run on threads of their own, so a test's
//! runtime neither drives nor blocks them, and several clouds can live in one program. The last clone ends the cloud.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use anyhow::Context;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::backup::{Backup, End};
use crate::control;
use crate::event::Event;
use crate::fault::{Rule, Standing};
use crate::instance::Instance;
use crate::ledger::{Call, Counts, Entry};
use crate::metadata;
use crate::server;
use crate::settings::{Key, Role, Settings};
use crate::state::State;
use crate::switches::Switches;
use crate::tls;

type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// What the servers and the handles share.
pub(crate) struct Shared {
    state: Mutex<State>,
    listener: RwLock<Option<Listener>>,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A test that panics inside a closure of ours must not take the cloud of its neighbour down.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self, event: &Event) {
        let listener = self.listener.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(listener) = listener {
            // It may kill processes and wait for them: the other requests go on meanwhile.
            tokio::task::block_in_place(|| listener(event));
        }
    }
}

/// The threads that serve; gone with the last handle.
struct Engine(Option<Runtime>);

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // A handle may be dropped inside another runtime, where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}

/// A simulated cloud that runs.
#[derive(Clone)]
pub struct Cloud {
    shared: Arc<Shared>,
    url: String,
    control_url: String,
    metadata_url: String,
    ca_pem: Option<String>,
    _engine: Arc<Engine>,
}

impl Cloud {
    /// Starts a cloud; it serves when this returns.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        anyhow::ensure!(settings.control.ip().is_loopback(), "the control listens on loopback only");
        let (acceptor, ca_pem) =
            if settings.tls { tls::identity().map(|(a, b)| (Some(a), Some(b)))? } else { (None, None) };
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("simulator")
            .enable_all()
            .build()
            .context("no threads for the simulator")?;
        let engine = Arc::new(Engine(Some(runtime)));
        let shared = Arc::new(Shared { state: Mutex::new(State::new(&settings)), listener: RwLock::new(None) });
        let for_servers = Arc::clone(&shared);
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let serving = async move {
            let api =
                TcpListener::bind(settings.listen).await.with_context(|| format!("listen {}", settings.listen))?;
            let control =
                TcpListener::bind(settings.control).await.with_context(|| format!("control {}", settings.control))?;
            // Like the control: for this machine alone.
            let metadata = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("the metadata service")?;
            let addresses = (api.local_addr()?, control.local_addr()?, metadata.local_addr()?);
            tokio::spawn(metadata::serve(metadata, Arc::clone(&for_servers)));
            tokio::spawn(server::serve(api, acceptor, Arc::clone(&for_servers)));
            tokio::spawn(control::serve(control, for_servers));
            anyhow::Ok(addresses)
        };
        let runtime = engine.0.as_ref().context("no threads for the simulator")?;
        let (api, control, metadata) = runtime.spawn(serving).await.context("the simulator did not start")??;
        let (url, control_url) = (format!("{scheme}://{api}"), format!("http://{control}"));
        let metadata_url = format!("http://{metadata}");
        Ok(Self { shared, url, control_url, metadata_url, ca_pem, _engine: engine })
    }

    /// Where the API is: scheme, address and port.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the control is.
    pub fn control_url(&self) -> &str {
        &self.control_url
    }

    /// Where the metadata service of the node is.
    pub fn metadata_url(&self) -> &str {
        &self.metadata_url
    }

    /// The certificate authority to trust, if it speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The cloud's clock.
    pub fn now(&self) -> Timestamp {
        self.state().now()
    }

    /// Every `CreateBackup` that arrived, the oldest first.
    pub fn ledger(&self) -> Vec<Entry> {
        self.state().ledger.entries.clone()
    }

    /// Answered calls by action and code.
    pub fn counts(&self) -> Counts {
        self.state().ledger.counts.clone()
    }

    /// The last answered calls (up to 20 000), the oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.state().ledger.calls.iter().cloned().collect()
    }

    /// Every backup that ever began, hidden ones too, the oldest first.
    pub fn backups(&self) -> Vec<Backup> {
        self.state().backups.clone()
    }

    /// The switches as they stand.
    pub fn switches(&self) -> Switches {
        self.state().switches.clone()
    }

    /// Changes switches.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.state().switches);
    }

    /// Adds a fault rule; yields its id.
    pub fn add_fault(&self, rule: Rule) -> u64 {
        self.state().faults.add(rule)
    }

    /// The fault rules and what they did.
    pub fn faults(&self) -> Vec<Standing> {
        self.state().faults.standing.clone()
    }

    /// Removes all fault rules. Requests that are held or delayed stay so.
    pub fn clear_faults(&self) {
        self.state().faults.standing.clear();
    }

    /// Adds a key, or replaces the one of that id.
    pub fn put_key(&self, key: Key) {
        self.state().keys.insert(key.secret_id.clone(), key);
    }

    /// Removes a key. False if there was none.
    pub fn remove_key(&self, secret_id: &str) -> bool {
        self.state().keys.remove(secret_id).is_some()
    }

    /// Every key, also those that were issued and those that have ended.
    pub fn keys(&self) -> Vec<Key> {
        self.state().keys.values().cloned().collect()
    }

    /// Ends every key that was issued so far, before its time.
    pub fn end_issued_keys(&self) {
        let mut state = self.state();
        let now = state.now();
        state.keys.values_mut().filter(|key| key.expires.is_some()).for_each(|key| key.expires = Some(now));
        state.node_key = None;
    }

    /// Adds a role, or replaces the one of that name: its provider and token are then the only ones it takes.
    pub fn put_role(&self, role: Role) {
        self.state().put_role(role);
    }

    /// Binds a role to the node, or takes it away.
    pub fn set_node_role(&self, name: Option<&str>) {
        self.state().node_role = name.map(str::to_owned);
    }

    /// Adds an instance, or replaces the one of that id.
    pub fn put_instance(&self, instance: Instance) {
        self.state().instances.insert(instance.id.clone(), instance);
    }

    /// An instance as it was set up.
    pub fn instance(&self, id: &str) -> Option<Instance> {
        self.state().instances.get(id).cloned()
    }

    /// Changes an instance. False if there is none.
    pub fn change_instance(&self, id: &str, change: impl FnOnce(&mut Instance)) -> bool {
        self.state().instances.get_mut(id).map(change).is_some()
    }

    /// Removes an instance; its backups are invisible until it is put back. False if there was none.
    pub fn remove_instance(&self, id: &str) -> bool {
        self.state().instances.remove(id).is_some()
    }

    /// Begins the scheduled backup of an instance, whatever runs there; yields its flow, or none without such an instance.
    pub fn begin_nightly(&self, instance: &str, seconds: Option<f64>) -> Option<i64> {
        self.state().begin_nightly(instance, seconds)
    }

    /// Ends a running backup now. False if none by this flow runs.
    pub fn finish(&self, flow_id: i64, end: End) -> bool {
        self.state().finish(flow_id, end, None)
    }

    /// Changes a backup: its name, its size, whether it is hidden. False if there is none.
    pub fn change_backup(&self, flow_id: i64, change: impl FnOnce(&mut Backup)) -> bool {
        self.state().backups.iter_mut().find(|backup| backup.flow_id == flow_id).map(change).is_some()
    }

    /// Calls `listener` at every position of every request; replaces the one before. See [`Event`].
    pub fn on_event(&self, listener: impl Fn(&Event) + Send + Sync + 'static) {
        *self.shared.listener.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(listener));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.shared.state();
        state.now();
        state
    }
}
