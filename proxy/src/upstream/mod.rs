//! Upstreams: connections beside the snapshots, and how a request is sent on.

mod address;
mod answer_body;
mod balance;
mod check;
mod connect;
mod connection;
mod connections;
mod exchange;
mod fault;
mod findings;
mod health;
pub mod http1;
mod journey;
mod pool;
mod preparation;
mod request_body;
mod retry;
mod security;
mod shown;
mod succession;
mod switch;
mod tally;
mod target;
mod throttle;
mod trust;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;
use tollgate_gate::{Grant, Target, ThrottleState, UpstreamRule};
use tollgate_store::document::{self, Priority};
use tollgate_store::{TargetUrl, Timeout};

use crate::idle::IDLE_MAX;
use crate::metrics::Metrics;
use crate::record::Received;
use crate::refusal::{Refusal, UpstreamFault};
pub use answer_body::AnswerBody;
use balance::{Balancer, Places};
use connect::root_cause;
use fault::SendFault;
pub use findings::Findings;
use health::{Change, Standings};
use journey::Journey;
use retry::{Budget, RetryRules};
pub(crate) use security::Security;
pub use shown::AwsIdentity;
use shown::Shown;
pub(crate) use shown::{SecretFile, basic, secret};
pub use switch::{Switched, UpstreamEnd};
pub use tally::Flight;
use target::Place;
pub use throttle::Permit;
use throttle::Throttle;
pub use trust::{Means, SystemTrust};

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the log tells why an upstream gives no answer.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// One upstream's targets and its connections to them.
#[derive(Debug)]
pub struct Upstream {
    rule: Arc<UpstreamRule>,
    /// For targets that are spoken to by TLS.
    security: Option<Arc<Security>>,
    places: Vec<Arc<Place>>,
    /// What it is told and shown, where anything is declared.
    shown: Option<Box<Shown>>,
    balancer: Balancer,
    standings: Arc<Standings>,
    limits: Limits,
    retries: Option<RetryRules>,
    budget: Arc<Budget>,
    throttle: Option<Arc<Throttle>>,
    is_renewing: AtomicBool,
    /// Whether requests that come from now on are another's.
    is_retired: AtomicBool,
    /// When the log last told why it gave no answer.
    told: Mutex<Option<Instant>>,
}

/// How long an upstream is waited for.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// For the head of an answer, by each try.
    response: Duration,
    /// For the next bytes of a body.
    idle: Duration,
    /// For everything.
    request: Option<Duration>,
}

/// What a request is about, beside itself.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "it holds a token")]
pub struct Errand<'a> {
    /// What it asks for.
    pub target: &'a Target,
    /// Who asks: the principal, or else the key.
    pub caller: &'a str,
    /// What lets it through.
    pub grant: &'a Grant<'a>,
    /// The token that it was let through by, where that is an issuer's and is exchanged for another.
    pub subject: Option<&'a str>,
    /// When it came.
    pub now: jiff::Timestamp,
    /// Where to note what is seen of its body.
    pub received: Arc<Received>,
    /// Where to count what is tried again.
    pub metrics: &'a Metrics,
}

/// How a target is, for people.
#[derive(Debug)]
pub struct TargetState<'a> {
    /// Where it is.
    pub url: &'a TargetUrl,
    /// Whether it gets requests.
    pub is_up: bool,
    /// How many requests of this proxy are on their way to it, or being answered.
    pub in_flight: usize,
    /// How many connections this proxy has to it, those of its checks not counted.
    pub connections: usize,
}

impl Upstream {
    /// What it was made of.
    #[must_use]
    pub fn rule(&self) -> &Arc<UpstreamRule> {
        &self.rule
    }

    /// How long nothing may pass of a body, or on a connection that was upgraded.
    #[must_use]
    pub fn idle_max(&self) -> Duration {
        self.limits.idle
    }

