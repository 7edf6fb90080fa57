//! `make bench`: what the operator costs, row by row, beside the floor that physics sets and what a user would pick
//! instead.
//!
//! Everything is real but the cloud: the shipped program, a real API server, peers with the vendor's own SDK. All run on
//! this machine and share its cores, the bench and the simulated cloud included; ratios mean more than figures.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | every row was measured; whether a goal was reached says the table |
//! | 1 | a row could not be measured: the last line says which and why |
//! | 2 | a row that there is not |

mod admin;
mod arena;
mod audit;
mod bench;
mod clock;
mod contestant;
mod figures;
mod flags;
mod machine;
mod meter;
mod orders;
mod plot;
mod report;
mod rows;
mod silence;
mod witness;

use std::fs;
use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use tokio::runtime::Builder;

use crate::bench::Bench;
use crate::flags::Flags;
use crate::rows::Row;

fn main() -> ExitCode {
    let flags = Flags::parse();
    if flags.list {
        return if stdout().write_all(rows::list().as_bytes()).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let rows = match rows::chosen(&flags.rows) {
        Ok(rows) => rows,
        Err(unknown) => {
            drop(writeln!(stderr(), "bench: there is no row {unknown:?}\n{}", rows::list()));
            return ExitCode::from(2);
        }
    };
    match run(&flags, &rows) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            drop(writeln!(stderr(), "bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Plays the rows; whether all could be measured.
fn run(flags: &Flags, rows: &[Row]) -> Result<bool> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().context("no threads")?;
    let bench = Bench::new(flags)?;
    let begin = machine::describe(&bench)?;
    bench.say(&begin)?;
    let minutes: f64 = rows.iter().map(|row| row.minutes).sum();
    bench.say(&format!("{} rows, about {minutes:.0} min; raw logs in {}", rows.len(), bench.logs.display()))?;
    let mut failed = Vec::new();
    for row in rows {
        bench.say(&format!("{}: {} (about {} min)", row.name, row.about, row.minutes))?;
        if let Err(error) = runtime.block_on(rows::play(row.name, &bench)) {
            // The others may still be measured.
            bench.say(&format!("{} FAILED: {error:#}", row.name))?;
            failed.push(row.name);
        }
    }
    let table = bench.report().table();
    let page = format!("{begin}\n\n{table}\nafterwards: {}\n", machine::load());
    fs::write(bench.logs.join("report.md"), &page)?;
    writeln!(stdout(), "{page}")?;
    if !failed.is_empty() {
        bench.say(&format!("not measured: {}", failed.join(", ")))?;
    }
    Ok(failed.is_empty())
}
