//! One check a value: text in, meaning or a sentence out. Pure.
//!
//! Whole seconds end at one day: none of these rests has a use beyond it, and a sum of them can then never leave the
//! range of any clock.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::flags::{
    ADMIN_ADDRESS, API_SHARE, CLOCK_SKEW_SECONDS, LISTING_LAG_SECONDS, LOG_FILTER, LOG_FORMAT, METADATA,
    METADATA_ENDPOINT, POLL_MAX_SECONDS, POLL_MIN_SECONDS, SHARED_IDENTITY_NAMESPACES, SIGNATURE_VALIDITY_SECONDS,
    Setting, WATCH_NAMESPACES,
};
use super::{Fence, Log, Namespaces, Polling, Wrong};
use crate::runtime::telemetry::{self, LogFormat};

const MAX_SECONDS: u64 = 86_400;
const MAX_NAMESPACE: usize = 63;

/// A whole number of seconds from `min` to one day.
pub(super) fn seconds(setting: Setting, text: &str, min: u64) -> Result<Duration, Wrong> {
    let number = text.parse().ok().filter(|number| (min..=MAX_SECONDS).contains(number));
    let wrong = || setting.wrong(text, &format!("give a whole number of seconds from {min} to {MAX_SECONDS}"));
    number.map(Duration::from_secs).ok_or_else(wrong)
}

/// Both rests, the first no longer than the longest.
pub(super) fn polling(min: &str, max: &str) -> Result<Polling, Wrong> {
    let polling = Polling { min: seconds(POLL_MIN_SECONDS, min, 1)?, max: seconds(POLL_MAX_SECONDS, max, 1)? };
    if polling.min > polling.max {
        let cure = format!("it is above {POLL_MAX_SECONDS}, which is {max}: lower the first or raise the second");
        return Err(POLL_MIN_SECONDS.wrong(min, &cure));
    }
    Ok(polling)
}

/// The three parts. A real cloud's facts cannot be wished smaller: a fence that ends early makes second backups.
pub(super) fn fence(validity: &str, skew: &str, lag: &str, loopback: bool) -> Result<Fence, Wrong> {
    let part = |setting: Setting, text: &str, fact: u64| {
        let part = seconds(setting, text, 0)?;
        if part < Duration::from_secs(fact) && !loopback {
            let cure = format!("give {fact} or more, for less is only safe while the endpoint is on loopback");
            return Err(setting.wrong(text, &cure));
        }
        Ok(part)
    };
    Ok(Fence {
        signature_validity: part(SIGNATURE_VALIDITY_SECONDS, validity, 300)?,
        clock_skew: part(CLOCK_SKEW_SECONDS, skew, 300)?,
        listing_lag: part(LISTING_LAG_SECONDS, lag, 60)?,
    })
}

/// A share of the documented limits.
pub(super) fn share(text: &str) -> Result<f64, Wrong> {
    // "NaN" parses, and lies in no range.
    let share = text.parse::<f64>().ok().filter(|share| (0.05..=1.0).contains(share));
    share.ok_or_else(|| API_SHARE.wrong(text, "give a number from 0.05 to 1"))
}

/// A switch.
pub(super) fn switch(setting: Setting, text: &str) -> Result<bool, Wrong> {
    text.parse().map_err(|_| setting.wrong(text, "give true or false"))
}

/// Where the node's metadata service is. What it answers are keys, so nobody else may be asked.
pub(super) fn metadata(text: String, is_loopback: impl Fn(&str) -> Result<bool, String>) -> Result<String, Wrong> {
    if text == METADATA || (text.starts_with("http://") && is_loopback(&text) == Ok(true)) {
        return Ok(text);
    }
    Err(METADATA_ENDPOINT.refuse(&format!("only {METADATA} is asked for keys, or http on loopback: leave it out")))
}

/// Where the admin server listens. A host name is refused: what it resolves to may change, and may be two addresses.
pub(super) fn address(text: &str) -> Result<SocketAddr, Wrong> {
    let cure = "give an IP address and a port, such as 0.0.0.0:8080 or [::1]:8080";
    text.parse().map_err(|_| ADMIN_ADDRESS.wrong(text, cure))
}

/// Form and filter of the events.
pub(super) fn log(format: &str, filter: String) -> Result<Log, Wrong> {
    let format = match format {
        "json" => LogFormat::Json,
        "text" => LogFormat::Text,
        _ => return Err(LOG_FORMAT.wrong(format, "give json or text")),
    };
    match telemetry::filter(&filter) {
        Ok(_) => Ok(Log { format, filter }),
        Err(cure) => Err(LOG_FILTER.wrong(&filter, &cure)),
    }
}

/// Where orders are looked for: nothing given means everywhere.
pub(super) fn watched(text: &str) -> Result<Namespaces, Wrong> {
    if text.is_empty() {
        return Ok(Namespaces::All);
    }
    names(WATCH_NAMESPACES, text, "give names separated by commas, or leave it empty for all")
}

/// Who shares the operator's identity: nothing given means nobody.
pub(super) fn sharing(text: &str) -> Result<Namespaces, Wrong> {
    match text {
        "" => Ok(Namespaces::Only(BTreeSet::new())),
        "*" => Ok(Namespaces::All),
        _ => names(SHARED_IDENTITY_NAMESPACES, text, "give names separated by commas, or * alone for all"),
    }
}

fn names(setting: Setting, text: &str, cure: &str) -> Result<Namespaces, Wrong> {
    let names: BTreeSet<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| !is_namespace(name)) {
        None => Ok(Namespaces::Only(names)),
        Some(bad) if bad.is_empty() => Err(setting.wrong(text, &format!("one of its names is empty, {cure}"))),
        Some(bad) => {
            let bad: String = bad.chars().take(MAX_NAMESPACE + 1).collect();
            Err(setting.refuse(&format!("{bad:?} is no name of a namespace, {cure}")))
        }
    }
}

/// A DNS label as RFC 1123 has it, in lower case: what the API server accepts as the name of a namespace.
pub(super) fn is_namespace(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= MAX_NAMESPACE
        && !name.is_empty()
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
