use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_gate::{Meter, Refusal, Snapshot};
use tollgate_store::document::Entry;

use crate::documents::*;

pub(crate) fn quota(name: &str, each: &str, limits: &[(u32, &str)]) -> Entry {
    let limits: Vec<Value> = limits
        .iter()
        .map(|(requests, per)| json!({"requests": requests, "per": per}))
        .collect();
    entry("quota", name, json!({"limits": limits, "each": each}))
}

/// An open world in which each of `callers` is counted by each of `quotas`.
fn world(callers: &[&Caller], quotas: &[Entry]) -> Snapshot {
    let names: Vec<&str> = quotas.iter().map(|quota| quota.id.name.as_str()).collect();
    let mut entries = open_world();
    entries.push(route("a", "/a"));
    for caller in callers {
        entries.push(caller.key(json!({"scopes": ["all"], "quotas": names})));
    }
    entries.extend_from_slice(quotas);
    build(&entries)
}

struct Client<'a> {
    meter: &'a Meter,
    snapshot: &'a Snapshot,
    caller: &'a Caller,
}

impl Client<'_> {
    fn get_from(&self, address: &str, path: &str, milliseconds: u64) -> Result<(), Refusal> {
        let grant = self.caller.get(self.snapshot, path).unwrap();
        let address: IpAddr = address.parse().unwrap();
        let admission = self.meter.admit(&grant, address, at(milliseconds))?;
        assert_eq!(admission.upstream().name.as_str(), "orders");
        Ok(())
    }

    fn get(&self, milliseconds: u64) -> Result<(), Refusal> {
        self.get_from("192.0.2.1", "/", milliseconds)
    }
}

