//! What became of each request: one line and one count, written when the last byte of its answer is handed over.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderValue, Method, Request, StatusCode, Version};
use smol_str::SmolStr;
use tollgate_gate::{
    Admission, CredentialFault, Grant, Now, Policy, Principal, Target, Traced, credential,
};
use tollgate_store::{KeyId, Name};

use crate::access_log::AccessLog;
use crate::caller::Tls;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::refusal::Refusal;

const PATH_CHARS_MAX: usize = 2_000;
/// What stands for the method of what is no request.
const UNREAD_METHOD: &[u8] = b"-";
/// The client went away before its answer was complete.
const CLIENT_CLOSED: &str = "client_closed";
/// The process ended before the answer was complete.
const DRAIN_CUT: &str = "drain_cut";

/// Where requests are written down.
#[derive(Debug)]
pub struct Ledger {
    /// The time.
    pub clock: Clock,
    /// The lines.
    pub log: AccessLog,
    /// The counts.
    pub metrics: Arc<Metrics>,
    /// Whether the process cuts what it could not finish.
    pub is_cutting: AtomicBool,
}

/// What a line says. No query, no credential.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) time: jiff::Timestamp,
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) method: Method,
    pub(crate) host: Option<SmolStr>,
    pub(crate) path: SmolStr,
    pub(crate) protocol: &'static str,
    pub(crate) tls: Option<&'static str>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) client_certificate: Option<Arc<str>>,
    /// As it came: what may be logged of it is decided when it is.
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) status: Option<u16>,
    pub(crate) reason: Option<&'static str>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) duration_us: u32,
    pub(crate) upstream_us: Option<u32>,
    pub(crate) principal: Option<Name>,
    pub(crate) key: Option<SmolStr>,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) issuer: Option<Name>,
    pub(crate) subject: Option<SmolStr>,
    pub(crate) scope: Option<Name>,
    pub(crate) route: Option<Name>,
    pub(crate) upstream: Option<Name>,
    /// The roles whose conditions it does not meet.
    pub(crate) roles: Box<[Name]>,
    /// The limit that refused it.
    pub(crate) quota: Option<Arc<Policy>>,
    /// The limit of a quota that only measures, which would have.
    pub(crate) quota_shadow: Option<Arc<Policy>>,
}

/// What is seen of a request's body while the upstream reads it.
#[derive(Debug, Default)]
pub struct Received {
    bytes: AtomicU64,
    fault: OnceLock<BodyFault>,
}

/// Why a body did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// It broke off.
    Broken,
    /// It stood still for too long.
    Stalled,
    /// It has more bytes than its route takes, which are so many.
    TooLarge(u32),
}

impl From<BodyFault> for Refusal {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::Broken => Self::BodyBroken,
            BodyFault::Stalled => Self::BodyStalled,
            BodyFault::TooLarge(bytes_max) => Self::BodyTooLarge { bytes_max },
        }
    }
}

impl Received {
    /// Counts what came; returns how many there are.
    pub fn add(&self, bytes: usize) -> u64 {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    /// Notes why the body comes no further.
    pub fn fail(&self, fault: BodyFault) {
        // The first is the cause of those that follow.
        let _ = self.fault.set(fault);
    }

    /// Why the body came no further, if it did not.
    #[must_use]
    pub fn fault(&self) -> Option<BodyFault> {
        self.fault.get().copied()
    }
}

/// One request's record; it writes itself down when it is dropped.
#[derive(Debug)]
pub struct Record {
    facts: Box<Facts>,
    started: Duration,
    sent_on: Option<Duration>,
    received: Arc<Received>,
    is_complete: bool,
    ledger: Arc<Ledger>,
}

impl Ledger {
    /// Opens a request's record.
    pub fn open<B>(
        self: &Arc<Self>,
        request: &Request<B>,
        (peer, request_id): (&Peer, &HeaderValue),
        now: Now,
    ) -> Record {
        let user_agent = request.headers().get(http::header::USER_AGENT);
        self.begin(
            Facts {
                time: now.wall,
                request_id: Some(request_id.clone()),
                method: request.method().clone(),
                path: loggable(request.uri().path(), PATH_CHARS_MAX),
                protocol: protocol(request.version()),
                client: peer.client,
                user_agent: user_agent.cloned(),
                ..Facts::default()
            },
            now,
        )
    }

    /// Opens the record of what could not be read as a request of HTTP/1.1.
    pub fn open_unread(
        self: &Arc<Self>,
        (peer, request_id): (&Peer, &HeaderValue),
        now: Now,
    ) -> Record {
        self.begin(
            Facts {
                time: now.wall,
                request_id: Some(request_id.clone()),
                method: Method::from_bytes(UNREAD_METHOD).unwrap_or_default(),
                protocol: protocol(Version::HTTP_11),
                client: peer.client,
                ..Facts::default()
            },
            now,
        )
    }

    fn begin(self: &Arc<Self>, facts: Facts, now: Now) -> Record {
        self.metrics.requests_in_flight.inc();
        Record {
            facts: Box::new(facts),
            started: now.monotonic,
            sent_on: None,
            received: Arc::default(),
            is_complete: false,
            ledger: Arc::clone(self),
        }
    }
}

impl Record {
    /// Notes how the client's connection is encrypted.
    pub fn tls(&mut self, tls: Option<&Tls>) {
        if let Some(Tls {
            version,
            certificate,
            client: _,
        }) = tls
        {
            self.facts.tls = Some(version);
            self.facts.client_certificate.clone_from(certificate);
        }
    }

