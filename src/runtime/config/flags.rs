//! The command line of `run`, and the name that each flag has in the environment.
//!
//! All values are text here, with their defaults, so that `--help` shows what the program does by itself. A flag comes
//! with the thing that it sets: there is none without an effect.

use std::fmt;
use std::path::PathBuf;

use super::Wrong;

/// What names a setting in a sentence: its flag and its environment name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    flag: &'static str,
    environment: &'static str,
}

impl Setting {
    const fn new(flag: &'static str, environment: &'static str) -> Self {
        Self { flag, environment }
    }

    /// A sentence about a value that may be repeated. It is cut, and stays on one line whatever it holds.
    pub(super) fn wrong(self, value: &str, cure: &str) -> Wrong {
        let shown: String = value.chars().take(60).collect();
        let cut = if shown.len() < value.len() { "…" } else { "" };
        Wrong(format!("{self} is {shown:?}{cut}: {cure}"))
    }

    /// A sentence that does not repeat the value.
    pub(super) fn refuse(self, reason: &str) -> Wrong {
        Wrong(format!("{self}: {reason}"))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{} ({})", self.flag, self.environment)
    }
}

pub(super) const TENCENT_ENDPOINT: Setting = Setting::new("tencent-endpoint", "TENCENT_ENDPOINT");
pub(super) const TENCENT_STS_ENDPOINT: Setting = Setting::new("tencent-sts-endpoint", "TENCENT_STS_ENDPOINT");
pub(super) const WATCH_NAMESPACES: Setting = Setting::new("watch-namespaces", "WATCH_NAMESPACES");
pub(super) const SHARED_IDENTITY_NAMESPACES: Setting =
    Setting::new("shared-identity-namespaces", "SHARED_IDENTITY_NAMESPACES");
pub(super) const NODE_ROLE: Setting = Setting::new("node-role", "NODE_ROLE");
pub(super) const EXTRA_CA_FILE: Setting = Setting::new("extra-ca-file", "EXTRA_CA_FILE");
pub(super) const API_SHARE: Setting = Setting::new("api-share", "API_SHARE");
pub(super) const POLL_MIN_SECONDS: Setting = Setting::new("poll-min-seconds", "POLL_MIN_SECONDS");
pub(super) const POLL_MAX_SECONDS: Setting = Setting::new("poll-max-seconds", "POLL_MAX_SECONDS");
pub(super) const PROTECTED_INTERVAL_SECONDS: Setting =
    Setting::new("protected-interval-seconds", "PROTECTED_INTERVAL_SECONDS");
pub(super) const DRAIN_SECONDS: Setting = Setting::new("drain-seconds", "DRAIN_SECONDS");
pub(super) const LEADER_ELECT: Setting = Setting::new("leader-elect", "LEADER_ELECT");
pub(super) const LEASE_NAMESPACE: Setting = Setting::new("lease-namespace", "POD_NAMESPACE");
pub(super) const LEASE_NAME: Setting = Setting::new("lease-name", "LEASE_NAME");
pub(super) const ADMIN_ADDRESS: Setting = Setting::new("admin-address", "ADMIN_ADDRESS");
pub(super) const LOG_FORMAT: Setting = Setting::new("log-format", "LOG_FORMAT");
pub(super) const LOG_FILTER: Setting = Setting::new("log-filter", "RUST_LOG");
pub(super) const SIGNATURE_VALIDITY_SECONDS: Setting =
    Setting::new("signature-validity-seconds", "SIGNATURE_VALIDITY_SECONDS");
pub(super) const CLOCK_SKEW_SECONDS: Setting = Setting::new("clock-skew-seconds", "CLOCK_SKEW_SECONDS");
pub(super) const LISTING_LAG_SECONDS: Setting = Setting::new("listing-lag-seconds", "LISTING_LAG_SECONDS");
pub(super) const METADATA_ENDPOINT: Setting = Setting::new("metadata-endpoint", "METADATA_ENDPOINT");
/// Where a node is asked for its role's keys, unless a test has a stand-in.
pub(super) const METADATA: &str = "http://metadata.tencentyun.com";

/// What the user typed.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "From the environment alone:
  TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY, TENCENTCLOUD_TOKEN
          The operator's own access key, for namespaces that may share it; the token only with temporary keys
  TKE_REGION, TKE_PROVIDER_ID, TKE_WEB_IDENTITY_TOKEN_FILE, TKE_ROLE_ARN
          Pod identity of TKE, in place of that key: set by the cluster's webhook, all of them or none
  HTTPS_PROXY, NO_PROXY
          Proxy on the way to the cloud, and the hosts reached without it; never used for loopback
  KUBECONFIG
          The cluster; without it, the one that this pod runs in
  POD_NAME
          Who this process is, in intents, events and the lease; without it, the host's name

