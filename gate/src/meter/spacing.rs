//! Requests that are spread evenly.

use std::time::Duration;

use super::ring::nanos;

/// Requests that are spread evenly, by the generic cell rate algorithm (ITU-T I.371).
///
/// All that is kept is the moment by which everything so far would have come had it kept its distance.
#[derive(Debug)]
pub(super) struct Spacing {
    period_nanos: u64,
    /// The theoretical arrival time of the next request, in nanoseconds.
    next: u64,
}

/// At what distance requests come, and how far they may run ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    distance: u64,
    ahead: u64,
}

impl Rate {
    /// `requests` in each `period`, `burst` of them at once; of these, the share of one of `fleet` proxies.
    pub(super) fn new((requests, period): (u32, Duration), burst: u32, fleet: u32) -> Self {
        // Rounded up: never more than is allowed.
        let distance = nanos(period)
            .saturating_mul(fleet.into())
            .div_ceil(u64::from(requests).max(1));
        let burst = (burst / fleet.max(1)).max(1);
        Self {
            distance,
            ahead: distance.saturating_mul(burst.into()),
        }
    }

    /// The time between two requests, and how far they may run ahead, in nanoseconds.
    pub(super) fn lengths(self) -> (u64, u64) {
        (self.distance, self.ahead)
    }

    fn nanos(self, cost: u32) -> u64 {
        self.distance.saturating_mul(cost.into())
    }
}

impl Spacing {
    pub(super) fn new(period: Duration) -> Self {
        Self {
            period_nanos: nanos(period),
            next: 0,
        }
    }

    /// What a store tells of: requests run ahead by `debt` at the time `now`.
    pub(super) fn told(period: Duration, debt: Duration, now: Duration) -> Self {
        Self {
            next: nanos(now.saturating_add(debt)),
            ..Self::new(period)
        }
    }

    /// How far requests run ahead.
    pub(super) fn debt(&self, now: Duration) -> Duration {
        Duration::from_nanos(self.next.saturating_sub(nanos(now)))
    }

    pub(super) fn is_of(&self, period: Duration) -> bool {
        self.period_nanos == nanos(period)
    }

    /// How long until `cost` more requests fit; `None`: they fit at once. What costs more than may come at once counts
    /// for as much as may.
    pub(super) fn wait(&self, rate: Rate, cost: u32, now: Duration) -> Option<Duration> {
        let now = nanos(now);
        let cost = rate.nanos(cost).min(rate.ahead);
        let fits_at = self.next.saturating_add(cost).saturating_sub(rate.ahead);
        (fits_at > now).then(|| Duration::from_nanos(fits_at - now))
    }

    /// Counts `cost` requests.
    pub(super) fn charge(&mut self, rate: Rate, cost: u32, now: Duration) {
        let cost = rate.nanos(cost).min(rate.ahead);
        self.next = self.next.max(nanos(now)).saturating_add(cost);
    }

    /// How many requests fit now.
    pub(super) fn remaining(&self, rate: Rate, now: Duration) -> u32 {
        let debt = self.next.saturating_sub(nanos(now));
        let left = rate.ahead.saturating_sub(debt) / rate.distance.max(1);
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// Whether everything that was counted had its time.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        self.next <= nanos(now)
    }
}

#[cfg(test)]
mod tests;
