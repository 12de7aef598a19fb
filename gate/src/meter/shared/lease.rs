//! What a store that a fleet shares lent: charged there, and spent here without a question.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::Found;
use super::demand::{Demand, LimitId, Rate, Returned};
use crate::identify::QuotaRule;
use crate::meter::Policy;
use crate::meter::state::{Rest, Weight};

/// Of limits of fewer requests nothing is lent: each request is a question, and the count is exact everywhere.
const LEASED_REQUESTS_MIN: u32 = 1_000;
/// The part of a limit that one process is lent at most.
const LEASE_PART: u32 = 50;
/// How much is lent at first, once two requests came within a lease's time.
const LEASE_FIRST: u32 = 4;

/// How long an answer may take: the longest that a request may wait for its store.
const ASK_MAX: Duration = Duration::from_secs(1);

/// What was lent of the limits of one quota, to one subject.
#[derive(Debug, Default)]
pub(in crate::meter) struct Leases(Option<Box<SmallVec<[Lease; 1]>>>);

#[derive(Debug)]
struct Lease {
    limit: LimitId,
    /// What is not spent yet.
    left: u32,
    /// What was lent last.
    size: u32,
    /// When it ends. The store's cell ends then, or later.
    until: Duration,
    /// The store's name for that cell.
    at: u64,
    /// Until when another request has asked for one: a crowd borrows no more than one request.
    asked_until: Duration,
    /// What was left of one before it.
    owed: Option<Returned>,
    /// What the store had left, and when there is more.
    remaining: u32,
    more_at: Duration,
}

impl Leases {
    /// Takes a request from what is lent of every limit of a quota; whether there was enough of each.
    pub(super) fn spend(&mut self, rule: &QuotaRule, weight: Weight) -> bool {
        let now = weight.now.monotonic;
        let is_covered = |policy: &Arc<Policy>| {
            let lease = self.find(LimitId::of(&policy.measure));
            lease.is_some_and(|lease| now < lease.until && lease.left >= cost(policy, weight))
        };
        if !rule.shared().all(is_covered) {
            return false;
        }
        for policy in rule.shared() {
            if let Some(lease) = self.find_mut(LimitId::of(&policy.measure)) {
                lease.left = lease.left.saturating_sub(cost(policy, weight));
            }
        }
        true
    }

    /// Undoes that.
    pub(super) fn put_back(&mut self, rule: &QuotaRule, weight: Weight) {
        for policy in rule.shared() {
            if let Some(lease) = self.find_mut(LimitId::of(&policy.measure)) {
                lease.left = lease.left.saturating_add(cost(policy, weight));
            }
        }
    }

    /// What is left of each limit of a quota, as far as the store said so.
    pub(super) fn rests<'r>(
        &self,
        rule: &'r QuotaRule,
        now: Duration,
    ) -> impl Iterator<Item = (&'r Arc<Policy>, Rest)> {
        rule.shared().filter_map(move |policy| {
            let lease = self.find(LimitId::of(&policy.measure))?;
            let rest = Rest {
                remaining: lease.remaining,
                more_in: lease.more_at.saturating_sub(now),
            };
            Some((policy, rest))
        })
    }

    /// Completes a question: what is to be lent with it, and what is given back.
    pub(super) fn want(&mut self, demand: &mut Demand, now: Duration) {
        let Some(lease) = self.find_mut(Some(demand.limit)) else {
            return;
        };
        let is_over = now >= lease.until;
        let spent = lease.size.saturating_sub(lease.left);
        if let Some(most) = lease_max(demand.rate).filter(|_| now >= lease.asked_until) {
            // Who spends all of it in time is lent twice as much, who does not what was spent.
            let wanted = if is_over {
                spent
            } else {
                lease.size.saturating_mul(2).max(LEASE_FIRST)
            };
            demand.lease_max = wanted.min(most);
            if demand.lease_max > 0 {
                lease.asked_until = now.saturating_add(ASK_MAX);
            }
        }
        demand.returned = lease.owed.take();
        if is_over && demand.returned.is_none() {
            demand.returned = lease.returned();
        }
    }

    /// Takes what a store's answer lends, and what it charged for a request that was refused (`unspent`).
    pub(super) fn take(
        &mut self,
        demand: &Demand,
        (found, unspent): (&Found, u32),
        (rest, now): (Option<Rest>, Duration),
    ) {
        let until = match demand.rate {
            // What is spent later than it was charged would make a crowd.
            Rate::Smooth { .. } => Duration::ZERO,
            _ => now.saturating_add(Duration::from_micros(found.lease_us)),
        };
        let may_lend = lease_max(demand.rate).is_some();
        if self.find(Some(demand.limit)).is_none() && !may_lend && unspent == 0 {
            return;
        }
        let Some(lease) = self.lease(demand.limit) else {
            return;
        };
        if lease.at != found.leased_at || now >= lease.until {
            let left = lease.returned();
            lease.owed = lease.owed.take().or(left);
            lease.size = 0;
        }
        if demand.lease_max > 0 {
            lease.asked_until = Duration::ZERO;
        }
        lease.at = found.leased_at;
        lease.left = lease
            .left
            .saturating_add(found.leased)
            .saturating_add(unspent);
        lease.size = lease.size.max(found.leased);
        lease.until = until;
        if let Some(rest) = rest {
            lease.remaining = rest.remaining;
            lease.more_at = now.saturating_add(rest.more_in);
        }
    }

    /// There always is one.
    fn lease(&mut self, limit: LimitId) -> Option<&mut Lease> {
        let leases = self.0.get_or_insert_default();
        let place = leases.iter().position(|lease| lease.limit == limit);
        let place = place.unwrap_or_else(|| {
            leases.push(Lease::new(limit));
            leases.len() - 1
        });
        leases.get_mut(place)
    }

    fn find(&self, limit: Option<LimitId>) -> Option<&Lease> {
        let mut leases = self.0.iter().flat_map(|leases| leases.iter());
        leases.find(|lease| Some(lease.limit) == limit)
    }

    fn find_mut(&mut self, limit: Option<LimitId>) -> Option<&mut Lease> {
        let mut leases = self.0.iter_mut().flat_map(|leases| leases.iter_mut());
        leases.find(|lease| Some(lease.limit) == limit)
    }
}

impl Lease {
    fn new(limit: LimitId) -> Self {
        Self {
            limit,
            left: 0,
            size: 0,
            until: Duration::ZERO,
            at: 0,
            asked_until: Duration::ZERO,
            owed: None,
            remaining: 0,
            more_at: Duration::ZERO,
        }
    }

    /// Takes what is left, to give it back.
    fn returned(&mut self) -> Option<Returned> {
        let cost = std::mem::take(&mut self.left);
        let returned = Returned { at: self.at, cost };
        (cost > 0).then_some(returned)
    }
}

/// How much is lent of a limit at most; `None`: nothing.
fn lease_max(rate: Rate) -> Option<u32> {
    let (Rate::Strict { requests, .. } | Rate::Calendar { requests, .. }) = rate else {
        return None;
    };
    (requests >= LEASED_REQUESTS_MIN).then_some(requests / LEASE_PART)
}

/// What a request counts for by one limit.
fn cost(policy: &Policy, weight: Weight) -> u32 {
    weight.cost.min(policy.measure.requests())
}