An environment variable that is empty counts as unset.")]
pub struct Flags {
    /// Address of the TencentDB for SQL Server API: https, or http on loopback; may hold {region}; no path
    #[arg(long, env, value_name = "URL", default_value = "https://sqlserver.tencentcloudapi.com")]
    pub(super) tencent_endpoint: String,

    /// Address of STS, which gives the keys of the pod's role: https, or http on loopback; no path
    #[arg(long, env, value_name = "URL", default_value = "https://sts.tencentcloudapi.com")]
    pub(super) tencent_sts_endpoint: String,

    /// Namespaces in which orders are looked for, separated by commas; empty means all
    #[arg(long, env, value_name = "NAMES", default_value = "", hide_default_value = true)]
    pub(super) watch_namespaces: String,

    /// Namespaces that may leave credentialsRef out, separated by commas; empty means none, * means all
    #[arg(long, env, value_name = "NAMES", default_value = "", hide_default_value = true)]
    pub(super) shared_identity_namespaces: String,

    /// Whether the node's role is the operator's identity where there is no other: true or false
    #[arg(long, env, value_name = "BOOL", default_value = "false")]
    pub(super) node_role: String,

    /// PEM file with certificate authorities to trust beside the system's
    #[arg(long, env, value_name = "FILE")]
    pub(super) extra_ca_file: Option<PathBuf>,

    /// Share of each documented rate limit that this operator may use, 0.05 to 1
    #[arg(long, env, value_name = "SHARE", default_value = "0.5")]
    pub(super) api_share: String,

    /// First rest between two looks at a running backup
    #[arg(long, env, value_name = "SECONDS", default_value = "15")]
    pub(super) poll_min_seconds: String,

    /// Longest rest between two looks at a running backup
    #[arg(long, env, value_name = "SECONDS", default_value = "60")]
    pub(super) poll_max_seconds: String,

    /// How often the cloud is asked whether a schedule is protected, 10 to 86400
    #[arg(long, env, value_name = "SECONDS", default_value = "300")]
    pub(super) protected_interval_seconds: String,

    /// How long open work may take after SIGTERM
    #[arg(long, env, value_name = "SECONDS", default_value = "20")]
    pub(super) drain_seconds: String,

    /// Whether only the one that holds the lease works, if several run: true or false
    #[arg(long, env, value_name = "BOOL", default_value = "true")]
    pub(super) leader_elect: String,

    /// Namespace of the lease; without it, the pod's own
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub(super) lease_namespace: Option<String>,

    /// Name of the lease
    #[arg(long, env, value_name = "NAME", default_value = env!("CARGO_PKG_NAME"))]
    pub(super) lease_name: String,

    /// Where /livez, /readyz and /metrics are served
    #[arg(long, env, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub(super) admin_address: String,

    /// Form of the events: json or text
    #[arg(long, env, value_name = "FORMAT", default_value = "json")]
    pub(super) log_format: String,

    /// Which events are written: a level, or directives such as info,hyper=debug
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    pub(super) log_filter: String,

    /// How long the cloud accepts a signature; smaller than the default only on loopback
    #[arg(long, env, value_name = "SECONDS", default_value = "300", hide = true)]
    pub(super) signature_validity_seconds: String,

    /// How far this machine's clock may be away from the cloud's; smaller than the default only on loopback
    #[arg(long, env, value_name = "SECONDS", default_value = "300", hide = true)]
    pub(super) clock_skew_seconds: String,

    /// How long an accepted backup may be missing in a listing; smaller than the default only on loopback
    #[arg(long, env, value_name = "SECONDS", default_value = "60", hide = true)]
    pub(super) listing_lag_seconds: String,

    /// Where the node's metadata service is; another address than the default only on loopback
    #[arg(long, env, value_name = "URL", default_value = METADATA, hide = true)]
    pub(super) metadata_endpoint: String,
}

/// Makes every argument of `command` treat an empty environment variable as unset, and keeps the values of set ones out
/// of `--help`.
#[must_use]
pub fn blank_is_unset(command: clap::Command, environment: super::Environment<'_>) -> clap::Command {
    command.mut_args(|argument| {
        let value = argument.get_env().and_then(|name| environment(name.to_str()?));
        let argument = argument.hide_env_values(true);
        if value.is_some_and(|value| value.is_empty()) { argument.env(None) } else { argument }
    })
}
