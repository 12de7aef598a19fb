//! What a quota costs a decision beyond one without: checked and charged, for one subject and for a million in turn.
//!
//! Run it with `cargo bench -p tollgate-gate --bench quotas`.
#![allow(missing_docs, reason = "criterion's macros write functions without")]
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on fails")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method, Uri};
use serde_json::{Value, json};
use tollgate_gate::{Circumstances, Grant, Meter, NoConditions, Now, Snapshot, Target};
use tollgate_store::document::{DocumentId, Entry};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Environment, KeyId, Name, Namespace};

/// The proxy's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MILLION: u32 = 1_000_000;

fn entry(kind: &str, name: &str, spec: &Value) -> Entry {
    let place = DocumentId {
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let json = json!({"kind": kind, "name": name, "schema": 1, "revision": "0", "spec": spec});
    Entry::parse(place, json)
}

/// One key that may do everything, and is counted by a quota with `limits`; by none where there are none.
fn with_grant(limits: &Value, act: impl FnOnce(&Grant<'_>)) {
    let name = Name::parse("acme").unwrap();
    let id = KeyId::derive(&Namespace::parse("bench").unwrap(), &name);
    let token = token::generate(&Environment::default(), id).unwrap();
    let version = json!({
        "version": 1, "sha256": Verifier::of(token.expose()), "created_at": "2026-01-01T00:00:00Z",
    });
    let is_counted = limits != &json!([]);
    let quotas: Option<[&str; 1]> = is_counted.then_some(["each"]);
    let key = json!({"id": id, "scopes": ["all"], "quotas": quotas, "versions": [version]});
    let mut entries = vec![
        entry(
            "proxy",
            "edge",
            &json!({"listen": [{"address": "127.0.0.1:80"}]}),
        ),
        entry(
            "upstream",
            "orders",
            &json!({"targets": ["http://10.0.0.1:80"]}),
        ),
        entry("scope", "all", &json!({"grants": [{"path": "/**"}]})),
        entry(
            "route",
            "all",
            &json!({"proxy": "edge", "path": "/**", "upstream": "orders"}),
        ),
    ];
    if is_counted {
        let quota = json!({"each": "address", "limits": limits});
        entries.push(entry("quota", "each", &quota));
    }
    entries.push(entry("key", "acme", &key));
    let (snapshot, rejected) =
        Snapshot::build(&entries, &Name::parse("edge").unwrap(), &NoConditions);
    assert_eq!(rejected, []);

    let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).unwrap();
    let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, bearer)]);
    let principal = snapshot.identify(&headers, None, moment(0)).unwrap();
    let target = Target::parse(
        &Method::GET,
        Some("api.example.com"),
        &Uri::from_static("/"),
    );
    let circumstances = Circumstances {
        address: None,
        time: moment(0).wall,
        headers: &headers,
    };
    let grant = snapshot.authorize(&principal, &target.unwrap(), &circumstances);
    act(&grant.unwrap());
}

fn moment(step: u64) -> Now {
    Now {
        wall: jiff::Timestamp::constant(1_800_000_000, 0),
        monotonic: Duration::from_micros(step),
    }
}

/// In an order that no cache can foresee.
fn address(step: u64, subjects: u32) -> IpAddr {
    let step = u32::try_from(step % u64::from(subjects)).unwrap_or_default();
    Ipv4Addr::from_bits(step.wrapping_mul(2_654_435_761)).into()
}

/// What the process has in memory. Linux tells it in pages of 4 KiB.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = text.split(' ').nth(1).and_then(|text| text.parse().ok());
    pages.unwrap_or_default() * 4_096
}

/// Tells what a million subjects take; first of all, as what was freed is taken again.
fn tell_memory(title: &str, limits: &Value) {
    with_grant(limits, |grant| {
        let meter = Meter::new(usize::try_from(MILLION).unwrap_or_default() * 2);
        let before = resident_bytes();
        for step in 0..u64::from(MILLION) {
            let admission = meter.admit(grant, address(step, MILLION), moment(step));
            assert!(admission.is_ok());
        }
        let taken = resident_bytes().saturating_sub(before) / u64::from(MILLION);
        eprintln!("{title}, 1,000,000 subjects: {taken} bytes each");
    });
}

fn measure(criterion: &mut Criterion, title: &str, limits: &Value, subjects: u32) {
    with_grant(limits, |grant| {
        let meter = Meter::new(usize::try_from(subjects).unwrap_or_default() * 2);
        let mut steps = 0..;
        let mut admit = || {
            let step = steps.next().unwrap_or_default();
            let admission = meter.admit(grant, address(step, subjects), moment(step));
            assert!(admission.is_ok());
        };
        for _ in 0..subjects {
            admit();
        }
        criterion.bench_function(title, |bencher| bencher.iter(&mut admit));
    });
}

fn quotas(criterion: &mut Criterion) {
    let plenty = 1_000_000_000;
    let strict = json!([{"requests": plenty, "per": "1m"}]);
    let smooth = json!([{"requests": plenty, "per": "1s", "window": "smooth", "burst": plenty}]);
    let day = json!([{"requests": plenty, "per": "day"}]);
    let concurrent = json!([{"concurrent": MILLION}]);
    let both = json!([{"requests": plenty, "per": "1m"}, {"requests": plenty, "per": "day"}]);
    tell_memory("strict and day", &both);
    for (subjects, of) in [(1, "one subject"), (MILLION, "1,000,000 subjects")] {
        for (what, limits) in [
            ("no quota", &json!([])),
            ("strict", &strict),
            ("smooth", &smooth),
            ("day", &day),
            ("concurrent", &concurrent),
            ("strict and day", &both),
        ] {
            measure(criterion, &format!("{what}, {of}"), limits, subjects);
        }
    }
}

criterion_group!(benches, quotas);
criterion_main!(benches);
