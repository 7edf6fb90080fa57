//! A wire to a server that may fall silent: nothing breaks, nothing is refused, and nothing arrives. What was held arrives
//! when it speaks again. It counts what is sent, and understands nothing of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(super) struct Wire {
    pub(super) address: SocketAddr,
    silent: watch::Sender<bool>,
    sent: Arc<AtomicUsize>,
}

impl Wire {
    /// Begins to listen on a free port of loopback for what goes to `server`.
    pub(super) async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (silent, _) = watch::channel(false);
        let sent = Arc::new(AtomicUsize::new(0));
        let (server, silence, count) = (server.to_owned(), silent.clone(), sent.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(&server).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::spawn(carry(near_in, far_out, silence.subscribe(), count.clone()));
                tokio::spawn(carry(far_in, near_out, silence.subscribe(), Arc::default()));
            }
        });
        Self { address, silent, sent }
    }

    pub(super) fn fall_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    /// Bytes towards the server so far.
    pub(super) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut silent: watch::Receiver<bool>,
    count: Arc<AtomicUsize>,
) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        count.fetch_add(length, Ordering::SeqCst);
        if silent.wait_for(|silent| !silent).await.is_err() || to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
