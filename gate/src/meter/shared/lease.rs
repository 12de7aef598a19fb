//! What a store that a fleet shares lent: charged there, and spent here without a question.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use smallvec::SmallVec;

use super::Found;
use super::demand::{Demand, GiveBack, LimitId, Rate, Returned};
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
/// How long it is tried to give something back. A store remembers for twice as long what it took.
const RETURN_MAX: Duration = Duration::from_secs(30);
/// How many leases are given back at once at most; what is more leaves with its cell.
const OWED_MAX: usize = 4;

/// What was lent of the limits of one quota, to one subject.
#[derive(Debug, Default)]
pub(in crate::meter) struct Leases(Option<Box<Lent>>);

#[derive(Debug)]
struct Lent {
    /// Where the subject is counted.
    tag: Box<str>,
    leases: SmallVec<[Lease; 1]>,
}

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
    /// What was left of those before it.
    owed: SmallVec<[Owed; 1]>,
    /// What the store had left, and when there is more.
    remaining: u32,
    more_at: Duration,
    /// What was spent here since then.
    spent: u32,
}

/// What is to be given back.
#[derive(Debug)]
struct Owed {
    returned: Returned,
    /// Until when it is on its way, and when it is given up.
    told: Option<(Duration, Duration)>,
}

/// When a store said something, in the process's time, and how much was left then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// When it was asked: what it lends is counted from then.
    pub(super) asked_at: Duration,
    /// `None`: it came so late that newer things may be known.
    pub(super) rest: Option<Rest>,
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
                lease.spent = lease.spent.saturating_add(cost(policy, weight));
            }
        }
        true
    }

    /// Undoes that.
    pub(super) fn put_back(&mut self, rule: &QuotaRule, weight: Weight) {
        for policy in rule.shared() {
            if let Some(lease) = self.find_mut(LimitId::of(&policy.measure)) {
                lease.left = lease.left.saturating_add(cost(policy, weight));
                lease.spent = lease.spent.saturating_sub(cost(policy, weight));
            }
        }
    }

    /// What is left of each limit of a quota for requests of that weight, as far as it is known here.
    pub(super) fn rests<'r>(
        &self,
        rule: &'r QuotaRule,
        weight: Weight,
    ) -> impl Iterator<Item = (&'r Arc<Policy>, Rest)> {
        rule.shared().filter_map(move |policy| {
            let lease = self.find(LimitId::of(&policy.measure))?;
            let rest = Rest {
                remaining: lease.known_left(cost(policy, weight), weight.fleet),
                more_in: lease.more_at.saturating_sub(weight.now.monotonic),
            };
            Some((policy, rest))
        })
    }

    /// Completes a question: what is to be lent with it, and what is given back.
    pub(super) fn want(&mut self, demand: &mut Demand, now: Duration, returns: &AtomicU64) {
        let Some(lease) = self.find_mut(Some(demand.limit)) else {
            return;
        };
        let is_over = now >= lease.until;
        if is_over {
            lease.end(returns);
        }
        if let Some(most) = lease_max(demand.rate).filter(|_| now >= lease.asked_until) {
            // Who spends all of it in time is lent twice as much, who does not what was spent.
            let wanted = if is_over {
                lease.size
            } else {
                lease.size.saturating_mul(2).max(LEASE_FIRST)
            };
            demand.lease_max = wanted.min(most);
            if demand.lease_max > 0 {
                lease.asked_until = now.saturating_add(ASK_MAX);
            }
        }
        demand.returned = lease.next_owed(now);
    }

    /// Takes what a store's answer lends, and what it charged for a request that was refused (`unspent`).
    pub(super) fn take(
        &mut self,
        demand: &Demand,
        (found, unspent): (&Found, u32),
        heard: Heard,
        returns: &AtomicU64,
    ) {
        let may_lend = lease_max(demand.rate).is_some();
        if self.find(Some(demand.limit)).is_none() && !may_lend && unspent == 0 {
            return;
        }
        let Some(lease) = self.lease(demand) else {
            return;
        };
        if let Some(taken) = demand.returned {
            lease.owed.retain(|owed| owed.returned != taken);
        }
        let gained = found.leased.saturating_add(unspent);
        if found.leased_at < lease.at {
            // It came after the answer to a later question.
            lease.owe(found.leased_at, gained, returns);
            return;
        }
        if lease.at != found.leased_at || heard.asked_at >= lease.until {
            lease.end(returns);
            lease.size = 0;
        }
        if demand.lease_max > 0 {
            lease.asked_until = Duration::ZERO;
        }
        lease.at = found.leased_at;
        lease.left = lease.left.saturating_add(gained);
        lease.size = lease.size.max(found.leased);
        lease.until = match demand.rate {
            // What is spent later than it was charged would make a crowd.
            Rate::Smooth { .. } => Duration::ZERO,
            _ => (heard.asked_at).saturating_add(Duration::from_micros(found.lease_us)),
        };
        if let Some(rest) = heard.rest {
            lease.remaining = rest.remaining;
            lease.more_at = heard.asked_at.saturating_add(rest.more_in);
            lease.spent = 0;
        }
    }

    /// Takes everything that can be given back of leases that ended before `now`, or of all where that is `None`. `key`
    /// is what the store calls the counts of the quota and subject.
    pub(in crate::meter) fn give_back(
        &mut self,
        key: impl Fn() -> String,
        now: Option<Duration>,
        returns: &AtomicU64,
    ) -> Vec<GiveBack> {
        let Some(lent) = &mut self.0 else {
            return Vec::new();
        };
        let mut given = Vec::new();
        for lease in &mut lent.leases {
            if now.is_none_or(|now| now >= lease.until) {
                lease.end(returns);
            }
            for owed in std::mem::take(&mut lease.owed) {
                let rate = Rate::of_return(lease.limit, owed.returned.at);
                given.extend(rate.map(|rate| GiveBack {
                    tag: lent.tag.to_string(),
                    key: format!("{}|{}", key(), lease.limit.text()),
                    rate,
                    returned: owed.returned,
                }));
            }
        }
        given
    }

    /// There always is one.
    fn lease(&mut self, demand: &Demand) -> Option<&mut Lease> {
        let lent = self.0.get_or_insert_with(|| {
            Box::new(Lent {
                tag: demand.tag.as_str().into(),
                leases: SmallVec::new(),
            })
        });
        let mut leases = lent.leases.iter();
        let place = leases.position(|lease| lease.limit == demand.limit);
        let place = place.unwrap_or_else(|| {
            lent.leases.push(Lease::new(demand.limit));
            lent.leases.len() - 1
        });
        lent.leases.get_mut(place)
    }

    fn find(&self, limit: Option<LimitId>) -> Option<&Lease> {
        let mut leases = self.0.iter().flat_map(|lent| lent.leases.iter());
        leases.find(|lease| Some(lease.limit) == limit)
    }

    fn find_mut(&mut self, limit: Option<LimitId>) -> Option<&mut Lease> {
        let mut leases = self.0.iter_mut().flat_map(|lent| lent.leases.iter_mut());
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
            owed: SmallVec::new(),
            remaining: 0,
            more_at: Duration::ZERO,
            spent: 0,
        }
    }

    /// How many requests there are left for one of that cost, over all `fleet` processes.
    ///
    /// What others used since the store was asked is not known. Where requests are spread evenly, it is as much each as
    /// was used here. Where that leaves none, the store may have more all the same: what is left of the lease, or one
    /// request, for which it is asked.
    fn known_left(&self, cost: u32, fleet: u32) -> u32 {
        if self.remaining < cost {
            return self.remaining;
        }
        let others = self.spent.saturating_mul(fleet.saturating_sub(1));
        let even = self.remaining.saturating_sub(others);
        even.max(self.left.min(self.remaining)).max(cost)
    }

    /// Ends it: what is left is owed, and what was spent is its size.
    fn end(&mut self, returns: &AtomicU64) {
        let left = std::mem::take(&mut self.left);
        self.size = self.size.saturating_sub(left);
        self.owe(self.at, left, returns);
    }

    fn owe(&mut self, at: u64, cost: u32, returns: &AtomicU64) {
        if cost == 0 || self.owed.len() >= OWED_MAX {
            return;
        }
        let number = returns.fetch_add(1, Ordering::Relaxed) + 1;
        self.owed.push(Owed {
            returned: Returned { at, cost, number },
            told: None,
        });
    }

    /// What to give back now, one after the other, as the store goes by their numbers.
    fn next_owed(&mut self, now: Duration) -> Option<Returned> {
        let is_lost = |owed: &Owed| owed.told.is_some_and(|(_, lost_at)| now >= lost_at);
        self.owed.retain(|owed| !is_lost(owed));
        let owed = self.owed.first_mut()?;
        if owed.told.is_some_and(|(on_its_way, _)| now < on_its_way) {
            return None;
        }
        let lost_at = owed.told.map(|(_, lost_at)| lost_at);
        let lost_at = lost_at.unwrap_or(now.saturating_add(RETURN_MAX));
        owed.told = Some((now.saturating_add(ASK_MAX), lost_at));
        Some(owed.returned)
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
