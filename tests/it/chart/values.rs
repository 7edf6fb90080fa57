//! What values do: each wrong one is refused in words that name it, and the ones that matter have the effect that they
//! promise.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tools::{NAME, one, render, rendered};

/// What is set, and what the refusal must say.
const WRONG: [(&str, &[&str]); 51] = [
    ("replica=2", &["additional properties 'replica' not allowed"]),
    ("image.repo=x", &["/image", "'repo' not allowed"]),
    ("image.repository=", &["/image/repository"]),
    ("image.repository=registry.example/x:1", &["/image/repository"]),
    ("image.pullPolicy=Sometimes", &["/image/pullPolicy", "'Always', 'IfNotPresent', 'Never'"]),
    ("image.digest=sha256:abc", &["/image/digest"]),
    ("replicas=two", &["/replicas", "want integer"]),
    ("replicas=4", &["/replicas", "maximum"]),
    ("replicas=-1", &["/replicas", "minimum"]),
    ("watchNamespaces=shop", &["/watchNamespaces", "want array"]),
    ("watchNamespaces={Shop}", &["/watchNamespaces/0"]),
    ("watchNamespaces={*}", &["/watchNamespaces/0"]),
    ("sharedIdentityNamespaces={shop\\,billing}", &["/sharedIdentityNamespaces/0"]),
    ("sharedIdentityNamespaces={*,shop}", &["sharedIdentityNamespaces holds * and names", "or * alone"]),
    ("identity.secretKey=abc", &["/identity", "'secretKey' not allowed"]),
    ("identity.existingSecret=Operator_Identity", &["/identity/existingSecret"]),
    ("tencent.apiShare=2", &["/tencent/apiShare", "maximum"]),
    ("tencent.apiShare=0", &["/tencent/apiShare", "minimum"]),
    ("tencent.endpoint=sqlserver.tencentcloudapi.com", &["/tencent/endpoint"]),
    ("tencent.endpoint=https://sqlserver.tencentcloudapi.com/v1", &["/tencent/endpoint"]),
    ("polling.minSeconds=0", &["/polling/minSeconds", "minimum"]),
    ("polling.minSeconds=90", &["polling.minSeconds is above polling.maxSeconds", "lower the first"]),
    ("schedules.protectedIntervalSeconds=9", &["/schedules/protectedIntervalSeconds", "minimum"]),
    ("drainSeconds=20s", &["/drainSeconds", "want integer"]),
    ("logging.format=yaml", &["/logging/format", "'json', 'text'"]),
    ("logging.filter=", &["/logging/filter"]),
    ("proxy.https=http://a:1,proxy.existingSecret=b", &["both name the proxy", "set one of them"]),
    ("extraCa.configMap=a,extraCa.secret=b", &["are both set", "one of them"]),
    ("serviceAccount.annotations.a=1", &["/serviceAccount/annotations/a", "want string"]),
    ("resources.limits.memory=64MB", &["/resources/limits/memory"]),
    ("resources.limit.memory=64Mi", &["/resources", "'limit' not allowed"]),
    ("securityContext.runAsUser=0", &["additional properties 'securityContext' not allowed"]),
    ("networkPolicy.ports={}", &["/networkPolicy/ports"]),
    ("networkPolicy.ports={0}", &["/networkPolicy/ports/0", "minimum"]),
    ("networkPolicy.peers[0].cidr=10.0.0.0/8", &["/networkPolicy/peers/0", "'cidr' not allowed"]),
    ("podMonitor.interval=often", &["/podMonitor/interval"]),
    ("podMonitor.interval=30s1m", &["/podMonitor/interval"]),
    ("tencent.endpoint=http://sqlserver.tencentcloudapi.com", &["/tencent/endpoint"]),
    ("tencent.stsEndpoint=http://127.0.0.1.example", &["/tencent/stsEndpoint"]),
    ("extraEnv[0].name=A,extraEnv[0].value=b,extraEnv[0].valueFrom.x=c", &["/extraEnv/0", "'not'"]),
    ("identity.nodeRole=true,networkPolicy.enabled=true", &["needs port 80", "add 80 to networkPolicy.ports"]),
    // A null takes a value away. These are needed; the others may go.
    ("identity=null", &["missing property 'identity'"]),
    ("proxy=null", &["missing property 'proxy'"]),
    ("extraCa=null", &["missing property 'extraCa'"]),
    ("schedules.protectedIntervalSeconds=null", &["/schedules", "missing property 'protectedIntervalSeconds'"]),
    ("logging=null", &["missing property 'logging'"]),
    ("tencent=null", &["missing property 'tencent'"]),
    ("tencent.apiShare=null", &["/tencent", "missing property 'apiShare'"]),
    ("networkPolicy.ports=null", &["/networkPolicy", "missing property 'ports'"]),
    ("identity.nodeRole=null", &["/identity", "missing property 'nodeRole'"]),
    ("replicas=null", &["missing property 'replicas'"]),
];

