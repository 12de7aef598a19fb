//! Quotas: what each subject has used up.

mod admission;
mod counted;
mod counter;
mod policy;
mod ring;
mod shard;
mod shared;
mod spacing;
mod state;
mod subjects;
mod tally;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

pub use admission::{Admission, Standing, UnderWay};
pub use policy::{Measure, Policy};
pub(crate) use policy::{policies, seconds};
pub use shared::{
    Answer, Arrival, Asked, Count, Demand, Found, GiveBack, Inquiry, Known, Late, Rate, Returned,
};
pub(crate) use state::{Counting, Weight};

use crate::identify::QuotaRule;
use crate::{Grant, Now, OverQuota, Refusal};
use counted::Counted;
use shard::Shard;
use subjects::Subjects;

/// The most subjects that a [`Meter`] counts where it is not told otherwise.
pub const SUBJECTS_MAX: usize = 1_000_000;
const SHARDS: usize = 64;

/// The state of every quota, beside the snapshots and across their swaps.
///
/// Counts are kept by quota, subject and limit, so that a changed number of requests applies to what was counted
/// already. A subject is forgotten once its windows have passed.
#[derive(Debug)]
pub struct Meter {
    shards: [Mutex<Shard>; SHARDS],
    subjects: Subjects,
    hasher: DefaultHashBuilder,
    /// How many proxies share what quotas allow a fleet: each enforces its part.
    fleet: AtomicU32,
    /// How many things were given back to a store that the fleet shares.
    returns: AtomicU64,
    /// How many connections to it there were.
    connections: AtomicU32,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new(SUBJECTS_MAX)
    }
}

/// One quota that a request is charged to.
struct Charge<'a> {
    quota: &'a Arc<QuotaRule>,
    counted: Counted<'a>,
    hash: u64,
    shard: usize,
    /// What would refuse the request if the quota did not only measure.
    exceeded: Option<Arc<Policy>>,
}

