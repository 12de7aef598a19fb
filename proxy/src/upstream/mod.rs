//! Upstreams: pools of connections beside the snapshots, and how a request is sent on.

mod connector;
mod request_body;
mod resolver;

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;
use tollgate_gate::{Target, UpstreamRule};
use tollgate_store::TargetUrl;

use crate::record::Received;
use crate::refusal::{Refusal, UpstreamFault};
use connector::Connector;
pub use connector::{TlsConfig, tls_config};
use request_body::RequestBody;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Below what servers usually wait, so that they don't close a connection that is just being used.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the log tells why an upstream gives no answer.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);
const IDLE_CONNECTIONS_MAX: usize = 1_024;
const HEADERS_MAX: usize = 100;
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// One upstream's targets and its connections to them.
#[derive(Debug)]
pub struct Upstream {
    rule: Arc<UpstreamRule>,
    client: Client<Connector, RequestBody>,
    places: Vec<(Scheme, Authority)>,
    turn: AtomicUsize,
    response_timeout: Duration,
    /// When the log last told why it gave no answer.
    told: Mutex<Option<Instant>>,
}

impl Upstream {
    /// An upstream without connections yet.
    #[must_use]
    pub fn new(rule: &Arc<UpstreamRule>, tls: &TlsConfig) -> Self {
        let timeouts = rule.upstream.timeouts.clone().unwrap_or_default();
        let connect = timeouts.connect.map(|timeout| timeout.length());
        let response = timeouts.response.map(|timeout| timeout.length());
        let connector = Connector::new(tls, connect.unwrap_or(CONNECT_TIMEOUT));
        Self {
            rule: Arc::clone(rule),
            client: client(connector),
            places: rule.upstream.targets.iter().filter_map(place).collect(),
            turn: AtomicUsize::new(0),
            response_timeout: response.unwrap_or(RESPONSE_TIMEOUT),
            told: Mutex::default(),
        }
    }

    /// What it was made of.
    #[must_use]
    pub fn rule(&self) -> &Arc<UpstreamRule> {
        &self.rule
    }

    /// Sends a request to the next target, and waits for the head of its answer.
    ///
    /// What is seen of the request's body is noted in `received`.
    pub async fn send(
        &self,
        request: Request<Incoming>,
        target: &Target,
        received: Arc<Received>,
    ) -> Result<Response<Incoming>, Refusal> {
        let uri = self.uri(target).ok_or(Refusal::Internal)?;
        let (mut head, body) = request.into_parts();
        let (body, sent) = RequestBody::new(body, Arc::clone(&received));
        head.uri = uri;
        head.version = Version::HTTP_11;
        if body.size_hint().exact().is_none() {
            // Where nothing says so, hyper takes a GET for one without a body.
            let chunked = HeaderValue::from_static("chunked");
            head.headers.insert(TRANSFER_ENCODING, chunked);
        }
        let mut request = Request::from_parts(head, body);
        let connection = capture_connection(&mut request);
        let response = self.client.request(request);
        let too_late = async {
            sent.wait().await;
            tokio::time::sleep(self.response_timeout).await;
        };
        tokio::select! {
            response = response => match response {
                Ok(response) if is_ambiguous(&response) => {
                    if let Some(connection) = connection.connection_metadata().as_ref() {
                        connection.poison();
                    }
                    Err(UpstreamFault::Protocol.into())
                }
                Ok(response) => Ok(response),
                Err(_) if received.is_stalled() => Err(Refusal::BodyStalled),
                Err(_) if received.is_broken() => Err(Refusal::BodyBroken),
                Err(error) => Err(self.fault(&error).into()),
            },
            () = too_late => Err(UpstreamFault::ResponseTimeout.into()),
        }
    }

    fn uri(&self, target: &Target) -> Option<Uri> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let (scheme, authority) = self.places.get(turn.checked_rem(self.places.len())?)?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(scheme.clone());
        parts.authority = Some(authority.clone());
        parts.path_and_query = Some(target.path_and_query().clone());
        Uri::from_parts(parts).ok()
    }

    fn fault(&self, error: &legacy::Error) -> UpstreamFault {
        let fault = match () {
            () if error.is_connect() && connector::is_timeout(error) => {
                UpstreamFault::ConnectTimeout
            }
            () if error.is_connect() => UpstreamFault::Connect,
            () => UpstreamFault::Protocol,
        };
        self.complain(fault, &root_cause(error));
        fault
    }

    /// Tells the cause, which the access log does not hold: now and then, as every request may fail.
    fn complain(&self, fault: UpstreamFault, cause: &str) {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| now.duration_since(told) < COMPLAINT_INTERVAL) {
            return;
        }
        *told = Some(now);
        tracing::warn!(upstream = %self.rule.name, reason = fault.code(), cause, "an upstream gave no answer");
    }
}

fn client(connector: Connector) -> Client<Connector, RequestBody> {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .http1_max_headers(HEADERS_MAX)
        .http1_max_buf_size(HEAD_BYTES_MAX)
        .http2_max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .http2_keep_alive_interval(Duration::from_secs(20))
        .build(connector)
}

/// A target's URL was checked when it was read: it always is a place.
fn place(target: &TargetUrl) -> Option<(Scheme, Authority)> {
    let (scheme, default_port) = if target.encrypted() {
        (Scheme::HTTPS, 443)
    } else {
        (Scheme::HTTP, 80)
    };
    let authority = if target.port() == default_port {
        Authority::try_from(target.host())
    } else {
        Authority::try_from(format!("{}:{}", target.host(), target.port()))
    };
    authority.ok().map(|authority| (scheme, authority))
}

/// Whether an answer, or what follows it on its connection, can be read in two ways.
fn is_ambiguous<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    let has_two_ends =
        headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING);
    has_two_ends || response.status().is_informational()
}

fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use tollgate_store::Name;
    use tollgate_store::document;

    use super::*;

    fn upstream(targets: &[&str]) -> Upstream {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let targets = targets.iter().map(|url| TargetUrl::parse(url).unwrap());
        let rule = UpstreamRule {
            name: Name::parse("orders").unwrap(),
            upstream: document::Upstream {
                description: None,
                targets: targets.collect(),
                timeouts: None,
            },
        };
        Upstream::new(&Arc::new(rule), &tls_config())
    }

    fn target(path: &str) -> Target {
        let uri: Uri = path.parse().unwrap();
        Target::parse(&http::Method::GET, Some("api.test"), &uri).unwrap()
    }

    #[tokio::test]
    async fn targets_take_turns_and_keep_the_canonical_path() {
        let upstream = upstream(&["http://10.0.0.1:8080", "https://b.test", "http://[::1]:80"]);
        let uris: Vec<_> = (0..4)
            .map(|_| upstream.uri(&target("/v1/%7Ea?b=%2f")).unwrap().to_string())
            .collect();

        assert_eq!(
            uris,
            [
                "http://10.0.0.1:8080/v1/~a?b=%2f",
                "https://b.test/v1/~a?b=%2f",
                "http://[::1]/v1/~a?b=%2f",
                "http://10.0.0.1:8080/v1/~a?b=%2f",
            ]
        );
    }
}
