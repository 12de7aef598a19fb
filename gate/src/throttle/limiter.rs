//! How the limit moves.
//!
//! Latencies are gathered in windows; at each one's end the limit moves at once:
//!
//! ```text
//! limit := limit * gradient * (1 - failures) + headroom
//! gradient = tolerance * baseline / latency, 0.5 to 1     failures: their share, 0 to 0.5     headroom = sqrt(limit)
//! ```
//!
//! The form is that of Netflix's Gradient2 and of Envoy. By Little's law, an upstream with a queue has a latency in
//! proportion to what is in flight, so that this comes to rest where latency is a little above the baseline. Failures
//! take more the more of them there are, so that a few that have nothing to do with load cost little: with a share f of
//! them, growth and loss even out no lower than at 1/f² requests at once.
//!
//! What is hard is the baseline, how long an answer takes by itself. Envoy measures it anew every minute, by refusing
//! nearly everything for that time; Netflix lets it follow the latency, which teaches it overload as the normal thing (Uber
//! tells of the same drift in its [auto-tuner](https://www.uber.com/blog/cinnamon-auto-tuner-adaptive-concurrency-in-the-wild/)).
//! Here it falls quickly, and rises only where the limit can't be the reason: slowly while less than half of the limit is
//! used; where the limit was halved and that shortened nothing, so that no queue is the cause; and at the least limit,
//! below which nothing can be learned.

use std::time::Duration;

use super::sketch::Sketch;
use super::{Outcome, ThrottleRule};

/// Where a limit begins, unless its bounds say otherwise. It doubles with each window, until latency rises.
const LIMIT_START: u32 = 20;
/// The least length of a window.
const WINDOW: Duration = Duration::from_millis(250);
/// A window is at least so many baselines long, as it counts only what begins in it.
const WINDOW_BASELINES: f64 = 2.0;
/// How much of the baseline a window may wait for.
const WINDOW_BASELINE_MAX: f64 = 5.0;
/// After so long, a window that is not full begins anew.
const WINDOW_MAX: Duration = Duration::from_secs(30);
/// The fewest requests whose latency says something.
const SAMPLES_MIN: u32 = 20;
/// How many times the baseline latency may be without any consequence.
const TOLERANCE: f64 = 1.25;
/// The least that a window leaves of a limit by either cause.
const GRADIENT_MIN: f64 = 0.5;
/// How much of the way to a lower latency the baseline goes in a window.
const BASELINE_FALL: f64 = 0.25;
/// How much of the way to a higher one, where the limit can't be the reason for it.
const BASELINE_RISE: f64 = 0.05;
/// The same at the least limit.
const BASELINE_RISE_AT_MIN: f64 = 0.25;
/// How much must be left of a latency after its limit was halved, if no queue is the reason for it.
const UNQUEUED: f64 = 0.85;
/// After so many windows, a descent that does not get anywhere begins anew.
const DESCENT_WINDOWS_MAX: u32 = 8;

/// How many requests may be in flight, and why.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: f64,
    bounds: (f64, f64),
    percentile: u32,
    is_shadow: bool,
    /// In seconds.
    baseline: Option<f64>,
    /// Whether nothing ever went wrong: the limit is only a guess.
    is_starting: bool,
    descent: Option<Descent>,
    window: Window,
}

/// A limit that is falling since latency rose.
#[derive(Debug, Clone, Copy)]
struct Descent {
    /// Where it began.
    limit: f64,
    /// The highest latency since.
    latency: f64,
    windows: u32,
}

/// What is seen until the limit next moves.
#[derive(Debug)]
struct Window {
    start: Duration,
    latencies: Sketch,
    failures: u32,
    in_flight_max: u32,
    /// Whether anybody found no room.
    is_short: bool,
}

impl Limiter {
    pub(super) fn new(rule: &ThrottleRule, now: Duration) -> Self {
        let start = LIMIT_START.clamp(rule.limit_min, rule.limit_max);
        Self {
            limit: start.into(),
            bounds: (rule.limit_min.into(), rule.limit_max.into()),
            percentile: rule.percentile,
            is_shadow: rule.is_shadow,
            baseline: None,
            is_starting: true,
            descent: None,
            window: Window::new(now),
        }
    }

