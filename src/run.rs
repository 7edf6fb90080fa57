//! The one place where all layers meet.
//!
//! It ends when the drain has ended, or when a vital part fails; in both cases every order is as durable as it was, and
//! the next start goes on from there (I7).

use std::sync::Arc;
use std::time::Duration;

use crate::runtime::admin::{Admin, Liveness, Readiness, Sources};
use crate::runtime::config::Settings;
use crate::runtime::metrics::Metrics;
use crate::runtime::shutdown::Shutdown;

/// How long the vital loop may stand still before `/livez` says so.
const VITAL: Duration = Duration::from_secs(30);
/// How often the vital loop turns while it has nothing to do.
const BEAT: Duration = Duration::from_secs(1);

/// Runs until `shutdown` drains.
///
/// # Errors
/// A vital part could not start or ended early.
pub async fn run(settings: Settings, shutdown: Shutdown) -> anyhow::Result<()> {
    let Settings { admin_address, .. } = settings;
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let liveness = Liveness::new(VITAL);
    let readiness = Readiness::new();
    let admin = Admin::bind(admin_address).await?;
    tracing::info!(address = %admin.address()?, version = env!("CARGO_PKG_VERSION"), "the admin server listens");
    let sources = Sources {
        liveness: liveness.clone(),
        readiness,
        metrics,
    };
    tokio::select! {
        never = admin.serve(sources) => match never {},
        () = turn(&liveness) => Ok(()),
        () = shutdown.draining() => Ok(()),
    }
}

async fn turn(liveness: &Liveness) {
    loop {
        liveness.touch();
        tokio::time::sleep(BEAT).await;
    }
}
