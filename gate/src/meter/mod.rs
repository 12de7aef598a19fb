//! Quotas: what each subject has used up.

mod counter;
mod ring;
mod shard;

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

use crate::identify::QuotaRule;
use crate::{Grant, Now, OverQuota, Refusal, UpstreamRule};
use counter::Counted;
use shard::Shard;

/// The most subjects that a [`Meter`] counts where it is not told otherwise.
pub const SUBJECTS_MAX: usize = 1_000_000;
const SHARDS: usize = 64;

/// The state of every quota, beside the snapshots and across their swaps.
///
/// Counts are kept by quota, subject and period, so that a changed number of requests applies to what was counted
/// already. A subject is forgotten once its windows have passed.
#[derive(Debug)]
pub struct Meter {
    shards: [Mutex<Shard>; SHARDS],
    subjects: Subjects,
    hasher: DefaultHashBuilder,
}

/// How many subjects there are, and how many there may be.
#[derive(Debug)]
struct Subjects {
    len: AtomicUsize,
    max: usize,
}

/// Proof that a request is within its quotas and was charged to them. Only [`Meter::admit`] makes one.
#[derive(Debug)]
pub struct Admission {
    upstream: Arc<UpstreamRule>,
}

impl Admission {
    /// The upstream that answers.
    #[must_use]
    pub fn upstream(&self) -> &Arc<UpstreamRule> {
        &self.upstream
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new(SUBJECTS_MAX)
    }
}

/// One quota that a request is charged to.
struct Charge<'a> {
    quota: &'a QuotaRule,
    counted: Counted<'a>,
    hash: u64,
    shard: usize,
}

impl Meter {
    /// A meter that counts at most `subjects_max` subjects at once, one that two quotas count twice.
    ///
    /// A subject takes some 400 bytes, and 264 more for each limit of the quota beyond the first.
    #[must_use]
    pub fn new(subjects_max: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            subjects: Subjects {
                len: AtomicUsize::new(0),
                max: subjects_max,
            },
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Checks every limit of every quota of the principal, then charges all of them: a refused request costs nothing.
    /// `address` is the client's, if it is known.
    pub fn admit(
        &self,
        grant: &Grant<'_>,
        address: impl Into<Option<IpAddr>>,
        now: Now,
    ) -> Result<Admission, Refusal> {
        let address = address.into();
        let quotas = grant.quotas().iter();
        let mut charges: SmallVec<[_; 2]> = quotas
            .map(|quota| self.charge(quota, Counted::new(quota, grant, address)))
            .collect();
        charges.sort_unstable_by_key(|charge| charge.shard);
        self.settle(&charges, None, now.monotonic)?;
        Ok(Admission {
            upstream: Arc::clone(grant.upstream()),
        })
    }

    fn charge<'a>(&self, quota: &'a QuotaRule, counted: Counted<'a>) -> Charge<'a> {
        let hash = counted.hash(&self.hasher);
        // The lower bits choose the place within the shard.
        let shard = usize::try_from(hash >> 32).unwrap_or_default() % SHARDS;
        Charge {
            quota,
            counted,
            hash,
            shard,
        }
    }

    /// Checks `charges`, which are sorted by shard, and charges them where none is over and none was before (`over`).
    ///
    /// Each shard stays locked until those after it are settled, so that nothing comes between check and charge. Every
    /// request locks in the same order and each shard once, so that no two ever wait for each other.
    fn settle(
        &self,
        charges: &[Charge<'_>],
        mut over: Option<OverQuota>,
        now: Duration,
    ) -> Result<(), Refusal> {
        let Some(first) = charges.first() else {
            return over.map_or(Ok(()), |over| Err(over.into()));
        };
        let (here, beyond) =
            charges.split_at(charges.partition_point(|charge| charge.shard == first.shard));
        // A shard's number is below the number of shards; were it not, nothing would be let through.
        let shard = self.shards.get(first.shard).ok_or(Refusal::Overloaded)?;
        let mut shard = lock(shard);
        for charge in here {
            let counter = shard.counter(charge, (&self.subjects, &self.hasher), now)?;
            let both = [over, counter.over(charge.quota, now)];
            over = both
                .into_iter()
                .flatten()
                .max_by_key(|over| over.retry_after);
        }
        self.settle(beyond, over, now)?;
        for charge in here {
            shard.charge(charge);
        }
        Ok(())
    }

    /// Forgets every subject whose windows have passed. New subjects bring that about too; call it now and then, so
    /// that memory returns also where none come.
    pub fn sweep(&self, now: Now) {
        for shard in &self.shards {
            lock(shard).sweep(&self.subjects, now.monotonic);
        }
    }

    /// How many subjects are counted.
    #[must_use]
    pub fn subjects_len(&self) -> usize {
        self.subjects.len.load(Ordering::Relaxed)
    }
}

/// A panic elsewhere leaves counts as good as they were.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subjects {
    /// Makes room for one more; whether there was any.
    fn add(&self) -> bool {
        let next = |len: usize| (len < self.max).then_some(len + 1);
        self.len
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }

    fn remove(&self, count: usize) {
        self.len.fetch_sub(count, Ordering::Relaxed);
    }
}
