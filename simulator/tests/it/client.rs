//! A TC3 client with nothing hidden: every header is a field, and the signature is made of exactly what is sent.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ring::{digest, hmac};
use serde_json::{Value, json};
use tencentdb_simulator::{Cloud, Instance, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY, Settings, Switches};

pub(crate) const INSTANCE: &str = "mssql-sim00001";
/// Its backups are a file for each database.
pub(crate) const UNPACKAGED: &str = "mssql-sim00002";

/// One request before it is signed.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) secret_id: String,
    pub(crate) secret_key: String,
    /// Sent in this order; signed if named by `signed`.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) signed: String,
    pub(crate) timestamp: i64,
    /// Of the credential scope; the day of `timestamp` if absent.
    pub(crate) date: Option<String>,
    pub(crate) service: String,
    pub(crate) body: String,
    /// Sent instead of `body`, which is signed nevertheless.
    pub(crate) sent_body: Option<String>,
    pub(crate) method: String,
    pub(crate) target: String,
}

impl Call {
    pub(crate) fn new(cloud: &Cloud, action: &str, body: &Value) -> Self {
        let timestamp = cloud.now().as_second();
        let headers = [
            ("Host", cloud.url().split("://").last().unwrap()),
            ("Content-Type", "application/json"),
            ("X-TC-Action", action),
            ("X-TC-Version", "2018-03-28"),
            ("X-TC-Region", "ap-guangzhou"),
            ("X-TC-Timestamp", &timestamp.to_string()),
        ];
        Self {
            secret_id: PLAYGROUND_SECRET_ID.to_owned(),
            secret_key: PLAYGROUND_SECRET_KEY.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            signed: "content-type;host".to_owned(),
            timestamp,
            date: None,
            service: "sqlserver".to_owned(),
            body: body.to_string(),
            sent_body: None,
            method: "POST".to_owned(),
            target: "/".to_owned(),
        }
    }

    /// Changes a header, adds it, or with an empty value takes it out.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        if !value.is_empty() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    pub(crate) fn at(mut self, timestamp: i64) -> Self {
        self.timestamp = timestamp;
        self.header("X-TC-Timestamp", &timestamp.to_string())
    }

    pub(crate) fn key(mut self, secret_id: &str, secret_key: &str) -> Self {
        (self.secret_id, self.secret_key) = (secret_id.to_owned(), secret_key.to_owned());
        self
    }

    pub(crate) fn authorization(&self) -> String {
        let date = self
            .date
            .clone()
            .unwrap_or_else(|| jiff::Timestamp::from_second(self.timestamp).unwrap().strftime("%Y-%m-%d").to_string());
        let mut lines = String::new();
        for name in self.signed.split(';') {
            let value = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value);
            lines += &format!("{name}:{}\n", value.cloned().unwrap_or_default().to_lowercase());
        }
        let canonical = format!("POST\n/\n\n{lines}\n{}\n{}", self.signed, sha256(&self.body));
        let scope = format!("{date}/{}/tc3_request", self.service);
        let text = format!("TC3-HMAC-SHA256\n{}\n{scope}\n{}", self.timestamp, sha256(&canonical));
        let mut key = format!("TC3{}", self.secret_key).into_bytes();
        for part in [date.as_str(), &self.service, "tc3_request"] {
            key = mac(&key, part);
        }
        let signature = hex(&mac(&key, &text));
        let id = &self.secret_id;
        format!("TC3-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={}, Signature={signature}", self.signed)
    }

    /// The bytes of the request.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let body = self.sent_body.as_ref().unwrap_or(&self.body);
        let mut text = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !self.headers.iter().any(|(name, _)| name == "Authorization") {
            text += &format!("Authorization: {}\r\n", self.authorization());
        }
        text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        text.into_bytes()
    }

    pub(crate) fn send(&self, cloud: &Cloud) -> io::Result<Response> {
        let mut stream = connect(cloud.url())?;
        stream.write_all(&self.bytes())?;
        read_response(stream)
    }

    /// The `Response` of an answer that must be a regular one.
    pub(crate) fn response(&self, cloud: &Cloud) -> Value {
        let response = self.send(cloud).unwrap();
        assert_eq!(response.status, 200, "{}", response.body);
        assert_eq!(response.header("content-type"), "application/json");
        let answer: Value = serde_json::from_str(&response.body).unwrap();
        assert!(answer["Response"]["RequestId"].is_string(), "{answer}");
        answer["Response"].clone()
    }

    /// The error code of the answer; `OK` without one.
    pub(crate) fn code(&self, cloud: &Cloud) -> String {
        self.response(cloud)["Error"]["Code"].as_str().unwrap_or("OK").to_owned()
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(other, _)| other.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

pub(crate) fn connect(url: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(url.split("://").last().unwrap())?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

/// Reads to the end of the connection. An answer shorter than promised, or none, is an error.
pub(crate) fn read_response(mut stream: impl Read) -> io::Result<Response> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    let response = Response { status, head: head.to_owned(), body: body.to_owned() };
    if response.header("content-length").parse::<usize>().is_ok_and(|promised| promised != body.len()) {
        return Err(io::Error::other(format!("cut off: {body}")));
    }
    Ok(response)
}

/// A cloud in which nothing happens by itself: no rates, no lag, backups end by hand.
pub(crate) async fn cloud() -> Cloud {
    let switches =
        Switches { enforce_rates: false, listing_lag_seconds: 0.0, backup_seconds: None, ..Switches::default() };
    let instances = vec![
        Instance::new(INSTANCE),
        Instance { backup_model: "slave_no_pkg".to_owned(), ..Instance::new(UNPACKAGED) },
    ];
    Cloud::start(Settings { switches, instances, ..Settings::default() }).await.unwrap()
}

/// `CreateBackup` of some databases.
pub(crate) fn create(cloud: &Cloud, instance: &str, name: &str, databases: &[&str]) -> Call {
    let body = json!({ "InstanceId": instance, "Strategy": 1, "DBNames": databases, "BackupName": name });
    Call::new(cloud, "CreateBackup", &body)
}

/// `CreateBackup` of a whole instance.
pub(crate) fn create_all(cloud: &Cloud, instance: &str, name: &str) -> Call {
    let body = json!({ "InstanceId": instance, "Strategy": 0, "BackupName": name });
    Call::new(cloud, "CreateBackup", &body)
}

/// `DescribeBackups` over all time, with more fields.
pub(crate) fn list(cloud: &Cloud, instance: &str, more: &Value) -> Call {
    let mut body = json!({
        "InstanceId": instance, "StartTime": "2020-01-01 00:00:00", "EndTime": "2099-01-01 00:00:00",
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Call::new(cloud, "DescribeBackups", &body)
}

/// `DescribeBackupByFlowId`.
pub(crate) fn follow(cloud: &Cloud, instance: &str, flow_id: i64) -> Call {
    Call::new(cloud, "DescribeBackupByFlowId", &json!({ "InstanceId": instance, "FlowId": flow_id.to_string() }))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
