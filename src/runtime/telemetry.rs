//! Events leave the program one a line, on standard error, in one of two forms.
//!
//! JSON is for collectors: the fields of an event stand at the top level beside `timestamp` (RFC 3339, UTC), `level`,
//! `target` and `message`; the fields of the pass that it belongs to stand under `span`. Line breaks inside a value are
//! escaped by the form itself, so no answer of the cloud can forge a second event. A panic is an event as well, so that
//! its last words can be searched like all others.
//!
//! The libraries below us speak up from `warn` on, unless the filter names them: kube and hyper describe every request at
//! `debug`, which drowns the one line that was looked for, and may show headers.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// The form of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// One line of text.
    Text,
}

/// Libraries that are silent below `warn` unless the filter names them.
const QUIET: [&str; 8] = ["h2", "hyper", "hyper_util", "kube_client", "kube_runtime", "reqwest", "rustls", "tower"];

const CURE: &str = "give a level (off, error, warn, info, debug, trace) or directives such as info,kube_client=debug";

/// The filter that `directives` describe.
///
/// # Errors
/// The cure, if they cannot be read. A bare word must be a level: the underlying library takes `inof` for the name of a
/// module and would then be silent about everything else.
pub fn filter(directives: &str) -> Result<EnvFilter, String> {
    let is_bare = |part: &str| !part.contains(['=', ':', '[']);
    let wrong_word = |part: &str| is_bare(part) && part.parse::<LevelFilter>().is_err();
    if directives.split(',').any(|part| part.is_empty() || wrong_word(part)) {
        return Err(CURE.to_owned());
    }
    // Of two directives for one target the later one holds: the user's come last.
    let quiet = QUIET.map(|target| format!("{target}=warn")).join(",");
    EnvFilter::builder().parse(format!("{quiet},{directives}")).map_err(|_| CURE.to_owned())
}

/// Starts to write events, and makes panics events. To be called once, before the first event.
///
/// # Errors
/// The filter cannot be read, or somebody else receives the events already.
pub fn start(format: LogFormat, directives: &str) -> anyhow::Result<()> {
    let filter = filter(directives).map_err(anyhow::Error::msg)?;
    let writer =
        tracing_subscriber::fmt().with_env_filter(filter).with_span_events(FmtSpan::NONE).with_writer(io::stderr);
    match format {
        LogFormat::Json => writer.json().flatten_event(true).with_span_list(false).finish().try_init()?,
        LogFormat::Text => writer.with_ansi(io::stderr().is_terminal()).finish().try_init()?,
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic: {}", panic.payload_as_str().unwrap_or("without words"));
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_understood() {
        for good in ["info", "OFF", "warn,kube_client=debug", "info,[pass{uid=abc}]=debug"] {
            assert!(filter(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_would_silence_everything_is_refused() {
        for bad in ["", "inof", "info,", "info, debug", "a=b", "info,verbose", "sqlserver_backup_operator=loud"] {
            assert_eq!(filter(bad).err().as_deref(), Some(CURE), "{bad}");
        }
    }

    #[test]
    fn libraries_are_quiet_until_they_are_named() {
        let shown = filter("debug").expect("readable").to_string();
        assert!(shown.contains("hyper=warn"), "{shown}");
        let shown = filter("debug,hyper=trace").expect("readable").to_string();
        assert!(shown.contains("hyper=trace") && !shown.contains("hyper=warn"), "{shown}");
    }
}
