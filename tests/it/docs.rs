//! Golden: what the documents say of the program is what the program says of itself.
//!
//! Tables that can be generated are: each stands between two marks, and `UPDATE=1` writes it anew. What cannot be
//! generated is looked up: a path, a test, a link that a document names must exist. So a document that is left behind by
//! a change is a failing test, not a trap for the next reader.

use std::path::{Path, PathBuf};
use std::process::Command;

use sqlserver_backup_operator::core::reason::{Reason, Verdict};
use sqlserver_backup_operator::tencent::codes;
use sqlserver_backup_operator::tencent::role::{Cure, sts};

use crate::golden;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares what stands between the marks of `table` in `page` with `lines`.
pub(crate) fn compare(page: &str, table: &str, lines: impl IntoIterator<Item = String>) {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let (begin, end) = (format!("<!-- begin generated: {table} -->\n"), format!("<!-- end generated: {table} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{page} has no mark {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{page} has no mark {end}"));
    let lines: String = lines.into_iter().map(|line| line + "\n").collect();
    golden::compare(page, &format!("{before}{begin}\n{lines}\n{end}{after}"));
}

fn help() -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_sqlserver-backup-operator")).args(["run", "--help"]).output().unwrap();
    String::from_utf8(run.stdout).unwrap()
}

/// What stands in brackets behind `name`, as `[env: NAME]`.
fn bracket<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(&format!("[{name}: "))?.1.split_once(']').map(|(value, _)| value)
}

#[test]
fn the_settings_are_those_of_the_help() {
    let help = help();
    let (_, options) = help.split_once("Options:\n").unwrap();
    let (options, alone) = options.split_once("\n\n").unwrap();
    let lines: Vec<&str> = options.lines().map(str::trim).collect();
    let flags = lines.windows(2).filter(|pair| pair[0].starts_with("--")).map(|pair| {
        let (flag, value) = pair[0].split_once(' ').unwrap();
        let meaning = pair[1].split(" [env: ").next().unwrap();
        let default = bracket(pair[1], "default").map_or("none".to_owned(), |default| format!("`{default}`"));
        format!("| `{flag} {value}` | `{}` | {default} | {meaning} |", bracket(pair[1], "env").unwrap())
    });
    let head = ["| flag | environment | default | meaning |", "|---|---|---|---|"].map(str::to_owned);
    compare("docs/settings.md", "settings", head.into_iter().chain(flags));

    let page = std::fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let is_name = |word: &&str| word.len() > 3 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let names: Vec<&str> = alone.split([' ', ',', '\n']).filter(is_name).collect();
    assert!(names.contains(&"KUBECONFIG"), "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "{name} is missing");
    }
}

#[test]
fn the_codes_are_those_of_the_table() {
    compare("docs/codes.md", "codes", codes::markdown());
}

#[test]
fn the_answers_of_sts_are_those_of_the_table() {
    let head = ["| code | whose turn | what you read |", "|---|---|---|"].map(str::to_owned);
    let rows = sts::EXPLAINED.iter().map(|(code, cure, sentence)| {
        let turn = if *cure == Cure::Wait { "nobody: it is tried again" } else { "who set up the role" };
        format!("| `{code}` | {turn} | {sentence} |")
    });
    compare("docs/credentials.md", "sts", head.into_iter().chain(rows));
}

#[test]
fn the_rows_of_the_design_are_those_of_the_code() {
    let design = std::fs::read_to_string(root().join("DESIGN.md")).unwrap();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = design.lines().filter(|line| line.starts_with('|')).map(cells).collect();
    for reason in Reason::ALL {
        let word = format!("`{}`", reason.as_str());
        let verdicts = reason.verdicts(None);
        let expected = [verdicts.submitted, verdicts.ready, verdicts.reconciling, verdicts.stalled];
        let own: Vec<_> =
            rows.iter().filter(|row| row.len() == 5 && row[0].split(' ').any(|one| one == word)).collect();
        assert_eq!(own.len(), 1, "{word} has one row");
        assert_eq!(own[0][1..], expected.map(Verdict::as_str), "{word}");
    }
}

/// Every document of the tree.
fn documents() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().to_owned(), root().join("docs"), root().join("docs/adr"), root().join("simulator")];
    let files =
        folders.drain(..).flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let pages: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "md"))
        .map(|file| (file.clone(), std::fs::read_to_string(&file).unwrap()))
        .collect();
    assert!(pages.len() > 20, "the documents were not found");
    pages
}

#[test]
fn what_a_document_names_is_there() {
    for (page, text) in documents() {
        for (link, _) in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let (path, _) = link.split_once('#').unwrap_or((link, ""));
            let target = page.parent().unwrap().join(path);
            assert!(link.contains("://") || target.exists(), "{}: {link}", page.display());
        }
        for word in text.split('`') {
            let is_path = ["src/", "tests/", "docs/", "tools/", "deploy/", "crds/"].iter().any(|f| word.starts_with(f));
            if is_path && !word.contains([' ', '*']) {
                assert!(root().join(word).exists(), "{}: {word}", page.display());
            }
        }
    }
}

#[test]
fn each_promise_and_each_test_that_a_document_names_is_in_the_sources() {
    let mut sources = String::new();
    let mut folders = vec![root().join("src"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let design = std::fs::read_to_string(root().join("DESIGN.md")).unwrap();
    for promise in 1..=8 {
        assert!(design.contains(&format!("\n**I{promise}, ")), "I{promise} is not explained");
        let own = |word: &&str| word.starts_with(&format!("i{promise}_"));
        let named: Vec<&str> = design.split('`').filter(own).collect();
        assert!(!named.is_empty(), "no test is named for I{promise}");
    }
    for (page, text) in documents() {
        let is_test = |word: &&str| {
            word.matches('_').count() > 3
                && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
        };
        for word in text.split('`').filter(is_test).filter(|word| !word.starts_with("sqlserver_backup_operator")) {
            assert!(sources.contains(&format!("fn {word}(")), "{}: {word}", page.display());
        }
    }
}
