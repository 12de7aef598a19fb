//! A request's way from its head to its answer.

use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use rand::RngExt;
use tollgate_gate::{
    Admission, Arrival, Circumstances, Grant, Meter, Now, Principal, Snapshot, Target, TokenMemory,
    credential,
};
use tollgate_store::Secret;
use tollgate_store::document::Protocol;
use uuid::Uuid;

use crate::caller::Caller;
use crate::conduit::Conduit;
use crate::connection::Handler;
use crate::fleet::Fleet;
use crate::generation::{Answer, Asked, Generation, Switch};
use crate::headers::{self, Voucher};
use crate::issuers::Issuers;
use crate::panics;
use crate::peer::Peer;
use crate::record::{Ledger, Record};
use crate::refusal::Refusal;
use crate::response_body::{Content, ResponseBody};
use crate::tunnel::{Check, Handover, Tunnel};
use crate::upgrade::{self, Upgrade};
use crate::{filter, problem, rate_limit};

mod identify;
mod recheck;

/// Decides requests and sends them on.
#[derive(Debug)]
pub struct Gateway {
    /// What decides; `None` until the first snapshot came.
    pub generation: Arc<ArcSwapOption<Generation>>,
    /// What quotas counted, across generations.
    pub meter: Arc<Meter>,
    /// The keys of issuers, and what they said of tokens, likewise.
    pub issuers: Arc<Issuers>,
    /// What is remembered of tokens, likewise.
    pub memory: Arc<TokenMemory>,
    /// Where requests are written down.
    pub ledger: Arc<Ledger>,
    /// How many share what quotas allow.
    pub fleet: Fleet,
}

/// What becomes of a request that is not refused.
enum Reply {
    /// The upstream answers, and what decides whether a connection that turned into something else may go on.
    Upstream(Answer, Option<Check>),
    /// The proxy answers by itself.
    Page(Response<Bytes>),
}

impl Gateway {
    /// A gateway that refuses everything until it is given a generation.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>) -> Self {
        let issuers = Issuers::new(ledger.clock, Arc::clone(&ledger.metrics));
        Self {
            generation: Arc::default(),
            meter: Arc::default(),
            issuers: Arc::new(issuers),
            memory: Arc::default(),
            ledger,
            fleet: Fleet::default(),
        }
    }

    /// From now on, what quotas allow is shared by `proxies`, of which this is one.
    pub fn share_among(&self, proxies: u32) {
        self.meter.share_among(proxies);
        let metrics = &self.ledger.metrics;
        metrics.quotas.fleet_size.set(proxies.into());
    }

    /// The straight line: each step's result is the next one's proof.
    async fn handle(
        &self,
        generation: &Generation,
        mut request: Box<Request<Incoming>>,
        (peer, caller, request_id, now): (&Peer, &Caller, &HeaderValue, Now),
        record: &mut Record,
    ) -> Result<Reply, Refusal> {
        #[cfg(test)]
        assert!(!request.headers().contains_key("x-test-panic"), "a bug");
        let authority = filter::check(&request)?;
        let target = Target::parse(request.method(), authority, request.uri())?;
        record.target(&target);
        if generation.snapshot.proxy().is_none() {
            return Err(Refusal::NotReady);
        }
        generation
            .snapshot
            .check_target(&target)
            .map_err(tollgate_gate::Refusal::from)?;
        if let Some(page) = generation.snapshot.own_page(&target) {
            return Ok(Reply::Page(generation.page(page)));
        }
        let place = (&target, authority);
        let presented = self.presented(request.headers(), place, (peer, caller));
        let principal = self.identified(generation, presented, now, record).await?;
        let snapshot = &generation.snapshot;
        let asking = (&principal, &target);
        let grant = authorized(snapshot, asking, request.headers(), (peer, now))?;
        record.grant(&grant);
        check_body(request.body(), &grant)?;
        let room = generation.room(&grant, &self.ledger.metrics).await?;
        let admission = self.admit(generation, (&grant, peer.client, now)).await?;
        record.admission(&admission);
        let admitted = (admission, room);
        let authority = authority.and_then(|it| headers::authority_value(request.headers(), it));
        let upgrade = wanted_upgrade(&mut request, &grant);
        let check = upgrade.as_ref().map(|upgrade| {
            let kept = recheck::kept(snapshot, request.headers(), peer);
            self.check(upgrade, kept, &target, (peer.client, caller))
        });
        let voucher = Voucher {
            peer,
            address: caller.address_value().cloned(),
            authority,
            request_id: request_id.clone(),
            key: principal.key_name(),
            key_id: principal.key_id(),
            principal: principal.name(),
            looked_at: snapshot.conditions_headers(),
        };
        let own = forwarded(&grant, request.headers());
        let subject = exchanged(&grant, &principal, request.headers());
        headers::to_upstream(request.headers_mut(), voucher);
        request.headers_mut().extend(own);
        let asked = Asked {
            target: &target,
            caller: &label(&principal, peer),
            grant: &grant,
            subject: subject.as_ref().map(Secret::expose),
            now: now.wall,
            metrics: &self.ledger.metrics,
        };
        let answer = match upgrade {
            None => {
                let answer = generation.forward(request, &asked, admitted, record);
                answer.await?
            }
            Some(upgrade) => {
                upgrade::announce(request.headers_mut(), &upgrade.protocol);
                let what = (&asked, upgrade);
                // Seldom, and large.
                Box::pin(generation.forward_upgrade(request, what, admitted, record)).await?
            }
        };
        Ok(Reply::Upstream(answer, check))
    }

    /// Charges the quotas of a request: over the fleet where that counts together, and otherwise without waiting.
    async fn admit(
        &self,
        generation: &Generation,
        (grant, address, now): (&Grant<'_>, Option<IpAddr>, Now),
    ) -> Result<Admission, tollgate_gate::Refusal> {
        let Some(counters) = &generation.counters else {
            return self.meter.admit(grant, address, now);
        };
        let arrival = Arrival {
            grant,
            address,
            now,
        };
        // By itself, so that requests that need no counters are not larger for it.
        Box::pin(counters.admit(&arrival)).await
    }
}

