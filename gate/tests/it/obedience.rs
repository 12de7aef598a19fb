//! A client that obeys what it is told is never refused.

use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_gate::{Meter, Refusal};

use crate::documents::*;

/// What a client that obeys knows: how many requests it may send, and when there will be more.
#[derive(Debug, Clone, Copy)]
struct Known {
    remaining: u32,
    more_at: u64,
}

fn limit() -> impl Strategy<Value = Value> {
    let requests = 1_u32..30;
    prop_oneof![
        (requests.clone(), 1_u32..200).prop_map(|(requests, seconds)| {
            json!({"requests": requests, "per": format!("{seconds}s")})
        }),
        (requests.clone(), 1_u32..200, 1_u32..10).prop_map(|(requests, seconds, burst)| {
            json!({"requests": requests, "per": format!("{seconds}s"), "window": "smooth", "burst": burst})
        }),
        (requests, 0_usize..3).prop_map(|(requests, unit)| {
            let unit = ["day", "week", "month"][unit];
            json!({"requests": requests, "per": unit})
        }),
    ]
}

/// Limits that stand beside each other in one quota.
fn limits() -> impl Strategy<Value = Vec<Value>> {
    let likeness = |limit: &Value| (limit["per"].to_string(), limit["window"].to_string());
    prop::collection::vec(limit(), 1..4).prop_map(move |mut limits| {
        limits.sort_by_key(likeness);
        limits.dedup_by_key(|limit| likeness(limit));
        limits
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_client_that_obeys_is_never_refused(
        quotas in prop::collection::vec(limits(), 1..3),
        cost in 1_u32..4,
        fleet in 1_u32..4,
        pauses in prop::collection::vec(prop_oneof![3 => 0_u64..50, 1 => 0_u64..20_000], 100),
    ) {
        let mut entries = open_world();
        let names: Vec<_> = (0..quotas.len()).map(|index| format!("q{index}")).collect();
        for (name, limits) in names.iter().zip(&quotas) {
            entries.push(entry("quota", name, json!({"limits": limits})));
        }
        let acme = Caller::new("acme");
        entries.push(acme.key(json!({"scopes": ["all"], "quotas": names})));
        let route = json!({"proxy": "edge", "path": "/heavy", "upstream": "orders", "cost": cost});
        entries.push(entry("route", "heavy", route));
        let snapshot = build(&entries);
        let meter = Meter::default();
        meter.share_among(fleet);
        let grant = acme.get(&snapshot, "/heavy").unwrap();

        let mut now = 0;
        let mut known: Option<Known> = None;
        for pause in pauses {
            now += pause;
            if let Some(known) = known.filter(|known| known.remaining < cost) {
                now = now.max(known.more_at);
            }
            match meter.admit(&grant, ADDRESS, at(now)) {
                Ok(admission) => {
                    let standing = admission.standing().unwrap();
                    known = Some(Known {
                        remaining: standing.remaining,
                        more_at: now + standing.more_in_seconds() * 1_000,
                    });
                }
                Err(refusal) => prop_assert!(false, "at {now} after {known:?}: {refusal}"),
            }
        }
    }

    #[test]
    fn a_client_that_is_refused_and_waits_as_long_as_it_is_told_is_let_through(
        quotas in prop::collection::vec(limits(), 1..3),
        pauses in prop::collection::vec(0_u64..5_000, 100),
    ) {
        let mut entries = open_world();
        let names: Vec<_> = (0..quotas.len()).map(|index| format!("q{index}")).collect();
        for (name, limits) in names.iter().zip(&quotas) {
            entries.push(entry("quota", name, json!({"limits": limits})));
        }
        let acme = Caller::new("acme");
        entries.push(acme.key(json!({"scopes": ["all"], "quotas": names})));
        let snapshot = build(&entries);
        let meter = Meter::default();
        let grant = acme.get(&snapshot, "/").unwrap();

        let mut now = 0;
        for pause in pauses {
            now += pause;
            if let Err(refusal) = meter.admit(&grant, ADDRESS, at(now)) {
                let Refusal::OverQuota(over) = refusal else {
                    panic!("{refusal}");
                };
                now += over.retry_after_seconds() * 1_000;
                prop_assert!(meter.admit(&grant, ADDRESS, at(now)).is_ok(), "at {now}");
            }
        }
    }
}
