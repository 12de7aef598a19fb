//! What one subject has used up of one limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::policy::Measure;
use super::ring::Ring;
use super::spacing::{Rate, Spacing};
use super::tally::Tally;
use crate::Now;

/// When a request that finds too many under way may try again: nobody knows when one of them ends.
const CONCURRENT_RETRY: Duration = Duration::from_secs(1);

/// What a request weighs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight {
    /// How many requests it counts for.
    pub(crate) cost: u32,
    /// How many proxies share what is allowed.
    pub(crate) fleet: u32,
    /// When it comes.
    pub(crate) now: Now,
    /// Who counts what is allowed over a fleet.
    pub(crate) counting: Counting,
}

/// Who counts what is allowed over a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Each process its share.
    Share,
    /// A store that all processes share. What it admitted is written down here too, for when it can't be asked.
    Store,
    /// That store, but it can't be asked.
    Unheard,
}

/// What one subject has used up of one limit.
#[derive(Debug)]
pub(super) enum State {
    /// By itself, as it is several times as large as the others.
    Strict(Box<Ring>),
    Smooth(Spacing),
    Calendar(Tally),
    Concurrent(Hold),
}

/// How many requests are under way; each of them holds it, and lets it go at its end.
pub(super) type Hold = Arc<AtomicU32>;

/// How much is left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    pub(super) remaining: u32,
    /// How long until there is more or, where a request of that cost does not fit, until it does.
    pub(super) more_in: Duration,
}

impl State {
    pub(super) fn new(measure: &Measure) -> Self {
        match measure {
            Measure::Strict { period, .. } => Self::Strict(Box::new(Ring::new(*period))),
            Measure::Smooth { period, .. } => Self::Smooth(Spacing::new(*period)),
            Measure::Calendar { unit, .. } => Self::Calendar(Tally::new(*unit)),
            Measure::Concurrent { .. } => Self::Concurrent(Hold::default()),
        }
    }

    /// Whether it counts what `measure` allows, however many that may be by now.
    pub(super) fn is_of(&self, measure: &Measure) -> bool {
        match (self, measure) {
            (Self::Strict(ring), Measure::Strict { period, .. }) => ring.is_of(*period),
            (Self::Smooth(spacing), Measure::Smooth { period, .. }) => spacing.is_of(*period),
            (Self::Calendar(tally), Measure::Calendar { unit, .. }) => tally.unit() == *unit,
            (Self::Concurrent(_), Measure::Concurrent { .. }) => true,
            _ => false,
        }
    }

    /// How long until a request of that weight fits; `None`: it fits at once.
    pub(super) fn wait(&mut self, measure: &Measure, weight: Weight) -> Option<Duration> {
        let Weight {
            cost, fleet, now, ..
        } = weight;
        match (self, measure) {
            (Self::Strict(ring), Measure::Strict { requests, .. }) => {
                ring.advance(now.monotonic);
                ring.wait(share(*requests, fleet), cost, now.monotonic)
            }
            (Self::Smooth(spacing), measure) => {
                spacing.wait(rate(measure, fleet)?, cost, now.monotonic)
            }
            (Self::Calendar(tally), Measure::Calendar { requests, zone, .. }) => {
                tally.advance(zone, now.wall);
                tally.wait(share(*requests, fleet), cost, now.wall)
            }
            (Self::Concurrent(held), Measure::Concurrent { requests }) => {
                let is_full = held.load(Ordering::Relaxed) >= share(*requests, fleet);
                is_full.then_some(CONCURRENT_RETRY)
            }
            _ => None,
        }
    }

    /// Forgets what has had its time. Whoever charges what was not asked before has to.
    pub(super) fn advance(&mut self, measure: &Measure, now: Now) {
        match (self, measure) {
            (Self::Strict(ring), _) => ring.advance(now.monotonic),
            (Self::Calendar(tally), Measure::Calendar { zone, .. }) => {
                tally.advance(zone, now.wall);
            }
            _ => {}
        }
    }

    /// Charges a request that fits. What is returned must be held until its end.
    pub(super) fn charge(&mut self, measure: &Measure, weight: Weight) -> Option<Hold> {
        let Weight {
            cost, fleet, now, ..
        } = weight;
        let requests = share(measure.requests(), fleet);
        match self {
            Self::Strict(ring) => ring.charge(requests, cost),
            Self::Smooth(spacing) => {
                if let Some(rate) = rate(measure, fleet) {
                    spacing.charge(rate, cost, now.monotonic);
                }
            }
            Self::Calendar(tally) => tally.charge(requests, cost),
            Self::Concurrent(held) => {
                held.fetch_add(1, Ordering::Relaxed);
                return Some(Arc::clone(held));
            }
        }
        None
    }

    /// How much is left for requests of that weight; `None` of what does not come back with time.
    pub(super) fn rest(&self, measure: &Measure, weight: Weight) -> Option<Rest> {
        let Weight {
            cost, fleet, now, ..
        } = weight;
        let requests = share(measure.requests(), fleet);
        let (remaining, wait) = match self {
            Self::Strict(ring) => {
                let remaining = ring.remaining(requests);
                let next = remaining.saturating_add(1).max(cost);
                (remaining, ring.wait(requests, next, now.monotonic))
            }
            Self::Smooth(spacing) => {
                let rate = rate(measure, fleet)?;
                let remaining = spacing.remaining(rate, now.monotonic);
                let next = remaining.saturating_add(1).max(cost);
                (remaining, spacing.wait(rate, next, now.monotonic))
            }
            Self::Calendar(tally) => (tally.remaining(requests), Some(tally.rest(now.wall))),
            Self::Concurrent(_) => return None,
        };
        Some(Rest {
            remaining,
            more_in: wait.unwrap_or_default(),
        })
    }

    /// Whether nothing is lost by forgetting it.
    pub(super) fn is_idle(&self, now: Now) -> bool {
        match self {
            Self::Strict(ring) => ring.is_idle(now.monotonic),
            Self::Smooth(spacing) => spacing.is_idle(now.monotonic),
            Self::Calendar(tally) => tally.is_idle(now.wall),
            Self::Concurrent(held) => held.load(Ordering::Relaxed) == 0,
        }
    }
}

/// The share of one of `fleet` proxies. It is rounded down, so that all of them stay within the limit, and at least 1.
fn share(requests: u32, fleet: u32) -> u32 {
    // Most fleets are one proxy, and a division is not for nothing.
    if fleet <= 1 {
        return requests;
    }
    (requests / fleet).max(1)
}

fn rate(measure: &Measure, fleet: u32) -> Option<Rate> {
    match measure {
        Measure::Smooth {
            requests,
            period,
            burst,
        } => Some(Rate::new((*requests, *period), *burst, fleet.max(1))),
        _ => None,
    }
}
