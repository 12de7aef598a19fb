//! Upstreams: connections beside the snapshots, and how a request is sent on.

mod address;
mod answer_body;
mod connect;
mod connection;
mod fault;
mod pool;
mod request_body;
mod security;
mod target;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
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
use connect::root_cause;
use fault::SendFault;
use pool::Lease;
use request_body::RequestBody;
use security::Security;
pub use security::SystemTrust;
use target::Place;

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
    turn: AtomicUsize,
    response_timeout: Duration,
    /// When the log last told why it gave no answer.
    told: Mutex<Option<Instant>>,
}

/// What came of a request to make something else of a connection.
#[derive(Debug)]
pub enum Switched {
    /// It is: the head of the answer, and what the connection is from now on.
    Tunnel(Response<AnswerBody>, Upgraded),
    /// It is not.
    Answer(Response<AnswerBody>),
}

impl Upstream {
    /// An upstream without connections yet.
    #[must_use]
    pub fn new(rule: &Arc<UpstreamRule>, trust: &SystemTrust) -> Self {
        let upstream = &rule.upstream;
        let is_encrypted = upstream.targets.iter().any(TargetUrl::encrypted);
        let security = is_encrypted
            .then(|| Security::new(upstream.tls.as_ref(), upstream.protocol, trust))
            .map(Arc::new);
        let timeouts = upstream.timeouts.as_ref();
        let response = timeouts.and_then(|timeouts| timeouts.response.as_ref());
        Self {
            places: places(upstream, security.as_ref()),
            rule: Arc::clone(rule),
            security,
            turn: AtomicUsize::new(0),
            response_timeout: response.map_or(RESPONSE_TIMEOUT, |timeout| timeout.length()),
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
        let (head, body) = request.into_parts();
        let (body, sent) = RequestBody::new(body, Arc::clone(&received));
        let request = Request::from_parts(head, body);
        let too_late = async {
            sent.wait().await;
            tokio::time::sleep(self.response_timeout).await;
        };
        tokio::select! {
            answer = exchange(place, request, target) => match answer {
                Ok(response) => Ok(response),
                Err(SendFault::Ambiguous) => Err(UpstreamFault::Protocol.into()),
                Err(_) if received.is_stalled() => Err(Refusal::BodyStalled),
                Err(_) if received.is_broken() => Err(Refusal::BodyBroken),
                Err(fault) => Err(self.complain(&fault).into()),
            },
            () = too_late => Err(UpstreamFault::ResponseTimeout.into()),
        }
    }

    /// Sends a request whose answer may make something else of the connection, on one of its own.
    ///
    /// What is seen of the request's body, which has none, is noted in `received`.
    pub async fn send_upgrade(
        &self,
        request: Request<Incoming>,
        target: &Target,
        (upgrade, received): (&Upgrade, Arc<Received>),
    ) -> Result<Switched, Refusal> {
        let place = self.place().ok_or(Refusal::Internal)?;
        let request = request.map(|body| RequestBody::new(body, received).0);
        let exchange = exchange_upgrade(place, request, target, upgrade);
        match tokio::time::timeout(self.response_timeout, Box::pin(exchange)).await {
            Ok(Ok(switched)) => Ok(switched),
            Ok(Err(fault)) => Err(self.complain(&fault).into()),
            Err(_) => Err(UpstreamFault::ResponseTimeout.into()),
        }
    }

    /// The targets take turns.
    fn place(&self) -> Option<&Arc<Place>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.places.get(turn.checked_rem(self.places.len())?)
    }

    /// Lets go of connections that are not needed or not right any more, asks where names lead, and reads changed
    /// certificates: call it every second.
    pub async fn tend(self: Arc<Self>) {
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
/// the other side had closed the connection meanwhile, is sent by the next; anything else is not tried again.
async fn exchange(
    place: &Arc<Place>,
    mut request: Request<RequestBody>,
    target: &Target,
) -> Result<Response<AnswerBody>, SendFault> {
    loop {
        let (mut connection, is_new) = match place.pool.take() {
            Some(connection) => (connection, false),
            // Seldom, and large.
            None => (Box::pin(place.connect()).await?, true),
        };
        let protocol = connection.protocol();
        place
            .address(&mut request, target, protocol)
            .ok_or(SendFault::Unsendable)?;
        match connection.send(request).await {
            Ok(response) if is_ambiguous(&response) => return Err(SendFault::Ambiguous),
            Ok(mut response) => {
                *response.version_mut() = Version::HTTP_11;
                let lease = Lease::new(connection, place);
                return Ok(response.map(|body| AnswerBody::new(body, Some(lease))));
            }
            Err(mut error) => match error.take_message() {
                Some(unsent) if !is_new => request = unsent,
                _ => return Err(error.into_error().into()),
            },
        }
    }
}

/// Asks one target to make something else of a new connection.
async fn exchange_upgrade(
    place: &Arc<Place>,
    mut request: Request<RequestBody>,
    target: &Target,
    upgrade: &Upgrade,
) -> Result<Switched, SendFault> {
    let mut connection = place.connect_for_upgrade().await?;
    place
        .address(&mut request, target, connection.protocol())
        .ok_or(SendFault::Unsendable)?;
    let response = connection.send(request).await;
    let mut response = response.map_err(hyper::client::conn::TrySendError::into_error)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        if !upgrade.is_granted(response.headers()) {
            return Err(SendFault::Ambiguous);
        }
        let upstream = hyper::upgrade::on(&mut response).await?;
        return Ok(Switched::Tunnel(
            response.map(|body| AnswerBody::new(body, None)),
            upstream,
        ));
    }
    if is_ambiguous(&response) {
        return Err(SendFault::Ambiguous);
    }
    let lease = Lease::new(connection, place);
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
