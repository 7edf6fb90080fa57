//! Golden: every word that a status may hold has its section in `docs/reasons.md`, and no section is left over.

use sqlserver_backup_operator::api::reasons;

const PAGE: &str = include_str!("../../docs/reasons.md");

#[test]
fn each_reason_has_its_section_and_each_section_its_reason() {
    let documented: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let known: Vec<&str> = reasons::PLACES.into_iter().chain(reasons::ACCEPTANCES).collect();
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
    for kind in reasons::CONDITION_TYPES {
        assert!(PAGE.contains(&format!("| `{kind}` |")), "{kind} is missing from the first table");
    }
}

/// A constant that is in no list would escape the other tests.
#[test]
fn each_constant_is_in_a_list() {
    let source = include_str!("../../src/api/reasons.rs");
    let constants = source.lines().filter(|line| line.starts_with("pub const ") && line.contains(": &str = "));
    let listed = reasons::PLACES.len() + reasons::ACCEPTANCES.len() + reasons::CONDITION_TYPES.len();
    assert_eq!(constants.count(), listed);
}
