//! An endpoint that passes every call on to LocalStack, counts it, and knows how long LocalStack was at work.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};

use crate::background::Background;
use crate::{Failure, LocalStack, clock};

const OPERATION_HEADER: &str = "x-amz-target";
const SERVICE_PREFIX: &str = "secretsmanager.";
/// What a call of another service than Secrets Manager counts as.
const OTHER: &str = "other";
/// What a call that got no answer counts as, beside its operation.
const UNANSWERED: &str = "unanswered";
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Less than LocalStack's own, so that no call is sent on a connection that is about to be closed.
const IDLE_MAX: Duration = Duration::from_secs(2);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// An endpoint in front of another. Dropping it ends it.
#[derive(Debug)]
pub struct CountingEndpoint {
    server: Background,
    ledger: Arc<Mutex<Ledger>>,
}

/// The calls of some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many of each operation.
    pub by_operation: BTreeMap<String, u64>,
    /// How long at least one of them waited for its answer.
    pub busy: Duration,
}

impl CountingEndpoint {
    /// Listens, and passes on to LocalStack.
    pub fn before(localstack: &LocalStack) -> Result<Self, Failure> {
        let ledger = Arc::<Mutex<Ledger>>::default();
        let passage = Arc::new(Passage {
            endpoint: format!("http://{}", localstack.address()),
            client: client(),
            ledger: Arc::clone(&ledger),
        });
        let server = Background::start("the counting endpoint can't start", async |listener| {
            serve(listener, passage).await;
        })?;
        Ok(Self { server, ledger })
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The calls since this was last asked.
    #[must_use]
    pub fn take(&self) -> Tally {
        std::mem::take(&mut lock(&self.ledger).tally)
    }
}

impl Tally {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.by_operation.values().sum()
    }
}

/// What has been counted, and what is under way.
#[derive(Debug, Default)]
struct Ledger {
    tally: Tally,
    under_way: u32,
    busy_since: Option<Instant>,
}

impl Ledger {
    fn begin(&mut self, operation: &str, now: Instant) {
        self.count(operation);
        self.under_way += 1;
        self.busy_since.get_or_insert(now);
    }

    fn end(&mut self, now: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        if self.under_way > 0 {
            return;
        }
        if let Some(since) = self.busy_since.take() {
            self.tally.busy += now.saturating_duration_since(since);
        }
    }

    fn count(&mut self, operation: &str) {
        let count = self.tally.by_operation.entry(operation.to_owned());
        *count.or_default() += 1;
    }
}

struct Passage {
    endpoint: String,
    client: Client<HttpConnector, Incoming>,
    ledger: Arc<Mutex<Ledger>>,
}

fn client() -> Client<HttpConnector, Incoming> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .build(connector)
}

async fn serve(listener: TcpListener, passage: Arc<Passage>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_connection(stream, Arc::clone(&passage)));
    }
}

async fn serve_connection(stream: TcpStream, passage: Arc<Passage>) {
    // Where the system refuses, calls are slower, not wrong.
    drop(stream.set_nodelay(true));
    let service = service_fn(|request| {
        let passage = Arc::clone(&passage);
        async move { Ok::<_, Infallible>(passage.pass(request).await) }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    // A client that leaves early is the client's business.
    drop(server.serve_connection(TokioIo::new(stream), service).await);
}

impl Passage {
    async fn pass(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let operation = operation(&request);
        lock(&self.ledger).begin(&operation, clock::now());
        let _under_way = UnderWay(&self.ledger);
        self.answer(request).await.unwrap_or_else(|_| {
            lock(&self.ledger).count(UNANSWERED);
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Error> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = Uri::try_from(format!("{}{path}", self.endpoint))?;
        let response = self.client.request(Request::from_parts(head, body)).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
        Ok(Response::from_parts(head, Full::new(body.to_bytes())))
    }
}

/// A call that waits for its answer, until the answer is there or the caller has left.
struct UnderWay<'a>(&'a Mutex<Ledger>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(self.0).end(clock::now());
    }
}

fn operation(request: &Request<Incoming>) -> String {
    let target = request.headers().get(OPERATION_HEADER);
    let target = target.and_then(|value| value.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix(SERVICE_PREFIX));
    operation.unwrap_or(OTHER).to_owned()
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_with_several_calls_under_way_is_counted_once() {
        let start = clock::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut ledger = Ledger::default();

        ledger.begin("PutSecretValue", at(0));
        ledger.begin("GetSecretValue", at(1));
        ledger.end(at(2));
        ledger.end(at(3));
        ledger.begin("GetSecretValue", at(10));
        ledger.end(at(11));

        assert_eq!(ledger.tally.busy, Duration::from_secs(4));
        assert_eq!(ledger.tally.count(), 3);
        assert_eq!(ledger.tally.by_operation["GetSecretValue"], 2);
    }

    #[test]
    fn a_call_is_passed_on_and_counted_by_its_operation() {
        let upstream = crate::SampleUpstream::start().unwrap();
        let endpoint = CountingEndpoint::before(&LocalStack::at(upstream.url())).unwrap();
        let browser = crate::Browser::new();
        let target = [("X-Amz-Target", "secretsmanager.ListSecrets")];

        let answer = browser.send(&endpoint.url(), &target, "{}").unwrap();
        browser.fetch(&endpoint.url(), None).unwrap();

        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["asked"]["method"], "POST");
        let calls = endpoint.take();
        assert_eq!(calls.by_operation["ListSecrets"], 1);
        assert_eq!(calls.by_operation[OTHER], 1);
        assert_eq!(endpoint.take().count(), 0);
    }

    #[test]
    fn a_call_without_an_answer_is_told() {
        let nobody = format!("http://127.0.0.1:{}", crate::free_port().unwrap());
        let endpoint = CountingEndpoint::before(&LocalStack::at(nobody)).unwrap();

        let answer = crate::Browser::new().fetch(&endpoint.url(), None).unwrap();

        assert_eq!(answer.status, 502);
        assert_eq!(endpoint.take().by_operation[UNANSWERED], 1);
    }
}
