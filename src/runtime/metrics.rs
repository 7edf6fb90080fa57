//! The program's figures, typed.
//!
//! Every name begins with `sqlserver_backup_operator_`. A label's values come from closed sets (`&'static str`), with
//! two exceptions, the namespace, and the name of a schedule: an order's name, a UID, an instance or a message never
//! becomes a label, so that the number of series is bounded by the program's own tables, the number of namespaces, and
//! the number of schedules.
//!
//! Counters and histograms count what this process did, and begin anew with it. Figures of orders and schedules are a
//! function of what is stored, see [`census`] and [`schedules`]: right from the first scrape after a restart.
//!
//! A registry is a value that is passed around, not a global: a test reads exactly what it caused.

pub mod census;
pub mod schedules;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use census::Census;
use schedules::Schedules;

/// The `Content-Type` of what [`Metrics::encode`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds. The last one is the time-out of a whole call, so nothing but a late wake-up lies above it.
const CALL_SECONDS: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    action: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
    result: &'static str,
}

/// All figures of one process. Shared behind an `Arc`; no method waits for anything but a short lock.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<ActionLabels, Histogram, fn() -> Histogram>,
    passes: Family<PassLabels, Counter>,
    counted: Arc<census::Counter<Census>>,
    schedules: Arc<census::Counter<Schedules>>,
    status_writes: Counter,
    duplicates: Counter,
    undecodable: Counter,
    leader: Gauge,
}