    /// How many requests may be in flight.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is within the rule's bounds"
    )]
    pub(super) fn limit(&self) -> u32 {
        self.limit as u32
    }

    pub(super) fn baseline(&self) -> Option<Duration> {
        self.baseline.map(Duration::from_secs_f64)
    }

    /// Somebody found no room.
    pub(super) fn note_shortage(&mut self) {
        self.window.is_short = true;
    }

    pub(super) fn note_in_flight(&mut self, in_flight: u32) {
        self.window.in_flight_max = self.window.in_flight_max.max(in_flight);
    }

    /// Counts what became of a request, and moves the limit where it is time.
    pub(super) fn note(
        &mut self,
        began: Duration,
        outcome: Outcome,
        now: Duration,
        in_flight: u32,
    ) {
        let latency = now.saturating_sub(began);
        match outcome {
            Outcome::Failed => self.window.failures = self.window.failures.saturating_add(1),
            // What left sooner than answers come says nothing.
            Outcome::Abandoned if self.baseline().is_none_or(|usual| latency <= usual) => return,
            // What began before was sent by another limit.
            _ if began < self.window.start => {}
            _ => self.window.latencies.add(latency),
        }
        let age = now.saturating_sub(self.window.start);
        if self.window.len() >= SAMPLES_MIN && age >= self.window_length() {
            self.adjust();
            self.window.restart(now, in_flight);
        } else if age >= WINDOW_MAX {
            self.window.restart(now, in_flight);
        }
    }

    fn window_length(&self) -> Duration {
        let baseline = self.baseline.unwrap_or_default().min(WINDOW_BASELINE_MAX);
        WINDOW.max(Duration::from_secs_f64(baseline * WINDOW_BASELINES))
    }

    /// Moves the limit by what the window saw.
    fn adjust(&mut self) {
        // What is not used has no effect, and shows none.
        let is_used = f64::from(self.window.in_flight_max) * 2.0 >= self.limit;
        let failures = f64::from(self.window.failures) / f64::from(self.window.len());
        let latencies = &self.window.latencies;
        let latency = latencies.percentile(self.percentile);
        let latency = latency.filter(|_| latencies.len() * 2 >= SAMPLES_MIN);
        let gradient = match latency {
            Some(latency) => self.gradient(latency, is_used),
            None => 1.0,
        };
        let kept = gradient * (1.0 - failures).max(GRADIENT_MIN);
        self.is_starting &= kept > 0.9;
        let headroom = match is_used && latency.is_some() {
            true if self.is_starting => self.limit,
            true => self.limit.sqrt(),
            false => 0.0,
        };
        let (least, most) = self.bounds;
        self.limit = (self.limit * kept + headroom).clamp(least, most);
    }

    fn gradient(&mut self, latency: f64, is_used: bool) -> f64 {
        let usual = self.baseline.unwrap_or(latency);
        let rise = match () {
            () if latency < usual => BASELINE_FALL,
            () if !is_used && !self.window.is_short || self.is_shadow => BASELINE_RISE,
            () if self.limit <= self.bounds.0 => BASELINE_RISE_AT_MIN,
            () => 0.0,
        };
        let usual = usual + (latency - usual) * rise;
        self.baseline = Some(usual);
        if !is_used || latency <= TOLERANCE * usual {
            self.descent = None;
            return 1.0;
        }
        if self.shows_no_queue(latency) {
            self.baseline = Some(latency);
            return 1.0;
        }
        (TOLERANCE * usual / latency).max(GRADIENT_MIN)
    }

    /// Whether the limit was halved and latency is nearly what it was: a queue would have been halved too.
    fn shows_no_queue(&mut self, latency: f64) -> bool {
        let begun = Descent {
            limit: self.limit,
            latency,
            windows: 0,
        };
        let descent = self.descent.get_or_insert(begun);
        descent.windows += 1;
        if self.limit * 2.0 > descent.limit && descent.windows <= DESCENT_WINDOWS_MAX {
            descent.latency = descent.latency.max(latency);
            return false;
        }
        let is_halved = self.limit * 2.0 <= descent.limit;
        // A shadow's limit does nothing that could show in a latency.
        let shows = is_halved && latency >= descent.latency * UNQUEUED && !self.is_shadow;
        self.descent = (!shows).then_some(begun);
        shows
    }
}

impl Window {
    fn new(start: Duration) -> Self {
        Self {
            start,
            latencies: Sketch::default(),
            failures: 0,
            in_flight_max: 0,
            is_short: false,
        }
    }

    fn len(&self) -> u32 {
        self.latencies.len().saturating_add(self.failures)
    }

    fn restart(&mut self, now: Duration, in_flight: u32) {
        self.start = now;
        self.latencies.clear();
        self.failures = 0;
        self.in_flight_max = in_flight;
        self.is_short = false;
    }
}
