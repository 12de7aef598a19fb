//! Which target gets a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::RngExt;
use sha2::{Digest, Sha256};
use tollgate_store::document::Balance;

use super::target::{FULL_WEIGHT, Place};

/// With [`Balance::Hash`], how much more than its part a target may have to do, in hundredths.
const LOAD_PERCENT_MAX: usize = 125;

/// Targets by their numbers. An upstream has at most 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Places(u64);

/// Chooses targets, each caller's choice by itself.
#[derive(Debug)]
pub(super) struct Balancer {
    balance: Balance,
    turn: AtomicUsize,
}

impl Places {
    pub(super) fn contains(self, number: usize) -> bool {
        self.0 & bit(number) != 0
    }

    pub(super) fn insert(&mut self, number: usize) {
        self.0 |= bit(number);
    }

    pub(super) fn len(self) -> usize {
        // At most 64.
        usize::try_from(self.0.count_ones()).unwrap_or_default()
    }

    fn iter(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |number| self.contains(*number))
    }

    /// The one after `turn` others, counted round and round.
    fn nth(self, turn: usize) -> Option<usize> {
        self.iter().nth(turn.checked_rem(self.len())?)
    }
}

impl FromIterator<usize> for Places {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        let mut places = Self::default();
        numbers.into_iter().for_each(|number| places.insert(number));
        places
    }
}

fn bit(number: usize) -> u64 {
    u32::try_from(number)
        .ok()
        .and_then(|number| 1_u64.checked_shl(number))
        .unwrap_or_default()
}

impl Balancer {
    pub(super) fn new(balance: Balance) -> Self {
        Self {
            balance,
            turn: AtomicUsize::new(0),
        }
    }

    /// How many requests there were.
    pub(super) fn turns(&self) -> usize {
        self.turn.load(Ordering::Relaxed)
    }

    /// The target for a request of `caller`: none of `tried` unless all were, and of those that are out only where all
    /// others are. What is tried again takes nobody's turn.
    /// `are_sound`: none is out, nor has less than its full weight.
    pub(super) fn choose(
        &self,
        places: &[Arc<Place>],
        caller: &str,
        tried: Places,
        are_sound: bool,
    ) -> Option<usize> {
        let is_first = tried == Places::default();
        let turn = if is_first {
            self.turn.fetch_add(1, Ordering::Relaxed)
        } else {
            self.turn.load(Ordering::Relaxed)
        };
        if is_first && are_sound && self.balance == Balance::RoundRobin {
            return turn.checked_rem(places.len());
        }
        let mut untried: Places = (0..places.len())
            .filter(|number| !tried.contains(*number))
            .collect();
        if untried == Places::default() {
            untried = (0..places.len()).collect();
        }
        let is_in = |number: &usize| {
            let place = places.get(*number);
            place.is_some_and(|place| place.weight() > 0)
        };
        let mut candidates: Places = untried.iter().filter(is_in).collect();
        if candidates == Places::default() {
            candidates = untried;
        }
        match self.balance {
            Balance::RoundRobin => in_turn(places, candidates, turn),
            Balance::LeastRequests => least(places, candidates, turn),
            Balance::TwoChoices => least(places, two_of(candidates), turn),
            Balance::Hash => by_hash(places, candidates, caller),
        }
    }
}

/// One after the other; a target without its full weight lets as much of its turns pass.
fn in_turn(places: &[Arc<Place>], candidates: Places, turn: usize) -> Option<usize> {
    let numbers = (0..candidates.len()).filter_map(|skipped| candidates.nth(turn + skipped));
    let takes = |number: &usize| {
        let weight = places.get(*number).map_or(0, |place| place.weight());
        weight >= FULL_WEIGHT || rand::rng().random_range(0..FULL_WEIGHT) < weight
    };
    let mut numbers = numbers;
    numbers.find(takes).or_else(|| candidates.nth(turn))
}

/// The one with the fewest requests in flight for its weight; of several, each in turn.
fn least(places: &[Arc<Place>], candidates: Places, turn: usize) -> Option<usize> {
    let load = |number: &usize| {
        let place = places.get(*number)?;
        let weight = usize::try_from(place.weight().max(1)).ok()?;
        let full = usize::try_from(FULL_WEIGHT).ok()?;
        Some((place.in_flight() + 1) * full / weight)
    };
    let numbers = (0..candidates.len()).filter_map(|skipped| candidates.nth(turn + skipped));
    numbers.min_by_key(|number| load(number).unwrap_or(usize::MAX))
}

fn two_of(candidates: Places) -> Places {
    let count = candidates.len();
    if count < 3 {
        return candidates;
    }
    let first = rand::rng().random_range(0..count);
    let second = first + rand::rng().random_range(1..count);
    [first, second]
        .into_iter()
        .filter_map(|turn| candidates.nth(turn))
        .collect()
}

/// Highest random weight (Thaler and Ravishankar, 1998): where a target comes or goes, only its own callers move. One
/// that has too much to do passes them on to the next (Mirrokni and others, 2016).
fn by_hash(places: &[Arc<Place>], candidates: Places, caller: &str) -> Option<usize> {
    let caller = seed(caller);
    let score = |number: usize| {
        let place = places.get(number)?;
        let score = mixed(caller ^ place.seed());
        // The same callers each time are the first to return.
        let share = score % u64::from(FULL_WEIGHT);
        let takes = share < u64::from(place.weight());
        Some((takes, score))
    };
    let in_flight = |number: usize| places.get(number).map_or(0, |place| place.in_flight());
    let total: usize = candidates.iter().map(in_flight).sum();
    let most = ((total + 1) * LOAD_PERCENT_MAX).div_ceil(100 * candidates.len().max(1));
    let has_room = |number: &usize| in_flight(*number) < most;
    let numbers = candidates.iter().filter(has_room);
    numbers
        .max_by_key(|number| score(*number))
        .or_else(|| candidates.iter().max_by_key(|number| score(*number)))
}

