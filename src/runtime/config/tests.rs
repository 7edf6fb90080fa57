//! Each rule of the settings, tried with values on both sides of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Command, FromArgMatches};
use secrecy::ExposeSecret;

use super::*;

/// The settings that `arguments` and `variables` give, on an endpoint of the internet or on loopback.
fn check_with(arguments: &[&str], variables: &[(&str, &str)], loopback: bool) -> Result<Settings, Wrong> {
    // Whatever the surroundings of the test set must not matter.
    let command = Flags::augment_args(Command::new("run").no_binary_name(true)).mut_args(|argument| argument.env(None));
    let matches = command.try_get_matches_from(arguments).expect("known flags");
    let mut flags = Flags::from_arg_matches(&matches).expect("complete flags");
    // As in a pod, which knows its namespace.
    flags.lease_namespace.get_or_insert_with(|| "own".to_owned());
    let variables: BTreeMap<String, OsString> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
    flags.check(&|name| variables.get(name).cloned(), |_| Ok(loopback))
}

fn check(arguments: &[&str]) -> Result<Settings, Wrong> {
    check_with(arguments, &[], false)
}

/// The sentence that refuses `arguments`.
fn refused(arguments: &[&str]) -> String {
    match check(arguments) {
        Ok(settings) => panic!("{arguments:?} was accepted: {settings:?}"),
        Err(wrong) => wrong.to_string(),
    }
}

