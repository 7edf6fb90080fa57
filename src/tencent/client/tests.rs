//! The client against a server that misbehaves: what is sent, how often, and
//! what fails before anything is. What fails afterwards stands in `tests/doubt.rs`.

mod doubt;
mod server;

use secrecy::SecretString;

use super::*;
use crate::tencent::sqlserver::{
    BackupWay, CreateBackup, DescribeBackups, DescribeDBInstances, FlowId, StorageStrategy, Strategy, WireTime,
};
use server::{Reply, Seen, response, start};

const ACCEPTED: &str = r#"{"Response":{"FlowId":5293,"RequestId":"4be5990d-1"}}"#;
const INSTANCES: &str = r#"{"Response":{"TotalCount":0,"DBInstances":[],"RequestId":"r-2"}}"#;

/// A certificate that nobody vouches for, good until 2126.
const CA: &str = "-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUXdaqqbadUEED8/rkhUmT10aH7XYwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHdGVzdCBDQTAgFw0yNjExMjQxMDM2MzNaGA8yMTI2MTAzMTEw
MzYzM1owEjEQMA4GA1UEAwwHdGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABJa1h94gOnqHCAG/OG8ALZNYAe5PhfmJqr4oIstFe5iIfJy3aAnR5v1bKAB0
YBKq42FcsB7Fj72GwXDTcon0222jUzBRMB0GA1UdDgQWBBTFJK43o3TyDNNFqvpE
v5OinFA8ZzAfBgNVHSMEGDAWgBTFJK43o3TyDNNFqvpEv5OinFA8ZzAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDkXPC4poQ+BYWymV9ON0zcqs1e
rmrmFAlFcfMiT9ds1wIgfka21urMP3l4Wr9Xub4Dk2ZWS7TA5ViFSQ2BabS6ZXg=
-----END CERTIFICATE-----
";

fn settings(endpoint: &str) -> ClientSettings {
    let mut settings = ClientSettings::new(Endpoint::parse(endpoint).unwrap());
    settings.connect_timeout = Duration::from_millis(400);
    settings.call_timeout = Duration::from_millis(400);
    settings
}

fn client(endpoint: &str) -> Client {
    Client::new(&settings(endpoint)).unwrap()
}

fn credential() -> Credential {
    Credential::new("AKIDEXAMPLE", SecretString::from("hunter2"), Some(SecretString::from("tok3n"))).unwrap()
}

fn create() -> CreateBackup {
    CreateBackup {
        instance_id: "mssql-i1z41iwd".into(),
        strategy: Strategy::Databases,
        db_names: vec!["订单库".into()],
        backup_name: "k8s_a_1".into(),
        storage_strategy: StorageStrategy::InstanceRetention,
    }
}

fn sign<C: Call>(client: &Client, call: &C) -> Signed<C> {
    let region = Region::new("ap-guangzhou").unwrap();
    client.sign(&credential(), &region, call, Timestamp::from_second(1_700_000_000).unwrap()).unwrap()
}

async fn submit(client: &Client) -> Result<FlowId, Fault> {
    client.send(sign(client, &create())).await.map(|answer| answer.value.flow_id)
}

/// Submits once to a server that replies like this.
async fn submit_to(reply: Reply) -> (Result<FlowId, Fault>, Seen) {
    let (port, seen) = start(reply).await;
    let outcome = submit(&client(&format!("http://127.0.0.1:{port}"))).await;
    (outcome, seen)
}

/// Knows no host.
#[derive(Clone)]
struct NoNames;

impl reqwest::dns::Resolve for NoNames {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async { Err("no such name".into()) })
    }
}

fn reason_not_sent<T: fmt::Debug>(outcome: Result<T, Fault>) -> NotSent {
    match outcome {
        Err(Fault::NotSent { reason, .. }) => reason,
        other => panic!("sent: {other:?}"),
    }
}

