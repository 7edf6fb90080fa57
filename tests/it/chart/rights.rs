//! The rights that the chart gives: an exact list, each of which the program needs, and nothing beside it.
//!
//! What the program asks for is read from the API server's own record, not from the program's source.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use super::deployed::{self, PATIENCE, Pod, aside, main_job};
use super::plane::{self, Request};
use super::tools::{NAME, one, rendered};
use crate::cluster::Cluster;

/// The operator's rights where orders are: resource with its group, verb. Nothing is limited to names.
const ALLOWED: [(&str, &str); 13] = [
    ("/secrets", "get"),
    ("events.k8s.io/events", "create"),
    ("events.k8s.io/events", "patch"),
    ("tencentdb.dev/sqlserverbackups", "create"),
    ("tencentdb.dev/sqlserverbackups", "delete"),
    ("tencentdb.dev/sqlserverbackups", "get"),
    ("tencentdb.dev/sqlserverbackups", "list"),
    ("tencentdb.dev/sqlserverbackups", "watch"),
    ("tencentdb.dev/sqlserverbackups/status", "patch"),
    ("tencentdb.dev/sqlserverbackupschedules", "get"),
    ("tencentdb.dev/sqlserverbackupschedules", "list"),
    ("tencentdb.dev/sqlserverbackupschedules", "watch"),
    ("tencentdb.dev/sqlserverbackupschedules/status", "patch"),
];

/// The rights in the release's namespace, with the names that they are limited to.
const LEASE: [(&str, &str, &str); 4] = [
    ("coordination.k8s.io/leases", "create", ""),
    ("coordination.k8s.io/leases", "get", NAME),
    ("coordination.k8s.io/leases", "update", NAME),
    ("coordination.k8s.io/leases", "watch", NAME),
];

/// Every triple of resource, verb and name that a role gives, sorted.
fn given(role: &Value) -> Vec<(String, String, String)> {
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let mut given = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        let names = Some(strings(&rule["resourceNames"])).filter(|names| !names.is_empty());
        for group in strings(&rule["apiGroups"]) {
            for resource in strings(&rule["resources"]) {
                for verb in strings(&rule["verbs"]) {
                    for name in names.clone().unwrap_or_else(|| vec![String::new()]) {
                        given.push((format!("{group}/{resource}"), verb.clone(), name));
                    }
                }
            }
        }
    }
    given.sort();
    given
}

/// Each resource with each verb.
fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALLOWED.into_iter().chain(LEASE.map(|(resource, verb, _)| (resource, verb)))
}

fn expected() -> Vec<(String, String, String)> {
    ALLOWED.map(|(resource, verb)| (resource.to_owned(), verb.to_owned(), String::new())).to_vec()
}

#[test]
fn the_rights_are_those_of_the_list() {
    let everywhere = rendered(&[]);
    let named = |kind: &str, name: &str| -> Value {
        let found = everywhere.iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}")).clone()
    };
    assert_eq!(given(&named("ClusterRole", NAME)), expected());
    let lease = LEASE.map(|(resource, verb, name)| (resource.to_owned(), verb.to_owned(), name.to_owned()));
    assert_eq!(given(one(&everywhere, "Role")), lease);
    assert_eq!(one(&everywhere, "Role")["metadata"]["namespace"], NAME);

    let narrow = rendered(&["--set", "watchNamespaces={shop,billing}"]);
    let roles: Vec<&Value> = narrow.iter().filter(|it| it["kind"] == "Role").collect();
    let mut places = BTreeSet::new();
    for role in roles {
        let place = role["metadata"]["namespace"].as_str().unwrap();
        places.insert(place);
        assert_eq!(given(role), if place == NAME { lease.to_vec() } else { expected() }, "{place}");
    }
    assert_eq!(places, BTreeSet::from(["billing", "shop", NAME]));

    // Each role is bound to the release's account and to nobody else.
    for objects in [&everywhere, &narrow] {
        for binding in objects.iter().filter(|it| it["kind"].as_str().unwrap().ends_with("RoleBinding")) {
            let subjects = json!([{ "kind": "ServiceAccount", "name": NAME, "namespace": NAME }]);
            assert_eq!(binding["subjects"], subjects, "{binding}");
            let role = objects.iter().find(|it| {
                it["kind"] == binding["roleRef"]["kind"]
                    && it["metadata"]["name"] == binding["roleRef"]["name"]
                    && it["metadata"]["namespace"] == binding["metadata"]["namespace"]
            });
            assert!(role.is_some(), "{binding} binds nothing");
        }
    }
}

