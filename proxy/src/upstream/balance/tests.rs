use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::upstream::tally::Flight;
use crate::upstream::target::tests::{places, weighted};

const NONE: Places = Places(0);
const BALANCES: [Balance; 4] = [
    Balance::RoundRobin,
    Balance::LeastRequests,
    Balance::TwoChoices,
    Balance::Hash,
];

fn balancer(balance: Balance) -> Balancer {
    balancer_of(balance, &[1, 1])
}

fn balancer_of(balance: Balance, weights: &[u32]) -> Balancer {
    let url = |number| format!("http://t{number}");
    let targets: Vec<_> = (0..weights.len()).map(url).collect();
    let target_weights: BTreeMap<_, _> = targets.iter().zip(weights).collect();
    let spec = json!({"targets": targets, "target_weights": target_weights, "balance": balance});
    Balancer::next(&serde_json::from_value(spec).unwrap(), None)
}

fn chosen(standing: &Balancer, places: &[Arc<Place>], count: usize) -> BTreeMap<usize, usize> {
    let mut chosen = BTreeMap::new();
    for caller in 0..count {
        let number = standing.choose(places, &format!("c{caller}"), NONE, false);
        *chosen.entry(number.unwrap()).or_default() += 1;
    }
    chosen
}

#[test]
fn targets_take_turns_and_one_that_is_out_is_nobodys_burden() {
    let places = places(3);
    let standing = balancer(Balance::RoundRobin);
    for are_sound in [true, false] {
        let numbers = [(); 3].map(|()| standing.choose(&places, "", NONE, are_sound).unwrap());
        assert_eq!(numbers, [0, 1, 2]);
    }

    places[1].tally.set_weight(0);
    assert_eq!(chosen(&standing, &places, 100), [(0, 50), (2, 50)].into());
}

#[test]
fn where_all_are_out_all_are_used() {
    let places = places(2);
    for place in &places {
        place.tally.set_weight(0);
    }
    for balance in BALANCES {
        assert_eq!(
            chosen(&balancer(balance), &places, 50).len(),
            2,
            "{balance:?}"
        );
    }
}

#[test]
fn what_was_tried_is_not_tried_again_before_all_others_were() {
    let places = places(3);
    for balance in BALANCES {
        let standing = balancer(balance);
        let mut tried = Places::default();
        for _ in 0..3 {
            let number = standing.choose(&places, "acme", tried, true).unwrap();
            assert!(!tried.contains(number), "{balance:?}");
            tried.insert(number);
        }
        assert!(standing.choose(&places, "acme", tried, true).is_some());
        assert_eq!(standing.turns(), 1, "only the first was in turn");
    }
}

#[test]
fn the_least_busy_gets_the_next() {
    let places = places(3);
    let _busy = [Flight::to(&places[0]), Flight::to(&places[2])];
    let standing = balancer(Balance::LeastRequests);

    assert_eq!(chosen(&standing, &places, 10), [(1, 10)].into());
}

#[test]
fn the_busiest_is_never_the_better_of_two() {
    let places = places(3);
    let _busy = [Flight::to(&places[1]), Flight::to(&places[1])];
    let chosen = chosen(&balancer(Balance::TwoChoices), &places, 300);

    assert!(!chosen.contains_key(&1), "{chosen:?}");
    assert_eq!(chosen.len(), 2);
}

#[test]
fn a_target_with_a_part_of_its_weight_gets_a_part_of_the_requests() {
    let places = places(2);
    places[0].tally.set_weight(FULL_WEIGHT / 10);
    let few = |balance| chosen(&balancer(balance), &places, 1_000)[&0];

    // A tenth of each second request, give or take what chance can do once in a lifetime.
    assert!((10..120).contains(&few(Balance::RoundRobin)));
    assert!((10..120).contains(&few(Balance::Hash)));
}

