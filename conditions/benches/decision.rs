//! What a condition costs a decision, beside one without: the caller is identified and the request authorised.
//!
//! Run it with `cargo bench -p tollgate-conditions`.
#![allow(missing_docs, reason = "criterion's macros write functions without")]
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on fails")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method, Uri};
use serde_json::{Value, json};
use tollgate_conditions::Cedar;
use tollgate_gate::{Circumstances, Now, Snapshot, Target};
use tollgate_store::document::{DocumentId, Entry};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Environment, KeyId, Name, Namespace};

/// The proxy's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3));
const HOURS: &str = "context.weekday <= 5 && context.hour >= 9 && context.hour < 17";
const ADDRESSES: &str = "context has address && context.address.isInRange(ip(\"10.0.0.0/8\"))";
const HEADERS: &str = "context.headers has \"x-env\" && context.headers[\"x-env\"] == \"test\"";
const NEVER: &str = "context.headers has \"x-env\" && context.headers[\"x-env\"] == \"never\"";

fn entry(kind: &str, name: &str, spec: &Value) -> Entry {
    let place = DocumentId {
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let json = json!({"kind": kind, "name": name, "schema": 1, "revision": "0", "spec": spec});
    Entry::parse(place, json)
}

/// A key whose roles give the same scope, each under one of `conditions`.
fn entries(token: &str, id: KeyId, conditions: &[Option<&str>]) -> Vec<Entry> {
    let version = json!({
        "version": 1, "sha256": Verifier::of(token), "created_at": "2026-01-01T00:00:00Z",
    });
    let names: Vec<_> = (0..conditions.len())
        .map(|number| format!("role-{number:02}"))
        .collect();
    let listen = json!({"listen": [{"address": "127.0.0.1:80"}]});
    let route = json!({"proxy": "edge", "path": "/**", "upstream": "orders"});
    let mut entries = vec![
        entry("proxy", "edge", &listen),
        entry(
            "upstream",
            "orders",
            &json!({"targets": ["http://10.0.0.1:80"]}),
        ),
        entry("scope", "all", &json!({"grants": [{"path": "/**"}]})),
        entry("route", "all", &route),
        entry(
            "key",
            "acme",
            &json!({"id": id, "roles": names, "versions": [version]}),
        ),
    ];
    for (name, condition) in names.iter().zip(conditions) {
        let spec = json!({"scopes": ["all"], "condition": condition});
        entries.push(entry("role", name, &spec));
    }
    entries
}

fn measure(criterion: &mut Criterion, title: &str, conditions: &[Option<&str>]) {
    let id = KeyId::derive(
        &Namespace::parse("bench").unwrap(),
        &Name::parse("acme").unwrap(),
    );
    let token = token::generate(&Environment::default(), id).unwrap();
    let entries = entries(token.expose(), id, conditions);
    let (snapshot, rejected) = Snapshot::build(&entries, &Name::parse("edge").unwrap(), &Cedar);
    assert_eq!(rejected, []);
    let mut headers = HeaderMap::new();
    let bearer = format!("Bearer {}", token.expose());
    headers.insert("authorization", HeaderValue::try_from(bearer).unwrap());
    headers.insert("x-env", HeaderValue::from_static("test"));
    // A Wednesday, at ten.
    let now = Now {
        wall: "2027-06-30T10:00:00Z".parse().unwrap(),
        monotonic: Duration::ZERO,
    };
    let is_met = conditions.iter().any(|condition| *condition != Some(NEVER));
    criterion.bench_function(title, |bencher| {
        bencher.iter(|| {
            let uri = Uri::from_static("/v1/orders/1");
            let target = Target::parse(&Method::GET, Some("api.example.com"), &uri).unwrap();
            let principal = snapshot.identify(&headers, ADDRESS, now).unwrap();
            let circumstances = Circumstances {
                address: Some(ADDRESS),
                time: now.wall,
                headers: &headers,
            };
            let is_allowed = snapshot
                .authorize(&principal, &target, &circumstances)
                .is_ok();
            assert_eq!(is_allowed, is_met);
        });
    });
}

fn conditions(criterion: &mut Criterion) {
    measure(criterion, "no condition", &[None]);
    measure(
        criterion,
        "a condition that is not asked",
        &[None, Some(HOURS)],
    );
    measure(criterion, "hours", &[Some(HOURS)]);
    measure(criterion, "an address", &[Some(ADDRESSES)]);
    measure(criterion, "a header", &[Some(HEADERS)]);
    measure(criterion, "32 headers that differ", &[Some(NEVER); 32]);
}

criterion_group!(benches, conditions);
criterion_main!(benches);
