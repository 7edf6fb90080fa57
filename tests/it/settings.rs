//! The real binary, once with each wrong value: exit code 2, one sentence that names the setting, and no secret in it.
//!
//! The rules themselves are tried beside the code; here it is that they are wired to the flags, to the environment names,
//! and to the exit code.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// More than a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const HIDDEN: &str = "secret-of-the-tests";
const KEY_PAIR: [(&str, &str); 2] = [("TENCENTCLOUD_SECRET_ID", HIDDEN), ("TENCENTCLOUD_SECRET_KEY", HIDDEN)];

/// The binary, with an environment of its own and a cluster that does not exist.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sqlserver-backup-operator"))
        .arg("run")
        .args(arguments)
        .env_clear()
        .env("KUBECONFIG", "/nonexistent")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A wrong value that is accepted must fail the test, not hang it.
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{arguments:?} {variables:?}: still running");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().unwrap()
}

/// Asserts that `output` is a refusal that says each of `fragments` in one sentence.
fn assert_refused(case: &str, output: &Output, fragments: &[&str]) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{case}: {said}");
    assert!(output.stdout.is_empty(), "{case}");
    assert_eq!(said.lines().count(), 1, "{case}: not one line: {said}");
    assert!(!said.contains(HIDDEN), "{case}: shows a secret: {said}");
    for fragment in fragments {
        assert!(said.contains(fragment), "{case}: does not say {fragment:?}: {said}");
    }
}

