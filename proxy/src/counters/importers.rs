//! Servers of a cluster that others send questions to and that have no slots yet, as slots are being moved to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::connection::Place;
use super::keeper::Keeper;
use super::nodes::Kept;

/// So many are kept in touch with at most.
const IMPORTERS_MAX: usize = 16;
/// How long after a question was last sent to one.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// Those servers.
#[derive(Debug, Default)]
pub(super) struct Importers(Mutex<BTreeMap<Place, Importer>>);

#[derive(Debug)]
struct Importer {
    kept: Kept,
    /// By the clock that never goes back.
    sent_at: Duration,
}

impl Importers {
    /// The one at a place, to which a question is sent now: from then on it is kept in touch with. Nothing where there
    /// are too many already.
    pub(super) fn at(
        &self,
        place: &Place,
        now: Duration,
        keep_in_touch: impl FnOnce() -> Kept,
    ) -> Option<Arc<Keeper>> {
        let mut all = self.all();
        if !all.contains_key(place) {
            if all.len() >= IMPORTERS_MAX {
                return None;
            }
            let kept = keep_in_touch();
            let sent_at = now;
            all.insert(place.clone(), Importer { kept, sent_at });
        }
        let importer = all.get_mut(place)?;
        importer.sent_at = now;
        Some(Arc::clone(&importer.kept.keeper))
    }

    /// One that has slots from now on.
    pub(super) fn take(&self, place: &Place) -> Option<Kept> {
        self.all().remove(place).map(|importer| importer.kept)
    }

    /// Lets go of those that nothing is sent to any more, and tells which.
    pub(super) fn end_idle(&self, now: Duration) -> Vec<Place> {
        let mut all = self.all();
        let is_idle =
            |_: &Place, importer: &mut Importer| now.saturating_sub(importer.sent_at) > IDLE_MAX;
        let idle = all.extract_if(.., is_idle);
        idle.map(|(place, _)| place).collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Place, Importer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
