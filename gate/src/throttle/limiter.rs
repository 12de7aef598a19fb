//! How the limit moves.
//!
//! Latencies are gathered in windows; at each one's end the limit moves at once:
//!
//! ```text
//! limit := limit * gradient * (1 - failures) + headroom
//!
//! gradient = tolerance * baseline / latency, from 0.5 to 1
//! failures = the share of requests that failed, up to 0.5
//! headroom = sqrt(limit) where the limit is used; less below a gradient of 0.9, none below 0.6
//! ```
//!
//! The form is that of Netflix's Gradient2 and of Envoy. By Little's law, an upstream with a queue has a latency in
//! proportion to what is in flight, so that this stays where latency is a little above the baseline. Failures
//! take more the more of them there are, so that a few that have nothing to do with load cost little: with a share f of
//! them, growth and loss even out no lower than at 1/f² requests at once.
//!
//! What is hard is the baseline, how long an answer takes by itself. Envoy measures it anew every minute, by refusing
//! nearly everything for that time; Netflix lets it follow the latency, which teaches it overload as the normal thing (Uber
//! tells of the same drift in its [auto-tuner](https://www.uber.com/blog/cinnamon-auto-tuner-adaptive-concurrency-in-the-wild/)).
//! Here it falls quickly, and rises only where the limit can't be the reason: slowly while less than half of the limit is
//! used; where the limit was halved and that shortened nothing, so that no queue is the cause; and after a while at the least
//! limit, which can't be halved. Between 1 and 1.5 baselines, a limit may rest without being halved, and a proxy
//! among others can't tell by itself whether the queue is theirs: there the baseline gives way very slowly, by 15 % at most.

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
/// The gradients between which headroom goes from nothing to all of it.
const GROWTH_GRADIENTS: (f64, f64) = (0.6, 0.9);
/// How much of the way to a lower latency the baseline goes in a window.
const BASELINE_FALL: f64 = 0.25;
/// How much of the way to a higher one, where the limit can't be the reason for it.
const BASELINE_RISE: f64 = 0.05;
/// After so many windows at the least limit, what latency did not fall below meanwhile is no queue that it could shorten.
const WINDOWS_AT_MIN: u32 = 8;
/// How many baselines that must be: where other proxies fill the queue it is less, and learning that would have all of them
/// learn from each other, higher and higher. Below that, the least limit grows by itself.
const LEARNED_AT_MIN: f64 = 1.6;
/// How much the baseline grows in a window where nobody can tell a queue from an upstream that is a little slower: half
/// a thousandth, and so that it takes a minute or more.
const BASELINE_DRIFT: f64 = 1.000_5;
/// How far it gets by that from what was learned.
const BASELINE_DRIFT_MAX: f64 = 1.15;
/// How much must be left of a latency after its limit was halved, if no queue is the reason for it.
const UNQUEUED: f64 = 0.85;
/// A limit that takes more windows than that to be halved shows nothing by it: too much else may have changed.
const DESCENT_WINDOWS_MAX: u32 = 12;
/// How much of a limit must be used for it to have an effect: less moves it by failures alone.
const USED_MIN: f64 = 0.5;
/// How much of a limit must be used for it to grow: less than batch may use.
const WANTED_MIN: f64 = 0.7;

/// How many requests may be in flight, and why.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: f64,
    bounds: (f64, f64),
    percentile: u32,
    is_shadow: bool,
    /// In seconds.
    baseline: Option<f64>,
    /// The same without what it grew by where nobody can tell.
    learned: f64,
    /// Whether nothing ever went wrong: the limit is only a guess.
    is_starting: bool,
    descent: Option<Descent>,
    /// For how many windows it was as low as it may be, and the lowest latency of them.
    at_min: Option<(u32, f64)>,
    window: Window,
}

