//! What a query names: figures, labels and values. promtool has parsed it before; this only picks out the words.

use std::collections::BTreeSet;

/// One figure of a query.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) name: String,
    /// The labels that it is selected by, and those that the whole query groups by.
    pub(super) labels: BTreeSet<String>,
    /// Label and value of each selector, alternatives taken apart.
    pub(super) values: Vec<(String, String)>,
}

/// The figures of the program that `query` names.
pub(super) fn read(query: &str) -> Vec<Figure> {
    let mut figures = vec![];
    let mut rest = query;
    while let Some(at) = rest.find("sqlserver_backup_operator_") {
        rest = &rest[at..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        rest = behind;
        let mut figure = Figure { name: name.to_owned(), labels: grouped(query), values: vec![] };
        if let Some(inner) = behind.strip_prefix('{').and_then(|inner| Some(inner.split_once('}')?.0)) {
            for selector in inner.split("\",") {
                let (label, value) = selector.split_once('"').unwrap();
                let label = label.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
                let alternatives = value.trim_end_matches('"').split('|');
                figure.values.extend(alternatives.map(|value| (label.clone(), value.to_owned())));
                figure.labels.insert(label);
            }
        }
        figures.push(figure);
    }
    figures
}

/// The labels of every `by (…)`.
fn grouped(query: &str) -> BTreeSet<String> {
    let groups = query.split("by (").skip(1).filter_map(|group| Some(group.split_once(')')?.0));
    groups.flat_map(|group| group.split(',')).map(|label| label.trim().to_owned()).collect()
}

#[test]
fn a_query_is_taken_apart() {
    let query = "sum by (le, action) (rate(sqlserver_backup_operator_a_total{code=~\"A|B.*\",ns!=\"x\"}[5m])) \
                 / sqlserver_backup_operator_b";
    let read = read(query);
    let names: Vec<&str> = read.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(names, ["sqlserver_backup_operator_a_total", "sqlserver_backup_operator_b"]);
    assert_eq!(read[0].labels, ["le", "action", "code", "ns"].map(str::to_owned).into());
    let values = [("code", "A"), ("code", "B.*"), ("ns", "x")];
    assert_eq!(read[0].values, values.map(|(label, value)| (label.to_owned(), value.to_owned())));
    assert!(read[1].values.is_empty());
}
