//! The table of values, generated from `values.yaml`, whose comments say what each value means.

use std::path::Path;

use super::tools::CHART;
use crate::golden;

/// One value: its path, its default as it is written, and what it means.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) path: String,
    default: String,
    meaning: String,
}

/// Every value of `values.yaml`, in its order. A comment belongs to the key below it; a value without one is explained by
/// the comment of the key above.
pub(crate) fn leaves() -> Vec<Leaf> {
    let text = std::fs::read_to_string(Path::new(CHART).join("values.yaml")).unwrap();
    let (mut leaves, mut above, mut comment) = (Vec::new(), Vec::<(usize, String, String)>::new(), Vec::new());
    for line in text.lines() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        if bare.is_empty() {
            comment.clear();
        } else if let Some(words) = bare.strip_prefix("# ") {
            comment.push(words.to_owned());
        } else {
            let (key, default) = bare.split_once(':').unwrap_or_else(|| panic!("no value and no comment: {line}"));
            above.retain(|(depth, ..)| *depth < indent);
            let meaning = std::mem::take(&mut comment).join(" ");
            let keys: Vec<&str> = above.iter().map(|(_, key, _)| key.as_str()).chain([key]).collect();
            let path = keys.join(".");
            if default.is_empty() {
                above.push((indent, key.to_owned(), meaning));
                continue;
            }
            let inherited = || above.last().map(|(.., meaning)| meaning.clone()).unwrap_or_default();
            let meaning = if meaning.is_empty() { inherited() } else { meaning };
            leaves.push(Leaf { path, default: default.trim().to_owned(), meaning });
        }
    }
    leaves
}

#[test]
fn the_table_of_values_is_that_of_the_values() {
    let page = "deploy/charts/sqlserver-backup-operator/README.md";
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let (begin, end) = ("<!-- begin generated: values -->\n", "<!-- end generated: values -->");
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let row = |Leaf { path, default, meaning }: Leaf| {
        assert!(meaning.len() > 10, "{path} is not explained");
        assert!(!meaning.contains('|'), "{path}: its meaning would break the table");
        format!("| `{path}` | `{default}` | {meaning} |")
    };
    let head = ["| value | default | meaning |", "|---|---|---|"].map(str::to_owned);
    let rows: Vec<String> = head.into_iter().chain(leaves().into_iter().map(row)).collect();
    let rows = rows.join("\n");
    golden::compare(page, &format!("{before}{begin}\n{rows}\n\n{end}{after}"));
}
