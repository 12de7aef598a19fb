//! A request's way from its head to its answer.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONNECTION, CONTENT_LENGTH, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use hyper::body::Incoming;
use rand::RngExt;
use tollgate_gate::{Admission, Grant, Meter, Now, Target};
use tollgate_store::Name;
use tollgate_store::document::Protocol;
use uuid::Uuid;

use crate::connection::Handler;
use crate::generation::{Answer, Asked, Generation, Switch};
use crate::headers::{self, Voucher};
use crate::panics;
use crate::peer::Peer;
use crate::record::{Ledger, Record};
use crate::refusal::Refusal;
use crate::response_body::{Content, ResponseBody};
use crate::tunnel::{Check, Handover, Tunnel};
use crate::upgrade::{self, Upgrade};
use crate::{credential, filter, problem};

/// The route no longer allows what a connection turned into.
const UPGRADE_WITHDRAWN: &str = "upgrade_withdrawn";

/// Decides requests and sends them on.
#[derive(Debug)]
pub struct Gateway {
    /// What decides; `None` until the first snapshot came.
    pub generation: Arc<ArcSwapOption<Generation>>,
    /// What quotas counted, across generations.
    pub meter: Meter,
    /// Where requests are written down.
    pub ledger: Arc<Ledger>,
}

impl Gateway {
    /// A gateway that refuses everything until it is given a generation.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self {
            generation: Arc::default(),
            meter: Meter::default(),
            ledger,
        }
    }

    /// The straight line: each step's result is the next one's proof.
    async fn handle(
        &self,
        generation: &Generation,
        mut request: Request<Incoming>,
        (peer, request_id, now): (&Peer, &HeaderValue, Now),
        record: &mut Record,
    ) -> Result<(Answer, Option<Check>), Refusal> {
        #[cfg(test)]
        assert!(!request.headers().contains_key("x-test-panic"), "a bug");
        let authority = filter::check(&request)?;
        let target = Target::parse(request.method(), authority, request.uri())?;
        record.target(&target);
        if generation.snapshot.proxy().is_none() {
            return Err(Refusal::NotReady);
        }
        let principal = generation
            .snapshot
            .identify(request.headers(), peer.client, now)?;
        record.principal(principal);
        let grant = generation.snapshot.authorize(principal, &target)?;
        record.grant(&grant);
        let admission = self.meter.admit(&grant, peer.client, now)?;
        let authority = authority.map(ToOwned::to_owned);
        let upgrade = wanted_upgrade(&mut request, &grant);
        let check = upgrade.as_ref().map(|upgrade| {
            let credential = headers::credentials(request.headers());
            self.check(upgrade, credential, &target, peer.client)
        });
        let voucher = Voucher {
            peer,
            authority,
            request_id,
            key: principal.key_name(),
            key_id: principal.key_id(),
            principal: principal.name(),
        };
        let mut request = vouched(request, &voucher);
        let asked = Asked {
            target: &target,
            caller: principal.name().map_or(principal.key_name(), Name::as_str),
            metrics: &self.ledger.metrics,
        };
        let answer = match upgrade {
            None => {
                generation
                    .forward(request, &asked, admission, record)
                    .await?
            }
            Some(upgrade) => {
                upgrade::announce(request.headers_mut(), &upgrade.protocol);
                let what = (&asked, upgrade);
                // Seldom, and large.
                Box::pin(generation.forward_upgrade(request, what, admission, record)).await?
            }
        };
        Ok((answer, check))
    }

    /// Whether a client may go on with what its connection turned into, by what decides at that time.
    fn check(
        &self,
        upgrade: &Upgrade,
        credential: HeaderMap,
        target: &Target,
        client: IpAddr,
    ) -> Check {
        let (generation, clock) = (Arc::clone(&self.generation), self.ledger.clock);
        let (target, protocol) = (target.clone(), upgrade.protocol.clone());
        Box::new(move || {
            let generation = generation.load();
            let Some(generation) = generation.as_ref() else {
                return Some(Refusal::NotReady.code());
            };
            let snapshot = &generation.snapshot;
            let principal = snapshot.identify(&credential, client, clock.now());
            let grant = principal.and_then(|principal| snapshot.authorize(principal, &target));
            match grant {
                Err(refusal) => Some(refusal.code()),
                Ok(grant) => {
                    let protocol = protocol.to_str().unwrap_or_default();
                    (!grant.allows_upgrade(protocol)).then_some(UPGRADE_WITHDRAWN)
                }
            }
        })
    }
}