    /// How its targets are.
    pub fn targets(&self) -> impl Iterator<Item = TargetState<'_>> {
        self.places.iter().map(|place| TargetState {
            url: place.url(),
            is_up: place.tally.weight() > 0,
            in_flight: place.tally.in_flight(),
            connections: place.connections(),
        })
    }

    /// How its throttle is, where it has one.
    #[must_use]
    pub fn throttle(&self) -> Option<ThrottleState> {
        self.throttle.as_ref().map(|throttle| throttle.seen())
    }

    /// Finds room for a request, where there may be too many.
    pub async fn admit(
        &self,
        priority: Priority,
        metrics: &Metrics,
    ) -> Result<Option<Permit>, Refusal> {
        match &self.throttle {
            None => Ok(None),
            Some(throttle) => {
                let permit = Throttle::admit(throttle, priority, (&self.rule.name, metrics));
                permit.await.map(Some)
            }
        }
    }

    /// Sends a request to a target, and waits for the head of its answer. Where there is no connection to one, another
    /// is tried; what else is tried again is declared.
    pub async fn send(
        &self,
        mut request: Box<Request<Incoming>>,
        mut permit: Option<Permit>,
        errand: &Errand<'_>,
    ) -> Result<Response<Box<AnswerBody>>, Refusal> {
        self.dress(&mut request, errand).await?;
        let request = self.prepare(request, errand).await?;
        let mut journey = Journey::new(self, errand, request, permit.as_mut());
        let Some(limit) = self.limits.request else {
            let mut answer = journey.run().await?;
            answer.body_mut().hold(permit);
            return Ok(answer);
        };
        let deadline = Instant::now() + limit;
        let answer = tokio::time::timeout_at(deadline, journey.run()).await;
        let mut answer = answer.unwrap_or_else(|_| {
            permit.as_mut().map(Permit::failed);
            Err(UpstreamFault::Deadline.into())
        })?;
        answer.body_mut().hold(permit);
        answer.body_mut().until(deadline);
        Ok(answer)
    }

    /// The public keys that verify what it is told (RFC 7517).
    pub fn jwks(&self) -> impl Iterator<Item = serde_json::Value> {
        let keys = self.shown.as_ref().map(|shown| shown.jwks());
        keys.into_iter().flatten()
    }

    /// Notes what is wrong with what it needs, and what of that ends.
    pub fn report(&self, findings: &mut Findings) {
        if let Some(security) = &self.security {
            security.report(findings);
        }
        if let Some(shown) = &self.shown {
            shown.report(findings);
        }
    }

    fn choose(&self, errand: &Errand<'_>, tried: Places) -> Option<usize> {
        let is_limited = self.rule.upstream.connections_max.is_some();
        let are_sound = self.standings.are_sound()
            && (!is_limited || self.places.iter().all(|place| place.has_room()));
        self.balancer
            .choose(&self.places, errand.caller, tried, are_sound)
    }

    fn note_answer(&self, place: &Place) {
        // Mostly the last one was an answer, too.
        if place.tally.has_failed() {
            self.standings.succeed(place);
        }
    }

    fn note_failure(&self, place: &Place, fault: &SendFault) {
        let change = self.standings.fail(place);
        self.tell(place.url(), change, &root_cause(fault));
    }

    /// Notes what a check said.
    fn checked(&self, place: &Place, outcome: Result<(), String>) {
        if self.is_retired() {
            return;
        }
        let change = self.standings.check(place, outcome.is_ok());
        self.tell(place.url(), change, &outcome.err().unwrap_or_default());
    }

    /// One line for each change.
    fn tell(&self, target_url: &TargetUrl, change: Option<Change>, cause: &str) {
        let Some(change) = change else {
            return;
        };
        let upstream = &self.rule.name;
        let says = match change {
            Change::Out(length) => {
                let length_s = length.as_secs();
                tracing::warn!(%upstream, %target_url, cause, length_s, "a target gets no requests for a while: none \
                     got an answer");
                return;
            }
            Change::Failing => {
                tracing::warn!(%upstream, %target_url, cause, "a target gets no requests: its checks fail");
                return;
            }
            Change::Returned => "a target gets requests again, to see how it is",
            Change::Well => "a target gets requests again: its checks are good",
        };
        tracing::info!(%upstream, %target_url, "{says}");
    }

    /// Lets go of connections that are not needed or not right any more, lets targets return, and has done what takes
    /// longer: call it every second.
    pub fn tend(self: &Arc<Self>) {
        for (target_url, change) in self.standings.tend() {
            self.tell(&target_url, Some(change), "");
        }
        self.places.iter().for_each(|place| place.sweep());
        let has_files = self
            .security
            .as_ref()
            .is_some_and(|security| security.has_files());
        let is_due = has_files
            || self.shown.is_some()
            || self.places.iter().any(|place| place.is_renewal_due());
        // A name server or a file system that hangs holds up nothing else.
        if is_due && !self.is_renewing.swap(true, Ordering::Relaxed) {
            tokio::spawn(Arc::clone(self).renew());
        }
    }

    /// Asks where names lead, and reads changed certificates.
    async fn renew(self: Arc<Self>) {
        join_all(self.places.iter().map(|place| place.renew())).await;
        if let Some(security) = self.security.clone() {
            let refresh = tokio::task::spawn_blocking(move || security.refresh());
            if refresh.await.is_ok_and(|is_new| is_new) {
                tracing::info!(upstream = %self.rule.name, "certificates changed: new connections are made with them");
                self.places.iter().for_each(|place| place.pool.begin_anew());
            }
        }
        if self.shown.is_some() {
            let this = Arc::clone(&self);
            let refresh = tokio::task::spawn_blocking(move || {
                this.shown.iter().for_each(|shown| shown.refresh());
            });
            let _ = refresh.await;
        }
        if let Some(shown) = &self.shown {
            shown.renew().await;
        }
        self.is_renewing.store(false, Ordering::Relaxed);
    }

    /// Tells the cause, which the access log does not hold: now and then, as every request may fail.
    fn complain(&self, fault: &SendFault) -> UpstreamFault {
        let kind = fault.kind();
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| now.duration_since(told) < COMPLAINT_INTERVAL) {
            return kind;
        }
        *told = Some(now);
        let cause = root_cause(fault);
        tracing::warn!(upstream = %self.rule.name, reason = kind.code(), cause, "an upstream gave no answer");
        kind
    }
}

impl Limits {
    fn new(upstream: &document::Upstream) -> Self {
        let timeouts = upstream.timeouts.clone().unwrap_or_default();
        let length = |timeout: Option<Timeout>| timeout.map(|timeout| timeout.length());
        let retries = upstream.retries.clone();
        let each = length(retries.and_then(|retries| retries.per_try_timeout));
        Self {
            response: each
                .or(length(timeouts.response))
                .unwrap_or(RESPONSE_TIMEOUT),
            idle: length(timeouts.idle).unwrap_or(IDLE_MAX),
            request: length(timeouts.request),
        }
    }
}
