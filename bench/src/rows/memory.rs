//! Resident memory of the operator: with nothing to do, and what each active order adds.
//!
//! The program is started anew for each size, so that no size inherits what another one has fragmented.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::flight;
use crate::arena::{Arena, Plan};
use crate::bench::Bench;
use crate::contestant::{Tuning, Who};
use crate::figures::{line, number};
use crate::meter::{self, MB};
use crate::report::{Goal, Measure, OURS};

/// From the start to the reading: lists are read, every order has been passed over, the first looks are made.
const SETTLE: Duration = Duration::from_secs(20);
const MORE: [usize; 2] = [1_000, 4_000];

/// One run, of the operator alone; the peers with nothing to do, for comparison.
pub(crate) async fn play(bench: &Bench) -> Result<()> {
    let mut arena = Arena::open(bench, "memory", Plan::new(1_000, None)).await?;
    let mut points = Vec::new();
    let mut active = 0;
    for more in [0].into_iter().chain(MORE) {
        flight::launch(&arena, more, |_| None).await?;
        active += more;
        let resident = settled(bench, &mut arena, Who::Ours).await?;
        bench.say(&format!("{active} active: {:.2} MB", resident / MB))?;
        points.push((number(active), resident));
        if active == 0 {
            let measure = Measure::new("memory", "resident memory, nothing to do", "MB", Goal::AtMost(8.0));
            bench.note(&measure, OURS, resident / MB, None)?;
            for who in [Who::Python, Who::Go] {
                let resident = settled(bench, &mut arena, who).await?;
                bench.note(&measure, &who.to_string(), resident / MB, None)?;
            }
        }
    }
    let first = points.get(1).map(|(_, resident)| resident / MB).context("no point")?;
    bench.note(&Measure::new("memory", "resident memory, 1 000 active", "MB", Goal::None), OURS, first, None)?;
    let growth = line(points.get(1..).unwrap_or_default()).context("no line")?;
    let measure = Measure::new("memory", "resident memory per active order, 1 000 to 5 000", "KB", Goal::AtMost(3.0));
    bench.note(&measure, OURS, growth.slope / 1e3, None)?;
    arena.close()
}

/// The resident memory of a contestant that was started for it, in bytes.
async fn settled(bench: &Bench, arena: &mut Arena, who: Who) -> Result<f64> {
    let pid = arena.start(bench, (who, Tuning::Best), &[], None).await?;
    tokio::time::sleep(SETTLE).await;
    arena.must_run()?;
    let reading = meter::read(pid)?;
    let (now, shared, peak) = (reading.resident / MB, reading.proportional / MB, reading.peak / MB);
    bench.say(&format!("{who}: {now:.2} MB resident, {shared:.2} MB in proportion, {peak:.2} MB at most"))?;
    arena.kill();
    Ok(reading.resident)
}
