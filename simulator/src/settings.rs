//! What a simulated cloud is made of at its start.
//!
//! The defaults are a playground: two instances and one key, on free loopback ports, without TLS. Everything except the
//! addresses and TLS can be changed while the cloud runs.

use std::net::{Ipv4Addr, SocketAddr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::instance::Instance;
use crate::switches::Switches;

/// Secret id of the playground's key. It opens nothing anywhere else.
pub const PLAYGROUND_SECRET_ID: &str = "AKIDSIMULATEDPLAYGROUND0000000000000";
/// Secret key of the playground's key.
pub const PLAYGROUND_SECRET_KEY: &str = "SimulatedSecretKeyNotReal0000000";

/// An access key. Each stands for an account of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// What `Credential` names.
    pub secret_id: String,
    /// What signs.
    pub secret_key: String,
    /// Of a temporary key: must come as `X-TC-Token`, to the byte.
    #[serde(default)]
    pub token: Option<String>,
    /// The only actions it may call; absent: every action.
    #[serde(default)]
    pub allowed: Option<Vec<String>>,
    /// Actions it may not call.
    #[serde(default)]
    pub denied: Vec<String>,
    /// When it ends; absent: never.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

impl Key {
    /// A permanent key that may do everything.
    pub fn new(secret_id: &str, secret_key: &str) -> Self {
        Self { secret_id: secret_id.to_owned(), secret_key: secret_key.to_owned(), ..Self::default() }
    }

    /// The key of the playground.
    pub fn playground() -> Self {
        Self::new(PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY)
    }

    pub(crate) fn may(&self, action: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == action);
        self.allowed.as_deref().is_none_or(named) && !named(&self.denied)
    }
}

/// A role that whoever shows its token may assume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its name, as `qcs::cam::uin/100000000001:roleName/backup`.
    pub arn: String,
    /// The only provider that it trusts.
    pub provider_id: String,
    /// The only token that it takes now.
    pub token: String,
}

/// Everything that a cloud starts with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where the control listens: loopback only.
    pub control: SocketAddr,
    /// Whether the API speaks TLS, under a certificate authority made for this start.
    pub tls: bool,
    /// The keys it knows.
    pub keys: Vec<Key>,
    /// The instances it has.
    pub instances: Vec<Instance>,
    /// The roles that STS knows.
    pub roles: Vec<Role>,
    /// The name of the role that the metadata service gives keys of, if any.
    pub node_role: Option<String>,
    /// How the open questions are settled.
    pub switches: Switches,
}

impl Default for Settings {
    fn default() -> Self {
        let free_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let unpackaged = Instance { backup_model: "master_no_pkg".to_owned(), ..Instance::new("mssql-sim00002") };
        Self {
            listen: free_port,
            control: free_port,
            tls: false,
            keys: vec![Key::playground()],
            instances: vec![Instance::new("mssql-sim00001"), unpackaged],
            roles: Vec::new(),
            node_role: None,
            switches: Switches::default(),
        }
    }
}
