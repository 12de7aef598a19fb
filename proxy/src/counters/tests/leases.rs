//! What is lent is spent, or given back, and given back once.

use std::net::Ipv4Addr;

use super::*;

fn large(per: &str) -> serde_json::Value {
    json!({"limits": [{"requests": 10_000, "per": per}]})
}

#[test]
fn a_process_that_ends_gives_back_what_it_did_not_spend_and_once() {
    for per in ["1m", "day"] {
        let bench = Bench::new();
        let world = World::new(&[large(per)]);
        let principal = world.principal();
        let grant = world.grant(&principal, 1);
        let process = Process::new(0);
        for number in 0..700 {
            bench
                .admit(&process, &grant, START_US + number * 1_000)
                .unwrap();
        }
        assert!(bench.counted() > 700, "{per}");

        let given = process.meter.give_back(None);
        for _ in 0..2 {
            bench.take_back(&process, &given, START_US + 800_000);
            assert_eq!(bench.counted(), 700, "{per}");
        }
        assert_eq!(process.meter.give_back(None), []);
    }
}

#[test]
fn of_a_lease_that_is_over_the_rest_goes_back_without_a_question() {
    let bench = Bench::new();
    let world = World::new(&[large("1m")]);
    let principal = world.principal();
    let grant = world.grant(&principal, 1);
    let process = Process::new(0);
    for number in 0..50 {
        bench
            .admit(&process, &grant, START_US + number * 1_000)
            .unwrap();
    }
    let early = Duration::from_micros(START_US + 60_000);
    assert_eq!(process.meter.give_back(Some(early)), []);

    let later = START_US + 2_000_000;
    let given = process.meter.give_back(Some(Duration::from_micros(later)));
    bench.take_back(&process, &given, later);
    assert_eq!(bench.counted(), 50);
}

#[test]
fn an_answer_that_comes_late_burns_nothing() {
    for mode in ["share", "deny"] {
        let bench = Bench::new();
        let mut quota = large("1m");
        quota["on_counter_failure"] = json!(mode);
        let world = World::new(&[quota]);
        let principal = world.principal();
        let grant = world.grant(&principal, 1);
        let process = Process::new(0);
        let (mut admitted, mut late) = (0, VecDeque::new());
        for number in 0..600 {
            let now_us = START_US + number * 1_000;
            let arrival = process.arrival(&grant, now_us);
            let outcome = match process.ask(&arrival).unwrap() {
                Asked::Alone(admission) | Asked::Lent(admission) => Ok(admission),
                Asked::Inquiry(inquiry) => {
                    let answer = bench.answer(&process, &inquiry, now_us);
                    if process.asked.get().is_multiple_of(3) {
                        let outcome = process.meter.admit_unheard(&arrival);
                        let inquiry = Arc::new(inquiry);
                        let settled = process.meter.late(&arrival, &inquiry, outcome.is_ok());
                        late.push_back((number + 40, settled, answer));
                        outcome
                    } else {
                        process.meter.answer(&arrival, &inquiry, &answer)
                    }
                }
            };
            admitted += u64::from(outcome.is_ok());
            while let Some((_, settled, answer)) = late.pop_front_if(|(at, ..)| *at <= number) {
                process.meter.answer_late(&settled, 0, &answer);
            }
        }
        for (_, settled, answer) in late {
            process.meter.answer_late(&settled, 0, &answer);
        }
        assert!(process.asked.get() > 6);

        let given = process.meter.give_back(None);
        bench.take_back(&process, &given, START_US + 700_000);
        assert_eq!(bench.counted(), admitted, "{mode}");
    }
}

