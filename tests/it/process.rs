//! The real binary as a process: how it starts without a cluster that answers, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// More than any step here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running operator whose API server accepts connections and never answers. Killed when dropped.
struct Operator {
    child: Child,
    stderr: BufReader<ChildStderr>,
    admin: SocketAddr,
    _api_server: TcpListener,
    kubeconfig: PathBuf,
}

impl Drop for Operator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_file(&self.kubeconfig));
    }
}

impl Operator {
    fn start(name: &str, drain_seconds: u32) -> Self {
        let api_server = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", api_server.local_addr().unwrap());
        let kubeconfig = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.kubeconfig"));
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "c", "cluster": { "server": server } }],
            "users": [{ "name": "c", "user": {} }],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "c" } }],
        });
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_sqlserver-backup-operator"))
            .args(["run", "--admin-address=127.0.0.1:0", "--tencent-endpoint=http://127.0.0.1:1"])
            .args(["--lease-namespace=default"])
            .arg(format!("--drain-seconds={drain_seconds}"))
            .env_clear()
            .env("KUBECONFIG", &kubeconfig)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let admin = await_address(&mut stderr);
        Self { child, stderr, admin, _api_server: api_server, kubeconfig }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// How the process ended, how long that took, and the events it wrote meanwhile.
    fn end(&mut self) -> (ExitStatus, Duration, Vec<serde_json::Value>) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "the operator does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let took = begun.elapsed();
        let events = self.stderr.by_ref().lines().map(|line| event(&line.unwrap())).collect();
        (status, took, events)
    }

    fn ask(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// One line of the log, which must be one JSON object with the fields that every event has.
fn event(line: &str) -> serde_json::Value {
    let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let timestamp = event["timestamp"].as_str().unwrap();
    assert!(timestamp.parse::<jiff::Timestamp>().is_ok() && timestamp.ends_with('Z'), "{line}");
    for field in ["level", "target", "message"] {
        assert!(event[field].is_string(), "no {field} at the top: {line}");
    }
    event
}

/// Reads events until the one that says where the admin server listens.
fn await_address(stderr: &mut impl BufRead) -> SocketAddr {
    loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "the operator ended before its admin server listened");
        let event = event(&line);
        if event["message"] == "the admin server listens" {
            return event["address"].as_str().unwrap().parse().unwrap();
        }
    }
}

#[test]
fn a_signal_ends_it_while_the_api_server_never_answered() {
    for (name, signal) in [("term", Signal::TERM), ("int", Signal::INT)] {
        let mut operator = Operator::start(name, 5);
        assert!(operator.ask("/livez").starts_with("HTTP/1.1 200 "));
        let ready = operator.ask("/readyz");
        assert!(ready.starts_with("HTTP/1.1 503 "), "ready without a cluster: {ready}");
        assert!(operator.ask("/metrics").contains("sqlserver_backup_operator_build_info{version="));
        operator.signal(signal);
        let (status, took, events) = operator.end();
        assert_eq!(status.code(), Some(0), "{events:?}");
        assert!(took < Duration::from_secs(8), "took {took:?}");
        assert!(events.iter().any(|event| event["drain_seconds"] == 5), "no word of the drain: {events:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn no_core_is_ever_dumped() {
    use std::os::unix::process::ExitStatusExt;

    let mut operator = Operator::start("core", 5);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", operator.child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    operator.signal(Signal::ABORT);
    let (status, _, _) = operator.end();
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()));
    assert!(!status.core_dumped());
}