impl Metrics {
    /// Figures that all stand at nothing. `version` is shown as the label of the build's information.
    pub fn new(version: &'static str) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("sqlserver_backup_operator"),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(|| Histogram::new(CALL_SECONDS)),
            passes: Family::default(),
            counted: Arc::default(),
            schedules: Arc::default(),
            status_writes: Counter::default(),
            duplicates: Counter::default(),
            undecodable: Counter::default(),
            leader: Gauge::default(),
        };
        metrics.register(version);
        metrics
    }

    /// Gives every figure its name. Destructured, so that a figure without a name is a warning.
    fn register(&mut self, version: &'static str) {
        let Self {
            registry,
            calls,
            call_seconds,
            passes,
            counted,
            schedules,
            status_writes,
            duplicates,
            undecodable,
            leader,
        } = self;
        let build = Info::new(vec![("version", version)]);
        registry.register("build", "The program that speaks here", build);
        registry.register("cloud_calls", "Calls to the cloud, by action and answered code", calls.clone());
        let help = "How long a call to the cloud took, from the connection to the last byte read";
        registry.register_with_unit("cloud_call_duration", help, Unit::Seconds, call_seconds.clone());
        registry.register("passes", "Passes over an object, by result", passes.clone());
        registry.register("status_writes", "Writes of a status to the API server", status_writes.clone());
        let help = "Backups that were seen in the cloud beyond the one that their order may have";
        registry.register("duplicate_backups", help, duplicates.clone());
        let help = "Times an object was met whose spec or status cannot be read";
        registry.register("undecodable_objects", help, undecodable.clone());
        registry.register("leader", "Whether this process works (1) or stands by (0)", leader.clone());
        registry.register_collector(Box::new(counted.clone()));
        registry.register_collector(Box::new(schedules.clone()));
    }

    /// One call to the cloud ended. `code` is the code of the caller's table, `OK` for a good answer, a word of its own
    /// for an answer that never came, and `other` for a code that the table lacks.
    pub fn call(&self, action: &'static str, code: &'static str, took: Duration) {
        self.calls.get_or_create(&CallLabels { action, code }).inc();
        self.call_seconds.get_or_create(&ActionLabels { action }).observe(took.as_secs_f64());
    }

    /// One pass over an object ended.
    pub fn pass(&self, result: &'static str) {
        self.passes.get_or_create(&PassLabels { result }).inc();
    }

    /// From now on the figures of what is stored are what `count` says at the moment of a scrape; it is asked on the
    /// thread that does the work, so it must not wait. Nothing is shown while it says `None`.
    pub fn count_with(&self, count: impl Fn() -> Option<Census> + Send + Sync + 'static) {
        self.counted.set(count);
    }

    /// The same for the schedules that are stored: `None` until the first list of each of their watches has come.
    pub fn count_schedules_with(&self, count: impl Fn() -> Option<Schedules> + Send + Sync + 'static) {
        self.schedules.set(count);
    }

    /// A status was written to the API server.
    pub fn status_written(&self) {
        self.status_writes.inc();
    }

    /// A backup beyond the one that its order may have was seen (I6).
    pub fn duplicate_seen(&self) {
        self.duplicates.inc();
    }

    /// An object was met whose spec or status cannot be read.
    pub fn undecodable_met(&self) {
        self.undecodable.inc();
    }

    /// Whether this process leads. Without an election it does.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// All figures as `OpenMetrics` text, see [`CONTENT_TYPE`].
    ///
    /// # Errors
    /// A label could not be written as text. No label of this file can cause it.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::census::Namespace;
    use super::*;

    fn lines(metrics: &Metrics) -> Vec<String> {
        metrics.encode().expect("encodable").lines().map(str::to_owned).collect()
    }

    fn second(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    fn census() -> Census {
        let namespace = Namespace {
            backups: [("Completed", 7), ("Failed", 2)].into(),
            unresolved: [("Failed", 1)].into(),
            in_doubt: 0,
            oldest_doubt: None,
            oldest_waiting: second(1_700_000_000),
            oldest_unmet: second(1_600_000_000),
            last_success: second(1_800_000_000),
        };
        [("team-a".to_owned(), namespace)].into()
    }

    #[test]
    fn every_figure_shows_under_its_name() {
        let metrics = Metrics::new("1.2.3");
        metrics.call("CreateBackup", "OK", Duration::from_millis(40));
        metrics.pass("rest");
        metrics.count_with(|| Some(census()));
        metrics.status_written();
        metrics.duplicate_seen();
        metrics.undecodable_met();
        metrics.set_leader(true);
        let lines = lines(&metrics);
        for expected in [
            r#"sqlserver_backup_operator_cloud_calls_total{action="CreateBackup",code="OK"} 1"#,
            r#"sqlserver_backup_operator_cloud_call_duration_seconds_count{action="CreateBackup"} 1"#,
            r#"sqlserver_backup_operator_cloud_call_duration_seconds_bucket{le="0.025",action="CreateBackup"} 0"#,
            r#"sqlserver_backup_operator_cloud_call_duration_seconds_bucket{le="0.05",action="CreateBackup"} 1"#,
            r#"sqlserver_backup_operator_passes_total{result="rest"} 1"#,
            r#"sqlserver_backup_operator_backups{namespace="team-a",reason="Completed"} 7"#,
            r#"sqlserver_backup_operator_backups{namespace="team-a",reason="Failed"} 2"#,
            r#"sqlserver_backup_operator_unresolved_failures{namespace="team-a",reason="Failed"} 1"#,
            r#"sqlserver_backup_operator_orders_in_doubt{namespace="team-a"} 0"#,
            r#"sqlserver_backup_operator_oldest_waiting_timestamp_seconds{namespace="team-a"} 1700000000"#,
            r#"sqlserver_backup_operator_oldest_unmet_timestamp_seconds{namespace="team-a"} 1600000000"#,
            r#"sqlserver_backup_operator_last_success_timestamp_seconds{namespace="team-a"} 1800000000"#,
            "sqlserver_backup_operator_status_writes_total 1",
            "sqlserver_backup_operator_duplicate_backups_total 1",
            "sqlserver_backup_operator_undecodable_objects_total 1",
            "sqlserver_backup_operator_leader 1",
            r#"sqlserver_backup_operator_build_info{version="1.2.3"} 1"#,
        ] {
            assert!(lines.iter().any(|line| line == expected), "missing: {expected}\nin: {lines:#?}");
        }
        assert_eq!(lines.last().map(String::as_str), Some("# EOF"));
    }

    #[test]
    fn an_instant_that_nothing_happened_at_is_left_out() {
        let metrics = Metrics::new("1.2.3");
        metrics.count_with(|| Some(census()));
        let lines = lines(&metrics);
        assert!(
            lines.iter().any(|line| line.starts_with("# TYPE sqlserver_backup_operator_oldest_doubt")),
            "{lines:#?}"
        );
        assert!(!lines.iter().any(|line| line.starts_with("sqlserver_backup_operator_oldest_doubt")), "{lines:#?}");
    }

    /// A zero would end an alert that should go on.
    #[test]
    fn nothing_is_said_of_the_orders_before_they_are_known() {
        let metrics = Metrics::new("1.2.3");
        let namespaced = |metrics: &Metrics| lines(metrics).iter().filter(|line| line.contains("{namespace=")).count();
        assert_eq!(namespaced(&metrics), 0, "nobody counts");
        metrics.count_with(|| None);
        assert_eq!(namespaced(&metrics), 0, "who counts knows nothing yet");
    }
}
