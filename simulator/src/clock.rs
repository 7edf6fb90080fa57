//! The cloud's clock, and how the cloud writes instants down.
//!
//! The one place that reads the machine's clock. The offset is a switch, so that a cloud and a client that disagree about
//! the time can be had on one machine.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// What stands in `EndTime` while a backup runs.
pub(crate) const NO_TIME: &str = "0000-00-00 00:00:00";
const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// The machine's clock, moved by `offset_seconds`.
#[expect(clippy::disallowed_methods, reason = "this is the simulator's only look at the machine's clock")]
pub(crate) fn now(offset_seconds: i64) -> Timestamp {
    later(Timestamp::now(), SignedDuration::from_secs(offset_seconds))
}

/// `at` plus `by`, kept within what a timestamp can say.
pub(crate) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

/// Seconds with a fraction, as people write them in flags; a negative or senseless number is no time at all.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}

/// `yyyy-MM-dd HH:mm:ss` at `offset`, without saying which: the API's only notation.
pub(crate) fn written(at: Timestamp, offset: Offset) -> String {
    offset.to_datetime(at).strftime(FORMAT).to_string()
}

/// The inverse of [`written`]; none if the text has another form.
pub(crate) fn read(text: &str, offset: Offset) -> Option<Timestamp> {
    let civil = DateTime::strptime(FORMAT, text).ok()?;
    // Parsing is lenient about leading zeros and blanks, the API is not.
    (civil.strftime(FORMAT).to_string() == text).then(|| offset.to_timestamp(civil).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_at_the_offset_and_read_back() {
        let at: Timestamp = "2026-11-24T20:30:00Z".parse().unwrap();
        let beijing = Offset::constant(8);
        assert_eq!(written(at, beijing), "2026-11-25 04:30:00");
        assert_eq!(read("2026-11-25 04:30:00", beijing), Some(at));
        for other in ["2026-11-25T04:30:00", "2026-11-25 4:30:00", "2026-11-25", "0000-00-00 00:00:00", ""] {
            assert_eq!(read(other, beijing), None, "{other}");
        }
    }
}
