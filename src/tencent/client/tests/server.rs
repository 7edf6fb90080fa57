//! A server that answers one way, written by hand so that it can misbehave below HTTP as well.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with each request.
#[derive(Clone)]
pub(super) enum Reply {
    /// Writes these bytes and waits for the next request on the same connection.
    Keep(Vec<u8>),
    /// Writes these bytes and closes.
    Close(Vec<u8>),
    /// Writes one byte at a time, slowly.
    Drip(Vec<u8>),
    /// Never answers.
    Silence,
    /// Closes with unread bytes, which makes the kernel reset the connection.
    Reset,
}

/// What a server saw.
#[derive(Clone, Default)]
pub(super) struct Seen {
    connections: Arc<Mutex<usize>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Seen {
    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Starts one on a free port and returns that.
pub(super) async fn start(reply: Reply) -> (u16, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Seen::default();
    let watched = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            *watched.connections.lock().unwrap() += 1;
            tokio::spawn(serve(stream, reply.clone(), watched.clone()));
        }
    });
    (port, seen)
}

async fn serve(mut stream: TcpStream, reply: Reply, seen: Seen) {
    if matches!(reply, Reply::Reset) {
        let _ = stream.read(&mut [0]).await;
        seen.requests.lock().unwrap().push(String::new());
        return;
    }
    while let Some(request) = read_request(&mut stream).await {
        seen.requests.lock().unwrap().push(request);
        match &reply {
            Reply::Keep(bytes) => stream.write_all(bytes).await.unwrap(),
            Reply::Close(bytes) => {
                let _ = stream.write_all(bytes).await;
                return;
            }
            Reply::Drip(bytes) => {
                for byte in bytes {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            Reply::Silence => tokio::time::sleep(Duration::from_mins(1)).await,
            Reply::Reset => return,
        }
    }
}

/// Head and body, or `None` at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    }
}

/// An answer with the right length, and with these further header lines.
pub(super) fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}
