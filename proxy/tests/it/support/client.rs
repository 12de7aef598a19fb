//! A client of the proxy.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tollgate_store::Secret;

use super::Process;

pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

pub(crate) struct Client {
    pool: legacy::Client<HttpConnector, Body>,
    address: SocketAddr,
    token: Option<Secret>,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Client {
    /// A client of a proxy, by HTTP/1.1.
    pub(crate) fn new(proxy: &Process) -> Self {
        Self::to(proxy.address)
    }

    /// A client of whatever listens there.
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self {
            pool: legacy::Client::builder(TokioExecutor::new()).build_http(),
            address,
            token: None,
        }
    }

    /// The same, by HTTP/2 with prior knowledge.
    pub(crate) fn by_http2(mut self) -> Self {
        self.pool = legacy::Client::builder(TokioExecutor::new())
            .http2_only(true)
            .build_http();
        self
    }

    /// The same with a token.
    pub(crate) fn bearing(mut self, token: &Secret) -> Self {
        self.token = Some(token.clone());
        self
    }

    /// A request to begin with.
    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {}", token.expose())),
            None => request,
        }
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request("GET", path)).await
    }

    /// Sends a body and reads the answer.
    pub(crate) async fn post(&self, path: &str, body: &'static str) -> Reply {
        let body = Full::from(body).map_err(|never| match never {}).boxed();
        let request = self.request("POST", path).body(body).unwrap();
        Reply::read(self.open(request).await).await
    }

    /// The same where there may be none.
    pub(crate) async fn try_get(&self, path: &str) -> Option<Reply> {
        let empty = Empty::new().map_err(|never| match never {}).boxed();
        let request = self.request("GET", path).body(empty).unwrap();
        let response = self.try_open(request).await.ok()?;
        Some(Reply::read(response).await)
    }

    /// Sends a request without a body and reads the answer.
    pub(crate) async fn send(&self, request: http::request::Builder) -> Reply {
        let empty = Empty::new().map_err(|never| match never {}).boxed();
        Reply::read(self.open(request.body(empty).unwrap()).await).await
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn open(&self, request: Request<Body>) -> Response<Incoming> {
        self.try_open(request).await.unwrap()
    }

    /// The same of a request that may get no answer.
    pub(crate) async fn try_open(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, legacy::Error> {
        self.pool.request(request).await
    }
}

impl Reply {
    async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap();
        Self {
            status: head.status.as_u16(),
            version: head.version,
            headers: head.headers,
            trailers: body.trailers().cloned(),
            body: body.to_bytes(),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// What the upstream received of a header.
    pub(crate) fn echoed(&self, name: &str) -> Vec<String> {
        let json = self.json();
        let headers = json["headers"].as_array().unwrap().iter();
        headers
            .filter(|pair| pair[0] == name)
            .map(|pair| pair[1].as_str().unwrap().to_owned())
            .collect()
    }
}
