//! How many runs are at work at once: on two cores more of them would only make each other late.
//!
//! A run holds its room until its orders have ended; then it listens for the silence without any.

use std::sync::{Arc, LazyLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::plan::Lane;
use super::setting;

static SHARED: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(width())));
/// A server that stands still stands still for all.
static HALTING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(1)));

/// Held by a run that is at work.
pub(super) struct Room(#[expect(dead_code, reason = "held, not read")] Option<OwnedSemaphorePermit>);

impl Room {
    /// Waits for room in a lane.
    pub(super) async fn take(lane: Lane) -> Self {
        let room = match lane {
            Lane::Long => return Self(None),
            Lane::Halting => HALTING.clone(),
            Lane::Shared | Lane::Newer => SHARED.clone(),
        };
        Self(Some(room.acquire_owned().await.unwrap()))
    }
}

/// How many plans are at work side by side: they wait most of the time.
fn width() -> usize {
    setting("PLANS_AT_ONCE").and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// How many runs of a lane there may be, those that listen included.
pub(super) fn runs(lane: Lane) -> usize {
    match lane {
        Lane::Long => 16,
        Lane::Halting => 4,
        Lane::Shared | Lane::Newer => width() * 3,
    }
}
