//! The operator's admin server, asked as a probe or a scraper does.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The address that the log tells of.
pub(crate) fn address(log: &str) -> Option<String> {
    let lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut told = lines.filter(|line| line.get("message").is_some_and(|text| text == "the admin server listens"));
    told.next()?.get("address")?.as_str().map(str::to_owned)
}

/// The body of the answer to a GET, if it is a 200.
pub(crate) async fn ask(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.split(' ').nth(1).is_some_and(|status| status == "200").then(|| body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_that_was_told_counts() {
        let log = "text\n{\"message\":\"the admin server listens\",\"address\":\"127.0.0.1:1\"}\n{\"message\":\"x\"}\n\
            {\"message\":\"the admin server listens\",\"address\":\"127.0.0.1:2\"}\n";
        assert_eq!(address(log).as_deref(), Some("127.0.0.1:2"));
        assert_eq!(address("{\"message\":\"x\"}"), None);
    }
}
