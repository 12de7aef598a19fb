//! A part of the counters, under one lock.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::Charge;
use super::admission::Admission;
use super::counted::Counted;
use super::counter::Counter;
use super::shared::GiveBack;
use super::state::Weight;
use super::subjects::Subjects;
use crate::{Now, Refusal};

/// How long a shard keeps idle counters at least: a crowd of new subjects must not search it over and over.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
/// A table with so many times the places that it needs is made smaller.
const SPARSE: usize = 8;

/// A part of the counters, under one lock.
#[derive(Debug, Default)]
pub(super) struct Shard {
    /// Each by itself, as half of the table's places are empty.
    counters: HashTable<Box<Counter>>,
    swept_at: Duration,
}

impl Shard {
    /// The counter that `charge` is for, made where there is none and room for one.
    pub(super) fn counter(
        &mut self,
        charge: &Charge<'_>,
        (subjects, hasher): (&Subjects, &DefaultHashBuilder),
        now: Now,
    ) -> Result<&mut Counter, Refusal> {
        let is_due = now.monotonic.saturating_sub(self.swept_at) >= SWEEP_INTERVAL;
        if is_due && !self.knows(charge) {
            self.sweep((subjects, hasher), now);
        }
        let entry = self.counters.entry(
            charge.hash,
            |counter| counter.counted() == &charge.counted,
            |counter| counter.counted().hash(hasher),
        );
        match entry {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(_) if !subjects.add(&charge.counted) => Err(Refusal::Overloaded),
            Entry::Vacant(entry) => {
                let counter = Box::new(Counter::new(&charge.counted));
                Ok(entry.insert(counter).into_mut())
            }
        }
    }

    /// Charges a counter that was checked.
    pub(super) fn charge(
        &mut self,
        charge: &Charge<'_>,
        weight: Weight,
        admission: &mut Admission,
    ) {
        if let Some(counter) = self.find(charge.hash, &charge.counted) {
            counter.charge(charge.quota, weight, admission);
        }
    }

    /// What is counted of somebody, where there is any.
    pub(super) fn find(&mut self, hash: u64, counted: &Counted<'_>) -> Option<&mut Counter> {
        let counter = self
            .counters
            .find_mut(hash, |counter| counter.counted() == counted);
        counter.map(Box::as_mut)
    }

    /// Takes what was lent and not spent, of leases that ended before `now` or of all.
    pub(super) fn give_back(
        &mut self,
        now: Option<Duration>,
        returns: &AtomicU64,
        given: &mut Vec<GiveBack>,
    ) {
        for counter in &mut self.counters {
            given.extend(counter.give_back(now, returns));
        }
    }

    fn knows(&self, charge: &Charge<'_>) -> bool {
        self.counters
            .find(charge.hash, |counter| counter.counted() == &charge.counted)
            .is_some()
    }

    /// Forgets the counters whose windows have passed.
    pub(super) fn sweep(&mut self, (subjects, hasher): (&Subjects, &DefaultHashBuilder), now: Now) {
        self.counters.retain(|counter| {
            let is_idle = counter.forget(now);
            if is_idle {
                subjects.remove(counter.counted());
            }
            !is_idle
        });
        // What a flood left behind is not kept for the next one.
        if self.counters.capacity() > self.counters.len().saturating_mul(SPARSE) {
            let room = self.counters.len() * 2;
            self.counters
                .shrink_to(room, |counter| counter.counted().hash(hasher));
        }
        self.swept_at = now.monotonic;
    }
}
