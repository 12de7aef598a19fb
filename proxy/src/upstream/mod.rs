//! Upstreams: connections beside the snapshots, and how a request is sent on.

mod address;
mod answer_body;
mod balance;
mod check;
mod connect;
mod connection;
mod fault;
mod health;
mod pool;
mod request_body;
mod security;
mod target;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::upgrade::Upgraded;
use tokio::time::Instant;
use tollgate_gate::{Target, UpstreamRule};
use tollgate_store::TargetUrl;
use tollgate_store::document;

use crate::record::Received;
use crate::refusal::{Refusal, UpstreamFault};
use crate::upgrade::Upgrade;
use address::System;
pub use answer_body::AnswerBody;
use balance::{Balancer, Places};
use connect::root_cause;
use fault::SendFault;
use health::{Change, Standings};
use pool::Lease;
use request_body::RequestBody;
use security::Security;
pub use security::SystemTrust;
pub use target::Flight;
use target::Place;

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the log tells why an upstream gives no answer.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);
/// The most targets that are tried for one request which none of them took.
const TARGETS_TRIED_MAX: usize = 3;

/// One upstream's targets and its connections to them.
#[derive(Debug)]
pub struct Upstream {
    rule: Arc<UpstreamRule>,
    /// For targets that are spoken to by TLS.
    security: Option<Arc<Security>>,
    places: Vec<Arc<Place>>,
    balancer: Balancer,
    standings: Standings,
    response_timeout: Duration,
    /// When the log last told why it gave no answer.
    told: Mutex<Option<Instant>>,
}

/// What a request is about, beside itself.
#[derive(Debug, Clone)]
pub struct Errand<'a> {
    /// What it asks for.
    pub target: &'a Target,
    /// Who asks: the principal, or else the key.
    pub caller: &'a str,
    /// Where to note what is seen of its body.
    pub received: Arc<Received>,
}

/// What came of a request to make something else of a connection.
#[derive(Debug)]
pub enum Switched {
    /// It is: the head of the answer, what the connection is from now on, and what counts it.
    Tunnel(Response<AnswerBody>, Upgraded, Flight),
    /// It is not.
    Answer(Response<AnswerBody>),
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
}

impl Upstream {
    /// An upstream without connections yet.
    #[must_use]
    pub fn new(rule: &Arc<UpstreamRule>, trust: &SystemTrust) -> Arc<Self> {
        let upstream = &rule.upstream;
        let is_encrypted = upstream.targets.iter().any(TargetUrl::encrypted);
        let security = is_encrypted
            .then(|| Security::new(upstream.tls.as_ref(), upstream.protocol, trust))
            .map(Arc::new);
        let timeouts = upstream.timeouts.as_ref();
        let response = timeouts.and_then(|timeouts| timeouts.response.as_ref());
        let upstream = Arc::new(Self {
            places: places(upstream, security.as_ref()),
            rule: Arc::clone(rule),
            security,
            balancer: Balancer::new(upstream.balance.unwrap_or_default()),
            standings: Standings::new(upstream),
            response_timeout: response.map_or(RESPONSE_TIMEOUT, |timeout| timeout.length()),
            told: Mutex::default(),
        });
        if let Some(health) = &rule.upstream.health {
            tokio::spawn(check::run(Arc::downgrade(&upstream), health.clone()));
        }
        upstream
    }

    /// What it was made of.
    #[must_use]
    pub fn rule(&self) -> &Arc<UpstreamRule> {
        &self.rule
    }

