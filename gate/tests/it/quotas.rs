//! What quotas can be beyond a count over a window.

use serde_json::{Value, json};
use tollgate_gate::{Admission, Meter, Refusal, Snapshot};
use tollgate_store::document::Entry;

use crate::documents::*;

/// An open world in which two keys of `acme` and one of `other` are counted by one quota.
struct World {
    snapshot: Snapshot,
    meter: Meter,
    callers: [Caller; 3],
}

const ACME: usize = 0;
const ACME_TOO: usize = 1;
const OTHER: usize = 2;

impl World {
    fn new(quota: Value) -> Self {
        Self::with(vec![entry("quota", "free", quota)])
    }

    fn with(quotas: Vec<Entry>) -> Self {
        let names: Vec<_> = quotas.iter().map(|quota| quota.id.name.clone()).collect();
        let callers = ["acme-1", "acme-2", "other-1"].map(Caller::new);
        let mut entries = open_world();
        let heavy = json!({"proxy": "edge", "path": "/heavy", "upstream": "orders", "cost": 5});
        entries.push(entry("route", "heavy", heavy));
        entries.push(role("everybody", &["all"]));
        for (index, caller) in callers.iter().enumerate() {
            let owner = if index == OTHER { "other" } else { "acme" };
            entries.push(caller.key(json!({"principal": owner})));
        }
        for owner in ["acme", "other"] {
            let fields = json!({"roles": ["everybody"], "quotas": names});
            entries.push(principal(owner, fields));
        }
        entries.extend(quotas);
        Self {
            snapshot: build(&entries),
            meter: Meter::default(),
            callers,
        }
    }

    fn send(&self, caller: usize, path: &str, milliseconds: u64) -> Result<Admission, Refusal> {
        let grant = self.callers[caller].get(&self.snapshot, path).unwrap();
        self.meter.admit(&grant, ADDRESS, at(milliseconds))
    }

    fn get(&self, caller: usize, milliseconds: u64) -> Result<(), u64> {
        match self.send(caller, "/", milliseconds) {
            Ok(_) => Ok(()),
            Err(Refusal::OverQuota(over)) => Err(over.retry_after_seconds()),
            Err(other) => panic!("{other}"),
        }
    }

    /// How many of a thousand requests at one moment are let through.
    fn crowd(&self, caller: usize, milliseconds: u64) -> usize {
        let requests = 0..1_000;
        requests
            .filter(|_| self.get(caller, milliseconds).is_ok())
            .count()
    }
}

#[test]
fn a_smooth_limit_admits_its_burst_and_then_one_at_a_time() {
    let world = World::new(json!({
        "limits": [{"requests": 60, "per": "1m", "window": "smooth", "burst": 5}],
    }));

    assert_eq!(world.crowd(ACME, 0), 5);
    assert_eq!(world.get(ACME, 999), Err(1));
    assert_eq!(world.get(ACME, 1_000), Ok(()));
    assert_eq!(world.get(ACME, 1_000), Err(1));
    assert_eq!(world.crowd(OTHER, 1_000), 5);
}

#[test]
fn a_limit_a_day_begins_anew_at_midnight_where_it_is_declared() {
    // The clock of these tests starts at two in the morning in Berlin.
    let world = World::new(json!({
        "limits": [{"requests": 3, "per": "day"}],
        "time_zone": "Europe/Berlin",
    }));
    let midnight = 22 * 3_600_000;

    assert_eq!(world.crowd(ACME, 0), 3);
    assert_eq!(world.get(ACME, 0), Err(22 * 3_600));
    assert_eq!(world.get(ACME, midnight - 1), Err(1));
    assert_eq!(world.crowd(ACME, midnight), 3);
}

#[test]
fn a_limit_of_concurrency_counts_requests_until_their_admission_is_dropped() {
    let world = World::new(json!({"limits": [{"concurrent": 2}]}));
    let first = world.send(ACME, "/", 0).unwrap();
    let second = world.send(ACME_TOO, "/", 0).unwrap();
    assert!(first.standing().is_none());

    assert_eq!(world.get(ACME, 3_600_000), Err(1));
    world.meter.sweep(at(3_600_000));
    assert_eq!(world.get(OTHER, 3_600_000), Ok(()));
    assert_eq!(world.get(ACME, 3_600_000), Err(1));
    drop(first);
    let third = world.send(ACME, "/", 3_600_000).unwrap();
    assert_eq!(world.get(ACME, 3_600_000), Err(1));
    drop((second, third));
    world.meter.sweep(at(3_600_000));
    assert_eq!(world.meter.subjects_len(), 0);
}

