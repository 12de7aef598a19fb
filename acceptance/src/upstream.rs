//! A sample upstream: an orders API that answers what it was asked.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio_util::sync::CancellationToken;

use crate::Failure;

/// A server on loopback, on a thread of its own. Dropping it ends it.
#[derive(Debug)]
pub struct SampleUpstream {
    address: SocketAddr,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl SampleUpstream {
    /// Starts it on a free port.
    pub fn start() -> Result<Self, Failure> {
        let failed = |source| Failure::System {
            action: "the sample upstream can't start",
            source,
        };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let shutdown = CancellationToken::new();
        let end = shutdown.clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                    end.run_until_cancelled(serve(listener)).await;
                }
            });
        });
        Ok(Self {
            address,
            shutdown,
            thread: Some(thread),
        })
    }

    /// Where it answers, like `http://127.0.0.1:41234`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for SampleUpstream {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            // Its panic would have shown as a missing answer.
            drop(thread.join());
        }
    }
}

async fn serve(listener: tokio::net::TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let service =
                service_fn(|request| async move { Ok::<_, Infallible>(answer(&request)) });
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that leaves early is the client's business.
            drop(server.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// Shows what arrived, so that a test sees what a proxy added and took away.
fn answer(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let text =
        |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: serde_json::Map<_, _> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), text(value).into()))
        .collect();
    let body = serde_json::json!({
        "orders": [{ "id": 1, "item": "lantern" }, { "id": 2, "item": "rope" }],
        "asked": { "method": request.method().as_str(), "path": request.uri().path(), "headers": headers },
    });
    let mut response = Response::new(Full::new(Bytes::from(format!("{body:#}\n"))));
    let json = hyper::header::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, json);
    response
}
