//! SIGTERM and SIGINT are answered within a deadline, whatever else this process is waiting for.
//!
//! The signals are owned here and from the first moment on, not by the watch: a watch that stops on a signal only looks
//! at it between two events, so a program whose API server never answered its first list would not end at all. Here the
//! first signal starts the drain, and every loop selects on [`Shutdown::draining`]. When the drain has lasted as long as
//! it may, or a second signal shows that somebody is impatient, [`Shutdown::over`] resolves and the program ends with
//! whatever is still open: that is a crash like any other, and the next start finds every order as it was (I7).

use std::io;
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How far the end has come. It only ever moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No signal came.
    Running,
    /// A signal came; open work may finish until the instant.
    Draining(Instant),
    /// Nothing may be waited for any longer.
    Over,
}

/// A view of the program's end. Clones see the same end.
#[derive(Clone, Debug)]
pub struct Shutdown {
    stage: watch::Receiver<Stage>,
}

/// The other side of [`Shutdown`]: what a signal does to it.
///
/// Dropping it without a signal counts as [`Shutdown::over`]: nothing could announce the end any more.
#[derive(Debug)]
struct Trigger {
    stage: watch::Sender<Stage>,
    drain: Duration,
}

impl Shutdown {
    /// Takes over SIGTERM and SIGINT of this process and answers them until it ends. `drain` is how long open work may
    /// take after the first of them.
    ///
    /// Must be called inside a tokio runtime, once, and before anything that can wait for the network.
    ///
    /// # Errors
    /// The operating system refused to hand over a signal.
    pub fn listen(drain: Duration) -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let (trigger, shutdown) = pair(drain);
        let signals = stream::unfold((terminate, interrupt), |mut signals| async {
            let name = next(&mut signals.0, &mut signals.1).await;
            Some((name, signals))
        });
        tokio::spawn(answer(Box::pin(signals), trigger));
        Ok(shutdown)
    }

    /// Whether new work is no longer welcome.
    pub fn is_draining(&self) -> bool {
        *self.stage.borrow() != Stage::Running
    }

    /// Resolves when the drain begins, at once if it has begun.
    pub async fn draining(&self) {
        self.reach(|stage| *stage != Stage::Running).await;
    }

    /// Until when open work may take: nothing before the drain. Once it is over, the answer is `Some` of an instant that
    /// has passed.
    pub fn deadline(&self) -> Option<Instant> {
        match *self.stage.borrow() {
            Stage::Running => None,
            Stage::Draining(until) => Some(until),
            Stage::Over => Some(Instant::now()),
        }
    }

    /// Resolves when nothing may be waited for any longer: the drain's deadline passed or a second signal came. It never
    /// resolves before a first signal.
    pub async fn over(&self) {
        self.reach(|stage| *stage == Stage::Over).await;
    }

    /// Waits on a clone, so that any number of tasks can wait through shared references.
    async fn reach(&self, enough: impl FnMut(&Stage) -> bool) {
        // An error says that the trigger is gone, which is the end as well.
        drop(self.stage.clone().wait_for(enough).await);
    }
}

impl Trigger {
    /// Announces the drain and returns the instant at which it is over.
    fn drain(&self) -> Instant {
        let until = Instant::now() + self.drain;
        self.stage.send_replace(Stage::Draining(until));
        until
    }

    /// Announces the end.
    fn end(&self) {
        self.stage.send_replace(Stage::Over);
    }
}

fn pair(drain: Duration) -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Stage::Running);
    (Trigger { stage: sender, drain }, Shutdown { stage: receiver })
}

/// Turns signals, by name, into stages until the end is announced.
async fn answer(mut signals: impl Stream<Item = &'static str> + Unpin, trigger: Trigger) {
    let Some(name) = signals.next().await else { return };
    let until = trigger.drain();
    tracing::info!(signal = name, drain_seconds = trigger.drain.as_secs(), "draining: no new work is begun");
    tokio::select! {
        () = sleep_until(until) => tracing::warn!("the drain's deadline has passed: ending with work open"),
        Some(name) = signals.next() => tracing::warn!(signal = name, "a second signal: ending at once"),
    }
    trigger.end();
}

/// The next signal's name.
async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::channel::mpsc;
    use tokio::time::timeout;

    const DRAIN: Duration = Duration::from_secs(20);
    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test(start_paused = true)]
    async fn nothing_ends_before_a_signal() {
        let (_trigger, shutdown) = pair(DRAIN);
        assert!(!shutdown.is_draining());
        assert_eq!(shutdown.deadline(), None);
        assert!(timeout(LONG, shutdown.draining()).await.is_err());
        assert!(timeout(LONG, shutdown.over()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_reaches_every_clone_with_its_deadline() {
        let (trigger, shutdown) = pair(DRAIN);
        let other = shutdown.clone();
        let waiting = tokio::spawn(async move {
            other.draining().await;
            other.deadline()
        });
        tokio::task::yield_now().await;
        trigger.drain();
        assert!(shutdown.is_draining());
        assert_eq!(waiting.await.expect("the task ends"), Some(Instant::now() + DRAIN));
        assert!(timeout(LONG, shutdown.over()).await.is_err(), "a drain alone is not the end");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_signal_drains_until_the_deadline() {
        let (trigger, shutdown) = pair(DRAIN);
        let (signals, received) = mpsc::unbounded();
        tokio::spawn(answer(received, trigger));
        signals.unbounded_send("SIGTERM").expect("listening");
        shutdown.draining().await;
        let begun = Instant::now();
        shutdown.over().await;
        assert_eq!(begun.elapsed(), DRAIN);
        timeout(LONG, shutdown.draining()).await.expect("the end is past the drain");
        assert_eq!(shutdown.deadline(), Some(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_signal_ends_at_once() {
        let (trigger, shutdown) = pair(DRAIN);
        let (signals, received) = mpsc::unbounded();
        tokio::spawn(answer(received, trigger));
        signals.unbounded_send("SIGTERM").expect("listening");
        shutdown.draining().await;
        let begun = Instant::now();
        signals.unbounded_send("SIGINT").expect("listening");
        shutdown.over().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
