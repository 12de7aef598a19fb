//! What a fleet counts together, in a store that its processes share.
//!
//! The store is asked by whoever holds the meter: [`Meter::ask`] says what to ask, the store checks and charges
//! everything at once, and [`Meter::answer`] makes the decision of what it says. What was admitted is written down here
//! as well, so that [`Meter::admit_unheard`] has something to go by when there is no answer.

mod answer;
mod demand;
mod late;
mod lease;

use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;
use tollgate_store::document::OnCounterFailure;

pub use answer::{Answer, Count, Found};
pub use demand::{Demand, GiveBack, Known, Rate, Returned};
pub use late::Late;
use lease::Heard;
pub(super) use lease::Leases;

use super::counted::Counted;
use super::counter::Counter;
use super::state::{Counting, Rest, Weight};
use super::{Admission, Charge, Meter, Policy, lock};
use crate::{Grant, Now, OverQuota, Refusal};

/// A request as it comes to the meter.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// What lets it through.
    pub grant: &'a Grant<'a>,
    /// The client's address, if it is known.
    pub address: Option<IpAddr>,
    /// When it came.
    pub now: Now,
}

/// What is to be done about a request that a store may count.
#[derive(Debug)]
pub enum Asked {
    /// Nothing: no limit of it is counted over the fleet.
    Alone(Admission),
    /// Nothing: the store lent enough before.
    Lent(Admission),
    /// The store is to be asked.
    Inquiry(Inquiry),
}

/// What the store is to be asked of one request: all of it is admitted and charged, or nothing.
#[derive(Debug)]
pub struct Inquiry {
    /// One for each limit. Those with the same tag stand together.
    pub demands: Vec<Demand>,
}

type Charges<'a> = SmallVec<[Charge<'a>; 2]>;

impl Meter {
    /// What is to be done about a request where a store counts for the fleet. `connection` numbers the connections to
    /// it from 1 on, that to each of its places by another number: with a new one the store is told what is known here,
    /// as it may have forgotten, and of a request that was decided without it.
    ///
    /// Limits that this process counts alone refuse it here already, and so does a subject that there is no room for: a
    /// flood of strangers takes up no more of the store than of this process.
    pub fn ask(
        &self,
        arrival: &Arrival<'_>,
        connection: &dyn Fn(&str) -> u32,
    ) -> Result<Asked, Refusal> {
        let quotas = arrival.grant.quotas();
        let mut shared = quotas.iter().flat_map(|quota| quota.shared());
        if shared.next().is_none() {
            let admission = self.admit_by(arrival, Counting::Share, &[])?;
            return Ok(Asked::Alone(admission));
        }
        let charges = self.charges(arrival);
        let weight = self.weight(arrival, Counting::Store);
        self.check_alone(&charges, weight)?;
        if !self.spend(&charges, weight) {
            let demands = self.demands(&charges, (arrival, weight), connection)?;
            if demands.is_empty() {
                let admission = self.admit_by(arrival, Counting::Share, &[])?;
                return Ok(Asked::Alone(admission));
            }
            return Ok(Asked::Inquiry(Inquiry { demands }));
        }
        let outcome = self.admit_by(arrival, Counting::Store, &[]);
        let mut admission = outcome.inspect_err(|_| self.put_back(&charges, weight))?;
        for charge in charges.iter().filter(|charge| !charge.quota.is_shadow) {
            self.with(charge, |counter| {
                for (policy, rest) in counter.leases.rests(charge.quota, weight) {
                    admission.consider(policy, rest, weight.cost);
                }
            });
        }
        Ok(Asked::Lent(admission))
    }

    /// The decision that a store's answer makes.
    pub fn answer(
        &self,
        arrival: &Arrival<'_>,
        question: &Inquiry,
        answer: &Answer,
    ) -> Result<Admission, Refusal> {
        let weight = self.weight(arrival, Counting::Store);
        let verdict = Verdict::of(question, answer, weight.cost);
        let outcome = if answer.is_admitted {
            self.admit_by(arrival, Counting::Store, &verdict.exceeded)
        } else {
            let unsaid = Refusal::CountersUnreachable;
            Err(verdict.over.map_or(unsaid, Refusal::from))
        };
        for (place, charge) in self.charges(arrival).iter().enumerate() {
            let found = question
                .demands
                .iter()
                .zip(&answer.found)
                .zip(&verdict.rests);
            let mut found = found
                .filter(|((demand, _), _)| demand.quota == place)
                .peekable();
            if found.peek().is_none() {
                continue;
            }
            self.with(charge, |counter| {
                for ((demand, found), rest) in found {
                    counter.heard_in = demand.connection;
                    // What was charged for a request that is refused can be spent on the next one.
                    let unspent = if outcome.is_ok() || !found.is_charged {
                        0
                    } else {
                        demand.cost
                    };
                    let heard = Heard {
                        asked_at: arrival.now.monotonic,
                        rest: *rest,
                    };
                    let lent = (found, unspent);
                    counter.leases.take(demand, lent, heard, &self.returns);
                }
            });
        }
        let mut admission = outcome?;
        for (demand, rest) in question.demands.iter().zip(verdict.rests) {
            if let Some(rest) = rest.filter(|_| !demand.is_shadow) {
                admission.consider(&demand.policy, rest, weight.cost);
            }
        }
        Ok(admission)
    }

