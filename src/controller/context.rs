//! What every pass of one process shares.

use std::sync::Arc;
use std::time::Duration;

use super::cloud::Cloud;
use super::cluster::Cluster;
use super::credentials::Credentials;
use super::memory::Memory;
use super::schedule::Freshness;
use super::turns::{Orders, Schedules};
use crate::core::backup::Limits;
use crate::runtime::lease::Lead;
use crate::runtime::metrics::Metrics;
use crate::runtime::shutdown::Shutdown;

/// Handles and limits; nothing here is a fact about an order.
pub struct Context {
    /// The API server.
    pub cluster: Cluster,
    /// The cloud.
    pub cloud: Cloud,
    /// The access keys.
    pub credentials: Arc<Credentials>,
    /// What may be lost.
    pub memory: Memory,
    /// The watch caches of the orders.
    pub orders: Orders,
    /// Those of the schedules.
    pub schedules: Schedules,
    /// What the cloud lists for them.
    pub freshness: Freshness,
    /// How often it is asked for that.
    pub protected_interval: Duration,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// The numbers that decisions depend on.
    pub limits: Limits,
    /// Whether the program is about to end.
    pub shutdown: Shutdown,
    /// Whether this process is the one that works.
    pub lead: Lead,
    /// Who writes intents: this process and no other.
    pub holder: String,
}
