//! Figures, alerts, dashboard and runbook: do they speak of one thing, and is it what the program serves?
//!
//! Golden and tool tests: promtool reads the rules and every query, and plays the alerts against series. Scenario: a real
//! operator with orders in several states is scraped, and its page is compared with everything that names a figure.

mod page;
mod query;
mod schedules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlserver_backup_operator::core::protected;
use sqlserver_backup_operator::core::reason::Reason;
use sqlserver_backup_operator::tencent::codes;
use tencentdb_simulator::{Effect, Rule};

use crate::docs::{compare, root};
use crate::world::World;
use crate::{cluster, tool};
use page::Page;

const FILES: &str = "deploy/charts/sqlserver-backup-operator/files";
const RUNBOOK: &str = include_str!("../../docs/runbook.md");
const RUNBOOK_URL: &str = "https://github.com/tencentdb-dev/sqlserver-backup-operator/blob/main/docs/runbook.md#";

static PROMTOOL: LazyLock<PathBuf> = LazyLock::new(|| tool::from("chart-tool.sh", &["promtool"]));

fn promtool(arguments: &[&str]) -> Result<String, String> {
    tool::run(&PROMTOOL, arguments, "")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&read(path)).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value:#}"))
}

/// The alerts, in the order of their file.
fn alerts() -> Vec<Value> {
    let rules = yaml(&format!("{FILES}/alerts.yaml"));
    let alerts: Vec<Value> = rules["groups"].as_array().unwrap().iter().flat_map(rules_of).collect();
    assert!(alerts.len() > 6, "the alerts were not found");
    alerts
}

fn rules_of(group: &Value) -> Vec<Value> {
    group["rules"].as_array().unwrap().clone()
}

/// The queries of the dashboard, by the title of their panel, as Grafana would send them.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read(&format!("{FILES}/dashboard.json"))).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    let expand = |text: &str| text.replace("$namespace", ".*").replace("$__rate_interval", "5m");
    let queries: Vec<(String, String)> = panels
        .flat_map(|panel| {
            let title = text(panel, "title").to_owned();
            assert!(!text(panel, "description").is_empty(), "{title} explains nothing");
            let targets = panel["targets"].as_array().unwrap().iter();
            targets.map(move |target| (title.clone(), expand(text(target, "expr")))).collect::<Vec<_>>()
        })
        .collect();
    assert!(queries.len() > 10 && !queries.iter().any(|(_, query)| query.contains('$')), "{queries:?}");
    queries
}

#[test]
fn the_alerts_are_rules_and_each_is_seen_to_fire_and_not_to() {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", &format!("{FILES}/alerts.yaml")]).unwrap();
    let tests = "tests/fixtures/alerts.test.yaml";
    let said = promtool(&["test", "rules", tests]).unwrap_or_else(|said| panic!("{said}"));
    assert!(said.contains("SUCCESS"), "{said}");
    let mut seen: BTreeMap<String, [bool; 2]> = BTreeMap::new();
    for case in yaml(tests)["tests"].as_array().unwrap() {
        for check in case["alert_rule_test"].as_array().unwrap() {
            let fires = !check["exp_alerts"].as_array().unwrap().is_empty();
            seen.entry(text(check, "alertname").to_owned()).or_default()[usize::from(fires)] = true;
        }
    }
    let named: BTreeMap<String, [bool; 2]> =
        alerts().iter().map(|alert| (text(alert, "alert").to_owned(), [true, true])).collect();
    assert_eq!(seen, named, "[silent, firing]");
}

#[test]
fn each_alert_has_its_section_in_the_runbook() {
    let sections: Vec<&str> = RUNBOOK.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let alerts = alerts();
    let names: Vec<&str> = alerts.iter().map(|alert| text(alert, "alert")).collect();
    assert_eq!(sections, names, "in this order");
    for section in RUNBOOK.split("\n## ").skip(1) {
        for question in ["**What it means.**", "**What to look at.**", "**What to do.**", "**When to call.**"] {
            assert_eq!(section.matches(question).count(), 1, "{question} in {section}");
        }
    }
    let table = read("docs/operations.md");
    for alert in &alerts {
        let (name, severity) = (text(alert, "alert"), text(&alert["labels"], "severity"));
        assert!(table.contains(&format!("\n| `{name}` | {severity} | ")), "{name} has no row in docs/operations.md");
        assert!(["critical", "warning"].contains(&severity), "{name}");
        let annotations = &alert["annotations"];
        assert!(!text(annotations, "summary").is_empty() && !text(annotations, "description").is_empty(), "{name}");
        assert_eq!(text(annotations, "runbook_url"), format!("{RUNBOOK_URL}{}", name.to_lowercase()));
    }
}

#[test]
fn each_query_of_the_dashboard_is_one() {
    let rules: Vec<Value> = queries()
        .into_iter()
        .enumerate()
        .map(|(at, (_, query))| json!({ "record": format!("panel:{at}"), "expr": query }))
        .collect();
    let rules = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    let file = tool::file("dashboard.rules.yaml", &rules.to_string());
    promtool(&["check", "rules", "--lint=none", &file]).unwrap_or_else(|said| panic!("{said}"));
    let broken = tool::file("broken.rules.yaml", &rules.to_string().replacen("sum(", "sum((", 1));
    promtool(&["check", "rules", "--lint=none", &broken]).unwrap_err();
}