/// What lets a request through; a refusal for want of a scope says which.
fn authorized<'g>(
    snapshot: &'g Snapshot,
    (principal, target): (&'g Principal<'g>, &Target),
    headers: &HeaderMap,
    (peer, now): (&Peer, Now),
) -> Result<Grant<'g>, Refusal> {
    let headers = headers::for_conditions(headers, snapshot.conditions_headers(), peer);
    let circumstances = Circumstances {
        address: peer.client,
        time: now.wall,
        headers: &headers,
    };
    let grant = snapshot.authorize(principal, target, &circumstances);
    grant.map_err(|refusal| Refusal::advised(refusal, snapshot, (principal, target)))
}

/// Refuses a body that is said to be longer than its route takes; of another its bytes are counted.
fn check_body(body: &Incoming, grant: &Grant<'_>) -> Result<(), Refusal> {
    let most = grant.body_bytes_max();
    match most.filter(|most| body.size_hint().lower() > u64::from(*most)) {
        Some(bytes_max) => Err(Refusal::BodyTooLarge { bytes_max }),
        None => Ok(()),
    }
}

/// Whom a request is balanced by: who proves nothing is told by its address.
fn label<'a>(principal: &'a Principal<'_>, peer: &Peer) -> Cow<'a, str> {
    match (principal.credential(), peer.client) {
        (None, Some(address)) => address.to_string().into(),
        _ => principal.label().into(),
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

/// What of a client's credential its upstream gets.
fn forwarded(grant: &Grant<'_>, headers: &HeaderMap) -> HeaderMap {
    if grant.upstream().upstream.forward_credential == Some(true) {
        return headers::credentials(headers);
    }
    HeaderMap::new()
}

/// The token of an issuer that proved who asks, where the upstream gets another one for it.
fn exchanged(grant: &Grant<'_>, principal: &Principal<'_>, headers: &HeaderMap) -> Option<Secret> {
    let credential = grant.upstream().upstream.credential.as_ref()?;
    if credential.token_exchange.is_none() || principal.issuer().is_none() {
        return None;
    }
    let (_, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(Secret::new(token.trim().to_owned()))
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

    fn is_trusted(&self, address: IpAddr) -> bool {
        let generation = self.generation.load();
        let trusted = generation.as_deref().and_then(Generation::trusted_proxies);
        let mut blocks = trusted.into_iter().flatten();
        blocks.any(|block| block.contains(address))
    }

    fn pass_by(body: &mut ResponseBody, conduit: &Arc<Conduit>) {
        body.pass_by(conduit);
    }

    fn in_pieces(body: &mut ResponseBody) {
        body.in_pieces();
    }

    fn is_own(body: &ResponseBody) -> bool {
        body.is_own()
    }

    fn refused(&self, caller: &Caller, fault: filter::Fault) {
        let generation = self.generation.load();
        let now = self.ledger.clock.now();
        let (peer, request_id) = identity(&Request::new(()), (caller, now), generation.as_deref());
        let mut record = self.ledger.open_unread((&peer, &request_id), now);
        record.tls(caller.tls.as_ref());
        let refusal = Refusal::from(fault);
        record.refuse(&refusal);
        record.respond(problem::status(&refusal));
        record.complete();
    }

    async fn respond(
        &self,
        request: Box<Request<Incoming>>,
        caller: &Caller,
    ) -> Response<ResponseBody> {
        let generation = self.generation.load_full();
        let now = self.ledger.clock.now();
        let (peer, request_id) = identity(&request, (caller, now), generation.as_deref());
        let mut record = self.ledger.open(&request, (&peer, &request_id), now);
        record.tls(caller.tls.as_ref());
        let is_head = request.method() == Method::HEAD;
        let is_by_dpop = headers::is_by_dpop(request.headers());
        let path = request.uri().path_and_query().cloned();
        let version = request.version();

        let result = match &generation {
            None => Err(Refusal::NotReady),
            Some(generation) => {
                let facts = (&peer, caller, &request_id, now);
                // Pinned where it is made, as it is large: each name that it had would be room for another one.
                let handle = std::pin::pin!(self.handle(generation, request, facts, &mut record));
                guarded(handle, &request_id).await
            }
        };
        let generation = generation.as_deref();
        let told = generation.map(Generation::rate_limit_headers);
        let told = told.unwrap_or_default();
        let ends_connection = matches!(&result, Err(refusal) if refusal.ends_connection());
        let (mut head, content) = match result {
            Ok(Reply::Upstream(answer, check)) => {
                let (mut head, body) = answer.response.into_parts();
                rate_limit::add_admitted(&answer.admission, told, &mut head.headers);
                if let (Some(made), Some(check)) = (answer.switch, check) {
                    let head = (head, answer.admission);
                    return switch(head, *made, (record, check), &request_id);
                }
                (head, Content::Upstream(body, answer.admission.under_way()))
            }
            Ok(Reply::Page(page)) => {
                let (head, body) = page.into_parts();
                (head, Content::Own(without_body(is_head, body)))
            }
            Err(refusal) => {
                record.refuse(&refusal);
                let path = path.as_ref().map_or("", PathAndQuery::path);
                let id = request_id.to_str().unwrap_or_default();
                let metadata =
                    generation.and_then(|generation| generation.well_known.resource_metadata());
                let asked = problem::Asked {
                    path: credential::redacted(path),
                    request_id: id,
                    resource_metadata: metadata,
                    wants_binding: generation.is_some_and(|it| it.snapshot.wants_binding()),
                    is_by_dpop,
                };
                let (mut head, body) = problem::response(&refusal, &asked).into_parts();
                if let Refusal::Decision(tollgate_gate::Refusal::OverQuota(over)) = &refusal {
                    rate_limit::add_refused(over, told, &mut head.headers);
                }
                (head, Content::Own(without_body(is_head, body)))
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

/// Who asks by the connection, and what the request is called from here on.
fn identity<B>(
    request: &Request<B>,
    (caller, now): (&Caller, Now),
    generation: Option<&Generation>,
) -> (Peer, HeaderValue) {
    let trusted = generation.and_then(Generation::trusted_proxies);
    let peer = Peer::new(caller, request.headers(), trusted);
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
mod tests;
