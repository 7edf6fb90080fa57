//! What the figures say of the schedules: one series of each figure for a schedule, counted anew at every scrape as those
//! of the orders are, see [`super::census`].
//!
//! These are the only figures whose labels hold the name of an object: a schedule is made by hand and stays, so their
//! number is at most that of the schedules that are stored, times ten. Their backups, which come and go, never get one.
//!
//! # Why every fact is an instant or a number of its own
//! An age would differ between two replicas and between two scrapes, and one that is kept as "is older than" could not be
//! told from a figure that died. An instant that is durable goes on where it stood, whoever shows it.

use std::fmt;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Unit;

use super::census::{Counter, Labels, family};

/// What is stored of every schedule, in the order in which it is shown.
pub type Schedules = Vec<Schedule>;

/// What is stored of one schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Schedule {
    /// Where it is. It and the name are labels.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The condition `Ready`; none if it is Unknown.
    pub ready: Option<bool>,
    /// The condition `Protected`; none if it is Unknown.
    pub protected: Option<bool>,
    /// The reason of `Ready`, of a closed set.
    pub ready_reason: &'static str,
    /// The reason of `Protected`, of a closed set.
    pub protected_reason: &'static str,
    /// How old the newest copy may be, in seconds; none if nothing was promised.
    pub objective: Option<i64>,
    /// When the newest good copy in the cloud began, whoever made it.
    pub latest_copy: Option<Timestamp>,
    /// When the newest copy of its own was complete.
    pub last_success: Option<Timestamp>,
    /// When the next backup is due.
    pub next_run: Option<Timestamp>,
    /// How many of its times passed without a backup, ever.
    pub missed_runs: u64,
    /// Whether it is suspended.
    pub is_suspended: bool,
    /// Since when, as far as that is durable.
    pub suspended_since: Option<Timestamp>,
}

impl Schedule {
    fn labels(&self) -> Labels<'_> {
        vec![("namespace", &self.namespace), ("name", &self.name)]
    }
}

impl Collector for Counter<Schedules> {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let all = self.count().unwrap_or_default();
        conditions(&mut encoder, &all)?;
        let help = "How old the newest good copy may be";
        number(&mut encoder, "schedule_objective", help, Some(&Unit::Seconds), &all, |it| it.objective)?;
        let help =
            "When the newest good copy of what the schedule backs up began, whoever made it, in seconds since 1970";
        instant(&mut encoder, "schedule_latest_copy_timestamp", help, &all, |it| it.latest_copy)?;
        let help = "When the newest copy of the schedule's own was complete, in seconds since 1970";
        instant(&mut encoder, "schedule_last_success_timestamp", help, &all, |it| it.last_success)?;
        let help = "When the next backup is due, in seconds since 1970";
        instant(&mut encoder, "schedule_next_run_timestamp", help, &all, |it| it.next_run)?;
        let help = "Times of the schedule that passed without a backup, since it was created";
        missed_runs(&mut encoder, help, &all)?;
        let help = "Whether the schedule is suspended (1) or not (0)";
        number(&mut encoder, "schedule_suspended", help, None, &all, |it| Some(i64::from(it.is_suspended)))?;
        let help = "Since when the schedule is suspended, in seconds since 1970";
        instant(&mut encoder, "schedule_suspended_timestamp", help, &all, |it| it.suspended_since)
    }
}

/// Their values as numbers, and their reasons as labels of a third figure: a label that changed with the value would make
/// two series of one, and whoever looks over some minutes would see both.
fn conditions(encoder: &mut DescriptorEncoder, all: &[Schedule]) -> Result<(), fmt::Error> {
    let verdict = |value: Option<bool>| Some(value.map_or(-1, i64::from));
    let help = "Whether the schedule is followed: 1 True, 0 False, -1 Unknown";
    number(encoder, "schedule_ready", help, None, all, |it| verdict(it.ready))?;
    let help = "Whether a good copy younger than the objective exists: 1 True, 0 False, -1 Unknown";
    number(encoder, "schedule_protected", help, None, all, |it| verdict(it.protected))?;
    let help = "Always 1; the labels are the reasons of Ready and of Protected";
    let series = all.iter().map(|it| {
        let mut labels = it.labels();
        labels.extend([("ready", it.ready_reason), ("protected", it.protected_reason)]);
        (labels, 1)
    });
    family(encoder, "schedule_reason", help, None, series)
}

