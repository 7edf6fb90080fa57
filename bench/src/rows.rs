//! The rows: what each measures, how long it takes, and which belong to the default set.

mod budget;
mod drain;
mod fair;
mod flight;
mod idle;
mod instance;
mod memory;
mod one;
mod restart;
mod scale;
mod silent;
mod size;
mod start;

use std::fmt::Write as _;

use anyhow::{Result, bail};

use crate::bench::Bench;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    /// How it is asked for.
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) about: &'static str,
    /// On two quiet cores, with three runs of what alternates.
    pub(crate) minutes: f64,
    /// Whether it belongs to the default set.
    pub(crate) is_default: bool,
}

const fn row(name: &'static str, minutes: f64, about: &'static str) -> Row {
    Row { name, about, minutes, is_default: true }
}

const fn long(name: &'static str, minutes: f64, about: &'static str) -> Row {
    Row { name, about, minutes, is_default: false }
}

const ROWS: [Row; 15] = [
    row("size", 0.0, "binary and image"),
    row("drain", 11.5, "1 000 orders on 1 000 instances, at the whole of the limits; with the peers, in turns"),
    row("defaults", 3.0, "300 orders, everybody as it comes, once"),
    row("cli", 4.0, "20 orders by the vendor's command line in a loop, four calls at once and one at a time"),
    row("one", 1.5, "one order at a time on an idle operator"),
    row("fair", 1.0, "one order in a namespace while another one has 1 000 queued"),
    row("flight", 5.5, "2 000 backups in flight on 1 000 instances: when their end is seen"),
    row("instance", 4.0, "200 orders for one instance that takes five at once"),
    row("memory", 2.5, "resident memory with nothing, with 1 000 and with 5 000 active orders"),
    row("start", 3.0, "start with 10 000 finished objects, and the memory they take"),
    row("restart", 1.5, "killed and started again with 1 000 backups in flight"),
    row("silent", 2.0, "connections to the API server that go silent"),
    long("idle", 12.0, "ten minutes with 10 000 finished objects"),
    long("budget", 3.0, "eight identities in four regions, two operators, and a person who uses half of the quota"),
    long("scale", 20.0, "100 to 30 000 orders: how cost grows, with a plot"),
];

/// Plays one row.
pub(crate) async fn play(name: &str, bench: &Bench) -> Result<()> {
    match name {
        "size" => size::play(bench),
        "drain" => drain::play(bench).await,
        "defaults" => drain::play_defaults(bench).await,
        "cli" => drain::play_cli(bench).await,
        "one" => one::play(bench).await,
        "fair" => fair::play(bench).await,
        "flight" => flight::play(bench).await,
        "instance" => instance::play(bench).await,
        "memory" => memory::play(bench).await,
        "start" => start::play(bench).await,
        "restart" => restart::play(bench).await,
        "silent" => silent::play(bench).await,
        "idle" => idle::play(bench).await,
        "budget" => budget::play(bench).await,
        "scale" => scale::play(bench).await,
        _ => bail!("there is no row {name}"),
    }
}

/// The rows that `names` ask for, in the order of the table; or the name that is none.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<Row>, String> {
    let words: Vec<&str> = names.iter().flat_map(|name| name.split([',', ' '])).filter(|it| !it.is_empty()).collect();
    let is_known =
        |word: &&&str| matches!(**word, "default" | "long" | "all") || ROWS.iter().any(|row| row.name == **word);
    if let Some(unknown) = words.iter().find(|word| !is_known(word)) {
        return Err((*unknown).to_owned());
    }
    let is_wanted = |row: &&Row| {
        words.iter().any(|word| match *word {
            "all" => true,
            "default" => row.is_default,
            "long" => !row.is_default,
            name => name == row.name,
        })
    };
    Ok(ROWS.iter().filter(is_wanted).copied().collect())
}

/// All rows, for people.
pub(crate) fn list() -> String {
    let mut out = String::new();
    for Row { name, about, minutes, is_default } in ROWS {
        let set = if is_default { "default" } else { "long" };
        // Writing to a String does not fail.
        _ = writeln!(out, "{name:10} {set:8} {minutes:4} min  {about}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[&str]) -> Result<Vec<&'static str>, String> {
        let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
        chosen(&asked).map(|rows| rows.iter().map(|row| row.name).collect())
    }

    #[test]
    fn rows_are_chosen_by_name_or_set_and_a_wrong_name_is_told() {
        assert_eq!(names(&["one,drain"]), Ok(vec!["drain", "one"]));
        assert_eq!(names(&["one size", "one"]), Ok(vec!["size", "one"]));
        assert_eq!(names(&["long"]).unwrap().first(), Some(&"idle"));
        assert_eq!(names(&["all"]).unwrap().len(), ROWS.len());
        assert_eq!(names(&["drain", "dran"]), Err("dran".to_owned()));
    }

    #[test]
    fn the_default_set_ends_within_forty_minutes() {
        let minutes: f64 = ROWS.iter().filter(|row| row.is_default).map(|row| row.minutes).sum();
        assert!(minutes <= 40.0, "{minutes}");
    }
}
