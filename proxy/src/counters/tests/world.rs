//! Processes that count, and what they count.

use http::{HeaderMap, HeaderValue, Method, Uri};
use serde_json::json;
use tollgate_conditions::Cedar;
use tollgate_gate::{Circumstances, Grant, Now, Principal, Snapshot, Target};
use tollgate_store::document::{DocumentId, Entry};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Environment, KeyId};

use super::super::*;
use super::{COST_MAX, START_US};

pub(super) struct Process {
    pub(super) meter: Meter,
    pub(super) offset_us: u64,
    pub(super) names: Names,
    pub(super) connection: u32,
    pub(super) asked: std::cell::Cell<u32>,
}

impl Process {
    pub(super) fn new(offset_us: u64) -> Self {
        Self {
            meter: Meter::default(),
            names: Names {
                prefix: "test:".to_owned(),
                process: format!("{:x}", rand::rng().random::<u64>()),
            },
            offset_us,
            connection: 1,
            asked: std::cell::Cell::new(0),
        }
    }

    pub(super) fn arrival<'a>(&self, grant: &'a Grant<'a>, now_us: u64) -> Arrival<'a> {
        Arrival {
            grant,
            address: None,
            now: moment(now_us - self.offset_us),
        }
    }

    pub(super) fn ask(&self, arrival: &Arrival<'_>) -> Result<Asked, Refusal> {
        self.meter.ask(arrival, &|_| self.connection)
    }
}

pub(super) fn moment(now_us: u64) -> Now {
    let micros = i64::try_from(now_us).unwrap();
    Now {
        wall: jiff::Timestamp::from_microsecond(micros).unwrap(),
        monotonic: Duration::from_micros(now_us),
    }
}

pub(super) fn entry(kind: &str, name: &str, spec: &serde_json::Value) -> Entry {
    let place = DocumentId {
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let json = json!({"kind": kind, "name": name, "schema": 1, "revision": "0", "spec": spec});
    Entry::parse(place, json)
}

/// A key that `quotas` count, and what costs 1 to 5 at `/1` to `/5`.
pub(super) struct World {
    pub(super) snapshot: Snapshot,
    pub(super) headers: HeaderMap,
}

impl World {
    pub(super) fn new(quotas: &[serde_json::Value]) -> Self {
        let id = KeyId::derive(
            &Namespace::parse("test").unwrap(),
            &Name::parse("acme").unwrap(),
        );
        let token = token::generate(&Environment::default(), id).unwrap();
        let names: Vec<_> = (0..quotas.len())
            .map(|number| format!("q{number}"))
            .collect();
        let version = json!({
            "version": 1, "sha256": Verifier::of(token.expose()), "created_at": "2026-01-01T00:00:00Z",
        });
        let key = json!({"id": id, "scopes": ["all"], "quotas": names, "versions": [version]});
        let listen = json!({"listen": [{"address": "127.0.0.1:80"}]});
        let mut entries = vec![
            entry("proxy", "edge", &listen),
            entry(
                "upstream",
                "orders",
                &json!({"targets": ["http://10.0.0.1:80"]}),
            ),
            entry("scope", "all", &json!({"grants": [{"path": "/**"}]})),
            entry("key", "acme", &key),
        ];
        for (name, quota) in names.iter().zip(quotas) {
            entries.push(entry("quota", name, quota));
        }
        for cost in 1..=COST_MAX {
            let path = format!("/{cost}");
            let route = json!({"proxy": "edge", "path": path, "upstream": "orders", "cost": cost});
            entries.push(entry("route", &format!("r{cost}"), &route));
        }
        let (snapshot, rejected) = Snapshot::build(&entries, &Name::parse("edge").unwrap(), &Cedar);
        assert_eq!(rejected, []);
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).unwrap();
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, bearer)]);
        Self { snapshot, headers }
    }

    pub(super) fn principal(&self) -> Principal<'_> {
        let identified = self
            .snapshot
            .identify(&self.headers, None, moment(START_US));
        identified.unwrap()
    }

    pub(super) fn grant<'a>(&'a self, principal: &'a Principal<'a>, cost: u32) -> Grant<'a> {
        let path = Uri::try_from(format!("/{cost}")).unwrap();
        let target = Target::parse(&Method::GET, Some("api.test"), &path).unwrap();
        let circumstances = Circumstances {
            address: None,
            time: moment(START_US).wall,
            headers: &self.headers,
        };
        self.snapshot
            .authorize(principal, &target, &circumstances)
            .unwrap()
    }
}
