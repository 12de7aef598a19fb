//! A client that obeys what it is told is never refused, whichever processes serve it and whatever they were lent.

use super::*;

/// The shortest and the longest limit that is lent of.
fn limit() -> impl Strategy<Value = serde_json::Value> {
    let per = prop_oneof![3 => Just("1m"), 1 => Just("10s"), 1 => Just("day")];
    (1_000_u32..3_000, per).prop_map(|(requests, per)| json!({"requests": requests, "per": per}))
}

#[test]
fn a_client_that_obeys_is_never_refused_whichever_process_it_comes_to() {
    let bench = Bench::new();
    let config = ProptestConfig::with_cases(16);
    let steps = prop::collection::vec((0_usize..3, 0_u64..40_000), 900..1_500);
    let quotas = prop::collection::vec(limit(), 1..3);
    proptest!(config, |(limits in quotas, cost in 1..=COST_MAX, fleet in 1_usize..4, steps in steps)| {
        bench.forget();
        let quotas: Vec<_> = limits.iter().map(|limit| json!({"limits": [limit]})).collect();
        let world = World::new(&quotas);
        let principal = world.principal();
        let grant = world.grant(&principal, cost);
        let processes = [0, 12_345, 3_600_000_000].map(Process::new);
        for process in &processes {
            process.meter.share_among(u32::try_from(fleet).unwrap());
        }
        let mut now_us = START_US;
        let mut known: Option<(u32, u64)> = None;
        for (process, pause) in steps {
            now_us += pause;
            if let Some((_, more_at)) = known.filter(|(remaining, _)| *remaining < cost) {
                now_us = now_us.max(more_at);
            }
            match bench.admit(&processes[process % fleet], &grant, now_us) {
                Ok(admission) => {
                    let standing = admission.standing().unwrap();
                    let more_at = now_us + standing.more_in_seconds() * 1_000_000;
                    known = Some((standing.remaining, more_at));
                }
                Err(refusal) => prop_assert!(false, "at {} after {known:?}: {refusal}", now_us - START_US),
            }
        }
    });
}

#[test]
fn a_client_that_is_refused_and_waits_as_long_as_it_is_told_is_let_through() {
    let bench = Bench::new();
    let config = ProptestConfig::with_cases(6);
    let steps = prop::collection::vec((0_usize..2, 0_u64..20_000), 1_200..1_800);
    proptest!(config, |(requests in 1_000_u32..1_200, steps in steps)| {
        bench.forget();
        let world = World::new(&[json!({"limits": [{"requests": requests, "per": "1m"}]})]);
        let principal = world.principal();
        let grant = world.grant(&principal, 1);
        let processes = [0, 77].map(Process::new);
        let mut now_us = START_US;
        for (process, pause) in steps {
            now_us += pause;
            let refused = bench.admit(&processes[process], &grant, now_us).err();
            if let Some(Refusal::OverQuota(OverQuota { retry_after, .. })) = refused {
                now_us += u64::try_from(retry_after.as_micros()).unwrap();
                prop_assert!(bench.admit(&processes[process], &grant, now_us).is_ok());
            }
        }
    });
}

#[test]
fn of_requests_that_are_spread_evenly_no_more_is_told_than_there_is() {
    for fleet in [1_u32, 2, 4] {
        let bench = Bench::new();
        let world = World::new(&[json!({"limits": [{"requests": 3_000, "per": "1h"}]})]);
        let principal = world.principal();
        let grant = world.grant(&principal, 1);
        let processes: Vec<_> = (0..fleet).map(|_| Process::new(0)).collect();
        for process in &processes {
            process.meter.share_among(fleet);
        }
        let mut left = 3_000;
        for number in 0..2_900_u64 {
            let process = &processes[usize::try_from(number).unwrap() % processes.len()];
            let admission = bench.admit(process, &grant, START_US + number * 1_000);
            let Ok(admission) = admission else {
                break;
            };
            left -= 1;
            let told = admission.standing().unwrap().remaining;
            assert!(told <= left.max(1), "{told} of {left}, of {fleet}");
        }
        let asked: u32 = processes.iter().map(|process| process.asked.get()).sum();
        assert!(asked < 2_000, "{asked}: hardly anything was lent");
    }
}