/// After the main job: the account asked for everything on the list, for nothing else, and was refused nothing.
pub(crate) async fn all_were_needed(cluster: &Cluster, namespace: &str, account: &str) {
    let log = cluster.control_plane.audit_log();
    let wanted: BTreeSet<Request> = all()
        .map(|(resource, verb)| Request { verb: verb.to_owned(), resource: resource.to_owned(), is_refused: false })
        .collect();
    let begin = Instant::now();
    loop {
        let asked = plane::requests(&log, namespace, account);
        if asked == wanted {
            return;
        }
        // The last event comes a moment after the status.
        assert!(begin.elapsed() < Duration::from_secs(10), "asked for {asked:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The objects of a release that watches its own namespace alone, with one verb taken away.
fn without(namespace: &str, values: &[String; 4], resource: &str, verb: &str) -> Vec<Value> {
    let own = format!("watchNamespaces={{{namespace}}}");
    let all = ["--namespace", namespace, "--set", "crds.install=false", "--set", &own];
    let arguments = [&all[..], &values.each_ref().map(String::as_str)].concat();
    let mut objects = rendered(&arguments);
    let mut taken = 0;
    let (group, resource) = resource.split_once('/').unwrap();
    for rule in objects.iter_mut().filter(|it| it["kind"] == "Role").flat_map(|it| it["rules"].as_array_mut().unwrap())
    {
        if rule["apiGroups"] == json!([group]) && rule["resources"] == json!([resource]) {
            let verbs = rule["verbs"].as_array_mut().unwrap();
            taken += verbs.len();
            verbs.retain(|one| one != verb);
            taken -= verbs.len();
            // A rule without a verb is no rule.
            if verbs.is_empty() {
                *verbs = vec![json!("deletecollection")];
            }
        }
    }
    assert_eq!(taken, 1, "{verb} {resource}");
    objects
}

/// Runs the main job without one right until the API server has refused just that.
async fn misses(resource: &'static str, verb: &'static str, values: [String; 4]) {
    let cluster = plane::get();
    let (namespace, pod) = aside(move || {
        let namespace = cluster.namespace();
        deployed::furnish(cluster, &namespace);
        let objects = without(&namespace, &values, resource, verb);
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        cluster.kubectl_reading(&["create", "--namespace", &namespace, "--filename", "-"], &list.to_string()).unwrap();
        let pod = Pod::new(cluster, &namespace, one(&objects, "Deployment"));
        (namespace, pod)
    })
    .await;
    let _operator = pod.start();
    let refused = async {
        let wanted = Request { verb: verb.to_owned(), resource: resource.to_owned(), is_refused: true };
        let begin = Instant::now();
        loop {
            let asked = plane::requests(&cluster.control_plane.audit_log(), &namespace, &pod.account);
            if asked.contains(&wanted) {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "{verb} {resource} was never refused: {asked:#?} {}", pod.tail());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let job = async {
        main_job(cluster.client().await, &namespace).await;
        // An event is told a moment after the status.
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    tokio::select! {
        biased;
        () = refused => {}
        () = job => panic!("{verb} {resource} is not needed: the job was done without it"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_right_can_be_taken_away() {
    aside(plane::get).await;
    let _alone = deployed::ALONE.lock().await;
    let cloud = deployed::cloud().await;
    join_all(all().map(|(resource, verb)| misses(resource, verb, deployed::values(&cloud)))).await;
}

/// What a stolen token of the account may be tried with.
const FORBIDDEN: [&[&str]; 26] = [
    &["get", "secrets", "--all-namespaces"],
    &["get", "secrets", "--namespace", "TEAM"],
    &["get", "secrets", "--namespace", "TEAM", "--watch-only", "--request-timeout=5s"],
    &["get", "secrets", "--namespace", "OWN"],
    &["delete", "secret", "tencentdb", "--namespace", "TEAM"],
    &["patch", "secret", "tencentdb", "--namespace", "TEAM", "--patch", "{}"],
    &["create", "secret", "generic", "mine", "--namespace", "TEAM"],
    &["delete", "ssbs", "nightly", "--namespace", "TEAM"],
    &["annotate", "ssbs", "nightly", "tencentdb.dev/run-now=a", "--namespace", "TEAM"],
    &["create", "--filename", "SCHEDULE", "--namespace", "TEAM"],
    &["patch", "ssbs", "nightly", "--namespace", "TEAM", "--type=merge", "--patch", r#"{"spec":{"suspend":true}}"#],
    &["annotate", "ssb", "kept", "a=b", "--namespace", "TEAM"],
    &[
        "patch",
        "ssb",
        "kept",
        "--namespace",
        "TEAM",
        "--type=merge",
        "--patch",
        r#"{"spec":{"submitDeadlineSeconds":60}}"#,
    ],
    &["get", "pods", "--all-namespaces"],
    &["get", "namespaces"],
    &["get", "configmaps", "--namespace", "OWN"],
    &["delete", "deployment", NAME, "--namespace", "OWN"],
    &["delete", "lease", NAME, "--namespace", "OWN"],
    &["get", "lease", "another", "--namespace", "OWN"],
    &["get", "leases", "--namespace", "OWN"],
    &["get", "lease", NAME, "--namespace", "TEAM"],
    &["create", "token", NAME, "--namespace", "OWN"],
    &["delete", "crd", "sqlserverbackups.tencentdb.dev"],
    &["delete", "crd", "sqlserverbackupschedules.tencentdb.dev"],
    &["get", "events.events.k8s.io", "--namespace", "TEAM"],
    &["delete", "clusterrole", NAME],
];

#[test]
fn a_stolen_token_is_worth_little() {
    let cluster = plane::get();
    let (own, team) = (plane::install(cluster, &[]), cluster.namespace());
    deployed::furnish(cluster, &team);
    let order = json!({
        "apiVersion": "tencentdb.dev/v1alpha1", "kind": "SqlServerBackup", "metadata": { "name": "kept" },
        "spec": { "instanceId": "mssql-a1", "region": "ap-guangzhou", "strategy": "Instance" },
    });
    let promise = json!({
        "apiVersion": "tencentdb.dev/v1alpha1", "kind": "SqlServerBackupSchedule", "metadata": { "name": "nightly" },
        "spec": { "schedule": "30 2 * * *", "template": { "spec": order["spec"] } },
    });
    for object in [&order, &promise] {
        cluster.kubectl_reading(&["create", "--namespace", &team, "--filename", "-"], &object.to_string()).unwrap();
    }
    let another = plane::file(cluster, "another-schedule.json");
    let text = promise.to_string().replacen("nightly", "another", 1);
    std::fs::write(&another, text).unwrap();
    let token = plane::file(cluster, "stolen.kubeconfig");
    cluster.control_plane.service_account_kubeconfig(&own, NAME, &token, None).unwrap();
    let stolen = format!("--kubeconfig={}", token.display());
    // The one thing that it is for.
    cluster.kubectl(&[&stolen, "get", "secret", "tencentdb", "--namespace", &team]).unwrap();
    std::thread::scope(|scope| {
        for part in FORBIDDEN.chunks(6) {
            let (stolen, own, team, another) = (&stolen, &own, &team, &another);
            scope.spawn(move || {
                for attempt in part {
                    let place = |word: &&str| match *word {
                        "OWN" => own.clone(),
                        "TEAM" => team.clone(),
                        "SCHEDULE" => another.display().to_string(),
                        word => word.to_owned(),
                    };
                    let words: Vec<String> = [stolen.clone()].into_iter().chain(attempt.iter().map(place)).collect();
                    let said = cluster.kubectl(&words.iter().map(String::as_str).collect::<Vec<_>>());
                    let said = said.expect_err(&attempt.join(" "));
                    assert!(said.to_lowercase().contains("forbidden"), "{}: {said}", attempt.join(" "));
                }
            });
        }
    });
}

/// Who has the roles that every cluster has, may see and order, but nobody may write a status.
#[test]
fn people_see_and_order_and_never_write_a_status() {
    let cluster = plane::get();
    plane::install(cluster, &[]);
    let namespace = cluster.namespace();
    for role in ["view", "edit", "admin"] {
        let (role, user) = (format!("--clusterrole={role}"), format!("--user={role}"));
        cluster.kubectl(&["create", "rolebinding", &user[7..], &role, &user, "--namespace", &namespace]).unwrap();
    }
    let may = |user: &str, verb: &str, what: &str| {
        let can = ["auth", "can-i", verb, what, "--namespace", &namespace, &format!("--as={user}")];
        cluster.kubectl(&can).is_ok()
    };
    let resource = "sqlserverbackups.tencentdb.dev";
    let schedules = "sqlserverbackupschedules.tencentdb.dev";
    // The controller that adds them up needs a moment.
    let begin = Instant::now();
    while !(may("view", "get", resource) && may("edit", "create", resource) && may("admin", "delete", resource)) {
        assert!(begin.elapsed() < Duration::from_secs(30), "the roles are never added up");
        std::thread::sleep(Duration::from_millis(200));
    }
    for (user, verb, what, expected) in [
        ("view", "watch", resource, true),
        ("view", "create", resource, false),
        ("view", "delete", resource, false),
        ("edit", "get", resource, true),
        ("edit", "patch", resource, true),
        ("edit", "patch", "sqlserverbackups.tencentdb.dev/status", false),
        ("edit", "update", "sqlserverbackups.tencentdb.dev/status", false),
        ("admin", "patch", "sqlserverbackups.tencentdb.dev/status", false),
        ("nobody", "get", resource, false),
        ("view", "watch", schedules, true),
        ("view", "patch", schedules, false),
        ("edit", "create", schedules, true),
        ("edit", "patch", schedules, true),
        ("edit", "patch", "sqlserverbackupschedules.tencentdb.dev/status", false),
        ("admin", "update", "sqlserverbackupschedules.tencentdb.dev/status", false),
        ("nobody", "get", schedules, false),
    ] {
        let what_and_sub = what.split_once('/');
        let answer = match what_and_sub {
            None => may(user, verb, what),
            Some((resource, sub)) => {
                let can = [
                    "auth",
                    "can-i",
                    verb,
                    resource,
                    "--subresource",
                    sub,
                    "--namespace",
                    &namespace,
                    &format!("--as={user}"),
                ];
                cluster.kubectl(&can).is_ok()
            }
        };
        assert_eq!(answer, expected, "{user} {verb} {what}");
    }
}