/// Flag, environment name, a wrong value, and what the sentence must say beside both names.
const WRONG: [(&str, &str, &str, &str); 29] = [
    ("--tencent-endpoint", "TENCENT_ENDPOINT", "https://sqlserver.tencentcloudapi.com/v1", "path"),
    ("--tencent-endpoint", "TENCENT_ENDPOINT", "http://sqlserver.tencentcloudapi.com", "https"),
    ("--tencent-endpoint", "TENCENT_ENDPOINT", "https://user:secret-of-the-tests@host", "user"),
    ("--tencent-endpoint", "TENCENT_ENDPOINT", "sqlserver", "URL"),
    ("--tencent-sts-endpoint", "TENCENT_STS_ENDPOINT", "https://sts.tencentcloudapi.com/v1", "path"),
    ("--tencent-sts-endpoint", "TENCENT_STS_ENDPOINT", "http://sts.tencentcloudapi.com", "https"),
    ("--node-role", "NODE_ROLE", "yes", "true or false"),
    ("--metadata-endpoint", "METADATA_ENDPOINT", "http://metadata.example", "loopback"),
    ("--watch-namespaces", "WATCH_NAMESPACES", "team-a,,team-b", "empty"),
    ("--watch-namespaces", "WATCH_NAMESPACES", "Team_A", "no name of a namespace"),
    ("--shared-identity-namespaces", "SHARED_IDENTITY_NAMESPACES", "team-a,*", "* alone"),
    ("--extra-ca-file", "EXTRA_CA_FILE", "/nonexistent/authorities.pem", "cannot be read"),
    ("--extra-ca-file", "EXTRA_CA_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "no certificate"),
    ("--api-share", "API_SHARE", "0.01", "0.05 to 1"),
    ("--api-share", "API_SHARE", "1.5", "0.05 to 1"),
    ("--poll-min-seconds", "POLL_MIN_SECONDS", "0", "from 1 to"),
    ("--poll-max-seconds", "POLL_MAX_SECONDS", "0", "from 1 to"),
    ("--poll-min-seconds", "POLL_MIN_SECONDS", "90", "--poll-max-seconds (POLL_MAX_SECONDS)"),
    ("--protected-interval-seconds", "PROTECTED_INTERVAL_SECONDS", "9", "from 10 to"),
    ("--drain-seconds", "DRAIN_SECONDS", "20s", "whole number"),
    ("--leader-elect", "LEADER_ELECT", "yes", "true or false"),
    ("--lease-namespace", "POD_NAMESPACE", "Tools", "name of a namespace"),
    ("--lease-name", "LEASE_NAME", "our lease", "name of an object"),
    ("--admin-address", "ADMIN_ADDRESS", ":8080", "IP address and a port"),
    ("--log-format", "LOG_FORMAT", "yaml", "json or text"),
    ("--log-filter", "RUST_LOG", "verbose", "info"),
    ("--signature-validity-seconds", "SIGNATURE_VALIDITY_SECONDS", "299", "loopback"),
    ("--clock-skew-seconds", "CLOCK_SKEW_SECONDS", "299", "loopback"),
    ("--listing-lag-seconds", "LISTING_LAG_SECONDS", "59", "loopback"),
];

#[test]
fn each_wrong_flag_and_its_variable_are_refused() {
    for (flag, variable, value, cure) in WRONG {
        let named = format!("{flag} ({variable})");
        let typed = run(&[&format!("{flag}={value}")], &KEY_PAIR);
        assert_refused(&format!("{flag}={value}"), &typed, &[&named, cure]);
        let mut variables = KEY_PAIR.to_vec();
        variables.push((variable, value));
        assert_refused(&format!("{variable}={value}"), &run(&[], &variables), &[&named, cure]);
    }
}

#[test]
fn half_a_key_is_refused_without_showing_it() {
    let [id, key] = KEY_PAIR;
    let token = ("TENCENTCLOUD_TOKEN", HIDDEN);
    for variables in [vec![id], vec![key], vec![token], vec![id, token], vec![id, (key.0, "")]] {
        assert_refused(&format!("{variables:?}"), &run(&[], &variables), &["TENCENTCLOUD_", "set"]);
    }
    let broken = [id, (key.0, "secret-of-the-tests\n")];
    assert_refused("line break", &run(&[], &broken), &["TENCENTCLOUD_SECRET_KEY", "give the bare value"]);
    assert_refused(
        "proxy",
        &run(&[], &[("HTTPS_PROXY", "socks5://u:secret-of-the-tests@p")]),
        &["HTTPS_PROXY", "give"],
    );
}

#[test]
fn half_of_a_pods_identity_is_refused() {
    let role = ("TKE_ROLE_ARN", "qcs::cam::uin/1:roleName/backup");
    assert_refused("half", &run(&[], &[role]), &["TKE_REGION is not set", "TKE_WEB_IDENTITY_TOKEN_FILE", "or none"]);
    assert_refused("beside a key", &run(&[], &[role, KEY_PAIR[0], KEY_PAIR[1]]), &["TKE_REGION is not set"]);
}

#[test]
fn an_unknown_argument_is_one_sentence_with_the_nearest_known_one() {
    assert_refused("typo", &run(&["--poll-min-second=3"], &[]), &["--poll-min-second", "--poll-min-seconds"]);
    assert_refused("no value", &run(&["--api-share"], &[]), &["--api-share"]);
    assert_refused("twice", &run(&["--api-share=1", "--api-share=1"], &[]), &["--api-share"]);
    // Secrets have no flag: whoever types one learns so, and does not read it back.
    let typed = format!("--tencentcloud-secret-key={HIDDEN}");
    assert_refused("a secret", &run(&[&typed], &[]), &["--tencentcloud-secret-key"]);
}

#[test]
fn what_is_right_passes_the_check() {
    // With no endpoint to reach and an address that is taken, a right setting ends in a failure at run time: code 1.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let authority = fixture("authority.pem");
    let right = [
        ("ADMIN_ADDRESS", address.as_str()),
        ("API_SHARE", "1"),
        ("CLOCK_SKEW_SECONDS", "1"),
        ("DRAIN_SECONDS", ""),
        ("EXTRA_CA_FILE", authority.to_str().unwrap()),
        ("HTTPS_PROXY", "http://user:secret-of-the-tests@127.0.0.1:1"),
        ("LEADER_ELECT", "true"),
        ("LEASE_NAME", "ours.v1"),
        ("LISTING_LAG_SECONDS", "0"),
        ("LOG_FORMAT", "text"),
        ("METADATA_ENDPOINT", "http://127.0.0.1:1"),
        ("NODE_ROLE", "true"),
        ("POD_NAMESPACE", "tools"),
        ("POLL_MAX_SECONDS", "1"),
        ("POLL_MIN_SECONDS", "1"),
        ("PROTECTED_INTERVAL_SECONDS", "10"),
        ("RUST_LOG", "trace"),
        ("SHARED_IDENTITY_NAMESPACES", "*"),
        ("SIGNATURE_VALIDITY_SECONDS", "1"),
        ("TENCENT_ENDPOINT", "http://127.0.0.1:1"),
        ("TENCENT_STS_ENDPOINT", "http://127.0.0.1:1"),
        ("WATCH_NAMESPACES", ""),
    ];
    let variables: Vec<_> = KEY_PAIR.into_iter().chain(right).collect();
    let output = run(&[], &variables);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("--admin-address (ADMIN_ADDRESS) {address} is in use")), "{said}");
    assert!(!said.contains(HIDDEN), "{said}");
}

#[test]
fn a_candidate_without_a_namespace_is_told_what_to_set() {
    let named = ["--lease-namespace (POD_NAMESPACE)", "--leader-elect (LEADER_ELECT)"];
    assert_refused("no pod", &run(&[], &[("POD_NAMESPACE", "")]), &named);
}

#[test]
fn help_shows_no_value_of_the_environment() {
    let output = run(&["--help"], &[("TENCENT_ENDPOINT", HIDDEN), KEY_PAIR[0], KEY_PAIR[1]]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(said.contains("TENCENT_ENDPOINT") && said.contains("TENCENTCLOUD_SECRET_KEY"), "{said}");
    assert!(!said.contains(HIDDEN) && !said.contains("listing-lag"), "{said}");
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
