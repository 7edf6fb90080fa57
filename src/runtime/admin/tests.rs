//! The server as its clients meet it: over TCP, byte by byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::*;

const DEADLINE: Duration = Duration::from_secs(1);

/// A server on a free port, what stands behind it, and its task.
async fn serve() -> (SocketAddr, Sources, JoinHandle<Infallible>) {
    let sources = Sources {
        liveness: Liveness::new(DEADLINE),
        readiness: Readiness::new(),
        metrics: Arc::new(Metrics::new("1.2.3")),
    };
    let admin = Admin::bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let address = admin.address().expect("known");
    (address, sources.clone(), tokio::spawn(admin.serve(sources)))
}

/// Sends `request` and returns everything that comes until the server closes.
async fn ask_raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("listening");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer and a close");
    answer
}

/// Status line's code, head and body of the answer to `method path`.
async fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String, String) {
    let answer = ask_raw(address, &format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a code");
    (code, head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn alive_until_the_vital_loop_is_overdue() {
    let (address, sources, _server) = serve().await;
    assert_eq!(ask(address, "GET", "/livez").await.0, 200);
    sleep(DEADLINE + Duration::from_millis(300)).await;
    let (code, _, body) = ask(address, "GET", "/livez").await;
    assert_eq!((code, body.as_str()), (503, "the vital loop has not turned for 1 s\n"));
    sources.liveness.touch();
    assert_eq!(ask(address, "GET", "/livez").await.0, 200);
}

#[tokio::test]
async fn ready_once_every_watch_has_its_first_list() {
    let (address, sources, _server) = serve().await;
    let (code, _, body) = ask(address, "GET", "/readyz").await;
    assert_eq!((code, body.contains("start its watches")), (503, true), "no watch is not ready: {body}");
    let first = sources.readiness.expect("the first list of team-a");
    let second = sources.readiness.expect("the first list of team-b");
    second.listed();
    let (code, _, body) = ask(address, "GET", "/readyz").await;
    assert_eq!((code, body.as_str()), (503, "waiting for the first list of team-a\n"));
    first.listed();
    first.listed();
    let (code, _, body) = ask(address, "GET", "/readyz").await;
    assert_eq!((code, body.as_str()), (200, "ok\n"));
}

#[tokio::test]
async fn figures_come_with_the_type_that_prometheus_asks_for() {
    let (address, sources, _server) = serve().await;
    sources.metrics.status_written();
    let (code, head, body) = ask(address, "GET", "/metrics").await;
    assert_eq!(code, 200);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    assert!(body.contains("sqlserver_backup_operator_status_writes_total 1\n") && body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn anything_else_is_refused() {
    let (address, _sources, _server) = serve().await;
    for path in ["/", "/livez/", "/debug/pprof", "/metricsx"] {
        assert_eq!(ask(address, "GET", path).await.0, 404, "{path}");
    }
    let (code, head, _) = ask(address, "POST", "/livez").await;
    assert_eq!((code, head.contains("allow: get, head")), (405, true), "{head}");
    let (code, _, body) = ask(address, "HEAD", "/livez").await;
    assert_eq!((code, body.as_str()), (200, ""));
    assert_eq!(ask(address, "GET", "/livez?verbose").await.0, 200, "a query is no other path");
    let huge = format!("GET /livez HTTP/1.1\r\nHost: test\r\nX: {}\r\n\r\n", "x".repeat(HEADER_BYTES));
    assert!(ask_raw(address, &huge).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn silent_clients_give_their_slots_back() {
    let (address, _sources, _server) = serve().await;
    let begun = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS {
        silent.push(TcpStream::connect(address).await.expect("listening"));
    }
    let next = ask(address, "GET", "/metrics");
    tokio::pin!(next);
    let early = timeout(Duration::from_millis(300), &mut next).await;
    assert!(early.is_err(), "more connections are served than there are slots");
    let (code, _, _) = timeout(HEADER_READ + Duration::from_secs(3), next).await.expect("a slot comes free");
    assert_eq!(code, 200);
    assert!(begun.elapsed() >= HEADER_READ, "the slots were free before the limit: the test filled none");
}

#[tokio::test]
async fn a_client_that_drips_its_request_is_cut_off() {
    let (address, _sources, _server) = serve().await;
    let mut stream = TcpStream::connect(address).await.expect("listening");
    let begun = Instant::now();
    for byte in b"GET /livez HTTP/1.1\r\nHost: a-host-name-that-takes-its-time" {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(150)).await;
    }
    let limit = HEADER_READ + Duration::from_secs(3);
    assert!(begun.elapsed() < limit, "still connected after {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_taken_address_is_one_sentence() {
    let (address, _sources, _server) = serve().await;
    let error = Admin::bind(address).await.expect_err("taken").to_string();
    let sentence = format!("--admin-address (ADMIN_ADDRESS) {address} is in use: free it, or give another one");
    assert_eq!(error, sentence);
}