    /// Notes what is asked for.
    pub fn target(&mut self, target: &Target) {
        self.facts.host = Some(credential::redacted(target.host()).into());
        // Mostly it is spelt as it came.
        if self.facts.path != target.path() {
            self.facts.path = loggable(target.path(), PATH_CHARS_MAX);
        }
    }

    /// Notes who asks.
    pub fn principal(&mut self, principal: &Principal<'_>) {
        self.facts.principal = principal.name().cloned();
        self.facts.key = principal.key_name().map(Into::into);
        self.facts.key_id = principal.key_id();
        if let Some((issuer, subject)) = principal.issuer() {
            self.facts.issuer = Some(issuer.clone());
            self.facts.subject = Some(credential::redacted(subject).into());
        }
        if let Some(subject) = principal.certificate() {
            self.facts.subject = Some(credential::redacted(subject.field().1).into());
        }
    }

    /// Notes whose token is refused: the issuer that it says it is of, and whom it is about once that is known to be so.
    pub fn refused_token(&mut self, issuer: Option<&Name>, traced: Option<&Traced>) {
        self.facts.issuer = issuer.cloned();
        if let Some(traced) = traced {
            self.facts.issuer = Some(traced.issuer.clone());
            let subject = traced.subject.as_deref();
            self.facts.subject = subject.map(|subject| credential::redacted(subject).into());
        }
    }

    /// Notes what allows it and where it goes.
    pub fn grant(&mut self, grant: &Grant<'_>) {
        self.facts.scope = grant.scope().cloned();
        self.facts.route = Some(grant.route().clone());
        self.facts.upstream = Some(grant.upstream().name.clone());
    }

    /// Notes what would have refused it.
    pub fn admission(&mut self, admission: &Admission) {
        self.facts.quota_shadow = admission.exceeded().cloned();
    }

    /// Notes that the request goes to its upstream now; what is seen of its body is noted in the result.
    pub fn send_on(&mut self) -> Arc<Received> {
        self.sent_on = Some(self.ledger.clock.monotonic());
        Arc::clone(&self.received)
    }

    /// Notes that the upstream answered, or failed to.
    pub fn answered(&mut self) {
        let now = self.ledger.clock.monotonic();
        self.facts.upstream_us = self
            .sent_on
            .map(|sent| microseconds(now.saturating_sub(sent)));
    }

    /// Notes why the request goes no further.
    pub fn refuse(&mut self, refusal: &Refusal) {
        self.facts.reason = Some(refusal.code());
        match refusal {
            Refusal::Decision(tollgate_gate::Refusal::Unauthenticated(fault)) => {
                self.facts.key_id = CredentialFault::key(*fault);
            }
            Refusal::Decision(tollgate_gate::Refusal::ConditionUnmet { roles, .. }) => {
                self.facts.roles.clone_from(roles);
            }
            Refusal::Decision(tollgate_gate::Refusal::OverQuota(over)) => {
                self.facts.quota = Some(Arc::clone(&over.policy));
            }
            _ => {}
        }
    }

    /// Notes what the client is told.
    pub fn respond(&mut self, status: StatusCode) {
        self.facts.status = Some(status.as_u16());
    }

    /// Counts what the client is sent.
    pub fn sent(&mut self, bytes: usize) {
        self.facts.bytes_out += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// Notes that the client was sent everything.
    pub fn complete(&mut self) {
        self.is_complete = true;
    }

    /// Notes what passed both ways of a connection that turned into something else.
    pub fn passed(&mut self, to_upstream: u64, to_client: u64) {
        self.received
            .bytes
            .fetch_add(to_upstream, Ordering::Relaxed);
        self.facts.bytes_out += to_client;
    }

    /// Notes that the answer was cut short, for that reason unless the request's own body was the cause.
    pub fn cut(&mut self, reason: &'static str) {
        let fault = self.received.fault();
        let of_body = fault.map(|fault| Refusal::from(fault).code());
        self.end(Some(of_body.unwrap_or(reason)));
    }

    /// Notes that it is over, with the reason where that is another than its end.
    pub fn end(&mut self, reason: Option<&'static str>) {
        self.facts.reason = reason;
        self.is_complete = true;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let ledger = &self.ledger;
        let facts = &mut self.facts;
        let duration = ledger.clock.monotonic().saturating_sub(self.started);
        facts.duration_us = microseconds(duration);
        facts.bytes_in = self.received.bytes.load(Ordering::Relaxed);
        if !self.is_complete {
            let is_cutting = ledger.is_cutting.load(Ordering::Relaxed);
            let why = if is_cutting { DRAIN_CUT } else { CLIENT_CLOSED };
            facts.reason.get_or_insert(why);
        }
        ledger.metrics.requests_in_flight.dec();
        ledger.metrics.request(facts, duration);
        ledger.log.push(facts);
    }
}

fn loggable(text: &str, chars_max: usize) -> SmolStr {
    // First as a whole: the start of a token is none.
    shortened(credential::redacted(text), chars_max).into()
}

/// The first `chars_max` characters of a text.
pub(crate) fn shortened(text: &str, chars_max: usize) -> &str {
    // Each has a byte at least.
    if text.len() <= chars_max {
        return text;
    }
    let end = text.char_indices().nth(chars_max);
    let end = end.map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default()
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        _ => "other",
    }
}

/// As far as anybody reads.
fn microseconds(length: Duration) -> u32 {
    u32::try_from(length.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shortened("äöü", 2), "äö");
    }
}
