//! Upstreams: pools of connections beside the snapshots, and how a request is sent on.

mod answer_body;
mod connector;
mod pool;
mod request_body;
mod resolver;

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;
use tollgate_gate::{Target, UpstreamRule};
use tollgate_store::TargetUrl;

use crate::record::Received;
use crate::refusal::{Refusal, UpstreamFault};
pub use answer_body::AnswerBody;
use connector::{BoxError, Connector};
pub use connector::{TlsConfig, tls_config};
use pool::{Connection, IDLE_CONNECTIONS_MAX, IDLE_TIMEOUT, Lease, Pool};
use request_body::RequestBody;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the log tells why an upstream gives no answer.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);
const HEADERS_MAX: usize = 100;
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// One upstream's targets and its connections to them.
#[derive(Debug)]
pub struct Upstream {
    rule: Arc<UpstreamRule>,
    connector: Connector,
    /// For targets that are spoken to by TLS, where HTTP/2 may be agreed on.
    client: Client<Connector, RequestBody>,
    places: Vec<Place>,
    turn: AtomicUsize,
    response_timeout: Duration,
    /// When the log last told why it gave no answer.
    told: Mutex<Option<Instant>>,
}

/// A target.
#[derive(Debug)]
struct Place {
    authority: Authority,
    host: HeaderValue,
    /// Connections to a target that is spoken to without TLS.
    pool: Option<Arc<Pool>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum SendFault {
    #[error(transparent)]
    Connect(BoxError),
    #[error(transparent)]
    Exchange(#[from] hyper::Error),
    #[error(transparent)]
    Encrypted(#[from] legacy::Error),
    #[error("the answer can be read in two ways")]
    Ambiguous,
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
            client: client(connector.clone()),
            connector,
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
    ) -> Result<Response<AnswerBody>, Refusal> {
        let place = self.place().ok_or(Refusal::Internal)?;
        let uri = uri(place, target).ok_or(Refusal::Internal)?;
        let (mut head, body) = request.into_parts();
        let (body, sent) = RequestBody::new(body, Arc::clone(&received));
        head.uri = uri;
        head.version = Version::HTTP_11;
        if body.size_hint().exact().is_none() {
            // Where nothing says so, hyper takes a GET for one without a body.
            let chunked = HeaderValue::from_static("chunked");
            head.headers.insert(TRANSFER_ENCODING, chunked);
        }
        let too_late = async {
            sent.wait().await;
            tokio::time::sleep(self.response_timeout).await;
        };
        let answer = async {
            if let Some(pool) = &place.pool {
                head.headers.insert(HOST, place.host.clone());
                let request = Request::from_parts(head, body);
                self.send_plain(place, pool, request).await
            } else {
                Box::pin(self.send_encrypted(Request::from_parts(head, body))).await
            }
        };
        tokio::select! {
            answer = answer => match answer {
                Ok(response) => Ok(response),
                Err(SendFault::Ambiguous) => Err(UpstreamFault::Protocol.into()),
                Err(_) if received.is_stalled() => Err(Refusal::BodyStalled),
                Err(_) if received.is_broken() => Err(Refusal::BodyBroken),
                Err(fault) => Err(self.fault(&fault).into()),
            },
            () = too_late => Err(UpstreamFault::ResponseTimeout.into()),
        }
    }

    /// Sends a request by a connection of the pool, or a new one where none is idle. What was not sent at all, because
    /// the other side had closed the connection meanwhile, is sent by the next; anything else is not tried again.
    async fn send_plain(
        &self,
        place: &Place,
        pool: &Arc<Pool>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<AnswerBody>, SendFault> {
        loop {
            let (mut connection, is_new) = match pool.take() {
                Some(connection) => (connection, false),
                // Seldom, and large.
                None => (Box::pin(self.connect(place)).await?, true),
            };
            match connection.try_send_request(request).await {
                Ok(response) if is_ambiguous(&response) => return Err(SendFault::Ambiguous),
                Ok(response) => {
                    let lease = Lease::new(connection, pool);
                    return Ok(response.map(|body| AnswerBody::new(body, Some(lease))));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    async fn connect(&self, place: &Place) -> Result<Connection, SendFault> {
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(place.authority.clone())
            .path_and_query("/");
        let uri = uri
            .build()
            .map_err(|error| SendFault::Connect(error.into()))?;
        let stream = self.connector.connect(uri).await;
        let stream = stream.map_err(SendFault::Connect)?;
        let (connection, driver) = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(stream)
            .await?;
        tokio::spawn(driver);
        Ok(connection)
    }

    async fn send_encrypted(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<AnswerBody>, SendFault> {
        let connection = capture_connection(&mut request);
        let response = self.client.request(request).await?;
        if is_ambiguous(&response) {
            if let Some(connection) = connection.connection_metadata().as_ref() {
                connection.poison();
            }
            return Err(SendFault::Ambiguous);
        }
        Ok(response.map(|body| AnswerBody::new(body, None)))
    }

    /// The targets take turns.
    fn place(&self) -> Option<&Place> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.places.get(turn.checked_rem(self.places.len())?)
    }

    /// Closes connections that have been idle for too long; call it every few seconds.
    pub fn sweep(&self) {
        let pools = self.places.iter().filter_map(|place| place.pool.as_ref());
        pools.for_each(|pool| pool.sweep());
    }

    fn fault(&self, error: &SendFault) -> UpstreamFault {
        let is_connect = match error {
            SendFault::Connect(_) => true,
            SendFault::Encrypted(error) => error.is_connect(),
            SendFault::Exchange(_) | SendFault::Ambiguous => false,
        };
        let fault = match () {
            () if is_connect && connector::is_timeout(error) => UpstreamFault::ConnectTimeout,
            () if is_connect => UpstreamFault::Connect,
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
fn place(target: &TargetUrl) -> Option<Place> {
    let default_port = if target.encrypted() { 443 } else { 80 };
    let authority = if target.port() == default_port {
        Authority::try_from(target.host())
    } else {
        Authority::try_from(format!("{}:{}", target.host(), target.port()))
    };
    let authority = authority.ok()?;
    Some(Place {
        host: HeaderValue::from_str(authority.as_str()).ok()?,
        authority,
        pool: (!target.encrypted()).then(|| Arc::new(Pool::new())),
    })
}

/// What is asked for: of a pool's connections only the path and the query, of hyper-util's client the whole URL.
fn uri(place: &Place, target: &Target) -> Option<Uri> {
    if place.pool.is_some() {
        return Some(target.path_and_query().clone().into());
    }
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(place.authority.clone());
    parts.path_and_query = Some(target.path_and_query().clone());
    Uri::from_parts(parts).ok()
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
    async fn targets_take_turns_and_are_called_by_their_host() {
        let upstream = upstream(&["http://10.0.0.1:8080", "https://b.test", "http://[::1]:80"]);
        let hosts: Vec<_> = (0..4)
            .map(|_| upstream.place().unwrap().host.clone())
            .collect();

        assert_eq!(hosts, ["10.0.0.1:8080", "b.test", "[::1]", "10.0.0.1:8080"]);
    }

    #[tokio::test]
    async fn an_encrypted_target_keeps_the_canonical_path() {
        let upstream = upstream(&["https://b.test"]);
        let uri = uri(upstream.place().unwrap(), &target("/v1/%7Ea?b=%2f"));

        assert_eq!(uri.unwrap().to_string(), "https://b.test/v1/~a?b=%2f");
    }
}
