//! Which servers of counters can be asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::connection::Place;
use crate::metrics::Metrics;

/// Which servers can be asked: the metric shows whether all can.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<BTreeMap<Place, bool>>);

impl Board {
    pub(super) fn set(&self, place: &Place, is_up: bool, metrics: &Metrics) {
        let mut all = self.all();
        all.insert(place.clone(), is_up);
        metrics.counters.is_up(all.values().all(|is_up| *is_up));
    }

    /// One that counts nothing any more.
    pub(super) fn forget(&self, place: &Place, metrics: &Metrics) {
        let mut all = self.all();
        all.remove(place);
        let is_up = !all.is_empty() && all.values().all(|is_up| *is_up);
        metrics.counters.is_up(is_up);
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Place, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