    /// The decision of a request whose store can't be asked: what its quotas say for that case.
    pub fn admit_unheard(&self, arrival: &Arrival<'_>) -> Result<Admission, Refusal> {
        let denies = arrival.grant.quotas().iter().any(|quota| {
            quota.on_counter_failure == OnCounterFailure::Deny
                && !quota.is_shadow
                && quota.shared().next().is_some()
        });
        if denies {
            return Err(Refusal::CountersUnreachable);
        }
        self.admit_by(arrival, Counting::Unheard, &[])
    }

    /// In the order of the quotas.
    fn charges<'a>(&self, arrival: &Arrival<'a>) -> Charges<'a> {
        let grant = arrival.grant;
        let charge = |quota| self.charge(quota, Counted::new(quota, grant, arrival.address));
        grant.quotas().iter().map(charge).collect()
    }

    /// Does something with a counter, where there is one.
    fn with<T>(&self, charge: &Charge<'_>, act: impl FnOnce(&mut Counter) -> T) -> Option<T> {
        let mut shard = lock(self.shards.get(charge.shard)?);
        shard.find(charge.hash, &charge.counted).map(act)
    }

    /// Whether the limits that this process counts alone have room: a store need not be asked where they have none.
    fn check_alone(&self, charges: &[Charge<'_>], weight: Weight) -> Result<(), Refusal> {
        let refusing = charges.iter().filter(|charge| {
            let rule = charge.quota;
            !rule.is_shadow && rule.shared().count() < rule.policies.len()
        });
        let over = refusing.filter_map(|charge| {
            self.with(charge, |counter| counter.over(charge.quota, weight))?
        });
        let longest = over.max_by_key(|over| over.retry_after);
        longest.map_or(Ok(()), |over| Err(over.into()))
    }

    /// Takes the request from what the store lent; whether all of it was there.
    fn spend(&self, charges: &[Charge<'_>], weight: Weight) -> bool {
        for (place, charge) in charges.iter().enumerate() {
            if charge.quota.shared().next().is_none() {
                continue;
            }
            let spend = |counter: &mut Counter| counter.leases.spend(charge.quota, weight);
            if !self.with(charge, spend).unwrap_or(false) {
                self.put_back(charges.get(..place).unwrap_or_default(), weight);
                return false;
            }
        }
        true
    }

    fn put_back(&self, charges: &[Charge<'_>], weight: Weight) {
        for charge in charges {
            self.with(charge, |counter| {
                counter.leases.put_back(charge.quota, weight);
            });
        }
    }

    fn demands(
        &self,
        charges: &[Charge<'_>],
        (arrival, weight): (&Arrival<'_>, Weight),
        connection: &dyn Fn(&str) -> u32,
    ) -> Result<Vec<Demand>, Refusal> {
        let mut demands: Vec<Demand> = Vec::new();
        for (place, charge) in charges.iter().enumerate() {
            let rule = charge.quota;
            if rule.shared().next().is_none() {
                continue;
            }
            let shard = self.shards.get(charge.shard).ok_or(Refusal::Overloaded)?;
            let mut shard = lock(shard);
            // Made where there is none yet: what finds no room here must take none in the store.
            let counter = shard.counter(charge, (&self.subjects, &self.hasher), weight.now);
            let counter = match counter {
                Ok(counter) => counter,
                Err(_) if rule.is_shadow => continue,
                Err(full) => return Err(full),
            };
            let (tag, key) = charge.counted.place(arrival.grant);
            let connection = connection(&tag);
            for policy in rule.shared() {
                let demand = Demand::new((&tag, &key), (place, rule), (policy, weight));
                let Some(mut demand) = demand else {
                    continue;
                };
                let now = weight.now.monotonic;
                counter.leases.want(&mut demand, now, &self.returns);
                demand.connection = connection;
                if counter.heard_in != connection {
                    let state = counter.known(&demand.policy);
                    demand.known = state.and_then(|state| Known::of(state, weight.now));
                }
                demands.push(demand);
            }
        }
        demands.sort_by(|one, other| one.tag.cmp(&other.tag));
        Ok(demands)
    }
}

/// What a store's answer means.
struct Verdict {
    /// Of limits that refuse the request, the one to wait for longest.
    over: Option<OverQuota>,
    /// Limits that would, by the places of their quotas, which only measure; of several of a quota the last counts.
    exceeded: Vec<(usize, Arc<Policy>)>,
    /// What is left of each limit.
    rests: Vec<Option<Rest>>,
}

impl Verdict {
    fn of(question: &Inquiry, answer: &Answer, cost: u32) -> Self {
        let weight = Weight {
            cost,
            fleet: 1,
            now: answer.now(),
            counting: Counting::Store,
        };
        let mut verdict = Self {
            over: None,
            exceeded: Vec::new(),
            rests: Vec::new(),
        };
        for (demand, found) in question.demands.iter().zip(&answer.found) {
            let policy = &demand.policy;
            let state = found.count.state(&policy.measure, weight.now);
            let rest = state
                .as_ref()
                .and_then(|state| state.rest(&policy.measure, weight));
            verdict.rests.push(rest);
            if found.fits {
                continue;
            }
            if demand.is_shadow {
                verdict.exceeded.push((demand.quota, Arc::clone(policy)));
            } else {
                let wait = state.and_then(|mut state| state.wait(&policy.measure, weight));
                let over = OverQuota {
                    policy: Arc::clone(policy),
                    remaining: rest.map_or(0, |rest| rest.remaining),
                    retry_after: wait.unwrap_or_default(),
                };
                let longest = verdict.over.take().into_iter().chain([over]);
                verdict.over = longest.max_by_key(|over| over.retry_after);
            }
        }
        verdict
    }
}
