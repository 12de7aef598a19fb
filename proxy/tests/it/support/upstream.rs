//! An upstream that tells what it received.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

pub(crate) const LARGE_PIECES: u8 = 32;
pub(crate) const LARGE_PIECE_BYTES: usize = 64 * 1024;

type Body = BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// | path | answer |
/// |---|---|
/// | `/v1/mirror` | the request's body, as it comes |
/// | `…/large` | 32 pieces of 64 KiB, each of a byte that is its number |
/// | `…/sized` | the same, whose length is told |
/// | `…/held` | like any other, once the gate is opened |
/// | `/v1/trailers` | a body and trailers |
/// | `/v1/broken` | half a body, and a failure once the gate is opened |
/// | `/healthz` | 200, or 503 while it is ill |
/// | any other | what was received, as JSON |
pub(crate) struct Upstream {
    address: SocketAddr,
    task: AbortHandle,
    pub(crate) gate: Arc<Gate>,
}

/// What a test and its upstream share.
#[derive(Default)]
pub(crate) struct Gate {
    /// Lets one request to `/v1/held` or `/v1/broken` go on.
    pub(crate) open: Notify,
    /// Whether `/healthz` is answered 503.
    pub(crate) is_ill: AtomicBool,
    /// How many requests came, those to `/healthz` aside.
    pub(crate) requests: AtomicUsize,
    /// How many connections came.
    pub(crate) connections: AtomicUsize,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        Self::start_by(address, None).await
    }

    /// The same, by TLS.
    pub(crate) async fn start_encrypted(config: Arc<ServerConfig>) -> Self {
        Self::start_by(([127, 0, 0, 1], 0).into(), Some(config.into())).await
    }

    async fn start_by(address: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Gate::default());
        let task = tokio::spawn(serve(listener, Arc::clone(&gate), tls)).abort_handle();
        Self {
            address,
            task,
            gate,
        }
    }

    /// Ends it with every connection that it has.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, gate: Arc<Gate>, tls: Option<TlsAcceptor>) {
    let mut conversations = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        while conversations.try_join_next().is_some() {}
        gate.connections.fetch_add(1, Ordering::SeqCst);
        let (gate, tls) = (Arc::clone(&gate), tls.clone());
        conversations.spawn(async move {
            match tls {
                None => converse(stream, gate).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, gate).await;
                    }
                }
            }
        });
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, gate: Arc<Gate>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&gate)));
    let _ = Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, gate: Arc<Gate>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/healthz" {
        let is_ill = gate.is_ill.load(Ordering::SeqCst);
        let status = if is_ill { 503 } else { 200 };
        let empty = Full::new(Bytes::new()).map_err(|never| match never {});
        return Ok(Response::builder()
            .status(status)
            .body(empty.boxed())
            .unwrap());
    }
    gate.requests.fetch_add(1, Ordering::SeqCst);
    let body = match request.uri().path() {
        "/v1/mirror" => request.into_body().map_err(Into::into).boxed(),
        path if path.ends_with("/held") => {
            gate.open.notified().await;
            echo(&request)
        }
        path if path.ends_with("/large") => large(),
        path if path.ends_with("/sized") => sized(),
        "/v1/trailers" => trailers(),
        "/v1/broken" => broken(gate),
        _ => {
            let (head, body) = request.into_parts();
            // Who answers before the body came has to close the connection after it.
            let _ = body.collect().await;
            echo(&Request::from_parts(head, ()))
        }
    };
    Ok(Response::builder()
        .header("connection", "x-private")
        .header("x-private", "1")
        .header("x-request-id", "forged")
        .header("trailer", "x-sum")
        .body(body)
        .unwrap())
}

fn echo<B>(request: &Request<B>) -> Body {
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let json = json!({
        "method": request.method().as_str(),
        "version": format!("{:?}", request.version()),
        "target": request.uri().to_string(),
        "headers": headers,
    });
    Full::new(Bytes::from(json.to_string()))
        .map_err(|never| match never {})
        .boxed()
}

fn large() -> Body {
    let pieces = (0..LARGE_PIECES).map(|number| {
        let piece = Bytes::from(vec![number; LARGE_PIECE_BYTES]);
        Ok(Frame::data(piece))
    });
    BodyExt::boxed(StreamBody::new(stream::iter(pieces)))
}

fn sized() -> Body {
    let pieces =
        (0..LARGE_PIECES).flat_map(|number| std::iter::repeat_n(number, LARGE_PIECE_BYTES));
    Full::new(pieces.collect())
        .map_err(|never| match never {})
        .boxed()
}

fn trailers() -> Body {
    let sum = HeaderMap::from_iter([("x-sum".parse().unwrap(), "42".parse().unwrap())]);
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"text"))),
        Ok(Frame::trailers(sum)),
    ];
    BodyExt::boxed(StreamBody::new(stream::iter(frames)))
}

fn broken(gate: Arc<Gate>) -> Body {
    let half = stream::once(async { Ok(Frame::data(Bytes::from_static(b"half"))) });
    let end = stream::once(async move {
        gate.open.notified().await;
        Err("a failure on purpose".into())
    });
    BodyExt::boxed(StreamBody::new(half.chain(end)))
}