#[test]
fn a_request_that_another_limit_refuses_is_not_under_way() {
    let world = World::with(vec![
        entry("quota", "some", json!({"limits": [{"concurrent": 2}]})),
        entry(
            "quota",
            "few",
            json!({"limits": [{"concurrent": 5}, {"requests": 1, "per": "1s"}]}),
        ),
    ]);
    drop(world.send(ACME, "/", 0).unwrap());
    assert_eq!(world.crowd(ACME, 0), 0);

    let first = world.send(ACME, "/", 2_000).unwrap();
    let second = world.send(ACME, "/", 4_000).unwrap();
    assert_eq!(world.get(ACME, 6_000), Err(1));
    drop((first, second));
}

#[test]
fn a_request_of_a_route_that_costs_five_counts_for_five() {
    let world = World::new(json!({"limits": [{"requests": 12, "per": "1m"}]}));
    let heavy = |milliseconds| world.send(ACME, "/heavy", milliseconds);

    assert_eq!(heavy(0).unwrap().standing().unwrap().remaining, 7);
    assert_eq!(heavy(1_000).unwrap().standing().unwrap().remaining, 2);
    let Err(Refusal::OverQuota(over)) = heavy(2_000) else {
        panic!("three times five are more than twelve");
    };
    // It needs three to leave, and the first five leave together.
    assert_eq!((over.remaining, over.retry_after_seconds()), (2, 59));
    assert_eq!(
        [world.get(ACME, 2_000), world.get(ACME, 2_000)],
        [Ok(()); 2]
    );
    assert_eq!(world.get(ACME, 2_000), Err(59));
}

#[test]
fn of_two_quotas_that_are_used_up_until_the_same_time_the_one_with_less_is_told() {
    // A meter looks at quotas in the order of its hashes, which is another one each time.
    for _ in 0..16 {
        let per_day = |requests| json!({"limits": [{"requests": requests, "per": "day"}]});
        let world = World::with(vec![
            entry("quota", "less", per_day(5)),
            entry("quota", "more", per_day(8)),
        ]);
        let admission = world.send(ACME, "/heavy", 0).unwrap();
        assert_eq!(admission.standing().unwrap().remaining, 0);
    }
}

#[test]
fn a_quota_that_only_measures_refuses_nothing_and_tells_what_it_would_have() {
    let limits = json!([{"requests": 2, "per": "1m"}, {"concurrent": 1}]);
    let world = World::with(vec![
        entry(
            "quota",
            "planned",
            json!({"limits": limits, "shadow": true}),
        ),
        entry(
            "quota",
            "wide",
            json!({"limits": [{"requests": 5, "per": "1m"}]}),
        ),
    ]);

    let exceeded = |milliseconds| {
        let admission = world.send(ACME, "/", milliseconds).unwrap();
        assert_eq!(admission.policies().count(), 1);
        assert_eq!(admission.standing().unwrap().policy.name, "wide");
        admission.exceeded().map(|policy| policy.name.clone())
    };
    assert_eq!([exceeded(0), exceeded(0)], [None, None]);
    assert_eq!(exceeded(0).as_deref(), Some("planned:1m"));
    assert_eq!(exceeded(60_000).as_deref(), Some("planned:1m"));
    // As if it had refused them, it was not charged with what it would not have admitted.
    assert_eq!(exceeded(61_000), None);
    assert_eq!(world.crowd(ACME, 61_000), 3);
}

#[test]
fn a_quota_that_only_measures_refuses_nothing_when_the_meter_is_full() {
    let mut world = World::new(json!({"limits": [{"requests": 2, "per": "1m"}], "shadow": true}));
    world.meter = Meter::new(0);

    assert_eq!(world.crowd(ACME, 0), 1_000);
}

