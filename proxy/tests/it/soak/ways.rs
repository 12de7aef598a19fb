//! How requests reach the proxy.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tollgate_store::Secret;

use super::scene::Scene;
use crate::support::{Body, Client, PATIENCE};

/// A protocol, and how connections are used.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Http1,
    /// By prior knowledge.
    Http2,
    EncryptedHttp2,
    /// A new connection for each request.
    EncryptedEach,
}

/// A connection, or several, or how to get one.
pub(super) enum Way {
    Http1(Client),
    Http2(Client),
    EncryptedHttp2(http2::SendRequest<Body>),
    EncryptedEach,
}

/// A request to be made.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) token: Option<&'a Secret>,
    pub(super) body: Bytes,
}

/// An answer that came to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [
        Self::Http1,
        Self::Http2,
        Self::EncryptedHttp2,
        Self::EncryptedEach,
    ];

    /// How many requests are made at once.
    pub(super) fn streams(self) -> usize {
        match self {
            Self::Http1 | Self::EncryptedEach => 1,
            Self::Http2 | Self::EncryptedHttp2 => 8,
        }
    }
}

impl Way {
    pub(super) async fn open(scene: &Scene, kind: Kind) -> Self {
        match kind {
            Kind::Http1 => Self::Http1(Client::to(scene.plain)),
            Kind::Http2 => Self::Http2(Client::to(scene.plain).by_http2()),
            Kind::EncryptedEach => Self::EncryptedEach,
            Kind::EncryptedHttp2 => {
                let client = scene.tls().speaking(b"h2");
                let stream = client.connect(scene.encrypted, "localhost").await.unwrap();
                let (sender, connection) =
                    http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                        .await
                        .unwrap();
                tokio::spawn(async {
                    // Whoever still asks on it fails; this says why.
                    if let Err(error) = connection.await {
                        eprintln!("a client's connection by HTTP/2 ended: {error:?}");
                    }
                });
                Self::EncryptedHttp2(sender)
            }
        }
    }

    /// Makes a request and reads the answer. There must be one.
    pub(super) async fn ask(&self, scene: &Scene, ask: Ask<'_>) -> Answer {
        let what = format!("{} {}", ask.method, ask.path);
        let answer = async {
            let (head, body) = self.send(scene, ask).await.into_parts();
            let body = body.collect().await;
            (head.status, body.map(http_body_util::Collected::to_bytes))
        };
        let (status, body) = tokio::time::timeout(PATIENCE, answer)
            .await
            .unwrap_or_else(|_| panic!("{what} was not answered"));
        let body = body.unwrap_or_else(|error| panic!("{what}, {status}: {error:?}"));
        Answer {
            status: status.as_u16(),
            body,
        }
    }

    async fn send(&self, scene: &Scene, ask: Ask<'_>) -> http::Response<Incoming> {
        let request = self.request(scene, ask);
        match self {
            Self::Http1(client) | Self::Http2(client) => client.open(request).await,
            Self::EncryptedHttp2(sender) => sender.clone().send_request(request).await.unwrap(),
            Self::EncryptedEach => {
                let stream = scene.tls().connect(scene.encrypted, "localhost").await;
                let stream = TokioIo::new(stream.unwrap());
                let (mut sender, connection) = http1::handshake(stream).await.unwrap();
                tokio::spawn(connection);
                sender.send_request(request).await.unwrap()
            }
        }
    }

    fn request(&self, scene: &Scene, ask: Ask<'_>) -> Request<Body> {
        let mut request = Request::builder().method(ask.method);
        request = match self {
            Self::Http1(_) | Self::Http2(_) => {
                request.uri(format!("http://{}{}", scene.plain, ask.path))
            }
            Self::EncryptedHttp2(_) => request.uri(format!("https://localhost{}", ask.path)),
            Self::EncryptedEach => request
                .uri(ask.path)
                .header(HOST, "localhost")
                .header(CONNECTION, "close"),
        };
        if let Some(token) = ask.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let body = Full::new(ask.body).map_err(|never| match never {});
        request.body(body.boxed()).unwrap()
    }
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// That it is a refusal by the proxy, of a kind.
    pub(super) fn assert_problem(&self, status: StatusCode, code: &str) {
        assert_eq!(self.status, status.as_u16(), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:tollgate:problem:{code}"));
        assert_eq!(problem["status"], self.status);
    }
}
