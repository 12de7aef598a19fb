//! One client's connection, by HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;

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
        caller: &Caller,
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

/// By what a connection is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// By what it begins with.
    Either,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What a connection's requests share.
struct Session<H> {
    handler: Arc<H>,
    caller: Caller,
    has_asked: AtomicBool,
}

/// What a connection that has not asked anything yet comes to.
enum Beginning {
    Ended(Result<(), BoxError>),
    Asked,
    Closing,
    Silent,
}

/// Serves a connection until it ends.
///
/// Each thing that is waited for is looked at whenever anything happens on the connection: at any time it is as few as
/// possible.
pub async fn serve<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    (handler, caller): (Arc<H>, Caller),
    protocol: Protocol,
    ending: Ending,
) {
    let peer = caller.address;
    let session = Arc::new(Session {
        handler,
        caller,
        has_asked: AtomicBool::new(false),
    });
    let asked = Arc::clone(&session);
    let service = service_fn(move |request| {
        asked.has_asked.store(true, Ordering::Relaxed);
        let session = Arc::clone(&asked);
        async move {
            let Session {
                handler, caller, ..
            } = &*session;
            Ok::<_, Infallible>(handler.respond(request, caller).await)
        }
    });
    let builder = builder(protocol);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let has_asked = poll_fn(|_| {
        if session.has_asked.load(Ordering::Relaxed) {
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

fn note(peer: IpAddr, result: Result<(), BoxError>) {
    if let Err(error) = result {
        tracing::debug!(%peer, error, "a connection ended early");
    }
}

fn builder(protocol: Protocol) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    let mut builder = match protocol {
        Protocol::Either => builder,
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    };
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