fn number(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    all: &[Schedule],
    figure: impl Fn(&Schedule) -> Option<i64>,
) -> Result<(), fmt::Error> {
    family(encoder, name, help, unit, all.iter().filter_map(|it| Some((it.labels(), figure(it)?))))
}

fn instant(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    all: &[Schedule],
    figure: impl Fn(&Schedule) -> Option<Timestamp>,
) -> Result<(), fmt::Error> {
    number(encoder, name, help, Some(&Unit::Seconds), all, |it| figure(it).map(Timestamp::as_second))
}

/// The one of them that only grows. It is durable, so a restart does not begin it anew.
fn missed_runs(encoder: &mut DescriptorEncoder, help: &str, all: &[Schedule]) -> Result<(), fmt::Error> {
    let help = format!("{help}.");
    let mut family = encoder.encode_descriptor("schedule_missed_runs", &help, None, MetricType::Counter)?;
    for it in all {
        ConstCounter::new(it.missed_runs).encode(family.encode_family(&it.labels())?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    fn second(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    fn nightly() -> Schedule {
        Schedule {
            namespace: "shop".to_owned(),
            name: "nightly".to_owned(),
            ready: Some(true),
            protected: Some(false),
            ready_reason: "Suspended",
            protected_reason: "ObjectiveMissed",
            objective: Some(93_600),
            latest_copy: second(1_600_000_000),
            last_success: second(1_700_000_000),
            next_run: second(1_800_000_000),
            missed_runs: 3,
            is_suspended: true,
            suspended_since: second(1_500_000_000),
        }
    }

    /// The series of schedules, without what all of them begin with.
    fn lines(metrics: &Metrics) -> Vec<String> {
        let text = metrics.encode().expect("encodable");
        text.lines()
            .filter_map(|line| line.strip_prefix("sqlserver_backup_operator_schedule_"))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn every_figure_of_a_schedule_shows_under_its_name() {
        let metrics = Metrics::new("1.2.3");
        metrics.count_schedules_with(|| Some(vec![nightly()]));
        let labels = r#"namespace="shop",name="nightly""#;
        assert_eq!(
            lines(&metrics),
            [
                format!("ready{{{labels}}} 1"),
                format!("protected{{{labels}}} 0"),
                format!(r#"reason{{{labels},ready="Suspended",protected="ObjectiveMissed"}} 1"#),
                format!("objective_seconds{{{labels}}} 93600"),
                format!("latest_copy_timestamp_seconds{{{labels}}} 1600000000"),
                format!("last_success_timestamp_seconds{{{labels}}} 1700000000"),
                format!("next_run_timestamp_seconds{{{labels}}} 1800000000"),
                format!("missed_runs_total{{{labels}}} 3"),
                format!("suspended{{{labels}}} 1"),
                format!("suspended_timestamp_seconds{{{labels}}} 1500000000"),
            ]
        );
    }

    /// An Unknown that were absent would let whoever looks back some minutes see what was true before.
    #[test]
    fn what_is_unknown_has_a_value_and_what_never_was_has_none() {
        let metrics = Metrics::new("1.2.3");
        let new = Schedule { name: "new".to_owned(), ready_reason: "Pending", ..Schedule::default() };
        metrics.count_schedules_with(move || Some(vec![new.clone()]));
        let labels = r#"namespace="",name="new""#;
        assert_eq!(
            lines(&metrics),
            [
                format!("ready{{{labels}}} -1"),
                format!("protected{{{labels}}} -1"),
                format!(r#"reason{{{labels},ready="Pending",protected=""}} 1"#),
                format!("missed_runs_total{{{labels}}} 0"),
                format!("suspended{{{labels}}} 0"),
            ]
        );
    }

    #[test]
    fn nothing_is_said_of_schedules_before_they_are_known() {
        let metrics = Metrics::new("1.2.3");
        assert_eq!(lines(&metrics), [""; 0], "nobody counts");
        metrics.count_schedules_with(|| None);
        assert_eq!(lines(&metrics), [""; 0], "who counts knows nothing yet");
    }
}