/// A world with a copy, a failure, a doubt, an order that waits for its key, and two schedules, of which one has a copy.
async fn varied() -> World {
    let world = World::usual().await;
    world.cloud.add_fault(Rule::new("CreateBackup", Effect::DropAfter { reset: true }).instance("mssql-sim00002"));
    let blind = Rule::new("DescribeBackups", Effect::Throttle).instance("mssql-sim00002").skip(2).forever();
    world.cloud.add_fault(blind);
    for (name, spec, reason) in [
        ("done", json!({}), "Completed"),
        ("failed", json!({ "instanceId": "mssql-nobody" }), "InstanceNotFound"),
        ("keyless", json!({ "credentialsRef": { "name": "no" } }), "CredentialsUnavailable"),
        ("lost", json!({ "instanceId": "mssql-sim00002" }), "OutcomeUnknown"),
    ] {
        let order = world.order(name, spec).await;
        world.reaches(&order, reason).await;
    }
    schedules::create(&world).await;
    world
}

/// The page once the watch has brought what was written last.
async fn scraped(world: &World) -> Page {
    let begin = Instant::now();
    loop {
        let page = Page::read(&world.metrics().await);
        let reasons = page.values("sqlserver_backup_operator_backups", "reason");
        if ["Completed", "InstanceNotFound", "CredentialsUnavailable", "OutcomeUnknown"]
            .iter()
            .all(|it| reasons.contains(*it))
            && schedules::are_shown(&page)
        {
            return page;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{reasons:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_named_is_served_and_a_restart_changes_no_gauge() {
    let mut world = varied().await;
    let page = scraped(&world).await;
    lint(&page);
    let head = ["| name | type | labels | meaning |", "|---|---|---|---|"].map(str::to_owned);
    compare("docs/operations.md", "metrics", head.into_iter().chain(page.rows()));
    let alerts = alerts();
    let rules = alerts.iter().map(|alert| (text(alert, "alert").to_owned(), text(alert, "expr").to_owned()));
    for (whose, query) in rules.chain(queries()) {
        is_served(&page, &whose, &query);
    }
    let namespace = json!(world.namespace).to_string();
    let gauges = |page: &Page| -> BTreeSet<String> {
        page.lines().filter(|line| line.contains(&format!("namespace={namespace}"))).map(str::to_owned).collect()
    };
    let before = gauges(&page);
    for line in [
        format!(r#"backups{{namespace={namespace},reason="Completed"}} 2"#),
        format!(r#"unresolved_failures{{namespace={namespace},reason="InstanceNotFound"}} 1"#),
        format!("orders_in_doubt{{namespace={namespace}}} 1"),
    ] {
        assert!(before.contains(&format!("sqlserver_backup_operator_{line}")), "{line} is not in {before:#?}");
    }
    let of_schedules = before.iter().filter(|line| line.contains("_schedule_")).count();
    assert_eq!(of_schedules, schedules::SERIES, "{before:#?}");
    let of_orders = before.len() - of_schedules;
    assert_eq!(of_orders, 10, "four reasons, one failure, the doubts, four instants: {before:#?}");
    world.kill();
    world.start().await;
    // The next look at the cloud, which a restart brings forward, may find the schedule's own copy.
    let still = |lines: BTreeSet<String>| -> Vec<String> {
        lines.into_iter().filter(|line| !line.contains("_schedule_latest_copy_")).collect()
    };
    let after = gauges(&Page::read(&world.metrics().await));
    assert_eq!(still(after), still(before), "the first scrape after a restart");
    what_the_runbook_says_can_be_typed(&world).await;
}

/// Names, units and types by the rules of Prometheus, as its own linter reads them.
fn lint(page: &Page) {
    let said = tool::run(&PROMTOOL, &["check", "metrics"], &page.classic());
    assert_eq!(said.as_deref().map(str::trim), Ok(""), "promtool check metrics");
}

/// Each figure that a query names, with its labels and their values, stands on the page.
fn is_served(page: &Page, whose: &str, query: &str) {
    let read = query::read(query);
    assert!(!read.is_empty(), "{whose} names no figure: {query}");
    for figure in read {
        let labels = page.labels(&figure.name).unwrap_or_else(|| panic!("{whose}: {} is not served", figure.name));
        // The job is what the scrape adds to each figure.
        for label in figure.labels.iter().filter(|label| !["", "job"].contains(&label.as_str())) {
            assert!(labels.contains(label.as_str()), "{whose}: {} has no label {label}, but {labels:?}", figure.name);
        }
        for (label, value) in &figure.values {
            let is_known = match label.as_str() {
                "reason" => Reason::parse(value).is_some(),
                "protected" => protected::Reason::parse(value).is_some(),
                "code" => value == "OK" || codes::lookup(value.trim_end_matches(".*")).is_some(),
                "result" => value == "ok",
                _ => value == ".*",
            };
            assert!(is_known, "{whose}: no {label} is called {value}");
        }
    }
}

/// Every `kubectl` line of the runbook is accepted by the real one; what it is piped into is not run, and no kubelet keeps
/// logs here.
async fn what_the_runbook_says_can_be_typed(world: &World) {
    let cluster = tokio::task::spawn_blocking(cluster::get).await.unwrap();
    let manifest = root().join("deploy/manifest.yaml");
    cluster.kubectl(&["apply", "--server-side", "--filename", manifest.to_str().unwrap()]).unwrap();
    let joined = RUNBOOK.replace("\\\n", " ");
    let lines: Vec<&str> = joined.lines().map(str::trim).filter(|line| line.starts_with("kubectl ")).collect();
    assert!(lines.len() > 20, "{lines:?}");
    for line in lines.into_iter().filter(|line| !line.contains(" logs ")) {
        let command = line.split(" | ").next().unwrap().split(" # ").next().unwrap();
        let command = command.replace("$NS", &world.namespace).replace("NAME", "done").replace("SECRET", "tencent");
        let command = command.replacen("kubectl ", "", 1);
        let words = words(&command);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        cluster.kubectl(&words).unwrap_or_else(|said| panic!("{line}: {said}"));
    }
}

/// The words of a line of shell, without the quotes around them.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
