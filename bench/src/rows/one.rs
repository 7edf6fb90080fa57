//! One order on an idle contestant: from applied to accepted.
//!
//! The floor is what a submission that looks first cannot do without: the listing, the call itself, and the write of the
//! intent between them. The write is measured here, on the same API server, in the same run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use kube::Client;
use serde_json::json;
use tencentdb_simulator::Stage;

use crate::arena::{Arena, LATENCY_MS, Plan};
use crate::bench::Bench;
use crate::clock;
use crate::contestant::{Tuning, Who};
use crate::figures::{big, quantile};
use crate::orders::{self, Made, Wish};
use crate::report::{Goal, Measure};
use crate::witness::Witness;

const ORDERS: usize = 20;
const WARM_UP: usize = 3;

/// Everybody in turns, once; each figure is the median of the orders.
pub(crate) async fn play(bench: &Bench) -> Result<()> {
    for who in [Who::Ours, Who::Python, Who::Go] {
        run(bench, who).await.with_context(|| who.to_string())?;
    }
    Ok(())
}

async fn run(bench: &Bench, who: Who) -> Result<()> {
    let mut arena = Arena::open(bench, &format!("one-{who}"), Plan::new(ORDERS + 2, Some(5.0))).await?;
    let answered = Arc::new(Mutex::new(None));
    let last = Arc::clone(&answered);
    arena.cloud.on_event(move |event| {
        if event.action == "CreateBackup" && event.stage == Stage::Answered {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now());
        }
    });
    let take = || answered.lock().unwrap_or_else(PoisonError::into_inner).take();
    let witness = Witness::start(arena.client.clone());
    arena.start(bench, (who, Tuning::Best), &[], None).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;

    let (mut to_answer, mut to_status) = (Vec::new(), Vec::new());
    for number in 0..ORDERS {
        let made = orders::create(&arena.client, Wish::new(&format!("one-{number}"), orders::instance(number))).await?;
        witness.until_accepted(&made.uid, Duration::from_secs(30)).await?;
        let at = take().context("accepted without a call")?;
        if number >= WARM_UP {
            to_answer.push(clock::seconds(made.at, at) * 1e3);
            let seen = witness.of(&made.uid).accepted.context("accepted and not seen")?;
            to_status.push(clock::seconds(made.at, seen) * 1e3);
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    arena.kill();
    // On an object that nobody works on.
    let made = orders::create(&arena.client, Wish::new("written", orders::instance(ORDERS))).await?;
    let write = write_ms(&arena.client, &made).await?;
    let floor = 2.0 * big(LATENCY_MS) + write;
    bench.say(&format!("{who}: one write of a status takes {write:.1} ms"))?;
    let middle = |values: &[f64]| quantile(values, 0.5).context("no order");
    let who = who.to_string();
    let measure = Measure::new("one", "one order, applied to the answer of CreateBackup", "ms", Goal::Ratio(1.2));
    bench.note(&measure, &who, middle(&to_answer)?, Some(floor))?;
    let measure = Measure::new("one", "one order, applied to seen accepted", "ms", Goal::None);
    bench.note(&measure, &who, middle(&to_status)?, Some(floor))?;
    let worst = quantile(&to_answer, 1.0).context("no order")?;
    bench.note(&Measure::new("one", "the slowest of them", "ms", Goal::None), &who, worst, Some(floor))?;
    arena.close()
}

/// The median time of a write to a status.
async fn write_ms(client: &Client, made: &Made) -> Result<f64> {
    let mut all = Vec::new();
    for number in 0..30 {
        let begin = Instant::now();
        orders::pretend(client, [(made, json!({ "requestId": format!("write-{number}") }))]).await?;
        all.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    quantile(&all, 0.5).context("no write")
}
