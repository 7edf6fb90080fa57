//! One connection, as far as faults and the ledger must reach into it.
//!
//! Two things that an HTTP library hides are needed here: closing with a reset, and knowing when the last byte of an answer
//! was handed to the kernel. Both live beneath TLS, in the socket itself.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Long enough for what was already given to leave.
const BEFORE_A_CUT: Duration = Duration::from_millis(50);

/// Called when an answer has left.
pub(crate) type Receipt = Box<dyn FnOnce() + Send>;

/// What the socket of a connection and the answers on it tell each other.
#[derive(Default)]
pub(crate) struct Line {
    reset: AtomicBool,
    receipt: Mutex<Option<Receipt>>,
}

impl Line {
    /// Makes the coming close a reset.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::SeqCst);
    }

    fn await_flush(&self, receipt: Option<Receipt>) {
        *self.receipt.lock().unwrap_or_else(PoisonError::into_inner) = receipt;
    }

    fn flushed(&self) {
        let receipt = self.receipt.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(receipt) = receipt {
            receipt();
        }
    }
}

/// The socket.
pub(crate) struct Socket {
    tcp: TcpStream,
    line: Arc<Line>,
}

impl Socket {
    pub(crate) fn new(tcp: TcpStream, line: Arc<Line>) -> Self {
        Self { tcp, line }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.line.reset.load(Ordering::SeqCst) {
            // A linger time of zero turns the close into a reset; should it fail, the close is a regular one.
            drop(self.tcp.set_zero_linger());
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tcp).poll_flush(cx))?;
        self.line.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// The body of an answer.
pub(crate) struct Pieces {
    left: VecDeque<Bytes>,
    /// Bytes that are promised and not yet given.
    owed: usize,
    pace: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    line: Arc<Line>,
    receipt: Option<Receipt>,
}

impl Pieces {
    pub(crate) fn new(left: VecDeque<Bytes>, length: usize, pace: Duration, line: Arc<Line>, receipt: Receipt) -> Self {
        Self { left, owed: length, pace, pause: None, line, receipt: Some(receipt) }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    /// Under a pace, it pauses before each piece; and before a cut, or the connection would be closed with the pieces that
    /// were given still in its buffer.
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let is_cut = self.left.is_empty() && self.owed > 0;
        let pace = if is_cut { BEFORE_A_CUT } else { self.pace };
        if !pace.is_zero() && !self.is_end_stream() {
            let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(pace)));
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        if is_cut {
            return Poll::Ready(Some(Err(io::Error::other("the answer ends here"))));
        }
        let Some(piece) = self.left.pop_front() else {
            return Poll::Ready(None);
        };
        self.owed = self.owed.saturating_sub(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.owed == 0
    }

    fn size_hint(&self) -> SizeHint {
        // Unknown for an answer that will be cut: the promise then stands in the header alone.
        let given: usize = self.left.iter().map(Bytes::len).sum();
        let exact = u64::try_from(given).ok().filter(|_| given == self.owed);
        exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        // The last piece is in the connection's buffer; the flush that empties it is the delivery. An answer that is dropped
        // earlier never gets a receipt.
        if self.is_end_stream() {
            self.line.await_flush(self.receipt.take());
        }
    }
}
