//! The program: a playground without flags, TLS with an authority in a file, and an end when it is told to.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tencentdb_simulator::{Cloud, Settings};

use crate::client::{Call, connect, create_all, read_response};

/// The program, killed at the end of its test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts it on free ports; yields what it printed, the last line being that it is ready.
fn start(flags: &[&str]) -> (Program, Vec<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simulator"));
    command.args(["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]).args(flags).stdout(Stdio::piped());
    // Owned at once: it must not survive a test that fails here.
    let mut program = Program(command.spawn().unwrap());
    let mut lines = Vec::new();
    for line in BufReader::new(program.0.stdout.take().unwrap()).lines() {
        lines.push(line.unwrap());
        if lines.last().unwrap().starts_with("ready ") {
            return (program, lines);
        }
    }
    panic!("it ended: {lines:?}");
}

#[test]
fn without_flags_it_is_a_playground_and_ends_when_told() {
    let (mut program, lines) = start(&[]);
    assert!(lines[0].starts_with("key AKID"), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("instance mssql-")).count(), 2);
    let ready = lines.last().unwrap();
    assert!(
        ready.starts_with("ready api=http://127.0.0.1:") && ready.contains(" control=http://127.0.0.1:"),
        "{ready}"
    );
    let told = Command::new("kill").arg(program.0.id().to_string()).status().unwrap();
    assert!(told.success());
    assert!(program.0.wait().unwrap().success());
}

#[test]
fn flags_set_keys_instances_and_a_nightly_backup() {
    let (_program, lines) = start(&[
        "--key",
        "AKIDFLAG:secret",
        "--instance",
        "mssql-flag0001,region=ap-x,databases=a+b,nightly=600s",
        "--backup-seconds",
        "600",
    ]);
    assert_eq!(lines[..2], ["key AKIDFLAG secret", "instance mssql-flag0001 region=ap-x databases=a+b"]);
    let control = lines[3].split("control=").last().unwrap();
    let mut stream = connect(control).unwrap();
    stream.write_all(b"GET /backups HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n").unwrap();
    let backups: Value = serde_json::from_str(&read_response(stream).unwrap().body).unwrap();
    assert_eq!((&backups[0]["way"], &backups[0]["instance"]), (&json!(0), &json!("mssql-flag0001")));
}

/// Sends `call` over TLS, trusting `ca_pem` alone.
fn send_securely(cloud: &Cloud, ca_pem: &str, call: &Call) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(config, name).unwrap(), connect(cloud.url())?);
    stream.write_all(&call.bytes())?;
    Ok(read_response(stream)?.body)
}

#[tokio::test]
async fn tls_is_trusted_through_its_own_authority_only() {
    let tls = Settings { tls: true, ..Settings::default() };
    let (cloud, other) = (Cloud::start(tls.clone()).await.unwrap(), Cloud::start(tls).await.unwrap());
    assert!(cloud.url().starts_with("https://"));
    let call = create_all(&cloud, "mssql-sim00001", "n");
    let answer = send_securely(&cloud, cloud.ca_pem().unwrap(), &call).unwrap();
    assert!(answer.contains("\"FlowId\":"), "{answer}");
    assert!(cloud.ledger()[0].delivered);
    assert!(send_securely(&cloud, other.ca_pem().unwrap(), &call).is_err());
}
