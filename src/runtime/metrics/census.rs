//! Figures that are counted anew at every scrape, from what is stored: nothing is added up in between, so nothing can
//! drift, and a restart changes none of them.
//!
//! Who counts is a function that is handed in: this layer knows neither objects nor reasons. Until it can say something,
//! as before the first list of a watch, the figures are left out. A zero would be a lie, and would end an alert.
//!
//! # Why not gauges that each pass sets
//! They would miss what no pass is made over: an object that was deleted, or one that rests since before the restart.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// What is stored, by namespace.
pub type Census = BTreeMap<String, Namespace>;

/// What is stored in one namespace. The words that it is sorted by come from a closed set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Objects, by reason.
    pub backups: BTreeMap<&'static str, i64>,
    /// Orders that ended without a copy and that no newer copy makes up for, by reason.
    pub unresolved: BTreeMap<&'static str, i64>,
    /// Orders in doubt.
    pub in_doubt: i64,
    /// The submission of the oldest order in doubt.
    pub oldest_doubt: Option<Timestamp>,
    /// The creation of the oldest order that waits to be accepted.
    pub oldest_waiting: Option<Timestamp>,
    /// The creation of the oldest order without a copy, that no newer copy makes up for either.
    pub oldest_unmet: Option<Timestamp>,
    /// The latest complete copy.
    pub last_success: Option<Timestamp>,
}

/// Counts what is stored; `None` as long as that is not known.
type Count<T> = dyn Fn() -> Option<T> + Send + Sync;

/// Asks who counts, once a scrape.
pub(super) struct Counter<T>(OnceLock<Box<Count<T>>>);

impl<T> Counter<T> {
    /// The first one stays.
    pub(super) fn set(&self, count: impl Fn() -> Option<T> + Send + Sync + 'static) {
        drop(self.0.set(Box::new(count)));
    }

    /// What is stored now, if anybody knows.
    pub(super) fn count(&self) -> Option<T> {
        self.0.get().and_then(|count| count())
    }
}

impl<T> Default for Counter<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> fmt::Debug for Counter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter").finish_non_exhaustive()
    }
}

impl Collector for Counter<Census> {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let census = self.count().unwrap_or_default();
        by_reason(&mut encoder, "backups", "Objects, by the reason of Ready", &census, |it| &it.backups)?;
        let help = "Orders that ended without a copy, as long as no newer order for the same has a copy";
        by_reason(&mut encoder, "unresolved_failures", help, &census, |it| &it.unresolved)?;
        let help = "Orders of which nobody knows yet whether the cloud accepted them";
        family(&mut encoder, "orders_in_doubt", help, None, census.iter().map(|(name, it)| (of(name), it.in_doubt)))?;
        let help = "When the oldest order in doubt was submitted, in seconds since 1970";
        instant(&mut encoder, "oldest_doubt_timestamp", help, &census, |it| it.oldest_doubt)?;
        let help = "When the oldest order that waits to be accepted was created, in seconds since 1970";
        instant(&mut encoder, "oldest_waiting_timestamp", help, &census, |it| it.oldest_waiting)?;
        let help = "When the oldest order was created that has no copy, and no newer one for the same has, in seconds \
                    since 1970";
        instant(&mut encoder, "oldest_unmet_timestamp", help, &census, |it| it.oldest_unmet)?;
        let help = "When the latest copy was complete, of the objects that are there, in seconds since 1970";
        instant(&mut encoder, "last_success_timestamp", help, &census, |it| it.last_success)
    }
}

/// Labels of one series.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

fn of(namespace: &str) -> Labels<'_> {
    vec![("namespace", namespace)]
}

fn by_reason<'a>(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    census: &'a Census,
    figure: impl Fn(&'a Namespace) -> &'a BTreeMap<&'static str, i64>,
) -> Result<(), fmt::Error> {
    let series = census.iter().flat_map(|(namespace, it)| {
        figure(it)
            .iter()
            .map(move |(reason, count)| (vec![("namespace", namespace.as_str()), ("reason", *reason)], *count))
    });
    family(encoder, name, help, None, series)
}

fn instant(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    census: &Census,
    figure: impl Fn(&Namespace) -> Option<Timestamp>,
) -> Result<(), fmt::Error> {
    let series = census.iter().filter_map(|(namespace, it)| Some((of(namespace), figure(it)?.as_second())));
    family(encoder, name, help, Some(&Unit::Seconds), series)
}

/// A family of gauges.
pub(super) fn family<'a>(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    series: impl Iterator<Item = (Labels<'a>, i64)>,
) -> Result<(), fmt::Error> {
    // Help ends in a full stop, as the registry writes its own.
    let mut family = encoder.encode_descriptor(name, &format!("{help}."), unit, MetricType::Gauge)?;
    for (labels, value) in series {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