#[test]
fn a_caller_stays_where_it_is_when_another_target_goes() {
    let places = places(4);
    let standing = balancer(Balance::Hash);
    let choose = |caller: usize| {
        let caller = format!("caller {caller}");
        standing.choose(&places, &caller, NONE, false).unwrap()
    };
    let before: Vec<_> = (0..1_000).map(choose).collect();
    assert_eq!((0..1_000).map(choose).collect::<Vec<_>>(), before);
    for number in 0..4 {
        let share = before.iter().filter(|chosen| **chosen == number).count();
        assert!((150..350).contains(&share), "{number}: {share}");
    }

    places[2].tally.set_weight(0);
    for (caller, before) in before.into_iter().enumerate() {
        let after = choose(caller);
        assert!(before == 2 || after == before, "{caller}");
        assert_ne!(after, 2);
    }
}

#[test]
fn a_target_with_too_much_to_do_passes_its_callers_on() {
    let places = places(2);
    let standing = balancer(Balance::Hash);
    let first = standing.choose(&places, "acme", NONE, true).unwrap();
    let _busy = [(); 10].map(|()| Flight::to(&places[first]));

    assert_eq!(
        standing.choose(&places, "acme", NONE, true),
        Some(1 - first)
    );
}

#[test]
fn weights_spread_turns_evenly() {
    assert_eq!(order(&[3, 3]), Vec::<usize>::new());
    assert_eq!(order(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
    let long = order(&[100; 63].into_iter().chain([1]).collect::<Vec<_>>());
    assert_eq!(long.len(), 6_301);
}

#[test]
fn every_balance_gives_targets_what_they_weigh() {
    let (weights, sum) = ([1, 3, 6], 10);
    for balance in BALANCES {
        let places = weighted(&weights);
        let chosen = chosen(&balancer_of(balance, &weights), &places, 5_000);
        for (number, weight) in weights.into_iter().enumerate() {
            let expected = 5_000 * weight / sum;
            let seen = u32::try_from(chosen[&number]).unwrap();
            // What chance does once in many lifetimes is beyond.
            let (least, most) = (expected * 3 / 4, expected * 5 / 4);
            assert!(
                (least..most).contains(&seen),
                "{balance:?} {number}: {seen}"
            );
        }
    }
    let standing = balancer_of(Balance::RoundRobin, &weights);
    let turns = (0..10).map(|_| standing.choose(&weighted(&weights), "", NONE, true));
    assert_eq!(turns.flatten().filter(|number| *number == 2).count(), 6);
}

#[test]
fn a_heavier_target_is_busier_before_it_counts_as_busy() {
    let weights = [1, 3];
    let places = weighted(&weights);
    let standing = balancer_of(Balance::LeastRequests, &weights);
    let _one = Flight::to(&places[0]);
    let mut more = Vec::new();
    for _ in 0..2 {
        more.push(Flight::to(&places[1]));
        assert_eq!(standing.choose(&places, "", NONE, true), Some(1));
    }
    more.extend([(); 2].map(|()| Flight::to(&places[1])));
    assert_eq!(standing.choose(&places, "", NONE, true), Some(0));
}

#[test]
fn a_weighted_target_that_is_out_gets_nothing_and_no_other_is_forgotten() {
    let weights = [1, 3, 6];
    for balance in BALANCES {
        let places = weighted(&weights);
        places[2].tally.set_weight(0);
        let seen = chosen(&balancer_of(balance, &weights), &places, 2_000);
        assert_eq!(seen.keys().collect::<Vec<_>>(), [&0, &1], "{balance:?}");
        assert!(seen[&1] > seen[&0], "{balance:?} {seen:?}");
    }
}

#[test]
fn only_callers_of_a_target_that_weighs_otherwise_move() {
    let choose = |weights: [u32; 4]| {
        let (places, standing) = (weighted(&weights), balancer_of(Balance::Hash, &weights));
        let caller = move |number: usize| {
            let caller = format!("caller {number}");
            standing.choose(&places, &caller, NONE, true).unwrap()
        };
        (0..1_000).map(caller).collect::<Vec<_>>()
    };
    let (before, after) = (choose([2, 2, 2, 2]), choose([2, 2, 2, 4]));
    let moved = before.iter().zip(&after);
    let moved: Vec<_> = moved.filter(|(before, after)| before != after).collect();
    assert!(moved.iter().all(|(_, after)| **after == 3));
    assert!((80..250).contains(&moved.len()), "{}", moved.len());
}
