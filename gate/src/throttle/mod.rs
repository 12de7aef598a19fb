//! Adaptive throttling: how many requests at once an upstream gets, and who goes first where that is too few.
//!
//! A limit that follows latency is Netflix's idea ([concurrency-limits](https://github.com/Netflix/concurrency-limits))
//! and Envoy's ([adaptive concurrency](https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter));
//! shedding by priority is that of DAGOR (Zhou et al., "Overload Control for Scaling `WeChat` Microservices", `SoCC` 2018)
//! and of Uber's [Cinnamon](https://www.uber.com/blog/cinnamon-using-century-old-tech-to-build-a-mean-load-shedder/).
//! How the limit moves stands in `limiter.rs`.

mod limiter;
mod line;
mod sketch;

use std::time::Duration;

use smallvec::SmallVec;
use tollgate_store::ThrottleWait;
use tollgate_store::document::{
    self, Priority, THROTTLE_LIMIT_MAX, THROTTLE_LIMIT_MIN, THROTTLE_PERCENTILE,
};

use limiter::Limiter;
use line::Line;
pub use line::Ticket;

/// How long a request waits for room where nothing is declared.
const WAIT: Duration = Duration::from_millis(10);

/// What a throttle keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleRule {
    /// The least number of requests at once.
    pub limit_min: u32,
    /// The greatest number of requests at once.
    pub limit_max: u32,
    /// How long a request may wait for room.
    pub wait: Duration,
    /// Which percentile of latencies is followed, 1 to 99.
    pub percentile: u32,
    /// Whether nothing is refused.
    pub is_shadow: bool,
}

/// The requests of one upstream: those in flight, those that wait for room, and the limit of both.
///
/// It knows no clock: every time is one since the same start. `W` is what wakes one that waits.
#[derive(Debug)]
pub struct Throttle<W> {
    rule: ThrottleRule,
    limiter: Limiter,
    in_flight: u32,
    lines: [Line<W>; Priority::ALL.len()],
}

/// What a request is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes ahead, and is in flight until [`Throttle::release`].
    Admitted,
    /// It goes ahead, and would not if this were no shadow.
    Shadowed,
    /// It may wait, for as long as the rule says; then [`Throttle::abandon`] is to be called.
    Waits(Ticket),
    /// There is no room for it.
    Shed,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The head of its answer came.
    Answered,
    /// A timeout, no answer, or one of 502, 503 and 504.
    Failed,
    /// Its client left before an answer came: it would have taken at least as long.
    Abandoned,
}

/// Those who may go ahead now: they are in flight already.
pub type Granted<W> = SmallVec<[W; 1]>;

/// How a throttle is, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleState {
    /// How many requests may be in flight.
    pub limit: u32,
    /// How many are.
    pub in_flight: u32,
    /// How many wait for room.
    pub waiting: usize,
    /// How long an answer takes by itself; `None` before the first few came.
    pub baseline: Option<Duration>,
}

impl ThrottleRule {
    /// The rule that a document declares.
    #[must_use]
    pub fn new(throttle: &document::Throttle) -> Self {
        let limit_min = throttle.limit_min.unwrap_or(THROTTLE_LIMIT_MIN);
        Self {
            limit_min,
            limit_max: throttle
                .limit_max
                .unwrap_or(THROTTLE_LIMIT_MAX)
                .max(limit_min),
            wait: throttle.wait.as_ref().map_or(WAIT, ThrottleWait::length),
            percentile: throttle.percentile.unwrap_or(THROTTLE_PERCENTILE),
            is_shadow: throttle.shadow.unwrap_or_default(),
        }
    }
}

impl<W> Throttle<W> {
    /// A throttle that has seen nothing yet.
    #[must_use]
    pub fn new(rule: ThrottleRule, now: Duration) -> Self {
        Self {
            rule,
            limiter: Limiter::new(&rule, now),
            in_flight: 0,
            lines: std::array::from_fn(|_| Line::default()),
        }
    }

    /// Asks for room; `waiter` is called where the request is to wait.
    pub fn ask(&mut self, priority: Priority, waiter: impl FnOnce() -> W) -> Verdict {
        if self.in_flight < self.room(priority) {
            self.depart();
            return Verdict::Admitted;
        }
        self.limiter.note_shortage();
        if self.rule.is_shadow {
            self.depart();
            return Verdict::Shadowed;
        }
        if self.rule.wait.is_zero() {
            return Verdict::Shed;
        }
        let ticket = line(&mut self.lines, priority).push(waiter);
        ticket.map_or(Verdict::Shed, Verdict::Waits)
    }

    /// Takes back that a request of `priority` waits. Whether it was granted room before: it is in flight then.
    pub fn abandon(&mut self, priority: Priority, ticket: Ticket) -> bool {
        !line(&mut self.lines, priority).leave(ticket)
    }

    /// Notes what became of a request that was sent at `began`. It is in flight still.
    pub fn note(&mut self, began: Duration, outcome: Outcome, now: Duration) -> Granted<W> {
        self.limiter.note(began, outcome, now, self.in_flight);
        self.grant()
    }

    /// A request is in flight no more.
    pub fn release(&mut self) -> Granted<W> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.grant()
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> ThrottleState {
        ThrottleState {
            limit: self.limiter.limit(),
            in_flight: self.in_flight,
            waiting: self.lines.iter().map(Line::len).sum(),
            baseline: self.limiter.baseline(),
        }
    }

    fn depart(&mut self) {
        self.in_flight += 1;
        self.limiter.note_in_flight(self.in_flight);
    }

    /// Lets ahead who waits, the highest first.
    fn grant(&mut self) -> Granted<W> {
        let mut granted = Granted::new();
        for priority in Priority::ALL {
            while self.in_flight < self.room(priority)
                && let Some(waiter) = line(&mut self.lines, priority).pop()
            {
                self.depart();
                granted.push(waiter);
            }
        }
        granted
    }

    /// How many requests may be in flight before one of `priority` finds no room: at least one.
    fn room(&self, priority: Priority) -> u32 {
        let limit = self.limiter.limit();
        let percent = match priority {
            Priority::Critical => 100,
            Priority::Default => 90,
            Priority::Batch => 75,
        };
        (limit * percent / 100).max(1)
    }
}

fn line<W>(lines: &mut [Line<W>; Priority::ALL.len()], priority: Priority) -> &mut Line<W> {
    let [critical, default, batch] = lines;
    match priority {
        Priority::Critical => critical,
        Priority::Default => default,
        Priority::Batch => batch,
    }
}

#[cfg(test)]
mod tests;