#[tokio::test]
async fn what_arrives_is_what_was_signed() {
    let (port, seen) = start(Reply::Keep(response("200 OK", "", ACCEPTED))).await;
    let client = client(&format!("http://127.0.0.1:{port}"));
    assert_eq!(submit(&client).await.unwrap().value(), 5293);
    let request = seen.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| {
        let values: Vec<_> = head.lines().filter_map(|line| line.split_once(": ")).collect();
        let values: Vec<_> = values.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).collect();
        assert_eq!(values.len(), 1, "{name} stands once in {head}");
        values[0].1.to_owned()
    };
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("host"), format!("127.0.0.1:{port}"));
    assert_eq!(header("x-tc-action"), "CreateBackup");
    assert_eq!(header("x-tc-version"), "2018-03-28");
    assert_eq!(header("x-tc-timestamp"), "1700000000");
    assert_eq!(header("x-tc-region"), "ap-guangzhou");
    assert_eq!(header("x-tc-language"), "en-US");
    assert_eq!(header("x-tc-token"), "tok3n");
    assert!(header("user-agent").starts_with("sqlserver-backup-operator/"));
    assert!(!head.to_lowercase().contains("accept-encoding"), "{head}");
    assert_eq!(body, serde_json::to_string(&create()).unwrap());
    let subject = Subject {
        service: "sqlserver",
        host: &header("host"),
        content_type: &header("content-type"),
        body: body.as_bytes(),
        at: Timestamp::from_second(1_700_000_000).unwrap(),
    };
    assert_eq!(header("authorization"), sign::sign("AKIDEXAMPLE", &SecretString::from("hunter2"), &subject));
}

#[tokio::test]
async fn the_request_id_comes_along_and_the_content_type_does_not_matter() {
    for content_type in ["application/json", "application/json; charset=utf-8", "text/html", "nonsense"] {
        let headers = format!("content-type: {content_type}\r\n");
        let (port, _) = start(Reply::Keep(response("200 OK", &headers, ACCEPTED))).await;
        let client = client(&format!("http://127.0.0.1:{port}"));
        let answer = client.send(sign(&client, &create())).await.unwrap();
        assert_eq!((answer.value.flow_id.value(), answer.request_id.as_deref()), (5293, Some("4be5990d-1")));
    }
}

#[tokio::test]
async fn i2_a_submission_has_a_connection_of_its_own_and_reads_share_theirs() {
    let (port, seen) = start(Reply::Keep(response("200 OK", "", ACCEPTED))).await;
    let submitting = client(&format!("http://127.0.0.1:{port}"));
    for _ in 0..3 {
        submit(&submitting).await.unwrap();
    }
    assert_eq!((seen.connections(), seen.requests().len()), (3, 3));

    let (port, seen) = start(Reply::Keep(response("200 OK", "", INSTANCES))).await;
    let reading = client(&format!("http://127.0.0.1:{port}"));
    for _ in 0..3 {
        let call = DescribeDBInstances { instance_id_set: vec!["mssql-a".into()] };
        assert!(reading.send(sign(&reading, &call)).await.unwrap().value.list.is_empty());
    }
    assert_eq!((seen.connections(), seen.requests().len()), (1, 3));
}

#[tokio::test]
async fn what_fails_before_the_connection_stands_was_not_sent() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert_eq!(reason_not_sent(submit(&client(&format!("http://127.0.0.1:{free}"))).await), NotSent::Connection);

    let deaf = reqwest::Client::builder().dns_resolver(NoNames).no_proxy().build().unwrap();
    let request = Request::new(Method::POST, "http://cloud.example".parse().unwrap());
    let fault = transport::exchange(&deaf, request, LARGEST_ANSWER).await.unwrap_err();
    assert_eq!(fault.to_string(), "not sent: host name not resolved: no such name");

    let (port, seen) = start(Reply::Close(response("200 OK", "", ACCEPTED))).await;
    let mut silent = settings(&format!("https://127.0.0.1:{port}"));
    silent.connect_timeout = Duration::from_millis(100);
    let client = Client::new(&silent).unwrap();
    assert_eq!(reason_not_sent(submit(&client).await), NotSent::ConnectionTimeout, "no answer to the TLS hello");
    assert!(seen.requests().is_empty());
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_gets_no_request() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    let outcome = submit(&client(&format!("https://127.0.0.1:{port}"))).await;
    assert_eq!(reason_not_sent(outcome), NotSent::Tls);
}

