//! A part of the counters, under one lock.

use std::time::Duration;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::counter::Counter;
use super::{Charge, Subjects};
use crate::Refusal;

/// How long a shard keeps idle counters at least: a crowd of new subjects must not search it over and over.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// A part of the counters, under one lock.
#[derive(Debug, Default)]
pub(super) struct Shard {
    counters: HashTable<Counter>,
    swept_at: Duration,
}

impl Shard {
    /// The counter that `charge` is for, made where there is none and room for one.
    pub(super) fn counter(
        &mut self,
        charge: &Charge<'_>,
        (subjects, hasher): (&Subjects, &DefaultHashBuilder),
        now: Duration,
    ) -> Result<&mut Counter, Refusal> {
        let is_it = |counter: &Counter| counter.counted() == &charge.counted;
        let is_new = self.counters.find(charge.hash, is_it).is_none();
        if is_new && now.saturating_sub(self.swept_at) >= SWEEP_INTERVAL {
            self.sweep(subjects, now);
        }
        let rehash = |counter: &Counter| counter.counted().hash(hasher);
        match self.counters.entry(charge.hash, is_it, rehash) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(_) if !subjects.add() => Err(Refusal::Overloaded),
            Entry::Vacant(entry) => Ok(entry.insert(Counter::new(&charge.counted)).into_mut()),
        }
    }

    /// Charges a counter that was checked.
    pub(super) fn charge(&mut self, charge: &Charge<'_>) {
        let is_it = |counter: &Counter| counter.counted() == &charge.counted;
        if let Some(counter) = self.counters.find_mut(charge.hash, is_it) {
            counter.charge(charge.quota);
        }
    }

    /// Forgets the counters whose windows have passed.
    pub(super) fn sweep(&mut self, subjects: &Subjects, now: Duration) {
        let before = self.counters.len();
        self.counters.retain(|counter| !counter.forget(now));
        subjects.remove(before - self.counters.len());
        self.swept_at = now;
    }
}