    /// How its targets are.
    pub fn targets(&self) -> impl Iterator<Item = TargetState<'_>> {
        self.places.iter().map(|place| TargetState {
            url: place.url(),
            is_up: place.weight() > 0,
            in_flight: place.in_flight(),
        })
    }

    /// Sends a request to a target, and waits for the head of its answer. Where there is no connection to one, another
    /// is tried.
    pub async fn send(
        &self,
        request: Request<Incoming>,
        errand: &Errand<'_>,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let received = &errand.received;
        let (head, body) = request.into_parts();
        let (body, mut sent) = RequestBody::new(body, Arc::clone(received));
        let mut request = Some(Request::from_parts(head, body));
        let mut tried = Places::default();
        for attempt in 1.. {
            let number = self.choose(errand, tried).ok_or(Refusal::Internal)?;
            tried.insert(number);
            let place = self.places.get(number).ok_or(Refusal::Internal)?;
            let too_late = async {
                sent.wait().await;
                tokio::time::sleep(self.response_timeout).await;
            };
            let fault = tokio::select! {
                answer = exchange(Place::depart(place), &mut request, errand.target) => match answer {
                    Ok(response) => {
                        self.note_answer(number);
                        return Ok(response);
                    }
                    Err(fault) => fault,
                },
                () = too_late => SendFault::TooLate,
            };
            if received.is_stalled() {
                return Err(Refusal::BodyStalled);
            }
            if received.is_broken() {
                return Err(Refusal::BodyBroken);
            }
            self.note_failure(number, &fault);
            let is_last = attempt >= TARGETS_TRIED_MAX.min(self.places.len());
            if is_last || request.is_none() || !fault.is_connect() {
                return Err(self.complain(&fault).into());
            }
        }
        Err(Refusal::Internal)
    }

    /// Sends a request whose answer may make something else of the connection, on one of its own.
    pub async fn send_upgrade(
        &self,
        request: Request<Incoming>,
        errand: &Errand<'_>,
        upgrade: &Upgrade,
    ) -> Result<Switched, Refusal> {
        let number = self.choose(errand, Places::default());
        let number = number.ok_or(Refusal::Internal)?;
        let place = self.places.get(number).ok_or(Refusal::Internal)?;
        let request = request.map(|body| RequestBody::new(body, Arc::clone(&errand.received)).0);
        let exchange = exchange_upgrade(Place::depart(place), request, errand.target, upgrade);
        let outcome = tokio::time::timeout(self.response_timeout, Box::pin(exchange)).await;
        match outcome.unwrap_or(Err(SendFault::TooLate)) {
            Ok(switched) => {
                self.note_answer(number);
                Ok(switched)
            }
            Err(fault) => {
                self.note_failure(number, &fault);
                Err(self.complain(&fault).into())
            }
        }
    }

    fn choose(&self, errand: &Errand<'_>, tried: Places) -> Option<usize> {
        let are_sound = self.standings.are_sound();
        self.balancer
            .choose(&self.places, errand.caller, tried, are_sound)
    }

    fn note_answer(&self, number: usize) {
        // Mostly the last one was an answer, too.
        if self
            .places
            .get(number)
            .is_some_and(|place| place.has_failed())
        {
            self.standings.succeed(&self.places, number);
        }
    }

    fn note_failure(&self, number: usize, fault: &SendFault) {
        let change = self.standings.fail(&self.places, number);
        self.tell(number, change, &root_cause(fault));
    }

    /// Notes what a check said.
    fn checked(&self, number: usize, outcome: Result<(), String>) {
        let change = self.standings.check(&self.places, number, outcome.is_ok());
        self.tell(number, change, &outcome.err().unwrap_or_default());
    }

    /// One line for each change.
    fn tell(&self, number: usize, change: Option<Change>, cause: &str) {
        let (Some(change), Some(place)) = (change, self.places.get(number)) else {
            return;
        };
        let (upstream, target_url) = (&self.rule.name, place.url());
        match change {
            Change::Out(length) => {
                tracing::warn!(%upstream, %target_url, cause, length_s = length.as_secs(),
                "a target gets no requests for a while: none got an answer")
            }
            Change::Failing => {
                tracing::warn!(%upstream, %target_url, cause, "a target gets no requests: its checks fail")
            }
            Change::Returned => {
                tracing::info!(%upstream, %target_url, "a target gets requests again, to see how it is")
            }
            Change::Well => {
                tracing::info!(%upstream, %target_url, "a target gets requests again: its checks are good")
            }
        }
    }

    /// Lets go of connections that are not needed or not right any more, asks where names lead, reads changed
    /// certificates, and lets targets return: call it every second.
    pub async fn tend(self: Arc<Self>) {
        for (number, change) in self.standings.tend(&self.places) {
            self.tell(number, Some(change), "");
        }
        if let Some(security) = self.security.clone() {
            // A file system that hangs must not hold up the rest.
            let refresh = tokio::task::spawn_blocking(move || security.refresh());
            if refresh.await.is_ok_and(|is_new| is_new) {
                tracing::info!(upstream = %self.rule.name, "certificates changed: new connections are made with them");
                self.places.iter().for_each(|place| place.pool.begin_anew());
            }
        }
        for place in &self.places {
            place.renew().await;
            place.sweep();
        }
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

fn places(upstream: &document::Upstream, security: Option<&Arc<Security>>) -> Vec<Arc<Place>> {
    let place = |url| Place::new(url, upstream, security, Arc::new(System));
    let places = upstream.targets.iter().filter_map(place);
    places.map(Arc::new).collect()
}

/// Sends a request by a connection of the pool, or a new one where none can take it. What was not sent at all, because
/// the other side had closed the connection meanwhile, is sent by the next; anything else is not tried again. The
/// request stays where there is no connection for it.
async fn exchange(
    flight: Flight,
    request: &mut Option<Request<RequestBody>>,
    target: &Target,
) -> Result<Response<AnswerBody>, SendFault> {
    let place = Arc::clone(flight.place());
    loop {
        let (mut connection, is_new) = match place.pool.take() {
            Some(connection) => (connection, false),
            // Seldom, and large.
            None => (Box::pin(place.connect()).await?, true),
        };
        let mut asked = request.take().ok_or(SendFault::Unsendable)?;
        let protocol = connection.protocol();
        place
            .address(&mut asked, target.path_and_query(), protocol)
            .ok_or(SendFault::Unsendable)?;
        match connection.send(asked).await {
            Ok(response) if is_ambiguous(&response) => return Err(SendFault::Ambiguous),
            Ok(mut response) => {
                *response.version_mut() = Version::HTTP_11;
                let lease = Lease::new(connection, flight);
                return Ok(response.map(|body| AnswerBody::new(body, Some(lease))));
            }
            Err(mut error) => match error.take_message() {
                Some(unsent) if !is_new => *request = Some(unsent),
                _ => return Err(error.into_error().into()),
            },
        }
    }
}

/// Asks one target to make something else of a new connection.
async fn exchange_upgrade(
    flight: Flight,
    mut request: Request<RequestBody>,
    target: &Target,
    upgrade: &Upgrade,
) -> Result<Switched, SendFault> {
    let place = flight.place();
    let mut connection = place.connect_for_upgrade().await?;
    place
        .address(&mut request, target.path_and_query(), connection.protocol())
        .ok_or(SendFault::Unsendable)?;
    let response = connection.send(request).await;
    let mut response = response.map_err(TrySendError::into_error)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        if !upgrade.is_granted(response.headers()) {
            return Err(SendFault::Ambiguous);
        }
        let upstream = hyper::upgrade::on(&mut response).await?;
        let response = response.map(|body| AnswerBody::new(body, None));
        return Ok(Switched::Tunnel(response, upstream, flight));
    }
    if is_ambiguous(&response) {
        return Err(SendFault::Ambiguous);
    }
    let lease = Lease::new(connection, flight);
    let response = response.map(|body| AnswerBody::new(body, Some(lease)));
    Ok(Switched::Answer(response))
}

/// Whether an answer, or what follows it on its connection, can be read in two ways.
fn is_ambiguous<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    let has_two_ends =
        headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING);
    has_two_ends || response.status().is_informational()
}
