//! An endpoint that passes every call on to LocalStack, counts it, and knows how long LocalStack was at work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use crate::background::Background;
use crate::relay::{Answer, Problem, Relay, Station, operation, serve};
use crate::{Failure, LocalStack, clock};

/// What a call of another service than Secrets Manager counts as.
const OTHER: &str = "other";
/// What a call that got no answer counts as, beside its operation.
const UNANSWERED: &str = "unanswered";

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
            relay: Relay::to(localstack),
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
    relay: Relay,
    ledger: Arc<Mutex<Ledger>>,
}

impl Station for Passage {
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Problem> {
        let operation = operation(&request).unwrap_or(OTHER);
        lock(&self.ledger).begin(operation, clock::now());
        let _under_way = UnderWay(&self.ledger);
        Ok(self.relay.pass(request).await.unwrap_or_else(|_| {
            lock(&self.ledger).count(UNANSWERED);
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }))
    }
}

/// A call that waits for its answer, until the answer is there or the caller has left.
struct UnderWay<'a>(&'a Mutex<Ledger>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(self.0).end(clock::now());
    }
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
