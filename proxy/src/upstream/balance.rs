//! Which target gets a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::RngExt;
use sha2::{Digest, Sha256};
use tollgate_store::document::{Balance, Upstream};

use super::target::{FULL_WEIGHT, Place};

/// With [`Balance::Hash`], how much more than its part a target may have to do, in hundredths.
const LOAD_PERCENT_MAX: usize = 125;

/// What a request in flight counts for, so that weights up to 100 divide it.
const LOAD_SCALE: usize = 1_000_000;

/// Targets by their numbers. An upstream has at most 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Places(u64);

/// Chooses targets, each caller's choice by itself.
#[derive(Debug)]
pub(super) struct Balancer {
    balance: Balance,
    /// Whose turn it is, where targets weigh differently.
    order: Vec<usize>,
    turn: Arc<AtomicUsize>,
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
    /// As declared. Turns and what they are counted for go on from `previous`.
    pub(super) fn next(upstream: &Upstream, previous: Option<&Self>) -> Self {
        let weights = upstream.targets.iter().map(|url| upstream.weight(url));
        Self {
            balance: upstream.balance.unwrap_or_default(),
            order: order(&weights.collect::<Vec<_>>()),
            turn: previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.turn)),
        }
    }

    /// How many requests there were.
    pub(super) fn turns(&self) -> usize {
        self.turn.load(Ordering::Relaxed)
    }

    /// The target for a request of `caller`: none of `tried` unless all were, and of those that are out, or have no
    /// room for a connection, only where all others are. What is tried again takes nobody's turn.
    /// `are_sound`: none is out, has less than its full weight, or is without room.
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
            return match turn.checked_rem(self.order.len()) {
                Some(turn) => self.order.get(turn).copied(),
                None => turn.checked_rem(places.len()),
            };
        }
        let candidates = candidates(places, tried);
        match self.balance {
            Balance::Hash => by_hash(places, candidates, caller),
            balance => self.by_load(balance, (places, taking(places, candidates)), turn),
        }
    }

    fn by_load(
        &self,
        balance: Balance,
        (places, candidates): (&[Arc<Place>], Places),
        turn: usize,
    ) -> Option<usize> {
        let candidates = match balance {
            Balance::TwoChoices => return better_of_two(places, candidates),
            Balance::LeastRequests => least(places, candidates),
            Balance::RoundRobin | Balance::Hash => candidates,
        };
        if self.order.is_empty() {
            candidates.nth(turn)
        } else {
            by_chance(places, candidates)
        }
    }
}

/// The order of turns by which targets get requests in proportion to their weights, each as evenly spread as can be
/// (the smooth weighted round robin of nginx); empty where all weigh the same.
fn order(weights: &[u32]) -> Vec<usize> {
    let weights: Vec<_> = weights.iter().copied().map(i64::from).collect();
    if weights.iter().all(|weight| weights.first() == Some(weight)) {
        return Vec::new();
    }
    let total: i64 = weights.iter().sum();
    let mut credits = vec![0; weights.len()];
    let turn = |_| {
        for (credit, weight) in credits.iter_mut().zip(&weights) {
            *credit += weight;
        }
        // The first of the richest.
        let richest = credits.iter_mut().enumerate().rev();
        let (number, credit) = richest.max_by_key(|(_, credit)| **credit)?;
        *credit -= total;
        Some(number)
    };
    (0..total).filter_map(turn).collect()
}

/// Who may get a request: the best of those that were not tried.
fn candidates(places: &[Arc<Place>], tried: Places) -> Places {
    let mut best: Places = (0..places.len())
        .filter(|number| !tried.contains(*number))
        .collect();
    if best == Places::default() {
        best = (0..places.len()).collect();
    }
    let is_in: fn(&Place) -> bool = |place| place.tally.weight() > 0;
    for is_better in [is_in, Place::has_room] {
        let fits = |number: &usize| places.get(*number).is_some_and(|place| is_better(place));
        let better: Places = best.iter().filter(fits).collect();
        if better != Places::default() {
            best = better;
        }
    }
    best
}

