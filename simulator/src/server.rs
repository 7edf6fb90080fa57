//! The API's port: connections in, replies out. What a reply says is decided elsewhere.

use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::clock;
use crate::cloud::Shared;
use crate::gate::MAX_BODY;
use crate::intake::{self, Arrival, Sketch};
use crate::line::{Line, Pieces, Socket};
use crate::reply::Reply;

/// Serves connections for as long as the runtime lives.
pub(crate) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => drop(tokio::spawn(connection(tcp, tls.clone(), Arc::clone(&shared)))),
            Err(error) => {
                // Out of file descriptors, most likely: they come back when connections end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(tcp: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let line = Arc::new(Line::default());
    let socket = Socket::new(tcp, Arc::clone(&line));
    let ended = match tls {
        None => converse(socket, line, shared).await,
        Some(tls) => match tls.accept(socket).await {
            Ok(stream) => converse(stream, line, shared).await,
            Err(error) => return tracing::debug!(%error, "TLS handshake failed"),
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

async fn converse<S>(stream: S, line: Arc<Line>, shared: Arc<Shared>) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let idle = clock::seconds(shared.state().switches.idle_seconds);
    let service = service_fn(move |request| respond(request, Arc::clone(&line), Arc::clone(&shared)));
    let mut http = http1::Builder::new();
    // Counts from the end of the answer before: an idle connection ends as it does at the real gateway.
    http.timer(TokioTimer::new()).header_read_timeout(idle);
    http.serve_connection(TokioIo::new(stream), service).await
}

/// An error closes the connection without an answer.
async fn respond(request: Request<Incoming>, line: Arc<Line>, shared: Arc<Shared>) -> io::Result<Response<Pieces>> {
    let arrival = receive(request).await?;
    // A task of its own: this future is dropped when the client goes away, and what arrived must still take effect.
    let (reply, code) =
        tokio::spawn(intake::take_in(Arc::clone(&shared), arrival.clone())).await.map_err(io::Error::other)?;
    let answer = match reply {
        Reply::Answer(answer) => answer,
        Reply::HangUp { reset } => {
            if reset {
                line.reset();
            }
            return Err(io::Error::other("hung up"));
        }
    };
    let receipt = Box::new(move || intake::answered(&shared, &arrival, &code));
    let mut response = Response::builder()
        .status(answer.status)
        .header(CONTENT_TYPE, answer.content_type)
        .header(CONTENT_LENGTH, answer.length);
    if let Some(location) = answer.location {
        response = response.header(LOCATION, location);
    }
    let body = Pieces::new(answer.pieces, answer.length, answer.pace, line, receipt);
    response.body(body).map_err(io::Error::other)
}

async fn receive(request: Request<Incoming>) -> io::Result<Arrival> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Bytes::from(vec![b' '; MAX_BODY + 1]),
        Err(error) => return Err(io::Error::other(error)),
    };
    Ok(Arrival {
        request_id: request_id()?,
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        sketch: Sketch::of(&parts.headers, &body),
        headers: parts.headers,
        body,
    })
}

/// A random id in the shape of a UUID.
fn request_id() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
    let mut text = String::with_capacity(36);
    for (position, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&position) {
            text.push('-');
        }
        write!(text, "{byte:02x}").map_err(io::Error::other)?;
    }
    Ok(text)
}