/// What the request's connection is to turn into, where its route lets it and its upstream can.
fn wanted_upgrade(request: &mut Request<Incoming>, grant: &Grant<'_>) -> Option<Upgrade> {
    // Most routes allow none, and most requests want none.
    if !request.headers().contains_key(UPGRADE)
        || grant.upstream().upstream.protocol == Some(Protocol::Http2)
    {
        return None;
    }
    Upgrade::wanted(request, |protocol| grant.allows_upgrade(protocol))
}

/// The answer that makes a tunnel of its connection.
fn switch(
    (mut head, admission): (http::response::Parts, Admission),
    made: Switch,
    (mut record, check): (Record, Check),
    request_id: &HeaderValue,
) -> Response<ResponseBody> {
    headers::to_client(&mut head.headers, request_id);
    head.headers.remove(CONTENT_LENGTH);
    upgrade::announce(&mut head.headers, &made.upgrade.protocol);
    record.respond(head.status);
    let tunnel = Tunnel {
        client: made.upgrade.client,
        upstream: made.upstream,
        admission,
        flight: made.flight,
        record,
        idle_max: made.idle_max,
        check,
    };
    head.extensions.insert(Handover::new(tunnel));
    Response::from_parts(head, ResponseBody::switch())
}

impl Handler for Gateway {
    type Body = ResponseBody;

