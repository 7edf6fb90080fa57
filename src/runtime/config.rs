//! What the user typed becomes what the program needs, once, at the start.
//!
//! [`Flags`] is the command line and its environment names, all text. [`Flags::check`] turns it into [`Settings`] or into
//! one sentence ([`Wrong`]) that names the flag, its environment name and the cure. After that nothing in the program
//! looks at the environment again, and no value needs a second check.
//!
//! - An environment variable that is empty counts as unset: a template that leaves a value out must not break the start
//!   ([`blank_is_unset`]).
//! - Secrets come from the environment alone: a flag would show them to every user of the machine. They are redacted in
//!   `Debug`, and neither a sentence nor `--help` repeats a value that may hold one.
//! - The rules for the cloud's endpoint belong to the layer that signs for it: [`Flags::check`] takes them as a function.
//!
//! # Why not clap's own checks
//! Its messages have several lines, name no environment variable, and cannot compare two flags.

mod checks;
mod election;
mod flags;
mod identity;
mod network;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

pub use election::Candidacy;
pub use flags::{Flags, blank_is_unset};
pub use identity::{Identity, PodIdentity, StaticIdentity};
pub use network::Proxy;

use super::telemetry::LogFormat;

/// Why a setting cannot be used: one sentence that names it and the cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(String);

/// What the program runs with. Every value has been checked.
#[derive(Debug)]
pub struct Settings {
    /// Address of the cloud's API as given; may hold `{region}`.
    pub tencent_endpoint: String,
    /// Address of STS as given.
    pub tencent_sts_endpoint: String,
    /// Where orders are looked for.
    pub watch_namespaces: Namespaces,
    /// Where an order may leave its credentials out and use the operator's own.
    pub shared_identity_namespaces: Namespaces,
    /// The operator's own identity.
    pub identity: Identity,
    /// PEM text of certificate authorities to trust beside the system's; holds at least one certificate.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// How the cloud is reached if not directly.
    pub proxy: Proxy,
    /// The share of each documented rate limit that this process may use: 0.05 to 1.
    pub api_share: f64,
    /// How often a running backup is looked at.
    pub polling: Polling,
    /// How often the cloud is asked whether a schedule has a copy as young as promised.
    pub protected_interval: Duration,
    /// What must have passed before an absence counts as proof (I4).
    pub fence: Fence,
    /// How long open work may take after the first signal.
    pub drain: Duration,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub admin_address: SocketAddr,
    /// Which events are written, and how.
    pub log: Log,
    /// Who this process is: the name of its pod, else of its host. Not unique by itself.
    pub holder: String,
    /// How it runs for the lease; none: it works beside whoever else does.
    pub candidacy: Option<Candidacy>,
}

/// A choice of namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// Every one.
    All,
    /// These and no others; may be empty.
    Only(BTreeSet<String>),
}

impl Namespaces {
    /// Whether `namespace` is one of them.
    pub fn include(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(namespace),
        }
    }
}

/// Rests between two looks at one running backup. `min` is never above `max`, and neither is below one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    /// The first rest.
    pub min: Duration,
    /// The longest rest.
    pub max: Duration,
}

/// The parts of the fence behind which a request that nobody answered cannot take effect any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// How long the cloud accepts a signature.
    pub signature_validity: Duration,
    /// How far this machine's clock may be away from the cloud's.
    pub clock_skew: Duration,
    /// How long an accepted backup may be missing in a listing.
    pub listing_lag: Duration,
}

/// What is written about the program's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// One JSON object a line, or text for people.
    pub format: LogFormat,
    /// Directives that [`telemetry::filter`](super::telemetry::filter) accepts.
    pub filter: String,
}

/// Reads an environment variable. Production gives [`environment`], tests a closure.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The environment of this process.
pub fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

impl Flags {
    /// Turns what was typed into what is needed.
    ///
    /// `is_loopback` judges an endpoint: whether its host is a loopback address, or why it cannot be used. The file of
    /// extra authorities is read here, so that a wrong one ends the program now and not at the first call.
    ///
    /// # Errors
    /// The first setting that is wrong or contradicts another.
    pub fn check(
        self,
        environment: Environment<'_>,
        is_loopback: impl Fn(&str) -> Result<bool, String>,
    ) -> Result<Settings, Wrong> {
        // Destructured, so that a flag without an effect is a warning.
        let Self {
            tencent_endpoint,
            tencent_sts_endpoint,
            watch_namespaces,
            shared_identity_namespaces,
            node_role,
            extra_ca_file,
            api_share,
            poll_min_seconds,
            poll_max_seconds,
            protected_interval_seconds,
            drain_seconds,
            leader_elect,
            lease_namespace,
            lease_name,
            admin_address,
            log_format,
            log_filter,
            signature_validity_seconds,
            clock_skew_seconds,
            listing_lag_seconds,
            metadata_endpoint,
        } = self;
        let loopback = is_loopback(&tencent_endpoint).map_err(|reason| flags::TENCENT_ENDPOINT.refuse(&reason))?;
        is_loopback(&tencent_sts_endpoint).map_err(|reason| flags::TENCENT_STS_ENDPOINT.refuse(&reason))?;
        let metadata = checks::metadata(metadata_endpoint, &is_loopback)?;
        let node_role = checks::switch(flags::NODE_ROLE, &node_role)?.then_some(metadata);
        let fence = checks::fence(&signature_validity_seconds, &clock_skew_seconds, &listing_lag_seconds, loopback)?;
        Ok(Settings {
            watch_namespaces: checks::watched(&watch_namespaces)?,
            shared_identity_namespaces: checks::sharing(&shared_identity_namespaces)?,
            identity: identity::read(environment, node_role)?,
            extra_ca_pem: extra_ca_file.as_deref().map(network::read_authorities).transpose()?,
            proxy: network::read_proxy(environment)?,
            api_share: checks::share(&api_share)?,
            polling: checks::polling(&poll_min_seconds, &poll_max_seconds)?,
            protected_interval: checks::seconds(flags::PROTECTED_INTERVAL_SECONDS, &protected_interval_seconds, 10)?,
            fence,
            drain: checks::seconds(flags::DRAIN_SECONDS, &drain_seconds, 0)?,
            admin_address: checks::address(&admin_address)?,
            log: checks::log(&log_format, log_filter)?,
            holder: identity::holder(environment),
            candidacy: election::read(&leader_elect, lease_namespace, lease_name, environment)?,
            tencent_endpoint,
            tencent_sts_endpoint,
        })
    }
}
