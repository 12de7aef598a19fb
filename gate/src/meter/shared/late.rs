//! What is to be made of answers that no request waits for any more, and of leases that nobody will spend.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::lease::Heard;
use super::{Answer, Arrival, GiveBack, Inquiry};
use crate::meter::counted::Counted;
use crate::meter::{Meter, lock};

/// A question whose request was decided without its answer, or went away.
#[derive(Debug)]
pub struct Late {
    inquiry: Arc<Inquiry>,
    /// Who is counted by the demands, by the places of their quotas.
    subjects: SmallVec<[Owner; 2]>,
    asked_at: Duration,
    /// Whether the request was admitted: what is charged for it stands then.
    is_admitted: bool,
}

#[derive(Debug)]
struct Owner {
    counted: Counted<'static>,
    hash: u64,
    shard: usize,
}

impl Meter {
    /// What there is to know of a request once it is gone, so that its answer can still be heard. `is_admitted`: it was
    /// let through all the same.
    #[must_use]
    pub fn late(&self, arrival: &Arrival<'_>, inquiry: &Arc<Inquiry>, is_admitted: bool) -> Late {
        let owners = self.charges(arrival).into_iter().map(|charge| Owner {
            counted: charge.counted.to_static(),
            hash: charge.hash,
            shard: charge.shard,
        });
        Late {
            inquiry: Arc::clone(inquiry),
            subjects: owners.collect(),
            asked_at: arrival.now.monotonic,
            is_admitted,
        }
    }

    /// Takes what a store says of the demands from the number `first` on: what it lent can be spent or is given back,
    /// and so is what it charged for a request that was refused.
    pub fn answer_late(&self, late: &Late, first: usize, answer: &Answer) {
        let demands = late.inquiry.demands.iter().skip(first);
        for (demand, found) in demands.zip(&answer.found) {
            let Some(owner) = late.subjects.get(demand.quota) else {
                continue;
            };
            let Some(shard) = self.shards.get(owner.shard) else {
                continue;
            };
            let is_unspent = found.is_charged && !late.is_admitted;
            let unspent = if is_unspent { demand.cost } else { 0 };
            let heard = Heard {
                asked_at: late.asked_at,
                rest: None,
            };
            let mut shard = lock(shard);
            // Of one that was forgotten meanwhile, the time is over.
            if let Some(counter) = shard.find(owner.hash, &owner.counted) {
                let lent = (found, unspent);
                counter.leases.take(demand, lent, heard, &self.returns);
            }
        }
    }

    /// Takes what was lent and not spent, to give it back: of leases that are over at `now`, or of all where that is
    /// `None`. Whoever gives it back may do so again where no answer comes.
    pub fn give_back(&self, now: Option<Duration>) -> Vec<GiveBack> {
        let mut given = Vec::new();
        for shard in &self.shards {
            lock(shard).give_back(now, &self.returns, &mut given);
        }
        given
    }
}
