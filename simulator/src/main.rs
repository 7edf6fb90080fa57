//! The simulator as a program: flags, one line when it is ready, and an end on request.

mod flags;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tencentdb_simulator::Cloud;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::flags::Flags;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let filter = EnvFilter::try_new(&flags.log_filter).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).init();
    match run(flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let settings = flags.settings();
    let (keys, instances) = (settings.keys.clone(), settings.instances.clone());
    let cloud = Cloud::start(settings).await?;
    for instance in &flags.instances {
        if let Some(seconds) = instance.nightly_seconds {
            cloud.begin_nightly(&instance.instance.id, Some(seconds));
        }
    }
    if let (Some(path), Some(pem)) = (&flags.ca_out, cloud.ca_pem()) {
        std::fs::write(path, pem).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    for key in &keys {
        // Made for this and worth nothing elsewhere: a playground whose key must be searched for is none.
        writeln!(out, "key {} {}", key.secret_id, key.secret_key)?;
    }
    for it in &instances {
        writeln!(out, "instance {} region={} databases={}", it.id, it.region, it.databases.join("+"))?;
    }
    writeln!(out, "metadata {}", cloud.metadata_url())?;
    writeln!(out, "ready api={} control={}", cloud.url(), cloud.control_url())?;
    out.flush()?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