#[test]
fn wrong_values_are_refused_by_name() {
    std::thread::scope(|scope| {
        for half in WRONG.chunks(WRONG.len().div_ceil(4)) {
            scope.spawn(move || {
                for (set, fragments) in half {
                    let said = render(&["--set", set]).expect_err(set);
                    for fragment in *fragments {
                        assert!(said.contains(fragment), "{set}: does not say {fragment:?}: {said}");
                    }
                }
            });
        }
    });
}

#[test]
fn what_is_right_is_not_refused() {
    let right = [
        "tencent.endpoint=http://127.0.0.1:8080,tencent.stsEndpoint=http://localhost",
        "identity.nodeRole=true,networkPolicy.enabled=true,networkPolicy.ports={443,80}",
        "identity.nodeRole=true,networkPolicy.enabled=true,identity.existingSecret=own",
        "resources.limits.cpu=0.5,resources.limits.memory=1e9,resources.requests.memory=64M",
        "watchNamespaces=null,sharedIdentityNamespaces=null,podLabels=null,podAnnotations=null,extraEnv=null",
        "resources=null,nodeSelector=null,dashboard.labels=null,dashboard.enabled=true,serviceAccount.name=null",
    ];
    for set in right {
        render(&["--set", set]).unwrap_or_else(|said| panic!("{set}: {said}"));
    }
    let half = ["--set-json", r#"resources={"limits":{"cpu":0.5,"memory":128974848},"requests":{"cpu":1}}"#];
    render(&half).unwrap();
    // Where nobody names a file of authorities, none is read.
    let pod = pod(&["--set", "extraCa.configMap=null,extraCa.secret=null"]);
    assert!(environment(&pod).iter().all(|(name, _)| *name != "EXTRA_CA_FILE"));
}

/// A variable that comes twice has the last one's value, and the kubelet says nothing.
#[test]
fn extra_variables_leave_those_of_the_chart_alone() {
    let all = "watchNamespaces={a},sharedIdentityNamespaces={a},identity.nodeRole=true,identity.existingSecret=s,\
               tencent.endpoint=https://a,tencent.stsEndpoint=https://a,proxy.https=http://a:1,proxy.noProxy=b,\
               extraCa.secret=c";
    let pod = pod(&["--set", all]);
    let names: Vec<&str> = environment(&pod).into_iter().map(|(name, _)| name).collect();
    assert!(names.len() > 18, "{names:?}");
    std::thread::scope(|scope| {
        for names in names.chunks(names.len().div_ceil(4)) {
            scope.spawn(move || {
                for name in names {
                    let set = format!("identity.existingSecret=s,extraEnv[0].name={name},extraEnv[0].value=x");
                    let said = render(&["--set", &set]).expect_err(name);
                    assert!(said.contains(&format!("extraEnv names {name}, which the chart sets: ")), "{said}");
                }
            });
        }
    });
    let free = "extraEnv[0].name=ADMIN_ADDRESS,extraEnv[0].value=x,extraEnv[1].name=TENCENTCLOUD_TOKEN";
    render(&["--set", free]).unwrap();
}

#[test]
fn a_cluster_that_is_too_old_is_refused() {
    let said = render(&["--kube-version", "v1.30.9"]).unwrap_err();
    assert!(said.contains(">=1.31.0-0") && said.contains("1.30.9"), "{said}");
    for version in ["v1.31.0", "v1.31.4-tke.2", "v1.36.3"] {
        render(&["--kube-version", version]).unwrap();
    }
}

/// The pod of the Deployment that is rendered with these arguments.
fn pod(arguments: &[&str]) -> Value {
    one(&rendered(arguments), "Deployment")["spec"]["template"]["spec"].clone()
}

fn environment(pod: &Value) -> Vec<(&str, &Value)> {
    let variables = pod["containers"][0]["env"].as_array().unwrap();
    variables.iter().map(|it| (it["name"].as_str().unwrap(), it.get("value").unwrap_or(&it["valueFrom"]))).collect()
}

#[test]
fn the_defaults_are_the_programs_own() {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_sqlserver-backup-operator"));
    let help = super::tools::run(
        {
            let mut help = help;
            help.args(["run", "--help"]);
            help
        },
        "",
    )
    .unwrap();
    let pod = pod(&[]);
    let by_chart_alone = ["POD_NAME", "POD_NAMESPACE", "LEASE_NAME"];
    for (name, value) in environment(&pod).into_iter().filter(|(name, _)| !by_chart_alone.contains(name)) {
        let line =
            help.lines().find(|line| line.contains(&format!("[env: {name}]"))).unwrap_or_else(|| panic!("{name}"));
        let default = format!("[default: {}]", value.as_str().unwrap());
        assert!(line.contains(&default), "{name}: {line} has not {default}");
    }
    let port = &pod["containers"][0]["ports"][0]["containerPort"];
    assert!(help.contains(&format!("[default: 0.0.0.0:{port}]")), "the admin server listens elsewhere");
}

#[test]
fn the_pod_gets_its_settings() {
    let set =
        |name: &str| pod(&["--values", &format!("{}/tests/fixtures/values/{name}.yaml", env!("CARGO_MANIFEST_DIR"))]);
    let has = |pod: &Value, name: &str, value: Value| {
        let found: Vec<&Value> =
            environment(pod).into_iter().filter(|(found, _)| *found == name).map(|(_, value)| value).collect();
        assert_eq!(found, [&value], "{name}");
    };
    let from = |secret: &str, key: &str| json!({ "secretKeyRef": { "name": secret, "key": key } });

    let namespaced = set("namespaced");
    has(&namespaced, "WATCH_NAMESPACES", json!("shop,billing"));
    has(&namespaced, "SHARED_IDENTITY_NAMESPACES", json!("shop"));
    has(&namespaced, "TENCENTCLOUD_SECRET_ID", from("operator-identity", "secretId"));
    has(&namespaced, "TENCENTCLOUD_SECRET_KEY", from("operator-identity", "secretKey"));

    let closed = set("closed-network");
    has(&closed, "HTTPS_PROXY", json!("http://proxy.example:3128"));
    has(&closed, "NO_PROXY", json!(".internal.example,10.0.0.0/8"));
    has(&closed, "EXTRA_CA_FILE", json!("/etc/extra-ca/ca.crt"));
    let items = json!([{ "key": "ca.crt", "path": "ca.crt" }]);
    assert_eq!(
        closed["volumes"],
        json!([{ "name": "extra-ca", "configMap": { "name": "company-ca", "items": items } }])
    );
    assert_eq!(closed["containers"][0]["volumeMounts"][0]["mountPath"], "/etc/extra-ca");

    let identity = set("pod-identity");
    has(&identity, "SHARED_IDENTITY_NAMESPACES", json!("*"));
    has(&identity, "NODE_ROLE", json!("true"));
    has(&identity, "HTTPS_PROXY", from("proxy", "https"));
    has(&identity, "TENCENT_ENDPOINT", json!("https://sqlserver.{region}.tencentcloudapi.com"));
    has(&identity, "TENCENT_STS_ENDPOINT", json!("https://sts.internal.example"));
    has(&identity, "API_SHARE", json!("0.25"));

    let placed = set("placed");
    has(&placed, "PROTECTED_INTERVAL_SECONDS", json!("10"));
    has(&placed, "DRAIN_SECONDS", json!("0"));
    has(&placed, "LOG_FORMAT", json!("text"));
    has(&placed, "TZ", json!("Asia/Shanghai"));
    assert_eq!(placed["terminationGracePeriodSeconds"], 10);
}

#[test]
fn the_network_lets_through_what_it_names() {
    let policy = |arguments: &[&str]| one(&rendered(arguments), "NetworkPolicy")["spec"].clone();
    assert_eq!(policy(&[]), Value::Null);
    let port = |number: u16, protocol: &str| json!({ "port": number, "protocol": protocol });
    let open = policy(&["--set", "networkPolicy.enabled=true"]);
    assert_eq!(open["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(open["ingress"], json!([{ "ports": [{ "port": "admin", "protocol": "TCP" }] }]));
    let dns = json!({ "ports": [port(53, "UDP"), port(53, "TCP")] });
    assert_eq!(open["egress"], json!([dns, { "ports": [port(443, "TCP"), port(6443, "TCP")] }]));

    let file = format!("{}/tests/fixtures/values/closed-network.yaml", env!("CARGO_MANIFEST_DIR"));
    let closed = policy(&["--values", &file]);
    let of = |name: &str| json!({ "matchLabels": { "kubernetes.io/metadata.name": name } });
    let resolver =
        json!({ "namespaceSelector": of("kube-system"), "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } } });
    assert_eq!(closed["ingress"][0]["from"], json!([{ "namespaceSelector": of("monitoring") }]));
    assert_eq!(closed["egress"][0]["to"], json!([resolver]));
    assert_eq!(closed["egress"][1]["to"], json!([{ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.9.0.0/16"] } }]));
    assert_eq!(closed["egress"][1]["ports"], json!([port(443, "TCP"), port(6443, "TCP"), port(3128, "TCP")]));
}

#[test]
fn a_second_pod_comes_with_a_budget() {
    let (alone, two) = (rendered(&[]), rendered(&["--set", "replicas=2"]));
    assert_eq!(one(&alone, "PodDisruptionBudget"), &Value::Null);
    let selector = &one(&two, "Deployment")["spec"]["selector"];
    assert_eq!(one(&two, "PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
    assert_eq!(&one(&two, "PodDisruptionBudget")["spec"]["selector"], selector);
    assert_eq!(
        one(&two, "Deployment")["spec"]["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"],
        *selector
    );
}

#[test]
fn what_is_switched_off_is_not_there() {
    let kinds = |set: &str| -> BTreeSet<String> {
        rendered(&["--set", set]).iter().map(|object| object["kind"].as_str().unwrap().to_owned()).collect()
    };
    let all = kinds("crds.keep=true");
    let without = |set: &str| all.difference(&kinds(set)).cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(without("crds.install=false"), "CustomResourceDefinition");
    assert_eq!(without("serviceAccount.create=false"), "ServiceAccount");
    assert_eq!(without("rbac.create=false"), "ClusterRole ClusterRoleBinding Role RoleBinding");
    assert_eq!(without("watchNamespaces={shop}"), "ClusterRole ClusterRoleBinding");
    let names = |set: &str| -> BTreeSet<String> {
        rendered(&["--set", set]).iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let gone: Vec<String> = names("crds.keep=true").difference(&names("rbac.aggregate=false")).cloned().collect();
    assert_eq!(gone, [format!("{NAME}-edit"), format!("{NAME}-view")]);
}
