//! One client's connection, by HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::{Builder, upgrade};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::tunnel::Handover;

/// The longest that a head may take. hyper counts the wait for the next request into it, so it is longer than the 60 s
/// for which load balancers keep idle connections: a shorter one would close them under their next request.
const HEAD_READ_TIMEOUT: Duration = Duration::from_secs(75);
/// The longest that a silent connection may take to close.
const GOODBYE_MAX: Duration = Duration::from_secs(5);
const HEADERS_MAX: usize = 100;
const HEAD_BYTES_MAX: usize = 32 * 1024;
const STREAMS_MAX: u32 = 128;
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

type BoxError = Box<dyn Error + Send + Sync>;

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// The body of an answer.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// Answers one request.
    fn respond(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// How a connection is brought to its end.
#[derive(Debug, Clone)]
pub struct Ending {
    /// Once it is cancelled, what was begun is finished and nothing else is.
    pub closing: CancellationToken,
    /// Once it is cancelled, too, nothing is.
    pub cutting: CancellationToken,
}

/// What a connection that has not asked anything yet comes to.
enum Beginning {
    Ended(Result<(), BoxError>),
    Asked,
    Closing,
    Silent,
}

/// Serves a connection until it ends, whatever it turns into.
pub async fn serve<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    handler: Arc<H>,
    ending: Ending,
) {
    let switched = Arc::new(OnceLock::new());
    serve_http(stream, peer, handler, &ending, Arc::clone(&switched)).await;
    if let Some(tunnel) = switched.get().and_then(Handover::take) {
        tunnel.run(&ending.cutting).await;
    }
}

/// Each thing that is waited for is looked at whenever anything happens on the connection: at any time it is as few as
/// possible.
async fn serve_http<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    handler: Arc<H>,
    ending: &Ending,
    switched: Arc<OnceLock<Handover>>,
) {
    let has_asked = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&has_asked);
    let service = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        let (handler, switched) = (Arc::clone(&handler), Arc::clone(&switched));
        async move {
            let mut response = handler.respond(request, peer).await;
            if let Some(handover) = response.extensions_mut().remove::<Handover>() {
                let _ = switched.set(handover);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let builder = builder();
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let has_asked = poll_fn(|_| {
        if has_asked.load(Ordering::Relaxed) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    // In this order: whether something was asked is known once the connection was looked at.
    let beginning = tokio::select! {
        biased;
        result = connection.as_mut() => Beginning::Ended(result),
        () = has_asked => Beginning::Asked,
        () = ending.closing.cancelled() => Beginning::Closing,
        // hyper bounds a head only once it knows the protocol.
        () = tokio::time::sleep(HEAD_READ_TIMEOUT) => Beginning::Silent,
    };
    match beginning {
        Beginning::Ended(result) => return note(peer, result),
        Beginning::Asked => tokio::select! {
            biased;
            result = connection.as_mut() => return note(peer, result),
            () = ending.closing.cancelled() => {}
        },
        Beginning::Closing => {}
        Beginning::Silent => {
            connection.as_mut().graceful_shutdown();
            // One that does not even finish its handshake is cut.
            let _ = tokio::time::timeout(GOODBYE_MAX, connection).await;
            return;
        }
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        result = connection => note(peer, result),
        () = ending.cutting.cancelled() => {}
    }
}

/// What is left of a client's connection that turned into something else: the stream, and what had been read of it.
pub(crate) fn client_stream(upgraded: Upgraded) -> Option<(TcpStream, Bytes)> {
    let parts = upgrade::downcast::<TokioIo<TcpStream>>(upgraded).ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}

fn note(peer: SocketAddr, result: Result<(), BoxError>) {
    if let Err(error) = result {
        tracing::debug!(%peer, error, "a connection ended early");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_READ_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_INTERVAL)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
    builder
}
