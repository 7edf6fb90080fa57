//! A page of figures, as a scrape brings it: read far enough to compare it with what names its figures.

use std::collections::{BTreeMap, BTreeSet};

/// One scrape.
pub(super) struct Page {
    text: String,
    /// Labels and their values, by the name of the series.
    series: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// Name as it is typed, type, help; in the order of the page.
    families: Vec<(String, String, String)>,
}

impl Page {
    pub(super) fn read(text: &str) -> Self {
        let mut series: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (head, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = head.split_once('{').unwrap_or((head, "}"));
            let known = series.entry(name.to_owned()).or_default();
            for (label, value) in labels.trim_end_matches('}').split("\",").filter_map(|pair| pair.split_once("=\"")) {
                known.entry(label.to_owned()).or_default().insert(value.trim_end_matches('"').to_owned());
            }
        }
        let help = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
        let families = help.map(|(name, help)| {
            let kind = text.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {name} "))).unwrap();
            (name.to_owned(), kind.to_owned(), help.to_owned())
        });
        let families = families.collect();
        Self { text: text.to_owned(), series, families }
    }

    /// Every series with its value.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter(|line| !line.starts_with('#'))
    }

    /// The labels of the series of that name, if there is one.
    pub(super) fn labels(&self, series: &str) -> Option<BTreeSet<&str>> {
        Some(self.series.get(series)?.keys().map(String::as_str).collect())
    }

    /// The values of one label.
    pub(super) fn values(&self, series: &str, label: &str) -> BTreeSet<String> {
        self.series.get(series).and_then(|labels| labels.get(label)).cloned().unwrap_or_default()
    }

    /// The rows of the table in `docs/operations.md`.
    pub(super) fn rows(&self) -> Vec<String> {
        let row = |(name, kind, help): &(String, String, String)| {
            let (own, first) = match kind.as_str() {
                "counter" => (format!("{name}_total"), format!("{name}_total")),
                "info" => (format!("{name}_info"), format!("{name}_info")),
                "histogram" => (name.clone(), format!("{name}_count")),
                _ => (name.clone(), name.clone()),
            };
            let labels = self.labels(&first).unwrap_or_else(|| panic!("{first} has no series"));
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            format!("| `{own}` | {kind} | {} | {help} |", labels.join(", "))
        };
        self.families.iter().map(row).collect()
    }

    /// The same in the older text format, which names a counter's family as its series, knows no info and no end.
    pub(super) fn classic(&self) -> String {
        let mut text = String::new();
        for line in self.text.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
            let mut line = line.to_owned();
            for (name, kind, _) in &self.families {
                for mark in ["# HELP ", "# TYPE "] {
                    let (plain, suffixed) = match kind.as_str() {
                        "counter" => (format!("{mark}{name} "), format!("{mark}{name}_total ")),
                        "info" => (format!("{mark}{name} "), format!("{mark}{name}_info ")),
                        _ => continue,
                    };
                    line = line.replacen(&plain, &suffixed, 1);
                }
            }
            text += &(line.replace("_info info", "_info gauge") + "\n");
        }
        text
    }
}
