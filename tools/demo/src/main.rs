//! `make demo`: the operator at work on a real API server and a simulated cloud, in five scenes that check themselves.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | every scene kept its promise; with `KEEP=1`, and then somebody ended it |
//! | 1 | a scene failed, or the stage did not come up: the last lines say which and why |
//! | 130 | ended from outside before the last scene |
//!
//! Nothing outlives it, however it ends: every program on the stage dies with this one (see `control-plane`), and the
//! cloud is a part of it. Nothing here reaches beyond loopback.

mod scenes;
mod screen;
mod stage;
mod theatre;
mod view;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::screen::Screen;
use crate::stage::Stage;
use crate::theatre::Theatre;

const FAILED: u8 = 1;
const INTERRUPTED: u8 = 130;

/// Ctrl-C reaches the programs on the stage as well. What their end looks like from here is no failure of a scene, if the
/// signal arrives within this time.
const GRACE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let begin = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let mut screen = Screen::new();
    match play(&mut screen, &stop, begin) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !stop.load(Ordering::Relaxed) {
                sleep(GRACE);
            }
            if stop.load(Ordering::Relaxed) {
                drop(screen.say("Interrupted; everything that was started has ended."));
                return ExitCode::from(INTERRUPTED);
            }
            // If the screen is gone, nobody is left to tell.
            drop(screen.failure(&format!("{error:#}")));
            ExitCode::from(FAILED)
        }
    }
}

fn play(screen: &mut Screen, stop: &Arc<AtomicBool>, begin: Instant) -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().context("no threads to be had")?;
    listen(&runtime, stop).context("signals cannot be received")?;
    let stage = Stage::build(screen, &runtime)?;
    let mut theatre = Theatre::new(stage, screen, stop, begin);
    theatre.play()?;
    if std::env::var_os("KEEP").is_some_and(|keep| !keep.is_empty() && keep != "0") {
        theatre.keep()?;
    }
    Ok(())
}

/// Raises `stop` at the first signal to end. What is on the stage then ends in order.
fn listen(runtime: &Runtime, stop: &Arc<AtomicBool>) -> io::Result<()> {
    let _inside = runtime.enter();
    let mut signals =
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
    let stop = Arc::clone(stop);
    runtime.spawn(async move {
        let [interrupt, terminate, hangup] = &mut signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        stop.store(true, Ordering::Relaxed);
    });
    Ok(())
}
