//! Requests whose answer may make something else of their connection.

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::balance::Places;
use super::connect::Stream;
use super::exchange::exchange_upgrade;
use super::fault::SendFault;
use super::journey::TARGETS_TRIED_MAX;
use super::request_body::RequestBody;
use super::throttle::Permit;
use super::{AnswerBody, Errand, Flight, Upstream};
use crate::refusal::{Refusal, UpstreamFault};
use crate::upgrade::Upgrade;

/// What came of a request to make something else of a connection.
#[derive(Debug)]
pub enum Switched {
    /// It is: the head of the answer, what the connection is from now on, and what counts it.
    Tunnel(Response<Box<AnswerBody>>, UpstreamEnd, Flight),
    /// It is not.
    Answer(Response<Box<AnswerBody>>),
}

/// What a connection to a target is once it is no longer HTTP's.
#[derive(Debug)]
pub struct UpstreamEnd {
    /// The connection.
    pub(crate) stream: Stream,
    /// What came by it already.
    pub(crate) early: Bytes,
}

impl Upstream {
    /// Sends a request whose answer may make something else of the connection, on one of its own. What comes of it
    /// must come within the time of a request, and end in it unless it is a tunnel.
    pub async fn send_upgrade(
        &self,
        mut request: Box<Request<Incoming>>,
        mut permit: Option<Permit>,
        (errand, upgrade): (&Errand<'_>, &Upgrade),
    ) -> Result<Switched, Refusal> {
        self.dress(&mut request, errand).await?;
        let deadline = self.limits.request.map(|limit| Instant::now() + limit);
        let switching = self.switch(request, errand, upgrade);
        let switched = match deadline {
            None => switching.await,
            Some(deadline) => tokio::time::timeout_at(deadline, switching)
                .await
                .unwrap_or_else(|_| Err(UpstreamFault::Deadline.into())),
        };
        match switched {
            Ok(Switched::Answer(mut answer)) => {
                let body = answer.body_mut();
                body.idle_for(self.limits.idle);
                body.hold(permit);
                if let Some(deadline) = deadline {
                    body.until(deadline);
                }
                Ok(Switched::Answer(answer))
            }
            // It may last for hours, and tells nothing of how busy its upstream is.
            Ok(tunnel @ Switched::Tunnel(..)) => Ok(tunnel),
            Err(refusal) => {
                permit.as_mut().map(Permit::failed);
                Err(refusal)
            }
        }
    }

    /// Asks one target, and others where there is no connection to it.
    async fn switch(
        &self,
        request: Box<Request<Incoming>>,
        errand: &Errand<'_>,
        upgrade: &Upgrade,
    ) -> Result<Switched, Refusal> {
        // It has no body.
        let mut unsent = Some(Box::new(request.map(|_| RequestBody::empty())));
        let signing = self.signing(errand);
        let mut tried = Places::default();
        loop {
            let number = self.choose(errand, tried).ok_or(Refusal::Internal)?;
            tried.insert(number);
            let place = self.places.get(number).ok_or(Refusal::Internal)?;
            let flight = Flight::to(place);
            let exchange = exchange_upgrade(
                flight,
                &mut unsent,
                (errand.target, signing.as_ref()),
                upgrade,
            );
            let outcome = tokio::time::timeout(self.limits.response, Box::pin(exchange)).await;
            let fault = match outcome.unwrap_or(Err(SendFault::TooLate)) {
                Ok(switched) => {
                    self.note_answer(place);
                    return Ok(switched);
                }
                Err(fault) => fault,
            };
            if fault.is_ours() {
                return Err(self.complain(&fault).into());
            }
            self.note_failure(place, &fault);
            let goes_on = fault.is_connect() && unsent.is_some();
            if !goes_on || tried.len() >= TARGETS_TRIED_MAX.min(self.places.len()) {
                return Err(self.complain(&fault).into());
            }
        }
    }
}