/// In the unit of the flags.
fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn only(names: &[&str]) -> Namespaces {
    Namespaces::Only(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn nothing_typed_gives_the_documented_defaults() {
    let settings = check(&[]).expect("the defaults are right");
    assert_eq!(settings.tencent_endpoint, "https://sqlserver.tencentcloudapi.com");
    assert_eq!(settings.watch_namespaces, Namespaces::All);
    assert_eq!(settings.shared_identity_namespaces, only(&[]));
    assert_eq!(settings.tencent_sts_endpoint, "https://sts.tencentcloudapi.com");
    assert!(matches!(settings.identity, Identity::Nobody));
    assert!(settings.extra_ca_pem.is_none());
    assert!(settings.proxy.https.is_none() && settings.proxy.no_proxy.is_none());
    assert!((settings.api_share - 0.5).abs() < f64::EPSILON);
    assert_eq!(settings.polling, Polling { min: secs(15), max: secs(60) });
    assert_eq!(settings.protected_interval, secs(300));
    assert_eq!(settings.fence.signature_validity, secs(300));
    assert_eq!(settings.fence.clock_skew, secs(300));
    assert_eq!(settings.fence.listing_lag, secs(60));
    assert_eq!(settings.drain, secs(20));
    let candidacy = settings.candidacy.expect("the lease is run for");
    assert_eq!((candidacy.namespace.as_str(), candidacy.name.as_str()), ("own", "sqlserver-backup-operator"));
    assert_eq!(settings.admin_address.to_string(), "0.0.0.0:8080");
    assert_eq!(settings.log, Log { format: LogFormat::Json, filter: "info".to_owned() });
}

/// The sentences are written with constants: they must be the names that clap listens to.
#[test]
fn every_setting_is_called_in_sentences_what_it_is_called_in_help() {
    let command = Flags::augment_args(Command::new("run"));
    let listened: Vec<String> = command
        .get_arguments()
        .map(|argument| {
            let environment = argument.get_env().and_then(|name| name.to_str()).expect("an environment name");
            format!("--{} ({environment})", argument.get_long().expect("a flag"))
        })
        .collect();
    let written = [
        flags::TENCENT_ENDPOINT,
        flags::TENCENT_STS_ENDPOINT,
        flags::WATCH_NAMESPACES,
        flags::SHARED_IDENTITY_NAMESPACES,
        flags::NODE_ROLE,
        flags::EXTRA_CA_FILE,
        flags::API_SHARE,
        flags::POLL_MIN_SECONDS,
        flags::POLL_MAX_SECONDS,
        flags::PROTECTED_INTERVAL_SECONDS,
        flags::DRAIN_SECONDS,
        flags::LEADER_ELECT,
        flags::LEASE_NAMESPACE,
        flags::LEASE_NAME,
        flags::ADMIN_ADDRESS,
        flags::LOG_FORMAT,
        flags::LOG_FILTER,
        flags::SIGNATURE_VALIDITY_SECONDS,
        flags::CLOCK_SKEW_SECONDS,
        flags::LISTING_LAG_SECONDS,
        flags::METADATA_ENDPOINT,
    ];
    assert_eq!(listened, written.map(|setting| setting.to_string()));
}

#[test]
fn the_endpoint_is_judged_by_the_function_that_was_given() {
    let flags = || {
        let command = Flags::augment_args(Command::new("run")).mut_args(|argument| argument.env(None));
        let arguments = ["run", "--tencent-endpoint=x", "--leader-elect=false"];
        Flags::from_arg_matches(&command.get_matches_from(arguments)).expect("complete flags")
    };
    let wrong = flags().check(&|_| None, |given| Err(format!("{given} is no address, give one"))).expect_err("refused");
    assert_eq!(wrong.to_string(), "--tencent-endpoint (TENCENT_ENDPOINT): x is no address, give one");
    assert_eq!(flags().check(&|_| None, |_| Ok(false)).expect("accepted").tencent_endpoint, "x");
}

#[test]
fn numbers_have_bounds() {
    for good in ["0.05", "1", "1.0", ".5"] {
        assert!(check(&["--api-share", good]).is_ok(), "{good}");
    }
    for bad in ["0.049", "1.01", "0", "-1", "NaN", "inf", "half", "0,5", "50%"] {
        assert!(refused(&[&format!("--api-share={bad}")]).contains("from 0.05 to 1"), "{bad}");
    }
    for flag in ["--poll-min-seconds", "--poll-max-seconds"] {
        for bad in ["0", "-1", "1.5", "15s", "86401", "99999999999999999999", " 15"] {
            let sentence = refused(&[&format!("{flag}={bad}")]);
            assert!(sentence.contains(flag) && sentence.contains("from 1 to 86400"), "{bad}: {sentence}");
        }
    }
    assert_eq!(check(&["--drain-seconds=0"]).expect("no drain at all").drain, Duration::ZERO);
    assert!(refused(&["--drain-seconds=soon"]).contains("from 0 to 86400"));
}

#[test]
fn the_first_rest_is_no_longer_than_the_longest() {
    let one = check(&["--poll-min-seconds=1", "--poll-max-seconds=1"]).expect("equal is fine");
    assert_eq!(one.polling, Polling { min: secs(1), max: secs(1) });
    assert_eq!(
        refused(&["--poll-min-seconds=61"]),
        "--poll-min-seconds (POLL_MIN_SECONDS) is \"61\": it is above --poll-max-seconds (POLL_MAX_SECONDS), which is 60: \
         lower the first or raise the second"
    );
}

#[test]
fn the_fence_shrinks_on_loopback_alone() {
    for (flag, fact) in
        [("--signature-validity-seconds", 300), ("--clock-skew-seconds", 300), ("--listing-lag-seconds", 60)]
    {
        let smaller = format!("{flag}={}", fact - 1);
        assert!(refused(&[&smaller]).contains(&format!("give {fact} or more")), "{flag}");
        assert!(check_with(&[&smaller], &[], true).is_ok(), "{flag}");
        assert!(check(&[&format!("{flag}={}", fact + 1)]).is_ok(), "{flag}");
    }
    let none = check_with(&["--listing-lag-seconds=0"], &[], true).expect("no lag on loopback");
    assert_eq!(none.fence.listing_lag, Duration::ZERO);
}

#[test]
fn namespaces_are_lists_of_labels() {
    let settings = check(&["--watch-namespaces=b, a,b", "--shared-identity-namespaces=*"]).expect("right");
    assert_eq!(settings.watch_namespaces, only(&["a", "b"]));
    assert!(settings.watch_namespaces.include("a") && !settings.watch_namespaces.include("c"));
    assert!(settings.shared_identity_namespaces.include("c"));
    for flag in ["--watch-namespaces", "--shared-identity-namespaces"] {
        for bad in ["a,", ",", "a,,b", " ", "A", "a_b", "-a", "a-", "a.b", "a b", "a\nb", "a,*", &"a".repeat(64)] {
            let sentence = refused(&[&format!("{flag}={bad}")]);
            assert!(sentence.starts_with(flag) && !sentence.contains('\n'), "{bad}: {sentence}");
        }
        assert!(check(&[&format!("{flag}={}", "a".repeat(63))]).is_ok());
    }
    assert!(refused(&["--watch-namespaces=*"]).contains("leave it empty for all"));
}

#[test]
fn addresses_formats_and_filters_are_tried() {
    for good in ["127.0.0.1:0", "[::]:8080"] {
        assert!(check(&["--admin-address", good]).is_ok(), "{good}");
    }
    for bad in [":8080", "localhost:8080", "0.0.0.0", "0.0.0.0:65536", "::1:80"] {
        assert!(refused(&["--admin-address", bad]).contains("give an IP address and a port"), "{bad}");
    }
    assert_eq!(check(&["--log-format=text"]).expect("known").log.format, LogFormat::Text);
    assert!(refused(&["--log-format=JSON"]).contains("give json or text"));
    assert!(refused(&["--log-filter=inof"]).contains("--log-filter (RUST_LOG) is \"inof\": give a level"));
}

#[test]
fn a_key_is_whole_and_bare_or_absent() {
    let id = ("TENCENTCLOUD_SECRET_ID", "AKID-of-tests");
    let key = ("TENCENTCLOUD_SECRET_KEY", "key-of-tests");
    let token = ("TENCENTCLOUD_TOKEN", "token-of-tests");
    let whole = check_with(&[], &[id, key, token], false).expect("a whole key");
    assert!(!format!("{whole:?}").contains("of-tests"), "Debug shows a secret");
    let Identity::Given(identity) = whole.identity else { panic!("not the key: {:?}", whole.identity) };
    assert_eq!(identity.secret_id.expose_secret(), id.1);
    assert_eq!(identity.secret_key.expose_secret(), key.1);
    assert_eq!(identity.token.expect("the token").expose_secret(), token.1);
    let without = check_with(&[], &[id, key], false).expect("no token").identity;
    assert!(matches!(without, Identity::Given(StaticIdentity { token: None, .. })));
    let unset = [(id.0, ""), (key.0, ""), (token.0, "")];
    assert!(matches!(check_with(&[], &unset, false).expect("all empty").identity, Identity::Nobody));
    let sentence = |variables: &[(&str, &str)]| check_with(&[], variables, false).expect_err("refused").to_string();
    assert!(sentence(&[id]).starts_with("TENCENTCLOUD_SECRET_ID is set and TENCENTCLOUD_SECRET_KEY is not"));
    assert!(sentence(&[key, token]).starts_with("TENCENTCLOUD_SECRET_KEY is set and TENCENTCLOUD_SECRET_ID is not"));
    assert!(sentence(&[id, (key.0, "")]).starts_with("TENCENTCLOUD_SECRET_ID is set"));
    assert!(sentence(&[token]).starts_with("TENCENTCLOUD_TOKEN is set without a key pair"));
    for bad in ["hidden ", "\thidden", "hid den", "hidden\n", "hiddén"] {
        let sentence = sentence(&[id, (key.0, bad)]);
        assert!(sentence.starts_with("TENCENTCLOUD_SECRET_KEY holds"), "{sentence}");
        assert!(!sentence.contains("hid") && !sentence.contains('\n'), "{sentence}");
    }
}

const POD: [(&str, &str); 4] = [
    ("TKE_REGION", "ap-guangzhou"),
    ("TKE_PROVIDER_ID", "cls-provider"),
    ("TKE_WEB_IDENTITY_TOKEN_FILE", "/var/run/token"),
    ("TKE_ROLE_ARN", "qcs::cam::uin/100000000001:roleName/backup"),
];

#[test]
fn the_identity_is_the_given_key_else_the_pods_role_else_the_nodes_if_it_may_be() {
    let key = [("TENCENTCLOUD_SECRET_ID", "id"), ("TENCENTCLOUD_SECRET_KEY", "key")];
    let identity = |arguments: &[&str], variables: &[&[(&str, &str)]]| {
        check_with(arguments, &variables.concat(), false).expect("right").identity
    };
    let on = ["--node-role=true"];
    assert!(matches!(identity(&on, &[&key, &POD]), Identity::Given(_)));
    let Identity::Pod(pod) = identity(&on, &[&POD]) else { panic!("not the pod") };
    assert_eq!((pod.region.as_str(), pod.provider_id.as_str()), ("ap-guangzhou", "cls-provider"));
    assert_eq!((pod.token_file.to_str(), pod.role_arn.as_str()), (Some("/var/run/token"), POD[3].1));
    let Identity::Node { metadata_endpoint } = identity(&on, &[]) else { panic!("not the node") };
    assert_eq!(metadata_endpoint, "http://metadata.tencentyun.com");
    assert!(matches!(identity(&[], &[]), Identity::Nobody));
    assert!(matches!(identity(&["--node-role=false"], &[]), Identity::Nobody));
    for bad in ["yes", "1", "True", ""] {
        assert!(refused(&[&format!("--node-role={bad}")]).contains("give true or false"), "{bad}");
    }
}

#[test]
fn pod_identity_is_whole_and_bare_or_absent() {
    for (name, _) in POD {
        let rest: Vec<_> = POD.into_iter().filter(|(other, _)| *other != name).collect();
        let sentence = check_with(&[], &rest, false).expect_err("half of it").to_string();
        assert!(sentence.starts_with(&format!("{name} is not set")), "{sentence}");
    }
    let with = |name: &str, value| POD.map(|(other, usual)| (other, if other == name { value } else { usual }));
    for (name, value) in [
        ("TKE_REGION", "Guangzhou"),
        ("TKE_REGION", "ap-guangzhou.example"),
        ("TKE_PROVIDER_ID", "a b"),
        ("TKE_ROLE_ARN", "qcs::cam::uin/1:roleName/a\n"),
        ("TKE_ROLE_ARN", "arn:aws:iam::1:role/a"),
    ] {
        let sentence = check_with(&[], &with(name, value), false).expect_err("refused").to_string();
        assert!(sentence.starts_with(name) && !sentence.contains('\n'), "{sentence}");
    }
}

#[test]
fn keys_of_a_node_are_asked_for_nowhere_else() {
    let metadata = |url: &str, loopback| check_with(&["--metadata-endpoint", url, "--node-role=true"], &[], loopback);
    for bad in ["http://metadata.example", "https://metadata.tencentyun.com", "http://metadata.tencentyun.com/", "x"] {
        assert!(metadata(bad, false).is_err(), "{bad}");
    }
    assert!(metadata("http://127.0.0.1:1", true).is_ok() && metadata("https://127.0.0.1:1", true).is_err());
}

#[test]
fn proxies_are_addresses_and_are_never_repeated() {
    let proxy = |variables: &[(&str, &str)]| check_with(&[], variables, false).map(|settings| settings.proxy);
    for good in ["http://proxy:3128", "https://user:hidden@proxy:3128/", "proxy:3128", "http://[::1]:3128"] {
        let read = proxy(&[("HTTPS_PROXY", good)]).expect(good);
        assert_eq!(read.https.expect("set").expose_secret(), good);
    }
    for bad in ["socks5://user:hidden@proxy", "http://", "http://proxy/path", "ftp://proxy", "hidden hidden"] {
        let sentence = proxy(&[("HTTPS_PROXY", bad)]).expect_err(bad).to_string();
        assert!(sentence.starts_with("HTTPS_PROXY is no proxy address: give"), "{sentence}");
        assert!(!sentence.contains("hidden"), "{sentence}");
    }
    let lower = proxy(&[("https_proxy", "http://b:1"), ("no_proxy", "x,.y"), ("HTTPS_PROXY", "")]).expect("right");
    assert_eq!(lower.https.expect("set").expose_secret(), "http://b:1");
    assert_eq!(lower.no_proxy.as_deref(), Some("x,.y"));
    let upper = proxy(&[("https_proxy", "http://b:1"), ("HTTPS_PROXY", "http://a:1")]).expect("right");
    assert_eq!(upper.https.expect("set").expose_secret(), "http://a:1");
}

#[test]
fn a_sentence_is_one_line_whatever_it_repeats() {
    let sentence = refused(&[&format!("--api-share=1\nforged {}", "é".repeat(500))]);
    assert!(!sentence.contains('\n') && sentence.len() < 300, "{sentence}");
}

#[test]
fn an_empty_variable_is_unset() {
    let command = || {
        clap::Command::new("run")
            .arg(clap::Arg::new("a").long("a").env("PATH").default_value("default"))
            .arg(clap::Arg::new("b").long("b").env("HOME_OF_NOBODY").default_value("default"))
    };
    let a = |environment: Environment<'_>| {
        let matches = blank_is_unset(command(), environment).get_matches_from(["run"]);
        matches.get_one::<String>("a").cloned().expect("defaulted")
    };
    assert_ne!(a(&|_| Some(OsString::from("x"))), "default", "a variable that holds something is kept");
    assert_eq!(a(&|_| Some(OsString::new())), "default", "an empty one is dropped");
}

#[test]
fn a_candidate_needs_a_namespace_and_knows_its_pod() {
    let namespace = "--lease-namespace=tools";
    let candidacy = |arguments: &[&str], variables: &[(&str, &str)]| {
        check_with(arguments, variables, false).expect("accepted").candidacy
    };
    let expected = Candidacy { namespace: "tools".to_owned(), name: "sqlserver-backup-operator".to_owned(), pod: None };
    assert_eq!(candidacy(&[namespace], &[("HOSTNAME", "host"), ("POD_NAME", "")]), Some(expected.clone()));
    let expected = Candidacy { name: "a.b-c".to_owned(), pod: Some("pod-1".to_owned()), ..expected };
    assert_eq!(candidacy(&[namespace, "--lease-name=a.b-c"], &[("POD_NAME", "pod-1")]), Some(expected));
    assert_eq!(candidacy(&["--leader-elect=false", "--lease-name=-"], &[]), None, "then nothing else matters");

    let unset = election::read("true", None, "l".to_owned(), &|_| None).expect_err("no pod");
    let sentence = unset.to_string();
    assert!(sentence.starts_with("--lease-namespace (POD_NAMESPACE): not set"), "{sentence}");
    assert!(sentence.contains("--leader-elect (LEADER_ELECT)"), "{sentence}");
    assert!(refused(&["--leader-elect=yes"]).contains("true or false"));
    assert!(refused(&["--lease-namespace=Tools"]).contains("name of a namespace"));
    for bad in ["", "A", "a..b", "-a"] {
        assert!(refused(&[namespace, &format!("--lease-name={bad}")]).contains("name of an object"), "{bad}");
    }
}
