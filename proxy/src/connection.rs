//! One client's connection, by HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::{Builder, upgrade};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::conduit::{self, Conduit};
use crate::cut::{Cut, Cuts};
use crate::filter::Fault;
use crate::pace::{Answer, InFlight, Pace, Paced, Watch};
use crate::seldom::Seldom;
use crate::tunnel::Handover;

/// The longest that a silent connection may take to close.
const GOODBYE_MAX: Duration = Duration::from_secs(5);
/// The most fields of a request's head.
pub(crate) const HEADERS_MAX: usize = 100;
/// The most bytes of a request's head; by HTTP/2, of its list of fields (RFC 9113, section 6.5.2).
pub(crate) const HEAD_BYTES_MAX: usize = 32 * 1024;
/// What h2 refuses by itself, so that nobody could write down that it did: what is longer than [`HEAD_BYTES_MAX`], and
/// not far longer, is to come to the filter.
const HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;
const STREAMS_MAX: u32 = 128;
/// The most bytes of bodies that wait to be taken, of a connection and of one of its streams.
const WAITING_BYTES_MAX: u32 = 1024 * 1024;
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

type BoxError = Box<dyn Error + Send + Sync>;

/// What connections are made of.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// The body of an answer.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static;

    /// Answers one request.
    fn respond(
        &self,
        request: Box<Request<Incoming>>,
        caller: &Caller,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Notes what came of a caller that was no request: hyper has answered it by itself.
    fn refused(&self, _caller: &Caller, _fault: Fault) {}

    /// Lets the body of an answer pass by a conduit, which only the connection that it is for has.
    fn pass_by(_body: &mut Self::Body, _conduit: &Arc<Conduit>) {}

    /// Has the body of an answer come in pieces that a client can take soon.
    fn in_pieces(_body: &mut Self::Body) {}

    /// Whether an answer is the proxy's own, and no upstream's.
    fn is_own(_body: &Self::Body) -> bool {
        true
    }

    /// Whether an address speaks for many clients, and may have as many connections as it needs.
    fn is_trusted(&self, _address: IpAddr) -> bool {
        false
    }
}

/// How a connection is brought to its end.
#[derive(Debug, Clone)]
pub struct Ending {
    /// Once it is cancelled, what was begun is finished and nothing else is.
    pub closing: CancellationToken,
    /// Once it is cancelled, what the connection turned into ends, too: nobody would let its client in any more.
    pub refusing: CancellationToken,
    /// Once it is cancelled, too, nothing is.
    pub cutting: CancellationToken,
    /// How long to wait for a request that may be under way. Its answer says that the connection ends.
    pub linger: Duration,
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
    pace: Arc<Pace>,
    /// What the connection turns into after an answer that says so.
    switched: OnceLock<Handover>,
}

/// Serves a connection until it ends, whatever it turns into.
pub async fn serve<S: Stream, H: Handler>(
    stream: S,
    (handler, caller): (Arc<H>, Caller),
    (protocol, cuts): (Protocol, Cuts),
    ending: Ending,
) {
    let pace = Arc::new(Pace::of::<S>(cuts));
    let stream = Paced::new(stream, protocol, Arc::clone(&pace));
    let session = Arc::new(Session {
        handler,
        caller,
        pace,
        switched: OnceLock::new(),
    });
    serve_http(stream, &session, &ending).await;
    if let Some(tunnel) = session.switched.get().and_then(Handover::take) {
        tunnel.run(&ending, client_stream::<S>).await;
    }
}

