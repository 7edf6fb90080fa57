//! What helm says after an install: can it be pasted, and does it count from one?

use super::tools::{self, CHART, NAME};

/// The notes that a release with these values ends with.
fn notes(set: &str) -> String {
    let install = ["install", NAME, CHART, "--namespace", NAME, "--dry-run=client", "--set", set];
    let said = tools::helm(None, &install).unwrap();
    said.split_once("\nNOTES:\n").expect("no notes").1.to_owned()
}

#[test]
fn the_first_order_can_be_pasted() {
    let notes = notes("watchNamespaces={shop}");
    let begin = notes.find("kubectl --namespace shop create secret").unwrap();
    let block = &notes[begin..notes.find("3. See what became").unwrap()];
    assert!(block.contains("kind: SqlServerBackup"), "{block}");
    let output = std::process::Command::new("bash").args(["-n", "-c", block]).output().unwrap();
    // A document whose end is not found is only warned of, and takes the rest of what is typed.
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn the_steps_are_counted_from_one() {
    for set in ["replicas=0", "replicas=1", "replicas=2"] {
        let steps: Vec<usize> = notes(set).lines().filter_map(|it| it.split_once(". ")?.0.parse().ok()).collect();
        assert_eq!(steps, (1..=steps.len()).collect::<Vec<_>>(), "{set}");
        assert!(steps.len() > 1, "{set}: {steps:?}");
    }
}