/// A text as a number that is the same in every proxy.
pub(super) fn seed(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    let bytes = digest.iter().take(8);
    bytes.fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// Spreads what differs little over all bits (the finalizer of `MurmurHash3`).
fn mixed(mut number: u64) -> u64 {
    number ^= number >> 33;
    number = number.wrapping_mul(0xff51_afd7_ed55_8ccd);
    number ^= number >> 33;
    number = number.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ (number >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::upstream::target::tests::places;

    const NONE: Places = Places(0);

    fn chosen(balancer: &Balancer, places: &[Arc<Place>], count: usize) -> BTreeMap<usize, usize> {
        let mut chosen = BTreeMap::new();
        for caller in 0..count {
            let number = balancer.choose(places, &format!("c{caller}"), NONE, false);
            *chosen.entry(number.unwrap()).or_default() += 1;
        }
        chosen
    }

    #[test]
    fn targets_take_turns_and_one_that_is_out_is_nobodys_burden() {
        let places = places(3);
        let balancer = Balancer::new(Balance::RoundRobin);
        for are_sound in [true, false] {
            let numbers = [(); 3].map(|()| balancer.choose(&places, "", NONE, are_sound).unwrap());
            assert_eq!(numbers, [0, 1, 2]);
        }

        places[1].set_weight(0);
        assert_eq!(chosen(&balancer, &places, 100), [(0, 50), (2, 50)].into());
    }

    #[test]
    fn where_all_are_out_all_are_used() {
        let places = places(2);
        for place in &places {
            place.set_weight(0);
        }
        for balance in [
            Balance::RoundRobin,
            Balance::LeastRequests,
            Balance::TwoChoices,
            Balance::Hash,
        ] {
            assert_eq!(
                chosen(&Balancer::new(balance), &places, 50).len(),
                2,
                "{balance:?}"
            );
        }
    }

    #[test]
    fn what_was_tried_is_not_tried_again_before_all_others_were() {
        let places = places(3);
        for balance in [
            Balance::RoundRobin,
            Balance::LeastRequests,
            Balance::TwoChoices,
            Balance::Hash,
        ] {
            let balancer = Balancer::new(balance);
            let mut tried = Places::default();
            for _ in 0..3 {
                let number = balancer.choose(&places, "acme", tried, true).unwrap();
                assert!(!tried.contains(number), "{balance:?}");
                tried.insert(number);
            }
            assert!(balancer.choose(&places, "acme", tried, true).is_some());
            assert_eq!(balancer.turns(), 1, "only the first was in turn");
        }
    }

    #[test]
    fn the_least_busy_gets_the_next() {
        let places = places(3);
        let _busy = [Place::depart(&places[0]), Place::depart(&places[2])];
        let balancer = Balancer::new(Balance::LeastRequests);

        assert_eq!(chosen(&balancer, &places, 10), [(1, 10)].into());
    }

    #[test]
    fn the_busiest_is_never_the_better_of_two() {
        let places = places(3);
        let _busy = [Place::depart(&places[1]), Place::depart(&places[1])];
        let chosen = chosen(&Balancer::new(Balance::TwoChoices), &places, 300);

        assert!(!chosen.contains_key(&1), "{chosen:?}");
        assert_eq!(chosen.len(), 2);
    }

    #[test]
    fn a_target_with_a_part_of_its_weight_gets_a_part_of_the_requests() {
        let places = places(2);
        places[0].set_weight(FULL_WEIGHT / 10);
        let few = |balance| chosen(&Balancer::new(balance), &places, 1_000)[&0];

        // A tenth of each second request, give or take what chance can do once in a lifetime.
        assert!((10..120).contains(&few(Balance::RoundRobin)));
        assert!((10..120).contains(&few(Balance::Hash)));
    }

    #[test]
    fn a_caller_stays_where_it_is_when_another_target_goes() {
        let places = places(4);
        let balancer = Balancer::new(Balance::Hash);
        let choose = |caller: usize| {
            let caller = format!("caller {caller}");
            balancer.choose(&places, &caller, NONE, false).unwrap()
        };
        let before: Vec<_> = (0..1_000).map(choose).collect();
        assert_eq!((0..1_000).map(choose).collect::<Vec<_>>(), before);
        for number in 0..4 {
            let share = before.iter().filter(|chosen| **chosen == number).count();
            assert!((150..350).contains(&share), "{number}: {share}");
        }

        places[2].set_weight(0);
        for (caller, before) in before.into_iter().enumerate() {
            let after = choose(caller);
            assert!(before == 2 || after == before, "{caller}");
            assert_ne!(after, 2);
        }
    }

    #[test]
    fn a_target_with_too_much_to_do_passes_its_callers_on() {
        let places = places(2);
        let balancer = Balancer::new(Balance::Hash);
        let first = balancer.choose(&places, "acme", NONE, true).unwrap();
        let _busy = [(); 10].map(|()| Place::depart(&places[first]));

        assert_eq!(
            balancer.choose(&places, "acme", NONE, true),
            Some(1 - first)
        );
    }
}
