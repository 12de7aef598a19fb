//! The script in a real store, by a clock that the tests set.

use std::collections::VecDeque;

use proptest::prelude::*;
use serde_json::json;
use tollgate_gate::{OverQuota, Standing};

use super::*;

#[path = "../../tests/it/support/redis.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod server;

mod bench;
mod leases;
mod obedience;
mod world;

use bench::Bench;
use world::{Process, World, moment};

/// A Monday at noon, far from every border of the calendar.
const START_US: u64 = 1_800_273_600_000_000;
/// The largest cost that a route of the world has.
const COST_MAX: u32 = 5;

/// Limits of one quota, each of another kind.
fn limits() -> impl Strategy<Value = serde_json::Value> {
    let strict = (1_u32..40, 60_u32..600).prop_map(
        |(requests, seconds)| json!({"requests": requests, "per": format!("{seconds}s")}),
    );
    let smooth = (1_u32..90, 1_u32..20).prop_map(|(requests, burst)| {
        json!({"requests": requests, "per": "1m", "window": "smooth", "burst": burst})
    });
    let day = (1_u32..200).prop_map(|requests| json!({"requests": requests, "per": "day"}));
    let kinds = [strict.boxed(), smooth.boxed(), day.boxed()];
    proptest::sample::subsequence(vec![0, 1, 2], 1..=3).prop_flat_map(move |chosen| {
        let chosen: Vec<_> = chosen
            .iter()
            .map(|kind: &usize| kinds[*kind].clone())
            .collect();
        chosen.prop_map(|limits| json!(limits))
    })
}

fn quotas() -> impl Strategy<Value = Vec<serde_json::Value>> {
    let quota = (limits(), proptest::bool::weighted(0.2))
        .prop_map(|(limits, shadow)| json!({"limits": limits, "shadow": shadow}));
    prop::collection::vec(quota, 1..=3)
}

fn gaps() -> impl Strategy<Value = Vec<(u64, u32)>> {
    let gap = prop_oneof![4 => 0_u64..1_000_000, 2 => 0_u64..30_000_000, 1 => 0_u64..7_200_000_000];
    prop::collection::vec((gap, 1..=COST_MAX), 1..120)
}

#[test]
fn the_store_decides_as_the_meter_does_by_itself() {
    let bench = Bench::new();
    let config = ProptestConfig::with_cases(48);
    proptest!(config, |(quotas in quotas(), gaps in gaps())| {
        bench.forget();
        let world = World::new(&quotas);
        let principal = world.principal();
        let (alone, shared) = (Meter::default(), Process::new(0));
        let mut now_us = START_US;
        for (gap, cost) in gaps {
            now_us += gap;
            let grant = world.grant(&principal, cost);
            let expected = alone.admit(&grant, None, moment(now_us));
            let decided = bench.admit(&shared, &grant, now_us);
            let seen = |outcome: &Result<Admission, Refusal>| match outcome {
                Ok(admission) => {
                    let told = |standing: &Standing| (standing.remaining, standing.more_in);
                    Ok((admission.standing().map(told), admission.exceeded().is_some()))
                }
                Err(Refusal::OverQuota(over)) => Err(over.retry_after),
                Err(other) => panic!("{other}"),
            };
            prop_assert_eq!(seen(&decided), seen(&expected));
        }
    });
}

#[test]
fn no_window_holds_more_than_the_limit_however_many_processes_lend_of_it() {
    let bench = Bench::new();
    let config = ProptestConfig::with_cases(6);
    let arrivals = prop::collection::vec((0_u64..120_000, 0_usize..4, 1..=COST_MAX), 1_500..3_000);
    proptest!(config, |(limit in 1_000_u32..2_000, arrivals in arrivals)| {
        bench.forget();
        let world = World::new(&[json!({"limits": [{"requests": limit, "per": "1m"}]})]);
        let principal = world.principal();
        let processes = [0, 17, 3_600_000_000, 86_400_123_456].map(Process::new);
        let mut window: VecDeque<(u64, u32)> = VecDeque::new();
        let (mut now_us, mut held, mut most) = (START_US, 0, 0);
        for (gap, process, cost) in arrivals {
            now_us += gap;
            while window.front().is_some_and(|(at, _)| at + 60_000_000 < now_us) {
                held -= window.pop_front().unwrap().1;
            }
            let grant = world.grant(&principal, cost);
            if bench.admit(&processes[process], &grant, now_us).is_ok() {
                window.push_back((now_us, cost));
                held += cost;
                most = most.max(held);
                prop_assert!(held <= limit, "{held} of {limit}");
            } else {
                // Nothing stands idle: what is lent elsewhere is an eighth of what was left at most.
                prop_assert!(held * 10 >= limit * 8, "{held} of {limit}");
            }
        }
        let asked: u32 = processes.iter().map(|process| process.asked.get()).sum();
        prop_assert!(asked > 0 && most > 0);
    });
}