/// A limit that is falling since latency rose.
#[derive(Debug, Clone, Copy)]
struct Descent {
    /// Where it began.
    limit: f64,
    /// The highest latency since then; `None` in its first window, within which something changed.
    latency: Option<f64>,
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
            learned: 0.0,
            is_starting: true,
            descent: None,
            at_min: None,
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
        let used = f64::from(self.window.in_flight_max) / self.limit;
        let failures = f64::from(self.window.failures) / f64::from(self.window.len());
        let latencies = &self.window.latencies;
        let latency = latencies.percentile(self.percentile);
        let latency = latency.filter(|_| latencies.len() * 2 >= SAMPLES_MIN);
        let gradient = match latency {
            Some(latency) => self.gradient(latency, used >= USED_MIN),
            None => 1.0,
        };
        let kept = gradient * (1.0 - failures).max(GRADIENT_MIN);
        let is_wanted = used >= WANTED_MIN;
        self.is_starting &= is_wanted && kept >= 1.0;
        let headroom = match is_wanted && latency.is_some() {
            true if self.is_starting => self.limit,
            true => self.limit.sqrt() * growth(gradient),
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
            () => 0.0,
        };
        let usual = usual + (latency - usual) * rise;
        self.learn(usual, rise > 0.0 || self.baseline.is_none());
        if !is_used || latency <= TOLERANCE * usual {
            self.descent = None;
            self.at_min = None;
            return 1.0;
        }
        if self.shows_no_queue(latency) {
            self.learn(latency, true);
            return 1.0;
        }
        if let Some(latency) = self.shown_at_min(latency, usual) {
            // The highest latency of no consequence, and no more: were it the baseline, it would bring about a higher one,
            // which another proxy would learn, and so on.
            self.learn(latency / TOLERANCE / BASELINE_DRIFT_MAX, true);
            self.learn(latency / TOLERANCE, false);
            return 1.0;
        }
        let usual = (usual * BASELINE_DRIFT).min(self.learned * BASELINE_DRIFT_MAX);
        self.learn(usual, false);
        (TOLERANCE * usual / latency).max(GRADIENT_MIN)
    }

    fn learn(&mut self, baseline: f64, is_certain: bool) {
        self.baseline = Some(baseline);
        if is_certain {
            self.learned = baseline;
        }
    }

    /// The latency that there is no getting below: by long enough at the least limit.
    fn shown_at_min(&mut self, latency: f64, usual: f64) -> Option<f64> {
        if self.limit > self.bounds.0 {
            self.at_min = None;
            return None;
        }
        let (windows, lowest) = self.at_min.unwrap_or((0, latency));
        let (windows, lowest) = (windows + 1, lowest.min(latency));
        let is_enough = windows >= WINDOWS_AT_MIN;
        self.at_min = (!is_enough).then_some((windows, lowest));
        (is_enough && lowest > usual * LEARNED_AT_MIN).then_some(lowest)
    }

    /// Whether the limit was halved and latency is nearly what it was: a queue would have been halved too.
    fn shows_no_queue(&mut self, latency: f64) -> bool {
        let here = |latency| Descent {
            limit: self.limit,
            latency,
            windows: 0,
        };
        let Some(descent) = &mut self.descent else {
            self.descent = Some(here(None));
            return false;
        };
        let Some(before) = descent.latency else {
            *descent = here(Some(latency));
            return false;
        };
        descent.windows += 1;
        if descent.windows > DESCENT_WINDOWS_MAX {
            *descent = here(Some(latency));
            return false;
        }
        if self.limit * 2.0 > descent.limit {
            descent.latency = Some(before.max(latency));
            return false;
        }
        // A shadow's limit does nothing that could show in a latency.
        let shows = latency >= before * UNQUEUED && !self.is_shadow;
        self.descent = (!shows).then_some(here(Some(latency)));
        shows
    }
}

/// The part of its headroom that a limit gets. It fades out, so that of proxies which share an upstream none loses to
/// another that sees a slightly lower latency.
fn growth(gradient: f64) -> f64 {
    let (none, all) = GROWTH_GRADIENTS;
    ((gradient - none) / (all - none)).clamp(0.0, 1.0)
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