/// What refuses: its policy as clients are told of it, and how long it asks them to wait.
fn refusal(outcome: Result<(), Refusal>) -> (String, Duration) {
    match outcome {
        Err(Refusal::OverQuota(over)) => {
            let policy = over.policy.header.to_str().unwrap().to_owned();
            assert!(policy.contains(over.policy.quota.as_str()));
            (policy, over.retry_after)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_eleventh_request_of_a_minute_is_told_when_to_come_back() {
    let acme = Caller::new("acme");
    let snapshot = world(&[&acme], &[quota("free", "principal", &[(10, "1m")])]);
    let meter = Meter::default();
    let client = Client {
        meter: &meter,
        snapshot: &snapshot,
        caller: &acme,
    };
    for second in 0..10 {
        assert_eq!(client.get(second * 1000), Ok(()));
    }

    let expected = (
        "\"free\";q=10;w=60".to_owned(),
        Duration::from_millis(50_500),
    );
    assert_eq!(refusal(client.get(10_500)), expected);
    assert!(client.get(60_999).is_err());
    assert_eq!(client.get(61_000), Ok(()));
    assert!(client.get(61_000).is_err());
}

#[test]
fn a_key_without_quotas_is_not_counted() {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries.push(acme.key(json!({"scopes": ["all"]})));
    let snapshot = build(&entries);
    let meter = Meter::new(0);
    let client = Client {
        meter: &meter,
        snapshot: &snapshot,
        caller: &acme,
    };

    for _ in 0..100 {
        assert_eq!(client.get(0), Ok(()));
    }
}

#[test]
fn a_refused_request_costs_no_limit_and_no_quota_anything() {
    let acme = Caller::new("acme");
    // Seven that have room for one more: wherever they are locked, before the exhausted one or after it.
    let mut quotas: Vec<Entry> = (0..7)
        .map(|index| quota(&format!("q{index}"), "key", &[(2, "1h"), (100, "1d")]))
        .collect();
    quotas.push(quota("tight", "key", &[(1, "1s"), (50, "1d")]));
    let snapshot = world(&[&acme], &quotas);
    let meter = Meter::default();
    let client = Client {
        meter: &meter,
        snapshot: &snapshot,
        caller: &acme,
    };

    assert_eq!(client.get(0), Ok(()));
    for _ in 0..20 {
        assert_eq!(client.get(1).unwrap_err().code(), "quota_exceeded");
    }
    // Had one of the twenty been charged, this one would not fit any more.
    assert_eq!(client.get(2000), Ok(()));
}

#[test]
fn of_several_quotas_that_are_used_up_the_longest_wait_is_told() {
    let acme = Caller::new("acme");
    let quotas = [
        quota("second", "key", &[(1, "1s")]),
        quota("hour", "key", &[(1, "1m"), (1, "1h")]),
        quota("minute", "key", &[(1, "1m")]),
    ];
    let snapshot = world(&[&acme], &quotas);
    let meter = Meter::default();
    let client = Client {
        meter: &meter,
        snapshot: &snapshot,
        caller: &acme,
    };
    assert_eq!(client.get(0), Ok(()));

    let expected = ("\"hour:1h\";q=1;w=3600".to_owned(), Duration::from_mins(61));
    assert_eq!(refusal(client.get(0)), expected);
}

#[test]
fn a_quota_counts_each_subject_by_itself() {
    let (acme, other) = (Caller::new("acme"), Caller::new("other"));
    let requests = [
        (&acme, "192.0.2.1", "/"),
        (&other, "192.0.2.1", "/"),
        (&acme, "192.0.2.2", "/"),
        (&acme, "192.0.2.1", "/a"),
    ];
    for (each, fits) in [
        ("principal", [true, true, false, false]),
        ("key", [true, true, false, false]),
        ("address", [true, false, true, false]),
        ("route", [true, false, false, true]),
        ("proxy", [true, false, false, false]),
    ] {
        let snapshot = world(&[&acme, &other], &[quota("one", each, &[(1, "1m")])]);
        let meter = Meter::default();

        let admitted = requests.map(|(caller, address, path)| {
            let client = Client {
                meter: &meter,
                snapshot: &snapshot,
                caller,
            };
            client.get_from(address, path, 0).is_ok()
        });

        assert_eq!(admitted, fits, "{each}");
    }
}

#[test]
fn clients_without_an_address_share_one_count() {
    let acme = Caller::new("acme");
    let snapshot = world(&[&acme], &[quota("one", "address", &[(1, "1m")])]);
    let meter = Meter::default();
    let grant = acme.get(&snapshot, "/").unwrap();

    assert!(meter.admit(&grant, None, at(0)).is_ok());
    assert!(meter.admit(&grant, None, at(0)).is_err());
    let known: IpAddr = "192.0.2.1".parse().unwrap();
    assert!(meter.admit(&grant, known, at(0)).is_ok());
}

#[test]
fn an_ipv6_subscriber_is_one_address() {
    let acme = Caller::new("acme");
    let snapshot = world(&[&acme], &[quota("one", "address", &[(1, "1m")])]);
    let meter = Meter::default();
    let client = Client {
        meter: &meter,
        snapshot: &snapshot,
        caller: &acme,
    };

    assert!(client.get_from("2001:db8:0:1::1", "/", 0).is_ok());
    assert!(client.get_from("2001:db8:0:1:ffff::2", "/", 0).is_err());
    assert!(client.get_from("2001:db8:0:2::1", "/", 0).is_ok());
    assert!(client.get_from("::ffff:192.0.2.1", "/", 0).is_ok());
    assert!(client.get_from("192.0.2.1", "/", 0).is_err());
}

#[test]
fn a_changed_quota_applies_to_what_was_counted_already() {
    let acme = Caller::new("acme");
    let with = |limits: &[(u32, &str)]| world(&[&acme], &[quota("free", "key", limits)]);
    let meter = Meter::default();
    let get = |snapshot: &Snapshot, milliseconds| {
        Client {
            meter: &meter,
            snapshot,
            caller: &acme,
        }
        .get(milliseconds)
    };
    let five = with(&[(5, "1m")]);
    for _ in 0..5 {
        assert_eq!(get(&five, 0), Ok(()));
    }

    assert_eq!(get(&with(&[(6, "1m")]), 1), Ok(()));
    assert!(get(&with(&[(2, "1m")]), 2).is_err());
    assert!(get(&with(&[(6, "60s")]), 3).is_err());
    // Another period starts anew, and the first one's counts are still there when it comes back.
    assert_eq!(get(&with(&[(1, "2m")]), 4), Ok(()));
    assert!(get(&with(&[(1, "2m"), (9, "1m")]), 5).is_err());
    assert!(get(&five, 6).is_err());
}

#[test]
fn a_full_meter_serves_the_subjects_that_it_knows_until_some_are_idle() {
    let callers: Vec<Caller> = (0..4).map(|i| Caller::new(&format!("c{i}"))).collect();
    let all: Vec<&Caller> = callers.iter().collect();
    let snapshot = world(&all, &[quota("free", "key", &[(5, "1m")])]);
    let meter = Meter::new(3);
    let get = |index: usize, milliseconds| {
        Client {
            meter: &meter,
            snapshot: &snapshot,
            caller: &callers[index],
        }
        .get(milliseconds)
    };

    for index in 0..3 {
        assert_eq!(get(index, 0), Ok(()));
    }
    assert_eq!(get(3, 1), Err(Refusal::Overloaded));
    assert_eq!(get(0, 2), Ok(()));
    assert_eq!(meter.subjects_len(), 3);

    meter.sweep(at(60_999));
    assert_eq!(get(3, 60_999), Err(Refusal::Overloaded));
    meter.sweep(at(61_000));
    assert_eq!(meter.subjects_len(), 0);
    assert_eq!(get(3, 61_000), Ok(()));
}

#[test]
fn new_subjects_sweep_the_idle_ones_out() {
    let acme = Caller::new("acme");
    let snapshot = world(&[&acme], &[quota("free", "address", &[(5, "1s")])]);
    let meter = Meter::default();
    let client = Client {
        meter: &meter,
        snapshot: &snapshot,
        caller: &acme,
    };
    let crowd = |milliseconds: u64| {
        for host in 0..2_000_u64 {
            let address = format!("10.{}.{}.{}", milliseconds % 251, host / 256, host % 256);
            assert_eq!(client.get_from(&address, "/", milliseconds), Ok(()));
        }
    };

    for round in 0..20 {
        crowd(round * 20_000);
        assert!(meter.subjects_len() <= 4_000);
    }
}

#[test]
fn threads_that_share_quotas_admit_exactly_the_limit_and_never_wait_for_each_other_in_a_circle() {
    const LIMIT: u32 = 3_000;
    let callers: Vec<Caller> = (0..4).map(|i| Caller::new(&format!("c{i}"))).collect();
    let all: Vec<&Caller> = callers.iter().collect();
    let quotas = [
        quota("a", "proxy", &[(LIMIT, "1h"), (LIMIT, "1d")]),
        quota("b", "route", &[(LIMIT * 2, "1h")]),
        quota("c", "proxy", &[(LIMIT + 1, "1h")]),
        quota("d", "key", &[(LIMIT, "1h")]),
        quota("e", "address", &[(LIMIT, "1h")]),
    ];
    let snapshot = world(&all, &quotas);
    let meter = Meter::default();
    let admitted = AtomicU32::new(0);

    std::thread::scope(|scope| {
        for caller in &callers {
            let client = Client {
                meter: &meter,
                snapshot: &snapshot,
                caller,
            };
            let admitted = &admitted;
            scope.spawn(move || {
                for milliseconds in 0..2_000 {
                    if client.get(milliseconds).is_ok() {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });

    assert_eq!(admitted.into_inner(), LIMIT);
}
