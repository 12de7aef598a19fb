//! How one target is, and what changes that.

use std::time::Duration;

use tokio::time::Instant;
use tollgate_store::{Timeout, document};

use crate::upstream::target::FULL_WEIGHT;

/// So many requests in a row that got no answer put a target out.
const FAILURES_MAX: u32 = 5;
/// For how long it is out the first time; each next time twice as long, up to the most.
pub(super) const OUT_MIN: Duration = Duration::from_secs(5);
const OUT_MAX: Duration = Duration::from_mins(5);
/// What a target gets at the very beginning of its slow start.
pub(super) const WEIGHT_MIN: u32 = FULL_WEIGHT / 100;
const HEALTHY_AFTER: u32 = 2;
const UNHEALTHY_AFTER: u32 = 3;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Thresholds {
    healthy_after: u32,
    unhealthy_after: u32,
    pub(super) slow_start: Duration,
}

/// How one target is.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Requests in a row that got no answer.
    pub(super) failures: u32,
    /// How often it was put out, as far as it counts.
    ejections: u32,
    pub(super) out_until: Option<Instant>,
    last_out: Option<Instant>,
    /// Checks in a row that say otherwise than what is known.
    dissenting: u32,
    is_failing: bool,
    /// When it was well again, or was added.
    returned: Option<Instant>,
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upstream) enum Change {
    /// It gets no requests for so long, as none got an answer.
    Out(Duration),
    /// It gets requests again.
    Returned,
    /// Its checks fail.
    Failing,
    /// Its checks are good again.
    Well,
}

impl Thresholds {
    pub(super) fn new(upstream: &document::Upstream) -> Self {
        let health = upstream.health.as_ref();
        let slow_start = upstream.slow_start.as_ref();
        Self {
            healthy_after: health
                .and_then(|health| health.healthy_after)
                .unwrap_or(HEALTHY_AFTER),
            unhealthy_after: health
                .and_then(|health| health.unhealthy_after)
                .unwrap_or(UNHEALTHY_AFTER),
            slow_start: slow_start.map_or(Duration::ZERO, Timeout::length),
        }
    }
}

impl State {
    /// One that was added then, or that has always been there.
    pub(super) fn new(added: Option<Instant>) -> Self {
        Self {
            returned: added,
            ..Self::default()
        }
    }

    pub(super) fn fail(&mut self, now: Instant, may_go: bool) -> Option<Change> {
        self.failures = self.failures.saturating_add(1);
        if self.out_until.is_some() || self.failures < FAILURES_MAX || !may_go {
            return None;
        }
        // One that was well for long enough begins anew.
        if self
            .last_out
            .is_some_and(|out| now.duration_since(out) > OUT_MAX * 2)
        {
            self.ejections = 0;
        }
        let length = OUT_MIN * 2_u32.saturating_pow(self.ejections.min(10));
        let length = length.min(OUT_MAX);
        self.ejections = self.ejections.saturating_add(1);
        self.out_until = Some(now + length);
        self.last_out = Some(now);
        Some(Change::Out(length))
    }

    pub(super) fn tend(&mut self, now: Instant) -> Option<Change> {
        self.out_until.filter(|until| *until <= now)?;
        self.out_until = None;
        // One more failure puts it out again.
        self.failures = FAILURES_MAX - 1;
        self.returned = Some(now);
        Some(Change::Returned)
    }

    pub(super) fn check(
        &mut self,
        now: Instant,
        is_good: bool,
        thresholds: Thresholds,
    ) -> Option<Change> {
        if is_good != self.is_failing {
            self.dissenting = 0;
            return None;
        }
        self.dissenting += 1;
        let needed = if is_good {
            thresholds.healthy_after
        } else {
            thresholds.unhealthy_after
        };
        if self.dissenting < needed {
            return None;
        }
        self.dissenting = 0;
        self.is_failing = !is_good;
        if self.is_failing {
            return Some(Change::Failing);
        }
        // What requests met before is of the past.
        self.failures = 0;
        self.out_until = None;
        self.returned = Some(now);
        Some(Change::Well)
    }

    /// Nobody checks any more: whom checks put out is tried again.
    pub(super) fn forget_checks(&mut self, now: Instant) {
        self.dissenting = 0;
        if std::mem::take(&mut self.is_failing) {
            self.returned = Some(now);
        }
    }

    /// Its part of the requests: nothing while it is out, and more and more of them after it returned.
    pub(super) fn weight(&self, now: Instant, slow_start: Duration) -> u32 {
        if self.is_failing || self.out_until.is_some() {
            return 0;
        }
        let Some(since) = self.returned.map(|returned| now.duration_since(returned)) else {
            return FULL_WEIGHT;
        };
        if since >= slow_start {
            return FULL_WEIGHT;
        }
        let weight = since.as_millis() * u128::from(FULL_WEIGHT) / slow_start.as_millis().max(1);
        let weight = u32::try_from(weight).unwrap_or(FULL_WEIGHT);
        weight.clamp(WEIGHT_MIN, FULL_WEIGHT)
    }
}