impl Meter {
    /// A meter that counts at most `subjects_max` subjects at once, one that two quotas count twice. At most half of
    /// them are clients' addresses.
    ///
    /// A subject of a quota with one or two limits takes some 150 bytes, and 170 more for each strict window, or 420
    /// where that holds more than 65,535 requests.
    #[must_use]
    pub fn new(subjects_max: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            subjects: Subjects::new(subjects_max),
            hasher: DefaultHashBuilder::default(),
            fleet: AtomicU32::new(1),
            returns: AtomicU64::new(0),
            connections: AtomicU32::new(0),
        }
    }

    /// From now on, what quotas allow a fleet is shared by `proxies`, of which this is one; none counts as one.
    pub fn share_among(&self, proxies: u32) {
        self.fleet.store(proxies.max(1), Ordering::Relaxed);
    }

    /// What to call a new connection to a store that the fleet shares: no other one is called so.
    pub fn connection_number(&self) -> u32 {
        self.connections
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(1)
    }

    /// Checks every limit of every quota of the principal, then charges all of them: a refused request costs nothing.
    /// `address` is the client's, if it is known.
    pub fn admit(
        &self,
        grant: &Grant<'_>,
        address: impl Into<Option<IpAddr>>,
        now: Now,
    ) -> Result<Admission, Refusal> {
        if grant.quotas().is_empty() {
            return Ok(Admission::new(grant.upstream()));
        }
        let arrival = Arrival {
            grant,
            address: address.into(),
            now,
        };
        self.admit_by(&arrival, Counting::Share, &[])
    }

    /// The same by what `counting` says. `exceeded` are limits that would refuse it, of quotas that only measure, by the
    /// places of these.
    fn admit_by(
        &self,
        arrival: &Arrival<'_>,
        counting: Counting,
        exceeded: &[(usize, Arc<Policy>)],
    ) -> Result<Admission, Refusal> {
        let grant = arrival.grant;
        let mut admission = Admission::new(grant.upstream());
        let weight = self.weight(arrival, counting);
        let charge = |quota| self.charge(quota, Counted::new(quota, grant, arrival.address));
        match grant.quotas() {
            [quota] if exceeded.is_empty() => {
                self.settle_one(&charge(quota), (weight, &mut admission))?;
            }
            quotas => {
                let mut charges: SmallVec<[_; 2]> = quotas.iter().map(charge).collect();
                for (place, policy) in exceeded {
                    if let Some(charge) = charges.get_mut(*place) {
                        charge.exceeded = Some(Arc::clone(policy));
                    }
                }
                charges.sort_unstable_by_key(|charge| charge.shard);
                self.settle(&mut charges, None, (weight, &mut admission))?;
            }
        }
        let told = grant.quotas().iter().filter(|quota| !quota.is_shadow);
        admission.quotas.extend(told.cloned());
        Ok(admission)
    }

    fn weight(&self, arrival: &Arrival<'_>, counting: Counting) -> Weight {
        Weight {
            cost: arrival.grant.cost(),
            fleet: self.fleet.load(Ordering::Relaxed),
            now: arrival.now,
            counting,
        }
    }

    fn charge<'a>(&self, quota: &'a Arc<QuotaRule>, counted: Counted<'a>) -> Charge<'a> {
        let hash = counted.hash(&self.hasher);
        // The lower bits choose the place within the shard.
        let shard = usize::try_from(hash >> 32).unwrap_or_default() % SHARDS;
        Charge {
            quota,
            counted,
            hash,
            shard,
            exceeded: None,
        }
    }

    /// What [`Meter::settle`] does, of a request that one quota counts, as most are: its counter is looked up once.
    fn settle_one(
        &self,
        charge: &Charge<'_>,
        (weight, admission): (Weight, &mut Admission),
    ) -> Result<(), Refusal> {
        let shard = self.shards.get(charge.shard).ok_or(Refusal::Overloaded)?;
        let mut shard = lock(shard);
        let quota = charge.quota;
        let counter = shard.counter(charge, (&self.subjects, &self.hasher), weight.now);
        let counter = match counter {
            Ok(counter) => counter,
            Err(_) if quota.is_shadow => return Ok(()),
            Err(full) => return Err(full),
        };
        match counter.over(quota, weight) {
            None => counter.charge(quota, weight, admission),
            Some(over) if quota.is_shadow => admission.exceeded = Some(over.policy),
            Some(over) => return Err(over.into()),
        }
        Ok(())
    }

    /// Checks `charges`, which are sorted by shard, and charges them where none is over and none was before (`over`).
    ///
    /// Each shard stays locked until those after it are settled, so that nothing comes between check and charge. Every
    /// request locks in the same order and each shard once, so that no two ever wait for each other.
    fn settle(
        &self,
        charges: &mut [Charge<'_>],
        mut over: Option<OverQuota>,
        (weight, admission): (Weight, &mut Admission),
    ) -> Result<(), Refusal> {
        let Some(first) = charges.first() else {
            return over.map_or(Ok(()), |over| Err(over.into()));
        };
        // A shard's number is below the number of shards; were it not, nothing would be let through.
        let shard = self.shards.get(first.shard).ok_or(Refusal::Overloaded)?;
        let number = first.shard;
        let (here, beyond) =
            charges.split_at_mut(charges.partition_point(|charge| charge.shard == number));
        let mut shard = lock(shard);
        for charge in here.iter_mut() {
            let counter = shard.counter(charge, (&self.subjects, &self.hasher), weight.now);
            let found = match counter {
                Ok(counter) => counter.over(charge.quota, weight),
                // What only measures refuses nothing, whatever it has no room for.
                Err(_) if charge.quota.is_shadow => continue,
                Err(full) => return Err(full),
            };
            if charge.quota.is_shadow {
                let found = found.map(|over| over.policy);
                charge.exceeded = charge.exceeded.take().or(found);
                continue;
            }
            over = [over, found]
                .into_iter()
                .flatten()
                .max_by_key(|over| over.retry_after);
        }
        self.settle(beyond, over, (weight, admission))?;
        for charge in here {
            if charge.exceeded.is_some() {
                admission.exceeded = charge.exceeded.take();
            } else {
                shard.charge(charge, weight, admission);
            }
        }
        Ok(())
    }

    /// Forgets every subject whose windows have passed. New subjects bring that about too; call it now and then, so
    /// that memory returns also where none come.
    pub fn sweep(&self, now: Now) {
        for shard in &self.shards {
            lock(shard).sweep((&self.subjects, &self.hasher), now);
        }
    }

    /// How many subjects are counted.
    #[must_use]
    pub fn subjects_len(&self) -> usize {
        self.subjects.len()
    }
}

/// A panic elsewhere leaves counts as good as they were.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
