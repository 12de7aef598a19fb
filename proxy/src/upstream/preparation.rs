//! What is done with a client's request before it is sent.

use std::sync::Arc;

use http::Request;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::body::Incoming;

use super::request_body::{RequestBody, Sent, WholeFault};
use super::shown::Signing;
use super::{Errand, Upstream};
use crate::refusal::{Refusal, UpstreamFault};

impl Upstream {
    /// Makes a client's request one that can be sent: where its body is signed, that is read before.
    pub(super) async fn prepare(
        &self,
        request: Box<Request<Incoming>>,
        errand: &Errand<'_>,
    ) -> Result<(Box<Request<RequestBody>>, Sent), Refusal> {
        let (mut head, body) = request.into_parts();
        let received = Arc::clone(&errand.received);
        let bounds = (self.limits.idle, errand.grant.body_bytes_max());
        let (body, sent) = RequestBody::new(body, received, bounds);
        let signer = self.shown.as_ref().and_then(|shown| shown.signer());
        let Some(bytes_max) = signer.and_then(|signer| signer.body_bytes_max()) else {
            return Ok((Box::new(Request::from_parts(head, body)), sent));
        };
        // Seldom, and large.
        let body = Box::pin(body.collect_whole(bytes_max)).await;
        let body = body.map_err(|fault| match fault {
            WholeFault::Body(fault) => fault.into(),
            WholeFault::TooLong => Refusal::BodyUnsignable { bytes_max },
        })?;
        // Its length is known now, and told by the connection.
        head.headers.remove(TRANSFER_ENCODING);
        head.headers.remove(CONTENT_LENGTH);
        let request = Box::new(Request::from_parts(head, body));
        Ok((request, Sent::already()))
    }

    /// What signs the tries of a request, where requests are signed.
    pub(super) fn signing(&self, errand: &Errand<'_>) -> Option<Signing> {
        let signer = self.shown.as_ref().and_then(|shown| shown.signer());
        signer.map(|signer| signer.signing(errand.now))
    }

    /// Writes into a request what the upstream is told and shown.
    pub(super) async fn dress(
        &self,
        request: &mut Request<Incoming>,
        errand: &Errand<'_>,
    ) -> Result<(), UpstreamFault> {
        match &self.shown {
            None => Ok(()),
            // Most have none, and it is large.
            Some(shown) => {
                let dressing = shown.dress(
                    request.headers_mut(),
                    (errand.grant, errand.subject),
                    errand.now,
                );
                Box::pin(dressing).await
            }
        }
    }
}
