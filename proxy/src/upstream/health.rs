//! Which targets are well: what requests meet, and what checks say.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tollgate_store::{Timeout, document};

use super::target::{FULL_WEIGHT, Place};

/// So many requests in a row that got no answer put a target out.
const FAILURES_MAX: u32 = 5;
/// For how long it is out the first time; each next time twice as long, up to the most.
const OUT_MIN: Duration = Duration::from_secs(5);
const OUT_MAX: Duration = Duration::from_mins(5);
const HEALTHY_AFTER: u32 = 2;
const UNHEALTHY_AFTER: u32 = 3;
/// What a target gets at the very beginning of its slow start.
const WEIGHT_MIN: u32 = FULL_WEIGHT / 100;

/// How all targets of one upstream are.
#[derive(Debug)]
pub(super) struct Standings {
    states: Mutex<Vec<State>>,
    /// How many do not have their full weight.
    impaired: AtomicUsize,
    thresholds: Thresholds,
}

#[derive(Debug, Clone, Copy)]
struct Thresholds {
    healthy_after: u32,
    unhealthy_after: u32,
    slow_start: Duration,
}

/// How one target is.
#[derive(Debug, Default)]
struct State {
    /// Requests in a row that got no answer.
    failures: u32,
    /// How often it was put out, as far as it counts.
    ejections: u32,
    out_until: Option<Instant>,
    last_out: Option<Instant>,
    /// Checks in a row that say otherwise than what is known.
    dissenting: u32,
    is_failing: bool,
    /// When it was well again.
    returned: Option<Instant>,
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It gets no requests for so long, as none got an answer.
    Out(Duration),
    /// It gets requests again.
    Returned,
    /// Its checks fail.
    Failing,
    /// Its checks are good again.
    Well,
}

impl Standings {
    pub(super) fn new(upstream: &document::Upstream) -> Self {
        let health = upstream.health.as_ref();
        let slow_start = upstream.slow_start.as_ref();
        let states = upstream.targets.iter().map(|_| State::default());
        Self {
            states: Mutex::new(states.collect()),
            impaired: AtomicUsize::new(0),
            thresholds: Thresholds {
                healthy_after: health
                    .and_then(|health| health.healthy_after)
                    .unwrap_or(HEALTHY_AFTER),
                unhealthy_after: health
                    .and_then(|health| health.unhealthy_after)
                    .unwrap_or(UNHEALTHY_AFTER),
                slow_start: slow_start.map_or(Duration::ZERO, Timeout::length),
            },
        }
    }

    /// Whether every target has its full weight.
    pub(super) fn are_sound(&self) -> bool {
        self.impaired.load(Ordering::Relaxed) == 0
    }

    /// A request got no answer. A target is put out where that leaves at least half of them.
    pub(super) fn fail(&self, places: &[Arc<Place>], number: usize) -> Option<Change> {
        let now = Instant::now();
        let mut states = self.states();
        let out = states.iter().filter(|state| state.out_until.is_some());
        let may_go = (out.count() + 1) * 2 <= states.len();
        let change = states.get_mut(number)?.fail(now, may_go);
        self.publish(&states, places, now);
        change
    }

    /// A request got an answer.
    pub(super) fn succeed(&self, places: &[Arc<Place>], number: usize) {
        let mut states = self.states();
        if let Some(state) = states.get_mut(number) {
            state.failures = 0;
        }
        self.publish(&states, places, Instant::now());
    }

    /// A check was good, or was not.
    pub(super) fn check(
        &self,
        places: &[Arc<Place>],
        number: usize,
        is_good: bool,
    ) -> Option<Change> {
        let now = Instant::now();
        let mut states = self.states();
        let change = states.get_mut(number)?.check(now, is_good, self.thresholds);
        self.publish(&states, places, now);
        change
    }

    /// Lets those return whose time is over, and those that returned get more: call it every second.
    pub(super) fn tend(&self, places: &[Arc<Place>]) -> Vec<(usize, Change)> {
        if self.are_sound() {
            return Vec::new();
        }
        let now = Instant::now();
        let mut states = self.states();
        let numbered = states.iter_mut().enumerate();
        let returned = numbered
            .filter_map(|(number, state)| Some((number, state.tend(now)?)))
            .collect();
        self.publish(&states, places, now);
        returned
    }

    fn publish(&self, states: &[State], places: &[Arc<Place>], now: Instant) {
        let mut impaired = 0;
        for (state, place) in states.iter().zip(places) {
            let weight = state.weight(now, self.thresholds.slow_start);
            impaired += usize::from(weight < FULL_WEIGHT);
            place.set_weight(weight);
            place.set_failed(state.failures > 0);
        }
        self.impaired.store(impaired, Ordering::Relaxed);
    }