/// Those that don't let this turn pass: a target without its full weight takes as much of its turns.
fn taking(places: &[Arc<Place>], candidates: Places) -> Places {
    let takes = |number: &usize| {
        let weight = places.get(*number).map_or(0, |place| place.tally.weight());
        weight >= FULL_WEIGHT || rand::rng().random_range(0..FULL_WEIGHT) < weight
    };
    let taking: Places = candidates.iter().filter(takes).collect();
    if taking == Places::default() {
        return candidates;
    }
    taking
}

/// One by chance, in proportion to what they are declared to get.
fn by_chance(places: &[Arc<Place>], candidates: Places) -> Option<usize> {
    let share = |number: usize| places.get(number).map_or(1, |place| place.share());
    let total: u32 = candidates.iter().map(share).sum();
    let mut chance = rand::rng().random_range(0..total.max(1));
    candidates.iter().find(|number| {
        let share = share(*number);
        let is_it = chance < share;
        chance = chance.saturating_sub(share);
        is_it
    })
}

/// Those with the fewest requests in flight for what they are declared to get.
fn least(places: &[Arc<Place>], candidates: Places) -> Places {
    let least = candidates.iter().map(|number| load(places, number)).min();
    let is_least = |number: &usize| Some(load(places, *number)) == least;
    candidates.iter().filter(is_least).collect()
}

/// The first of two by chance, unless the second has less to do.
fn better_of_two(places: &[Arc<Place>], candidates: Places) -> Option<usize> {
    let first = by_chance(places, candidates)?;
    let others = candidates.iter().filter(|number| *number != first);
    let second = by_chance(places, others.collect());
    let is_better = |second: &usize| load(places, *second) < load(places, first);
    Some(second.filter(is_better).unwrap_or(first))
}

/// The requests in flight, for what a target is declared to get.
fn load(places: &[Arc<Place>], number: usize) -> usize {
    places.get(number).map_or(usize::MAX, |place| {
        let share = usize::try_from(place.share()).unwrap_or(1);
        place.tally.in_flight() * LOAD_SCALE / share.max(1)
    })
}

/// Highest random weight (Thaler and Ravishankar, 1998), by the logarithm where targets weigh differently (Schindelhauer
/// and Schomaker, 2005): where a target comes, goes or weighs otherwise, only its own callers move. One that has too
/// much to do passes them on to the next (Mirrokni and others, 2016).
fn by_hash(places: &[Arc<Place>], candidates: Places, caller: &str) -> Option<usize> {
    let caller = seed(caller);
    let score = |number: usize| {
        let place = places.get(number)?;
        let chance = mixed(caller ^ place.seed());
        // The same callers each time are the first to return.
        let part = chance % u64::from(FULL_WEIGHT);
        let takes = part < u64::from(place.tally.weight());
        Some((takes, height(chance, place.share())))
    };
    let higher = |one: &usize, other: &usize| match (score(*one), score(*other)) {
        (Some(one), Some(other)) => one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)),
        (one, other) => one.is_some().cmp(&other.is_some()),
    };
    let in_flight = |number: usize| {
        places
            .get(number)
            .map_or(0, |place| place.tally.in_flight())
    };
    let share = |number: usize| {
        let share = places.get(number).map_or(1, |place| place.share());
        usize::try_from(share).unwrap_or(1)
    };
    let requests = candidates.iter().map(in_flight).sum::<usize>() + 1;
    let shares = candidates.iter().map(share).sum::<usize>().max(1);
    let has_room = |number: &usize| {
        let most = requests * LOAD_PERCENT_MAX * share(*number);
        in_flight(*number) < most.div_ceil(100 * shares)
    };
    let numbers = candidates.iter().filter(has_room);
    numbers
        .max_by(higher)
        .or_else(|| candidates.iter().max_by(higher))
}

/// What a caller's chance at a target counts for.
fn height(chance: u64, share: u32) -> f64 {
    let bits = u32::try_from(chance >> 32).unwrap_or(u32::MAX);
    let part = (f64::from(bits) + 0.5) / (f64::from(u32::MAX) + 1.0);
    -f64::from(share) / part.ln()
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
mod tests;
