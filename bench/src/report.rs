//! The table: what was measured, beside the floor that physics sets and the goal that we set ourselves.
//!
//! The table shows medians and, behind them, the lowest and the highest run. Every sample is kept in a file beside it, so
//! that the table can be doubted.

use std::fmt::Write as _;

use serde::Serialize;

use crate::figures::{Spread, short, spread};

/// The column of the operator.
pub(crate) const OURS: &str = "ours";
/// The columns of the others.
const PEERS: [&str; 3] = ["Python", "Go", "command line"];

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// So many times the floor at most.
    Ratio(f64),
    /// This value at most.
    AtMost(f64),
    /// Told for its own sake.
    None,
}

/// One line of the table, without its figures.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    /// The row of the bench that it belongs to.
    pub(crate) row: &'static str,
    /// In words.
    pub(crate) what: String,
    /// Behind each figure.
    pub(crate) unit: &'static str,
    /// What to reach.
    pub(crate) goal: Goal,
}

impl Measure {
    /// See the fields.
    pub(crate) fn new(row: &'static str, what: &str, unit: &'static str, goal: Goal) -> Self {
        Self { row, what: what.to_owned(), unit, goal }
    }
}

/// One figure of one run.
#[derive(Clone, Debug, Serialize)]
struct Sample {
    row: &'static str,
    what: String,
    unit: &'static str,
    who: String,
    value: f64,
    floor: Option<f64>,
}

/// All that was measured so far, in the order in which it came.
#[derive(Debug, Default)]
pub(crate) struct Report {
    measures: Vec<Measure>,
    samples: Vec<Sample>,
}

impl Report {
    /// Adds one figure of `who`.
    pub(crate) fn add(&mut self, measure: &Measure, who: &str, value: f64, floor: Option<f64>) {
        let Measure { row, what, unit, .. } = measure.clone();
        if !self.measures.iter().any(|known| known.row == row && known.what == what) {
            self.measures.push(measure.clone());
        }
        self.samples.push(Sample { row, what, unit, who: who.to_owned(), value, floor });
    }

    fn of<'a>(&'a self, measure: &'a Measure, who: &'a str) -> impl Iterator<Item = &'a Sample> {
        let is_it = move |it: &&Sample| it.row == measure.row && it.what == measure.what && it.who == who;
        self.samples.iter().filter(is_it)
    }

    fn spread(&self, measure: &Measure, who: &str) -> Option<Spread> {
        spread(&self.of(measure, who).map(|it| it.value).collect::<Vec<_>>())
    }

    /// The median of the floors: some are measured in each run.
    fn floor(&self, measure: &Measure) -> Option<f64> {
        let mut floors: Vec<f64> = self.of(measure, OURS).filter_map(|it| it.floor).collect();
        if floors.is_empty() {
            floors = PEERS.iter().flat_map(|peer| self.of(measure, peer)).filter_map(|it| it.floor).collect();
        }
        spread(&floors).map(|floors| floors.median)
    }

    /// The samples, one JSON object a line.
    pub(crate) fn samples(&self) -> String {
        let lines = self.samples.iter().filter_map(|sample| serde_json::to_string(sample).ok());
        lines.map(|line| line + "\n").collect()
    }

    /// The table in Markdown, aligned for a terminal.
    pub(crate) fn table(&self) -> String {
        let head = ["row", "what", "goal", "floor", "ours (low to high)", "ours / floor", "reached"];
        let mut lines: Vec<Vec<String>> =
            vec![head.into_iter().chain(PEERS).map(str::to_owned).collect::<Vec<String>>()];
        lines.extend(self.measures.iter().map(|measure| self.line(measure)));
        aligned(&lines)
    }

    fn line(&self, measure: &Measure) -> Vec<String> {
        let (ours, floor) = (self.spread(measure, OURS), self.floor(measure));
        let ratio = ours.zip(floor).filter(|(_, floor)| *floor > 0.0).map(|(ours, floor)| ours.median / floor);
        let goal = match measure.goal {
            Goal::Ratio(times) => format!("{times} × floor"),
            Goal::AtMost(value) => format!("≤ {} {}", short(value), measure.unit).trim_end().to_owned(),
            Goal::None => String::new(),
        };
        let reached = match measure.goal {
            Goal::Ratio(times) => ratio.map(|ratio| ratio <= times),
            Goal::AtMost(value) => ours.map(|ours| ours.median <= value),
            Goal::None => None,
        };
        let mut cells = vec![
            measure.row.to_owned(),
            measure.what.clone(),
            goal,
            floor.map(|floor| with_unit(&short(floor), measure.unit)).unwrap_or_default(),
            ours.map(|ours| shown(ours, measure.unit)).unwrap_or_default(),
            ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default(),
            reached.map(|reached| if reached { "yes" } else { "**no**" }.to_owned()).unwrap_or_default(),
        ];
        for peer in PEERS {
            cells.push(self.spread(measure, peer).map_or(String::new(), |peer| {
                let times = ours.filter(|ours| ours.median > 0.0).map(|ours| peer.median / ours.median);
                let times = times.map(|times| format!(" = {} × ours", short(times))).unwrap_or_default();
                shown(peer, measure.unit) + &times
            }));
        }
        cells
    }
}

fn with_unit(value: &str, unit: &str) -> String {
    format!("{value} {unit}").trim_end().to_owned()
}

/// `54.1 s (53.9 to 54.4)`; a single run has no spread.
fn shown(spread: Spread, unit: &str) -> String {
    let middle = with_unit(&short(spread.median), unit);
    let (low, high) = (short(spread.low), short(spread.high));
    if low == high { middle } else { format!("{middle} ({low} to {high})") }
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            // Writing to a String does not fail.
            _ = write!(out, "| {cell:width$} ");
        }
        out.push_str("|\n");
        if number == 0 {
            out.extend(widths.iter().map(|width| format!("|{}", "-".repeat(width + 2))));
            out.push_str("|\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(goal: Goal) -> Report {
        let (mut report, measure) = (Report::default(), Measure::new("drain", "to the last", "s", goal));
        for value in [54.0, 51.0, 52.0] {
            report.add(&measure, OURS, value, Some(50.0));
        }
        report.add(&measure, "Python", 78.0, None);
        report
    }

    #[test]
    fn a_line_has_medians_ratios_and_whether_the_goal_was_reached() {
        let table = report(Goal::Ratio(1.05)).table();
        let cells: Vec<&str> = table.lines().nth(2).unwrap().split('|').map(str::trim).collect();
        let expected = [
            "",
            "drain",
            "to the last",
            "1.05 × floor",
            "50.0 s",
            "52.0 s (51.0 to 54.0)",
            "1.040",
            "yes",
            "78.0 s = 1.50 × ours",
            "",
            "",
            "",
        ];
        assert_eq!(cells, expected);
        assert!(report(Goal::Ratio(1.03)).table().contains("**no**"));
        assert!(report(Goal::AtMost(51.9)).table().contains("**no**"));
        assert!(!report(Goal::AtMost(52.0)).table().contains("**no**"));
    }

    #[test]
    fn every_line_of_a_table_is_equally_wide() {
        let table = report(Goal::None).table();
        let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{table}");
    }

    #[test]
    fn each_sample_is_a_line() {
        assert_eq!(report(Goal::None).samples().lines().count(), 4);
    }
}