/// Each thing that is waited for is looked at whenever anything happens on the connection: it is as few as possible.
async fn serve_http<S: Stream, H: Handler>(
    stream: Paced<S>,
    session: &Arc<Session<H>>,
    ending: &Ending,
) {
    let pace = Arc::clone(&session.pace);
    let shared = Arc::clone(session);
    let service = service_fn(move |mut request: Request<Incoming>| {
        // Here rather than in the future, which begins later: what the client does meanwhile is about this request.
        let (in_flight, fault) = shared.pace.begin();
        if let Some(fault) = fault {
            request.extensions_mut().insert(fault);
        }
        // Both are large, and moved many times: hyper moves what answers before it begins, and each that has the request
        // in hand hands it on.
        Box::pin(respond(Arc::clone(&shared), Box::new(request), in_flight))
    });
    let builder = builder(Watch::new(Arc::clone(&pace)));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let tired = poll_fn(|_| {
        if pace.is_tired() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    // All connections share it, and it comes but once.
    let closing = std::pin::pin!(ending.closing.cancelled());
    let closing = Seldom::new(closing);
    // In this order: whether too little happens is known once the connection was looked at.
    tokio::select! {
        biased;
        result = connection.as_mut() => return note(session, result),
        () = tired => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(GOODBYE_MAX, connection).await;
            return;
        }
        () = closing => {}
    }
    // A client that sends a request at this moment must not find the connection closed.
    pace.close();
    let settled = poll_fn(|_| {
        if pace.may_lose_requests() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    });
    // An answer that began before does not say that the connection ends: what follows may come until it has ended.
    let lingered = async {
        poll_fn(|_| {
            if pace.is_asked() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        tokio::time::sleep(ending.linger).await;
    };
    tokio::select! {
        biased;
        result = connection.as_mut() => return note(session, result),
        () = settled => {}
        () = lingered => {}
        () = ending.cutting.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        result = connection => note(session, result),
        () = ending.cutting.cancelled() => {}
    }
}

async fn respond<H: Handler>(
    session: Arc<Session<H>>,
    request: Box<Request<Incoming>>,
    in_flight: InFlight,
) -> Result<Response<Answer<H::Body>>, Infallible> {
    let Session {
        handler,
        caller,
        pace,
        switched,
    } = &*session;
    let version = request.version();
    let mut response = handler.respond(request, caller).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        pace.become_tunnel();
        if let Some(handover) = response.extensions_mut().remove::<Handover>() {
            let _ = switched.set(handover);
        }
    } else if version < Version::HTTP_2 {
        if pace.is_closing() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        if response.body().size_hint().lower() >= conduit::BODY_BYTES_MIN
            && let Some(conduit) = pace.conduit()
        {
            H::pass_by(response.body_mut(), conduit);
        }
    } else {
        H::in_pieces(response.body_mut());
    }
    let is_own = H::is_own(response.body());
    Ok(response.map(|body| Answer::new(body, in_flight, is_own)))
}

/// What is left of a client's connection that turned into something else: the stream, and what had been read of it.
fn client_stream<S: Stream>(upgraded: Upgraded) -> Option<(Paced<S>, Bytes)> {
    let parts = upgrade::downcast::<TokioIo<Paced<S>>>(upgraded).ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}

fn note<H: Handler>(session: &Session<H>, result: Result<(), BoxError>) {
    let Err(error) = result else { return };
    let peer = session.caller.address;
    tracing::debug!(?peer, error, "a connection ended early");
    let fault = match error.downcast_ref::<hyper::Error>() {
        Some(error) if error.is_parse_too_large() => Fault::HeadTooLarge,
        Some(error) if error.is_parse() => Fault::HeadInvalid,
        Some(error) => return note_http2(session, error),
        None => return,
    };
    session.handler.refused(&session.caller, fault);
}

/// Counts what h2 ends a connection for.
fn note_http2<H: Handler>(session: &Session<H>, error: &hyper::Error) {
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<h2::Error>());
    let Some(cause) = cause.filter(|cause| cause.is_library()) else {
        return;
    };
    session.pace.cut(match cause.reason() {
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Cut::Http2Flood,
        _ => Cut::Http2Protocol,
    });
}

/// By what a connection begins with. To that which was agreed on it is held by its stream: this builder's `http1_only` and
/// `http2_only` do nothing where connections may turn into something else.
fn builder(watch: Watch) -> Builder<Watch> {
    let mut builder = Builder::new(watch);
    builder
        .http1()
        // Kept by the stream, which tells a slow head from an idle connection.
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(WAITING_BYTES_MAX)
        .initial_connection_window_size(WAITING_BYTES_MAX)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_INTERVAL)
        .max_header_list_size(HEADER_LIST_BYTES_MAX);
    builder
}