#[test]
fn steady_load_of_a_large_limit_seldom_asks() {
    let bench = Bench::new();
    let world = World::new(&[json!({"limits": [{"requests": 100_000, "per": "1m"}]})]);
    let principal = world.principal();
    let process = Process::new(0);
    let grant = world.grant(&principal, 1);
    let requests = 50_000_u64;
    for number in 0..requests {
        bench
            .admit(&process, &grant, START_US + number * 1_000)
            .unwrap();
    }

    let asked = u64::from(process.asked.get());
    assert!(asked * 50 < requests, "{asked} of {requests}");
}

#[test]
fn what_the_store_forgot_comes_back_with_the_next_connection() {
    for limit in [
        json!({"requests": 10, "per": "1m"}),
        json!({"requests": 10, "per": "day"}),
        json!({"requests": 10, "per": "1h", "window": "smooth", "burst": 10}),
    ] {
        let bench = Bench::new();
        let world = World::new(&[json!({"limits": [limit]})]);
        let principal = world.principal();
        let grant = world.grant(&principal, 1);
        let mut process = Process::new(0);
        for number in 0..10 {
            bench.admit(&process, &grant, START_US + number).unwrap();
        }
        assert!(
            bench.admit(&process, &grant, START_US + 10).is_err(),
            "{limit}"
        );

        bench.forget();
        process.connection = 2;
        assert!(
            bench.admit(&process, &grant, START_US + 11).is_err(),
            "{limit}"
        );
        // Another process learns it from the store.
        let other = Process::new(5);
        assert!(
            bench.admit(&other, &grant, START_US + 12).is_err(),
            "{limit}"
        );
    }
}

#[test]
fn what_was_counted_without_the_store_is_taken_where_it_is_more() {
    let bench = Bench::new();
    let world = World::new(&[json!({"limits": [{"requests": 10, "per": "1m"}]})]);
    let principal = world.principal();
    let grant = world.grant(&principal, 1);
    let (one, other) = (Process::new(0), Process::new(0));
    for number in 0..4 {
        bench.admit(&other, &grant, START_US + number).unwrap();
    }
    for number in 0..6 {
        let arrival = Arrival {
            grant: &grant,
            address: None,
            now: moment(START_US + number),
        };
        one.meter.admit_unheard(&arrival).unwrap();
    }

    // Six are more than four: four more are admitted, and none twice.
    let admitted = (0..20).filter(|number| {
        let process = if number % 2 == 0 { &one } else { &other };
        bench
            .admit(process, &grant, START_US + 100 + number)
            .is_ok()
    });
    assert_eq!(admitted.count(), 4);
}

#[test]
fn a_limit_that_a_process_counts_alone_costs_the_store_nothing() {
    let bench = Bench::new();
    let world = World::new(&[
        json!({"limits": [{"requests": 2, "per": "1m"}]}),
        json!({"limits": [{"concurrent": 1}]}),
    ]);
    let principal = world.principal();
    let grant = world.grant(&principal, 1);
    let process = Process::new(0);
    let first = bench.admit(&process, &grant, START_US).unwrap();
    for number in 1..5 {
        assert!(bench.admit(&process, &grant, START_US + number).is_err());
    }
    assert_eq!(process.asked.get(), 1);

    drop(first);
    assert!(bench.admit(&process, &grant, START_US + 9).is_ok());
}
