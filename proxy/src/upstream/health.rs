//! Which targets are well: what requests meet, and what checks say.

mod state;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tollgate_store::{TargetUrl, document};

use super::tally::Tally;
use super::target::{FULL_WEIGHT, Place};
pub(super) use state::Change;
use state::{State, Thresholds};

/// How all targets of one upstream are, whatever becomes of its document.
#[derive(Debug, Default)]
pub(super) struct Standings {
    all: Mutex<All>,
    /// How many do not have their full weight.
    impaired: AtomicUsize,
}

#[derive(Debug, Default)]
struct All {
    standings: Vec<Standing>,
    thresholds: Thresholds,
    next_check: Option<Instant>,
}

#[derive(Debug)]
struct Standing {
    url: TargetUrl,
    /// Where those look that choose.
    tally: Arc<Tally>,
    state: State,
}

impl Standings {
    /// Those of `previous` that are targets still, and new ones: these begin slowly, unless all of the upstream is new.
    pub(super) fn next(
        upstream: &document::Upstream,
        places: &[Arc<Place>],
        previous: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        let this = previous.map_or_else(Arc::default, Arc::clone);
        let now = Instant::now();
        let mut all = this.all();
        let all_known = std::mem::take(&mut all.standings);
        let mut known: BTreeMap<_, _> = all_known
            .into_iter()
            .map(|standing| (standing.url.clone(), standing))
            .collect();
        let added = previous.map(|_| now);
        for place in places {
            if all.standing(place).is_none() {
                let standing = known.remove(place.url());
                let standing = standing.unwrap_or_else(|| Standing::new(place, added));
                all.standings.push(standing);
            }
        }
        all.thresholds = Thresholds::new(upstream);
        if upstream.health.is_none() {
            let states = all.standings.iter_mut();
            states.for_each(|standing| standing.state.forget_checks(now));
        }
        this.publish(&all, now);
        drop(all);
        this
    }

    /// Whether every target has its full weight.
    pub(super) fn are_sound(&self) -> bool {
        self.impaired.load(Ordering::Relaxed) == 0
    }

    /// A request got no answer. A target is put out where that leaves at least half of them.
    pub(super) fn fail(&self, place: &Place) -> Option<Change> {
        let now = Instant::now();
        let mut all = self.all();
        let states = all.standings.iter().map(|standing| &standing.state);
        let out = states.filter(|state| state.out_until.is_some());
        let may_go = (out.count() + 1) * 2 <= all.standings.len();
        let change = all.standing(place)?.state.fail(now, may_go);
        self.publish(&all, now);
        change
    }

    /// A request got an answer.
    pub(super) fn succeed(&self, place: &Place) {
        let mut all = self.all();
        if let Some(standing) = all.standing(place) {
            standing.state.failures = 0;
        }
        self.publish(&all, Instant::now());
    }

    /// A check was good, or was not.
    pub(super) fn check(&self, place: &Place, is_good: bool) -> Option<Change> {
        let now = Instant::now();
        let mut all = self.all();
        let thresholds = all.thresholds;
        let change = all.standing(place)?.state.check(now, is_good, thresholds);
        self.publish(&all, now);
        change
    }

    /// When the targets are to be checked again, as last noted.
    pub(super) fn next_check(&self) -> Option<Instant> {
        self.all().next_check
    }

    /// Notes when the targets are to be checked again.
    pub(super) fn check_at(&self, next: Instant) {
        self.all().next_check = Some(next);
    }

    /// Lets those return whose time is over, and those that returned get more: call it every second.
    pub(super) fn tend(&self) -> Vec<(TargetUrl, Change)> {
        if self.are_sound() {
            return Vec::new();
        }
        let now = Instant::now();
        let mut all = self.all();
        let standings = all.standings.iter_mut();
        let returned = standings
            .filter_map(|standing| Some((standing.url.clone(), standing.state.tend(now)?)))
            .collect();
        self.publish(&all, now);
        returned
    }

    fn publish(&self, all: &All, now: Instant) {
        let mut impaired = 0;
        for Standing { tally, state, .. } in &all.standings {
            let weight = state.weight(now, all.thresholds.slow_start);
            impaired += usize::from(weight < FULL_WEIGHT);
            tally.set_weight(weight);
            tally.set_failed(state.failures > 0);
        }
        self.impaired.store(impaired, Ordering::Relaxed);
    }

    /// A panic elsewhere leaves states as good as they were.
    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// That of a target; `None` once it is no target any more.
    fn standing(&mut self, place: &Place) -> Option<&mut Standing> {
        let mut standings = self.standings.iter_mut();
        standings.find(|standing| standing.url == *place.url())
    }
}

impl Standing {
    fn new(place: &Place, added: Option<Instant>) -> Self {
        Self {
            url: place.url().clone(),
            tally: Arc::clone(&place.tally),
            state: State::new(added),
        }
    }
}

#[cfg(test)]
mod tests;