#[test]
fn what_was_given_back_and_got_no_answer_is_given_back_again_and_taken_once() {
    let bench = Bench::new();
    let world = World::new(&[large("1m")]);
    let principal = world.principal();
    let grant = world.grant(&principal, 1);
    let process = Process::new(0);
    for number in 0..100 {
        bench
            .admit(&process, &grant, START_US + number * 1_000)
            .unwrap();
    }
    // The first questions after the lease's end: what the store says to the first never arrives.
    let mut returned = Vec::new();
    for seconds in [2, 4] {
        let now_us = START_US + seconds * 1_000_000;
        let arrival = process.arrival(&grant, now_us);
        let Asked::Inquiry(inquiry) = process.ask(&arrival).unwrap() else {
            panic!("it was not lent anything");
        };
        returned.push(inquiry.demands[0].returned.unwrap());
        let answer = bench.answer(&process, &inquiry, now_us);
        if seconds == 4 {
            process.meter.answer(&arrival, &inquiry, &answer).unwrap();
        }
    }
    assert_eq!(returned[0], returned[1]);
    let given = process.meter.give_back(None);
    bench.take_back(&process, &given, START_US + 4_000_000);
    // The hundred, the one that was answered, and what went with the answer that was lost.
    let lost = bench.counted() - 101;
    assert!(lost >= 1, "{lost}");
    let after_all = process.meter.give_back(None);
    assert_eq!(after_all, []);
    bench.take_back(&process, &given, START_US + 4_000_000);
    assert_eq!(bench.counted(), 101 + lost);
}

#[test]
fn a_flood_of_strangers_takes_no_more_of_the_store_than_of_the_process() {
    const SUBJECTS_MAX: usize = 200;
    let bench = Bench::new();
    let quota = json!({"each": "address", "limits": [{"requests": 10, "per": "1m"}]});
    let world = World::new(&[quota]);
    let principal = world.principal();
    let grant = world.grant(&principal, 1);
    let mut process = Process::new(0);
    process.meter = Meter::new(SUBJECTS_MAX);
    let mut refused = 0;
    for number in 0..2_000_u32 {
        let now_us = START_US + u64::from(number);
        let arrival = Arrival {
            address: Some(Ipv4Addr::from_bits(number).into()),
            ..process.arrival(&grant, now_us)
        };
        match process.ask(&arrival) {
            Ok(Asked::Inquiry(inquiry)) => {
                let answer = bench.answer(&process, &inquiry, now_us);
                process.meter.answer(&arrival, &inquiry, &answer).unwrap();
            }
            Err(Refusal::Overloaded) => refused += 1,
            other => panic!("{other:?}"),
        }
    }

    // Addresses get half of the places.
    assert_eq!(bench.keys().len(), SUBJECTS_MAX / 2);
    assert_eq!(process.meter.subjects_len(), SUBJECTS_MAX / 2);
    assert_eq!(refused, 2_000 - SUBJECTS_MAX / 2);
}

#[test]
fn what_was_charged_before_another_place_failed_is_given_back() {
    let bench = Bench::new();
    let small = json!({"limits": [{"requests": 50, "per": "1m"}]});
    let denying = json!({
        "limits": [{"requests": 50, "per": "1m"}], "each": "route", "on_counter_failure": "deny",
    });
    let world = World::new(&[small, denying]);
    let principal = world.principal();
    let grant = world.grant(&principal, 1);
    let process = Process::new(0);
    let arrival = process.arrival(&grant, START_US);
    let Asked::Inquiry(mut inquiry) = process.ask(&arrival).unwrap() else {
        panic!("it was not lent anything");
    };
    // Only the first place answers.
    let second = inquiry.demands.split_off(1);
    assert_ne!(second[0].tag, inquiry.demands[0].tag);
    let answer = bench.answer(&process, &inquiry, START_US);
    inquiry.demands.extend(second);
    assert_eq!(bench.counted(), 1);

    let outcome = process.meter.admit_unheard(&arrival);
    assert!(outcome.is_err());
    let late = process.meter.late(&arrival, &Arc::new(inquiry), false);
    process.meter.answer_late(&late, 0, &answer);
    let given = process.meter.give_back(None);
    bench.take_back(&process, &given, START_US);
    assert_eq!(bench.counted(), 0);
}
