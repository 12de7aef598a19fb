//! A sample upstream: an orders API that answers what it was asked.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;

use crate::Failure;
use crate::background::Background;

/// A server on loopback, on a thread of its own. Dropping it ends it.
#[derive(Debug)]
pub struct SampleUpstream {
    server: Background,
}

impl SampleUpstream {
    /// Starts it on a free port.
    pub fn start() -> Result<Self, Failure> {
        let server = Background::start("the sample upstream can't start", serve)?;
        Ok(Self { server })
    }

    /// Where it answers, like `http://127.0.0.1:41234`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
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
