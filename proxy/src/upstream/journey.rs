//! One request's way: to a target, and to others where that took nothing of it or what failed may be repeated.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::{Request, Response};

use super::answer_body::AnswerBody;
use super::balance::Places;
use super::exchange::exchange;
use super::fault::SendFault;
use super::request_body::{RequestBody, Sent};
use super::retry::Template;
use super::shown::Signing;
use super::target::Place;
use super::throttle::Permit;
use super::{Errand, Upstream};
use crate::refusal::Refusal;

/// The most targets that are tried for one request which none of them took.
pub(super) const TARGETS_TRIED_MAX: usize = 3;

/// One request's way.
pub(super) struct Journey<'a> {
    upstream: &'a Upstream,
    errand: &'a Errand<'a>,
    /// What signs each try, where requests are signed.
    signing: Option<Signing>,
    /// Gone once it was sent.
    request: Option<Box<Request<RequestBody>>>,
    /// What it can be made of again, where it may be.
    template: Option<Box<Template>>,
    sent: Sent,
    tried: Places,
    /// How many targets could not be connected to.
    unconnected: usize,
    retries: u32,
    /// What is told how it goes, where the upstream is throttled.
    permit: Option<&'a mut Permit>,
}

impl<'a> Journey<'a> {
    pub(super) fn new(
        upstream: &'a Upstream,
        errand: &'a Errand<'a>,
        (request, sent): (Box<Request<RequestBody>>, Sent),
        permit: Option<&'a mut Permit>,
    ) -> Self {
        Self {
            upstream,
            errand,
            signing: upstream.signing(errand),
            request: Some(request),
            template: None,
            sent,
            tried: Places::default(),
            unconnected: 0,
            retries: 0,
            permit,
        }
    }

    /// Goes on until there is an answer, or nothing that may be tried any more.
    pub(super) async fn run(&mut self) -> Result<Response<Box<AnswerBody>>, Refusal> {
        loop {
            let place = self.choose().ok_or(Refusal::Internal)?;
            self.prepare(place);
            match self.attempt(place).await {
                Ok(response) => {
                    self.upstream.note_answer(place);
                    self.tell(|permit| permit.answered(response.status()));
                    let rules = self.upstream.retries.as_ref();
                    let cause = rules.and_then(|rules| rules.cause_of_status(response.status()));
                    if !cause.is_some_and(|cause| self.goes_again(cause)) {
                        return Ok(response);
                    }
                }
                Err(fault) => self.failed(place, &fault)?,
            }
        }
    }

    /// Takes note of a try that got no answer; the error is what there is to say where there is no other.
    fn failed(&mut self, place: &Place, fault: &SendFault) -> Result<(), Refusal> {
        if let Some(fault) = self.errand.received.fault() {
            self.tell(Permit::ignore);
            return Err(fault.into());
        }
        if fault.is_ours() {
            self.tell(Permit::ignore);
            return Err(self.upstream.complain(fault).into());
        }
        self.upstream.note_failure(place, fault);
        let goes_on = self.goes_on(fault);
        // A target that can't be reached while others can is no sign of load.
        if !goes_on || !fault.is_connect() {
            self.tell(Permit::failed);
        }
        if goes_on {
            return Ok(());
        }
        Err(self.upstream.complain(fault).into())
    }

    fn tell(&mut self, what: impl FnOnce(&mut Permit)) {
        if let Some(permit) = self.permit.as_deref_mut() {
            what(permit);
        }
    }

    /// One that was not tried yet, if there is such a one.
    fn choose(&mut self) -> Option<&'a Arc<Place>> {
        let upstream = self.upstream;
        let number = upstream.choose(self.errand, self.tried)?;
        self.tried.insert(number);
        upstream.places.get(number)
    }

    /// Keeps what the request can be made of again, where that may be needed: it costs a copy of its head.
    fn prepare(&mut self, place: &Place) {
        let may_repeat = self.upstream.retries.is_some() || place.may_share();
        let is_needed = may_repeat && self.template.is_none();
        if let Some(request) = self.request.as_ref().filter(|_| is_needed) {
            self.template = Template::of(request).map(Box::new);
        }
    }

    async fn attempt(
        &mut self,
        place: &Arc<Place>,
    ) -> Result<Response<Box<AnswerBody>>, SendFault> {
        let limits = self.upstream.limits;
        let permit = self.permit.as_deref_mut();
        let too_late = async {
            self.sent.wait().await;
            if let Some(permit) = permit {
                permit.depart();
            }
            tokio::time::sleep(limits.response).await;
        };
        let answer = exchange(
            place,
            &mut self.request,
            (self.errand.target, self.signing.as_ref()),
        );
        // Where they are made: `select!` would move both.
        let (mut answer, mut too_late) = (pin!(answer), pin!(too_late));
        let answer = poll_fn(|context| match answer.as_mut().poll(context) {
            Poll::Pending => too_late
                .as_mut()
                .poll(context)
                .map(|()| Err(SendFault::TooLate)),
            answer @ Poll::Ready(_) => answer,
        });
        let mut answer = answer.await?;
        answer.body_mut().idle_for(limits.idle);
        Ok(answer)
    }

    /// Whether there is another try after a failure.
    fn goes_on(&mut self, fault: &SendFault) -> bool {
        if fault.is_connect() && self.request.is_some() {
            self.unconnected += 1;
            return self.unconnected < TARGETS_TRIED_MAX.min(self.upstream.places.len());
        }
        if fault.is_unprocessed() && self.retries == 0 && self.template.is_some() {
            return self.takes("refused");
        }
        let rules = self.upstream.retries.as_ref();
        let cause = rules.and_then(|rules| rules.cause_of_fault(fault));
        cause.is_some_and(|cause| self.goes_again(cause))
    }

    /// Whether the request is sent again after what is declared.
    fn goes_again(&mut self, cause: &'static str) -> bool {
        let attempts = self
            .upstream
            .retries
            .as_ref()
            .map_or(0, |rules| rules.attempts);
        let may_repeat = self
            .template
            .as_ref()
            .is_some_and(|template| template.is_idempotent);
        may_repeat && self.retries < attempts && self.takes(cause)
    }

    /// Whether the budget has another one.
    fn takes(&mut self, cause: &'static str) -> bool {
        let (name, metrics) = (&self.upstream.rule.name, self.errand.metrics);
        if !self.upstream.budget.take(self.upstream.balancer.turns()) {
            metrics.retry_refused(name);
            return false;
        }
        metrics.retry(name, cause);
        self.retries += 1;
        self.request = self
            .template
            .as_ref()
            .map(|template| Box::new(template.request()));
        self.request.is_some()
    }
}
