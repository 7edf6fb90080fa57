//! What can be asked for.

use std::path::PathBuf;

use clap::Parser;

/// What the operator costs, beside what a user would pick instead, on a real API server and a simulated cloud.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Flags {
    /// Rows by name, separated by commas or blanks: a row, `default`, `long`, or `all`.
    #[arg(value_delimiter = ',', default_value = "default")]
    pub(crate) rows: Vec<String>,
    /// Only say what rows there are.
    #[arg(long)]
    pub(crate) list: bool,
    /// How often what alternates is run.
    #[arg(long, default_value_t = 3, value_name = "NUMBER")]
    pub(crate) runs: usize,
    /// Let the cloud speak TLS to everybody.
    #[arg(long)]
    pub(crate) tls: bool,
    /// The operator's program, if it is not the one that `make bench` builds.
    #[arg(long, value_name = "FILE")]
    pub(crate) operator: Option<PathBuf>,
}
