//! A request's way from its head to its answer.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response, Version};
use hyper::body::Incoming;
use rand::RngExt;
use tollgate_gate::{Meter, Now, Target};
use uuid::Uuid;

use crate::caller::Caller;
use crate::connection::Handler;
use crate::generation::{Answer, Generation};
use crate::headers::{self, Voucher};
use crate::peer::Peer;
use crate::record::{Ledger, Record};
use crate::refusal::Refusal;
use crate::response_body::{Content, ResponseBody};
use crate::{credential, filter, problem};

/// Decides requests and sends them on.
#[derive(Debug)]
pub struct Gateway {
    /// What decides; `None` until the first snapshot came.
    pub generation: ArcSwapOption<Generation>,
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
            generation: ArcSwapOption::empty(),
            meter: Meter::default(),
            ledger,
        }
    }

    /// The straight line: each step's result is the next one's proof.
    async fn handle(
        &self,
        generation: &Generation,
        request: Request<Incoming>,
        (peer, request_id, now): (&Peer, &HeaderValue, Now),
        record: &mut Record,
    ) -> Result<Answer, Refusal> {
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
        let voucher = Voucher {
            peer,
            authority: authority.map(ToOwned::to_owned),
            request_id,
            key: principal.key_name(),
            key_id: principal.key_id(),
            principal: principal.name(),
        };
        let request = vouched(request, &voucher);
        generation
            .forward(request, &target, admission, record)
            .await
    }
}

impl Handler for Gateway {
    type Body = ResponseBody;

    fn is_trusted(&self, address: IpAddr) -> bool {
        let generation = self.generation.load();
        let trusted = generation.as_deref().and_then(Generation::trusted_proxies);
        let mut blocks = trusted.into_iter().flatten();
        blocks.any(|block| block.contains(address))
    }

    async fn respond(&self, request: Request<Incoming>, caller: &Caller) -> Response<ResponseBody> {
        let generation = self.generation.load_full();
        let now = self.ledger.clock.now();
        let (peer, request_id) = identity(&request, (caller, now), generation.as_deref());
        let mut record = self.ledger.open(&request, (&peer, &request_id), now);
        record.tls(caller.tls.as_ref());
        let is_head = request.method() == Method::HEAD;
        let uri = request.uri().clone();
        let version = request.version();

        let result = match &generation {
            None => Err(Refusal::NotReady),
            Some(generation) => {
                let facts = (&peer, &request_id, now);
                // Pinned, as it is large: it would be moved with every call that it is handed to.
                guarded(std::pin::pin!(self.handle(
                    generation,
                    request,
                    facts,
                    &mut record
                )))
                .await
            }
        };
        let ends_connection = matches!(&result, Err(refusal) if refusal.ends_connection());
        let (mut head, content) = match result {
            Ok(Answer {
                response,
                admission,
            }) => {
                let (head, body) = response.into_parts();
                (head, Content::Upstream(body, admission))
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
async fn guarded(future: impl Future<Output = Result<Answer, Refusal>>) -> Result<Answer, Refusal> {
    AssertUnwindSafe(future)
        .catch_unwind()
        .await
        .unwrap_or(Err(Refusal::Internal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_refusal() {
        let result = guarded(std::pin::pin!(async { panic!("a bug") })).await;

        assert_eq!(result.unwrap_err(), Refusal::Internal);
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