#[test]
fn a_principal_with_limits_of_its_own_has_these_in_place_of_everybodys() {
    let world = World::new(json!({
        "limits": [{"requests": 2, "per": "1m"}],
        "overrides": {
            "acme": {"limits": [{"requests": 7, "per": "1m"}, {"requests": 100, "per": "day"}]},
            "stranger": {"limits": [{"requests": 1, "per": "1m"}]},
        },
    }));

    assert_eq!(world.crowd(ACME, 0) + world.crowd(ACME_TOO, 0), 7);
    assert_eq!(world.crowd(OTHER, 0), 2);
}

#[test]
fn a_principals_own_limits_hold_for_the_quotas_that_its_keys_name() {
    let acme = Caller::new("acme-1");
    let mut entries = open_world();
    entries.push(role("everybody", &["all"]));
    entries.push(principal("acme", json!({"roles": ["everybody"]})));
    entries.push(acme.key(json!({"principal": "acme", "quotas": ["each-key"]})));
    entries.push(entry(
        "quota",
        "each-key",
        json!({
            "each": "key",
            "limits": [{"requests": 1, "per": "1m"}],
            "overrides": {"acme": {"limits": [{"requests": 4, "per": "1m"}]}},
        }),
    ));
    let snapshot = build(&entries);
    let meter = Meter::default();

    let grant = acme.get(&snapshot, "/").unwrap();
    let admitted = (0..10).filter(|_| meter.admit(&grant, ADDRESS, at(0)).is_ok());
    assert_eq!(admitted.count(), 4);
}

#[test]
fn a_proxy_of_a_fleet_admits_its_share_and_no_proxy_less_than_one() {
    let admitted = |fleet, quota: Value| {
        let world = World::new(quota);
        world.meter.share_among(fleet);
        world.crowd(ACME, 0)
    };
    let strict = json!({"limits": [{"requests": 100, "per": "1m"}]});
    let smooth =
        json!({"limits": [{"requests": 100, "per": "1m", "window": "smooth", "burst": 10}]});
    let day = json!({"limits": [{"requests": 100, "per": "day"}]});

    for (fleet, expected) in [(0, 100), (1, 100), (3, 33), (100, 1), (1_000, 1)] {
        assert_eq!(admitted(fleet, strict.clone()), expected, "{fleet}");
        assert_eq!(admitted(fleet, day.clone()), expected, "{fleet}");
    }
    assert_eq!(admitted(3, smooth), 3);
    let mut alone = strict;
    alone["across"] = json!("process");
    assert_eq!(admitted(3, alone), 100);
}

#[test]
fn a_fleet_that_grows_lowers_what_is_left_of_what_was_counted_already() {
    let world = World::new(json!({"limits": [{"requests": 100, "per": "1m"}]}));
    world.meter.share_among(2);
    assert_eq!(world.crowd(ACME, 0), 50);

    world.meter.share_among(4);
    assert_eq!(world.get(ACME, 0), Err(61));
    world.meter.share_among(1);
    assert_eq!(world.crowd(ACME, 0), 50);
}

#[test]
fn a_flood_of_addresses_leaves_room_for_everybody_else() {
    let mut world = World::with(vec![entry(
        "quota",
        "a",
        json!({"each": "address", "limits": [{"requests": 5, "per": "1m"}]}),
    )]);
    world.meter = Meter::new(1_000);
    let grant = world.callers[ACME].get(&world.snapshot, "/").unwrap();
    let mut refused = 0;
    for host in 0..5_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(host);
        match world.meter.admit(&grant, Some(address.into()), at(0)) {
            Ok(_) => {}
            Err(Refusal::Overloaded) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((world.meter.subjects_len(), refused), (500, 4_500));

    let principals = World::new(json!({"limits": [{"requests": 5, "per": "1m"}]}));
    let grant = principals.callers[OTHER]
        .get(&principals.snapshot, "/")
        .unwrap();
    assert!(world.meter.admit(&grant, ADDRESS, at(0)).is_ok());
    world.meter.sweep(at(61_000));
    assert_eq!(world.meter.subjects_len(), 0);
}
