//! Counters that every request needs, found by their labels.

use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

use hashbrown::HashMap;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counters by their labels. A [`Family`] finds its own by a hash that is safe where strangers choose the labels, which
/// nobody may here, and costs more than the rest of what counts a request.
#[derive(Debug)]
pub(super) struct Series<L> {
    family: Family<L, Counter>,
    known: RwLock<HashMap<L, Counter>>,
}

impl<L: Clone + Eq + Hash> Default for Series<L> {
    fn default() -> Self {
        Self {
            family: Family::default(),
            known: RwLock::default(),
        }
    }
}

impl<L> Series<L>
where
    L: Clone + Eq + Hash + std::fmt::Debug + EncodeLabelSet + Send + Sync + 'static,
{
    pub(super) fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.family.clone());
    }

    /// Counts one more where something was counted before; whether that is so.
    pub(super) fn count(&self, labels: &L) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let counter = known.get(labels);
        counter.inspect(|counter| _ = counter.inc()).is_some()
    }

    /// Counts one more, the first one or not.
    pub(super) fn begin(&self, labels: L) {
        let counter = self.family.get_or_create_owned(&labels);
        counter.inc();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(labels, counter);
    }
}
