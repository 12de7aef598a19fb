//! A throttled upstream: who may be sent to it, and what is seen of those who are.
//!
//! All threads share one limit. It is behind a lock that is held for some arithmetic; who waits for room waits without it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tollgate_gate::{Granted, Outcome, ThrottleRule, ThrottleState, Ticket, Verdict};
use tollgate_store::Name;
use tollgate_store::document::{self, Priority};

use crate::metrics::Metrics;
use crate::refusal::Refusal;

/// What wakes one who waits.
type Wake = oneshot::Sender<()>;

/// The throttle of one upstream, which outlives the upstream's other rules.
#[derive(Debug)]
pub(super) struct Throttle {
    rule: ThrottleRule,
    start: Instant,
    state: Mutex<tollgate_gate::Throttle<Wake>>,
}

/// A request's room, until this is dropped.
#[derive(Debug)]
pub struct Permit {
    throttle: Arc<Throttle>,
    /// When the upstream had all of the request, until what became of it is known.
    began: Option<Duration>,
}

/// A request that waits for room. Dropped with its client, it leaves the line.
struct Waiting<'a> {
    throttle: &'a Arc<Throttle>,
    priority: Priority,
    ticket: Option<Ticket>,
}

impl Throttle {
    /// The throttle that is declared: `previous`, with what it has learned, where its rule is the same.
    pub(super) fn next(declared: &document::Throttle, previous: Option<&Arc<Self>>) -> Arc<Self> {
        let rule = ThrottleRule::new(declared);
        if let Some(previous) = previous.filter(|previous| previous.rule == rule) {
            return Arc::clone(previous);
        }
        Arc::new(Self {
            rule,
            start: Instant::now(),
            state: Mutex::new(tollgate_gate::Throttle::new(rule, Duration::ZERO)),
        })
    }

    /// Finds room for a request of the upstream `name`, at the latest when its wait is over.
    pub(super) async fn admit(
        this: &Arc<Self>,
        priority: Priority,
        (name, metrics): (&Name, &Metrics),
    ) -> Result<Permit, Refusal> {
        let mut woken = None;
        let verdict = this.state().ask(priority, || {
            let (wake, receiver) = oneshot::channel();
            woken = Some(receiver);
            wake
        });
        let throttles = &metrics.throttles;
        match (verdict, woken) {
            (Verdict::Admitted, _) => Ok(Permit::new(this)),
            (Verdict::Shadowed, _) => {
                throttles.shed(name, priority, true);
                Ok(Permit::new(this))
            }
            (Verdict::Waits(ticket), Some(woken)) => {
                throttles.wait(name);
                let waiting = Waiting {
                    throttle: this,
                    priority,
                    ticket: Some(ticket),
                };
                // Seldom, and large.
                let permit = Box::pin(waiting.end(woken)).await;
                permit.ok_or_else(|| {
                    throttles.shed(name, priority, false);
                    Refusal::Throttled
                })
            }
            _ => {
                throttles.shed(name, priority, false);
                Err(Refusal::Throttled)
            }
        }
    }

    /// How it is.
    pub(super) fn seen(&self) -> ThrottleState {
        self.state().state()
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn note(&self, began: Duration, outcome: Outcome) {
        let now = self.now();
        let granted = self.state().note(began, outcome, now);
        wake(granted);
    }

    fn release(&self) {
        let granted = self.state().release();
        wake(granted);
    }

    /// A panic elsewhere leaves counts as good as they were.
    fn state(&self) -> MutexGuard<'_, tollgate_gate::Throttle<Wake>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(granted: Granted<Wake>) {
    for waiter in granted {
        // Who is gone gives its room back by itself.
        let _ = waiter.send(());
    }
}

impl Waiting<'_> {
    async fn end(mut self, woken: oneshot::Receiver<()>) -> Option<Permit> {
        let is_woken = tokio::time::timeout(self.throttle.rule.wait, woken).await;
        let ticket = self.ticket.take()?;
        let is_granted = matches!(is_woken, Ok(Ok(()))) || self.leave(ticket);
        is_granted.then(|| Permit::new(self.throttle))
    }

    /// Leaves the line; whether room was found meanwhile.
    fn leave(&self, ticket: Ticket) -> bool {
        self.throttle.state().abandon(self.priority, ticket)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take()
            && self.leave(ticket)
        {
            self.throttle.release();
        }
    }
}

impl Permit {
    fn new(throttle: &Arc<Throttle>) -> Self {
        Self {
            throttle: Arc::clone(throttle),
            began: None,
        }
    }

    /// The upstream has all of the request now.
    pub(super) fn depart(&mut self) {
        self.began = Some(self.throttle.now());
    }

    /// The head of an answer came.
    pub(super) fn answered(&mut self, status: StatusCode) {
        match status {
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => self.failed(),
            // What is answered before it was sent says nothing.
            _ => {
                if let Some(began) = self.began.take() {
                    self.throttle.note(began, Outcome::Answered);
                }
            }
        }
    }

    /// There is no answer, or none in time.
    pub(super) fn failed(&mut self) {
        let began = self.began.take().unwrap_or_else(|| self.throttle.now());
        self.throttle.note(began, Outcome::Failed);
    }

    /// What becomes of the request says nothing of the upstream.
    pub(super) fn ignore(&mut self) {
        self.began = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(began) = self.began.take() {
            self.throttle.note(began, Outcome::Abandoned);
        }
        self.throttle.release();
    }
}