#[tokio::test]
async fn the_proxy_is_used_except_towards_this_machine_and_named_hosts() {
    let (port, proxy) = start(Reply::Close(response("403 Forbidden", "", ""))).await;
    let through = |endpoint: &str, except: Option<&str>| {
        let mut settings = settings(endpoint);
        settings.https_proxy = Some(format!("http://user:word@127.0.0.1:{port}"));
        settings.no_proxy = except.map(str::to_owned);
        Client::new(&settings).unwrap()
    };
    // A label of 64 characters is no name for TLS, so without the proxy nothing is asked of a name server.
    let nowhere = format!("{}.example", "x".repeat(64));
    let outcome = submit(&through(&format!("https://{nowhere}"), None)).await;
    assert_eq!(reason_not_sent(outcome), NotSent::Connection, "the proxy refused the tunnel");
    assert!(proxy.requests()[0].starts_with(&format!("CONNECT {nowhere}:443 ")), "{:?}", proxy.requests());

    let outcome = submit(&through(&format!("https://{nowhere}"), Some("a.example,.example"))).await;
    assert_eq!((reason_not_sent(outcome), proxy.connections()), (NotSent::Connection, 1), "past the proxy");

    let (cloud, seen) = start(Reply::Keep(response("200 OK", "", ACCEPTED))).await;
    submit(&through(&format!("http://127.0.0.1:{cloud}"), None)).await.unwrap();
    let _ = submit(&through(&format!("https://127.0.0.1:{cloud}"), None)).await;
    assert_eq!((proxy.connections(), seen.connections()), (1, 2));
}

#[test]
fn a_wrong_setting_is_a_sentence() {
    let build = |change: &dyn Fn(&mut ClientSettings)| {
        let mut settings = settings("https://cloud.example");
        change(&mut settings);
        Client::new(&settings).err()
    };
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert_eq!(build(&|s| s.extra_ca_pem = Some(pem.into())), Some(ClientError::ExtraCa), "{pem:?}");
    }
    assert_eq!(build(&|s| s.extra_ca_pem = Some(CA.into())), None);
    for proxy in ["socks5://proxy.example", "http://", "://", "http://user:hunter2@"] {
        let error = build(&|s| s.https_proxy = Some(proxy.into()));
        assert_eq!(error, Some(ClientError::Proxy), "{proxy}");
        assert!(!error.unwrap().to_string().contains("hunter2"));
    }
    for proxy in ["http://proxy.example:3128", "proxy.example:3128", "https://u:p@proxy.example"] {
        assert_eq!(build(&|s| s.https_proxy = Some(proxy.into())), None, "{proxy}");
    }
}

/// Says what comes of a client without any CA certificate. Run by the next test, in a process without any.
#[test]
fn say_what_becomes_of_a_client_here() {
    println!("outcome: {:?}", Client::new(&settings("https://cloud.example")).err());
    println!("plain: {:?}", Client::new(&settings("http://127.0.0.1:1")).err());
}

#[test]
fn without_system_certificates_there_is_a_sentence_and_plain_http_still_works() {
    let name = "tencent::client::tests::say_what_becomes_of_a_client_here";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("SSL_CERT_FILE", "/nonexistent")
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(said.contains("outcome: Some(NoRoots)") && said.contains("plain: None"), "{said}");
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_secret() {
    let client = client("https://cloud.example");
    let signed = sign(&client, &create());
    let headers = format!("{:?}", signed.request.headers());
    let all = format!("{signed:?} {client:?} {headers}");
    assert!(all.contains("CreateBackup"), "{all}");
    for secret in ["hunter2", "tok3n", "Signature="] {
        assert!(!all.contains(secret), "{all}");
    }
}

#[tokio::test]
async fn a_listing_is_read_over_the_wire() {
    let body =
        r#"{"Response":{"TotalCount":1,"Backups":[{"Id":9,"BackupName":"k8s_a_1","Status":1}],"RequestId":"r"}}"#;
    let (port, _) = start(Reply::Keep(response("200 OK", "", body))).await;
    let client = client(&format!("http://127.0.0.1:{port}"));
    let call = DescribeBackups {
        instance_id: "mssql-a".into(),
        start_time: WireTime::from(Timestamp::UNIX_EPOCH),
        end_time: WireTime::from(Timestamp::UNIX_EPOCH),
        backup_way: BackupWay::Manual,
        storage_strategy: StorageStrategy::InstanceRetention,
        limit: DescribeBackups::PAGE,
        page: 0,
    };
    let page = client.send(sign(&client, &call)).await.unwrap().value;
    assert_eq!((page.total_count, page.rows[0].id), (1, Some(9)));
}