    /// A panic elsewhere leaves states as good as they were.
    fn states(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fail(&mut self, now: Instant, may_go: bool) -> Option<Change> {
        self.failures = self.failures.saturating_add(1);
        if self.out_until.is_some() || self.failures < FAILURES_MAX || !may_go {
            return None;
        }
        // One that was well for long enough begins anew.
        if self
            .last_out
            .is_some_and(|out| now.duration_since(out) > OUT_MAX * 2)
        {
            self.ejections = 0;
        }
        let length = OUT_MIN * 2_u32.saturating_pow(self.ejections.min(10));
        let length = length.min(OUT_MAX);
        self.ejections = self.ejections.saturating_add(1);
        self.out_until = Some(now + length);
        self.last_out = Some(now);
        Some(Change::Out(length))
    }

    fn tend(&mut self, now: Instant) -> Option<Change> {
        self.out_until.filter(|until| *until <= now)?;
        self.out_until = None;
        // One more failure puts it out again.
        self.failures = FAILURES_MAX - 1;
        self.returned = Some(now);
        Some(Change::Returned)
    }

    fn check(&mut self, now: Instant, is_good: bool, thresholds: Thresholds) -> Option<Change> {
        if is_good != self.is_failing {
            self.dissenting = 0;
            return None;
        }
        self.dissenting += 1;
        let needed = if is_good {
            thresholds.healthy_after
        } else {
            thresholds.unhealthy_after
        };
        if self.dissenting < needed {
            return None;
        }
        self.dissenting = 0;
        self.is_failing = !is_good;
        if self.is_failing {
            return Some(Change::Failing);
        }
        // What requests met before is of the past.
        self.failures = 0;
        self.out_until = None;
        self.returned = Some(now);
        Some(Change::Well)
    }

    /// Its part of the requests: nothing while it is out, and more and more of them after it returned.
    fn weight(&self, now: Instant, slow_start: Duration) -> u32 {
        if self.is_failing || self.out_until.is_some() {
            return 0;
        }
        let Some(since) = self.returned.map(|returned| now.duration_since(returned)) else {
            return FULL_WEIGHT;
        };
        if since >= slow_start {
            return FULL_WEIGHT;
        }
        let weight = since.as_millis() * u128::from(FULL_WEIGHT) / slow_start.as_millis().max(1);
        let weight = u32::try_from(weight).unwrap_or(FULL_WEIGHT);
        weight.clamp(WEIGHT_MIN, FULL_WEIGHT)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::upstream::target::tests::places;

    fn standings(count: usize) -> (Standings, Vec<Arc<Place>>) {
        let targets: Vec<_> = (0..count).map(|n| format!("http://t{n}")).collect();
        let spec = json!({
            "targets": targets,
            "slow_start": "10s",
            "health": {"path": "/", "healthy_after": 2, "unhealthy_after": 3},
        });
        let upstream = serde_json::from_value(spec).unwrap();
        (Standings::new(&upstream), places(count))
    }

    fn fail(standings: &Standings, places: &[Arc<Place>], number: usize) -> Option<Change> {
        let changes = [(); 5].map(|()| standings.fail(places, number));
        assert_eq!(changes[..4], [None; 4]);
        changes[4]
    }

    fn weights(places: &[Arc<Place>]) -> Vec<u32> {
        places.iter().map(|place| place.weight()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_put_a_target_out_and_an_answer_begins_anew() {
        let (standings, places) = standings(2);
        for _ in 0..4 {
            assert_eq!(standings.fail(&places, 0), None);
        }
        assert!(places[0].has_failed());
        standings.succeed(&places, 0);
        assert!(!places[0].has_failed());
        assert!(standings.are_sound());

        assert_eq!(fail(&standings, &places, 0), Some(Change::Out(OUT_MIN)));
        assert_eq!(weights(&places), [0, FULL_WEIGHT]);
        assert!(!standings.are_sound());
    }

    #[tokio::test(start_paused = true)]
    async fn at_least_half_of_the_targets_stay_and_one_alone_always_does() {
        let (three, places) = standings(3);
        assert!(fail(&three, &places, 0).is_some());
        assert!(fail(&three, &places, 1).is_none());
        assert_eq!(weights(&places), [0, FULL_WEIGHT, FULL_WEIGHT]);

        let (one, places) = standings(1);
        assert!(fail(&one, &places, 0).is_none());
        assert_eq!(weights(&places), [FULL_WEIGHT]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_returns_slowly_and_one_that_fails_at_once_is_out_for_longer() {
        let (standings, places) = standings(2);
        fail(&standings, &places, 0);
        tokio::time::advance(OUT_MIN / 2).await;
        assert_eq!(standings.tend(&places), []);
        tokio::time::advance(OUT_MIN / 2).await;
        assert_eq!(standings.tend(&places), [(0, Change::Returned)]);
        assert_eq!(weights(&places), [WEIGHT_MIN, FULL_WEIGHT]);
        tokio::time::advance(Duration::from_secs(5)).await;
        standings.tend(&places);
        assert_eq!(weights(&places), [FULL_WEIGHT / 2, FULL_WEIGHT]);

        assert_eq!(standings.fail(&places, 0), Some(Change::Out(OUT_MIN * 2)));
        tokio::time::advance(OUT_MIN * 2).await;
        standings.tend(&places);
        tokio::time::advance(Duration::from_secs(10)).await;
        standings.succeed(&places, 0);
        assert!(standings.are_sound());
    }

    #[tokio::test(start_paused = true)]
    async fn checks_put_a_target_out_and_bring_it_back_as_declared() {
        let (standings, places) = standings(2);
        let check = |is_good| standings.check(&places, 1, is_good);
        assert_eq!([(); 2].map(|()| check(false)), [None; 2]);
        assert_eq!(check(true), None);
        assert_eq!([(); 2].map(|()| check(false)), [None; 2]);
        assert_eq!(check(false), Some(Change::Failing));
        assert_eq!(weights(&places), [FULL_WEIGHT, 0]);

        assert_eq!(standings.check(&places, 1, true), None);
        assert_eq!(standings.check(&places, 1, true), Some(Change::Well));
        assert_eq!(weights(&places), [FULL_WEIGHT, WEIGHT_MIN]);
        tokio::time::advance(Duration::from_secs(10)).await;
        standings.tend(&places);
        assert!(standings.are_sound());
    }

    #[tokio::test(start_paused = true)]
    async fn checks_may_put_all_out_as_requests_may_not() {
        let (standings, places) = standings(2);
        for number in [0, 1, 0, 1, 0, 1] {
            standings.check(&places, number, false);
        }

        assert_eq!(weights(&places), [0, 0]);
    }
}
