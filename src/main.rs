//! Arguments, dispatch, exit code.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | `crd` printed, or `run` drained within its deadline after a signal |
//! | 1 | the program failed at run time, or had to leave work open at the end of its drain |
//! | 2 | a setting or an argument is wrong; one sentence on standard error says which, and the cure |
//!
//! A code of 2 will not heal by itself; 1 may, and loses nothing: the next start finds every order as it was (I7).
//!
//! # One thread
//! Everything waits for the network and nothing computes for long, so a second thread would cost memory and buy nothing.
//! It also keeps `/livez` honest: it is served by the thread that does the work. What must block, as the resolution of
//! names, tokio moves to threads of its own.
//!
//! # Its allocator
//! The one of musl, which the image is linked with, costs a tenth of the processor time (ADR 26).

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use sqlserver_backup_operator::runtime::config::{Flags, Settings, blank_is_unset, environment};
use sqlserver_backup_operator::runtime::shutdown::Shutdown;
use sqlserver_backup_operator::runtime::{dump, telemetry};
use sqlserver_backup_operator::tencent::endpoint::Endpoint;
use sqlserver_backup_operator::{api, run};

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

const FAILED: u8 = 1;
const WRONG_SETTING: u8 = 2;

/// Backups of TencentDB for SQL Server: exactly one for each SqlServerBackup.
#[derive(Debug, Parser)]
#[command(name = "sqlserver-backup-operator", version, about)]
#[command(after_help = "Exit codes: 0 done, 1 failed at run time, 2 a setting or an argument is wrong")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Watch a cluster and take the backups that are ordered in it
    Run(Box<Flags>),
    /// Print the custom resource definitions, ready for kubectl apply --server-side -f -
    Crd,
}

fn main() -> ExitCode {
    // First, for what follows reads secrets.
    if let Err(error) = dump::forbid() {
        return complain(FAILED, &format!("core dumps cannot be switched off ({error}): not running with secrets"));
    }
    let command = Arguments::command().mut_subcommands(|command| blank_is_unset(command, &environment));
    match command.try_get_matches().and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(Arguments { task: Task::Run(flags) }) => operate(*flags),
        Ok(Arguments { task: Task::Crd }) => print(api::YAML),
        Err(error) => explain(&error),
    }
}

/// `run`, from what was typed to the exit code.
fn operate(flags: Flags) -> ExitCode {
    let settings = match flags.check(&environment, is_loopback) {
        Ok(settings) => settings,
        Err(wrong) => return complain(WRONG_SETTING, &wrong.to_string()),
    };
    if let Err(error) = telemetry::start(settings.log.format, &settings.log.filter) {
        return complain(FAILED, &format!("{error:#}"));
    }
    match live(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the program ends");
            ExitCode::from(FAILED)
        }
    }
}

/// What the layer that signs for the endpoint says of it.
fn is_loopback(endpoint: &str) -> Result<bool, String> {
    Endpoint::parse(endpoint).map(|endpoint| endpoint.is_loopback()).map_err(|error| error.to_string())
}

/// `run`, from settings to the end of the drain.
fn live(settings: Settings) -> anyhow::Result<()> {
    let provider = rustls::crypto::ring::default_provider().install_default();
    provider.map_err(|_| anyhow!("another provider of cryptography was installed first"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the asynchronous runtime did not start")?;
    let ended = runtime.block_on(async {
        let shutdown = Shutdown::listen(settings.drain).context("signals cannot be received")?;
        tokio::select! {
            ended = run::run(settings, shutdown.clone()) => ended,
            () = shutdown.over() => Err(anyhow!("the drain did not finish its work in time")),
        }
    });
    // Dropping the runtime would wait for the resolution of a name that is still under way, past every deadline.
    runtime.shutdown_background();
    ended
}

/// What clap has to say: help where it was asked for, else one sentence.
fn explain(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return print(&text);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return complain(WRONG_SETTING, text.trim_end());
    }
    // The complaint and its tips are paragraphs of their own, before the usage and a pointer to the help.
    let spoken = |part: &&str| !part.starts_with("Usage:") && !part.starts_with("For more information");
    let parts: Vec<_> = text.trim_start_matches("error: ").split("\n\n").map(str::trim).filter(spoken).collect();
    let sentence = parts.join("; ").split_whitespace().collect::<Vec<_>>().join(" ");
    complain(WRONG_SETTING, &format!("{sentence}; see --help"))
}

/// Writes `text` to standard output. A reader that has seen enough, as `head` has, is no failure.
fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(FAILED, &format!("standard output cannot be written: {error}")),
    }
}

/// Writes `sentence` to standard error and returns `code`. If even that fails there is nobody left to tell.
fn complain(code: u8, sentence: &str) -> ExitCode {
    drop(writeln!(io::stderr().lock(), "{sentence}"));
    ExitCode::from(code)
}
