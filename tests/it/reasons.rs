//! Golden: every word that a status may hold has its section in `docs/reasons.md`, and no section is left over.

use sqlserver_backup_operator::core::reason::{Acceptance, CONDITION_TYPES, Reason};

const PAGE: &str = include_str!("../../docs/reasons.md");

#[test]
fn each_reason_has_its_section_and_each_section_its_reason() {
    let documented: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let known: Vec<&str> = Reason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .chain(Acceptance::ALL.iter().map(|how| how.as_str()))
        .collect();
    assert_eq!(documented, known, "in this order");
}

#[test]
fn each_section_answers_the_three_questions() {
    for section in PAGE.split("\n### ").skip(1) {
        for question in ["- **Whose turn:**", "- **What to do:**", "- **`kubectl get` shows:**"] {
            let name = section.lines().next().unwrap();
            assert_eq!(section.matches(question).count(), 1, "section {name}, question {question}");
        }
    }
}

#[test]
fn the_condition_types_are_explained() {
    for kind in CONDITION_TYPES {
        assert!(PAGE.contains(&format!("| `{kind}` |")), "{kind} is missing from the first table");
    }
}