    async fn respond(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<ResponseBody> {
        let generation = self.generation.load_full();
        let now = self.ledger.clock.now();
        let (peer, request_id) = identity(&request, (peer.ip(), now), generation.as_deref());
        let mut record = self.ledger.open(&request, (&peer, &request_id), now);
        let is_head = request.method() == Method::HEAD;
        let uri = request.uri().clone();
        let version = request.version();

        let result = match &generation {
            None => Err(Refusal::NotReady),
            Some(generation) => {
                let facts = (&peer, &request_id, now);
                // Pinned, as it is large: it would be moved with every call that it is handed to.
                let handle = self.handle(generation, request, facts, &mut record);
                guarded(std::pin::pin!(handle), &request_id).await
            }
        };
        let ends_connection = matches!(&result, Err(refusal) if refusal.ends_connection());
        let (mut head, content) = match result {
            Ok((answer, check)) => {
                let (head, body) = answer.response.into_parts();
                if let (Some(made), Some(check)) = (answer.switch, check) {
                    let head = (head, answer.admission);
                    return switch(head, made, (record, check), &request_id);
                }
                (head, Content::Upstream(body, answer.admission))
            }
            Err(refusal) => {
                record.refuse(&refusal);
                let path = credential::redacted(uri.path());
                let id = request_id.to_str().unwrap_or_default();
                let (head, body) = problem::response(&refusal, path, id).into_parts();
                (head, Content::Problem(without_body(is_head, body)))
            }
        };
        headers::to_client(&mut head.headers, &request_id);
        if ends_connection && version < Version::HTTP_2 {
            head.headers
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        record.respond(head.status);
        Response::from_parts(head, ResponseBody::new(content, record))
    }
}

fn vouched(mut request: Request<Incoming>, voucher: &Voucher<'_>) -> Request<Incoming> {
    headers::to_upstream(request.headers_mut(), voucher);
    request
}

/// Who asks by the connection, and what the request is called from here on.
fn identity<B>(
    request: &Request<B>,
    (address, now): (IpAddr, Now),
    generation: Option<&Generation>,
) -> (Peer, HeaderValue) {
    let trusted = generation.and_then(Generation::trusted_proxies);
    let peer = Peer::new(address, request.headers(), trusted);
    let request_id = headers::request_id(request.headers(), &peer);
    let request_id = request_id.unwrap_or_else(|| new_request_id(now.wall));
    (peer, request_id)
}

/// A UUID of version 7 (RFC 9562). Its random part needs no system call each time.
fn new_request_id(now: jiff::Timestamp) -> HeaderValue {
    let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let random = rand::rng().random();
    let id = uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid();
    let mut buffer = Uuid::encode_buffer();
    let text = id.hyphenated().encode_lower(&mut buffer);
    // Hexadecimal digits and hyphens.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

fn without_body(is_head: bool, body: Bytes) -> Option<Bytes> {
    (!is_head).then_some(body)
}

/// A bug in one request must not end the others.
async fn guarded<T>(
    future: impl Future<Output = Result<T, Refusal>>,
    request_id: &HeaderValue,
) -> Result<T, Refusal> {
    let outcome = AssertUnwindSafe(future).catch_unwind().await;
    outcome.unwrap_or_else(|_| {
        let request_id = request_id.to_str().unwrap_or_default();
        let place = panics::last_place();
        tracing::error!(
            request_id,
            place,
            "a request ended in a panic: it is answered 500"
        );
        Err(Refusal::Internal)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_util::sync::CancellationToken;
    use tollgate_gate::Snapshot;

    use super::*;
    use crate::access_log::AccessLog;
    use crate::clock::Clock;
    use crate::connection::{self, Ending};
    use crate::upstream::SystemTrust;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A gateway behind a listener, and what it logs.
    async fn gateway() -> (Arc<Gateway>, SocketAddr, Paper) {
        let (clock, paper) = (Clock::start(), Paper::default());
        let ledger = Arc::new(Ledger {
            clock,
            log: AccessLog::start(paper.clone(), clock).unwrap(),
            metrics: Arc::default(),
            is_cutting: AtomicBool::new(false),
        });
        let gateway = Arc::new(Gateway::new(ledger));
        let (snapshot, _) = Snapshot::build(&[], &Name::parse("edge").unwrap());
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let generation = Generation::next(snapshot, None, &SystemTrust::load());
        gateway.generation.store(Some(Arc::new(generation)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handler = Arc::clone(&gateway);
        tokio::spawn(async move {
            let (stream, peer) = listener.accept().await.unwrap();
            let ending = Ending {
                closing: CancellationToken::new(),
                cutting: CancellationToken::new(),
            };
            connection::serve(stream, peer, handler, ending).await;
        });
        (gateway, address, paper)
    }

    /// Sends a request, and reads the answer to the end of its JSON.
    async fn ask(stream: &mut TcpStream, more: &str) -> String {
        let request = format!("GET /v1 HTTP/1.1\r\nHost: a\r\n{more}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with('}') {
            answer.push(char::from(stream.read_u8().await.unwrap()));
        }
        answer
    }

    #[tokio::test]
    async fn a_panic_in_one_request_is_a_500_with_its_id_and_nothing_else() {
        let (gateway, address, paper) = gateway().await;
        let metrics = &gateway.ledger.metrics;
        panics::watch(metrics);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let answer = ask(&mut stream, "X-Test-Panic: yes\r\n").await;

        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        let (_, id) = answer.split_once("x-request-id: ").unwrap();
        let (id, _) = id.split_once("\r\n").unwrap();
        assert!(
            answer.contains(&format!("\"request_id\":\"{id}\"")),
            "{answer}"
        );
        assert!(!answer.contains("a bug"), "{answer}");
        // The connection carries the next one.
        let next = ask(&mut stream, "").await;
        assert!(next.starts_with("HTTP/1.1 503 "), "{next}");

        gateway.ledger.log.flush(std::time::Duration::from_secs(10));
        let lines = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        let line = lines.lines().find(|line| line.contains(id)).unwrap();
        assert!(
            line.contains("\"status\":500,\"reason\":\"internal\""),
            "{line}"
        );
        assert_eq!(metrics.panics.get(), 1);
        assert_eq!(metrics.requests_in_flight.get(), 0);
        let series = "tollgate_requests_total{class=\"5xx\",reason=\"internal\",route=\"\"} 1";
        assert!(metrics.text().contains(series), "{}", metrics.text());
    }

    #[test]
    fn a_new_id_is_a_uuid_of_version_7() {
        let now = "2027-06-30T00:00:00.123Z".parse().unwrap();
        let [id, other] = [(); 2].map(|()| new_request_id(now));
        assert_ne!(id, other);
        let id = Uuid::parse_str(id.to_str().unwrap()).unwrap();

        assert_eq!(id.get_version_num(), 7);
        let (seconds, nanoseconds) = id.get_timestamp().unwrap().to_unix();
        assert_eq!(seconds, 1_814_313_600);
        assert_eq!(nanoseconds, 123_000_000);
    }
}
