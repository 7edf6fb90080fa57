//! A wire between a contestant and the API server that can go silent: connections stay open, and nothing comes any more.
//!
//! It passes bytes on, TLS and all, so it needs no key and changes no right. What is cut is what is there at that moment;
//! whoever connects anew gets through, as after the death of one node behind an address.

use std::future::pending;
use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The wire; gone with its connections when it is dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    port: u16,
    cuts: watch::Sender<u64>,
}

impl Wire {
    /// Begins to pass on to `server`, as `127.0.0.1:6443`.
    ///
    /// # Errors
    /// No port is free.
    pub(crate) async fn to(server: String) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port")?;
        let port = listener.local_addr()?.port();
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                // Not the receiver itself: a connection hears of the cuts that come after it.
                let (mut cut, server) = (cut.clone(), server.clone());
                cut.mark_unchanged();
                tokio::spawn(async move { pass_on(near, &server, cut).await });
            }
        });
        Ok(Self { port, cuts })
    }

    /// Where to connect.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Silences every connection that is there now.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn pass_on(mut near: TcpStream, server: &str, mut cut: watch::Receiver<u64>) {
    let Ok(mut far) = TcpStream::connect(server).await else { return };
    tokio::select! {
        // Either side closed.
        _ = copy_bidirectional(&mut near, &mut far) => {}
        told = cut.changed() => if told.is_ok() {
            // Both ends stay open, or the silence would be heard. Ends with the runtime.
            pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn echo() -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        address
    }

    async fn answers(stream: &mut TcpStream) -> bool {
        stream.write_all(b"x").await.unwrap();
        let mut byte = [0];
        tokio::time::timeout(Duration::from_millis(300), stream.read_exact(&mut byte))
            .await
            .is_ok_and(|read| read.is_ok())
    }

    #[tokio::test]
    async fn what_is_there_goes_silent_and_what_comes_gets_through() {
        let wire = Wire::to(echo().await).await.unwrap();
        let connect = || TcpStream::connect(("127.0.0.1", wire.port));
        let mut early = connect().await.unwrap();
        assert!(answers(&mut early).await);
        wire.cut();
        assert!(!answers(&mut early).await, "silent, and not closed");
        let mut late = connect().await.unwrap();
        assert!(answers(&mut late).await);
        wire.cut();
        assert!(!answers(&mut late).await);
    }
}
