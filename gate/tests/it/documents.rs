//! Documents, callers and requests to test with.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Uri};
use serde_json::{Value, json};
use tollgate_gate::{
    Caller as Asker, Circumstances, Grant, NoConditions, Now, Principal, Question, Refusal,
    Rejected, Snapshot, Target,
};
use tollgate_store::document::{DocumentId, Entry};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Environment, KeyId, Name, Namespace, Secret};

pub(crate) const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3));

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn entry(kind: &str, name: &str, spec: Value) -> Entry {
    let place = DocumentId {
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let json = json!({"kind": kind, "name": name, "schema": 1, "revision": "0", "spec": spec});
    Entry::parse(place, json)
}

pub(crate) fn scope(name: &str, path: &str) -> Entry {
    entry("scope", name, json!({"grants": [{"path": path}]}))
}

pub(crate) fn upstream(name: &str) -> Entry {
    entry("upstream", name, json!({"targets": ["http://10.0.0.1:80"]}))
}

pub(crate) fn route(name: &str, path: &str) -> Entry {
    let spec = json!({"proxy": "edge", "path": path, "upstream": "orders"});
    entry("route", name, spec)
}

pub(crate) fn role(name: &str, scopes: &[&str]) -> Entry {
    entry("role", name, json!({"scopes": scopes}))
}

pub(crate) fn principal(name: &str, fields: Value) -> Entry {
    entry("principal", name, fields)
}

/// A proxy whose one route carries everything, and a scope `all` that allows it.
pub(crate) fn open_world() -> Vec<Entry> {
    let listen = json!({"listen": [{"address": "127.0.0.1:80"}]});
    vec![
        entry("proxy", "edge", listen),
        upstream("orders"),
        route("everything", "/**"),
        scope("all", "/**"),
    ]
}

/// A client with a token of its own.
pub(crate) struct Caller {
    pub(crate) id: KeyId,
    pub(crate) token: Secret,
    name: String,
}

impl Caller {
    pub(crate) fn new(key: &str) -> Self {
        let namespace = Namespace::parse("test").unwrap();
        Self::with_id(key, KeyId::derive(&namespace, &name(key)))
    }

    /// A client whose key stands in a set.
    pub(crate) fn in_set(set: &str, key: &str) -> Self {
        let namespace = Namespace::parse("test").unwrap();
        let id = KeyId::derive_in_set(&namespace, &name(set), &name(key));
        Self::with_id(key, id)
    }

    fn with_id(key: &str, id: KeyId) -> Self {
        Self {
            id,
            token: token::generate(&Environment::default(), id).unwrap(),
            name: key.to_owned(),
        }
    }

    /// The key, with the fields of `more` besides its id and its token.
    pub(crate) fn key(&self, more: Value) -> Entry {
        let mut spec = self.declared(more);
        spec["id"] = json!(self.id);
        entry("key", &self.name, spec)
    }

    /// What a set says of the key: its token, and the fields of `more`.
    pub(crate) fn declared(&self, more: Value) -> Value {
        let mut spec = json!({
            "versions": [{
                "version": 1,
                "sha256": Verifier::of(self.token.expose()),
                "created_at": "2026-01-01T00:00:00Z",
            }],
        });
        let Value::Object(more) = more else {
            panic!("the fields of a key are an object")
        };
        spec.as_object_mut().unwrap().extend(more);
        spec
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let value = format!("Bearer {}", self.token.expose());
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::try_from(value).unwrap());
        headers
    }

    pub(crate) fn identify<'s>(&self, snapshot: &'s Snapshot) -> Result<Principal<'s>, Refusal> {
        snapshot.identify(&self.headers(), ADDRESS, at(0))
    }

    /// The grant for `GET <path>`.
    pub(crate) fn get<'s>(&self, snapshot: &'s Snapshot, path: &str) -> Result<Grant<'s>, Refusal> {
        let target = target("GET", "api.example.com", path)?;
        // A test's principals may live for as long as it does.
        let principal = Box::leak(Box::new(self.identify(snapshot)?));
        snapshot.authorize(principal, &target, &circumstances())
    }
}

/// A question about one `GET` of a path by that caller.
pub(crate) fn get<'q>(path: &'q str, caller: Asker<'q>) -> Question<'q> {
    Question {
        method: "GET",
        host: "api.example.com",
        path,
        caller,
        address: ADDRESS,
        headers: None,
        at: at(0).wall,
        requests: 1,
    }
}

pub(crate) fn target(method: &str, host: &str, path: &str) -> Result<Target, Refusal> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let uri = Uri::try_from(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    Target::parse(&method, Some(host), &uri)
}

static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

/// What comes with a request that no condition looks at.
pub(crate) fn circumstances() -> Circumstances<'static> {
    Circumstances {
        address: Some(ADDRESS),
        time: at(0).wall,
        headers: &NO_HEADERS,
    }
}

/// The moment `milliseconds` after the test began.
pub(crate) fn at(milliseconds: u64) -> Now {
    let since = Duration::from_millis(milliseconds);
    let start: jiff::Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    Now {
        wall: start + since,
        monotonic: since,
    }
}

/// The snapshot of documents that are all good.
pub(crate) fn build(entries: &[Entry]) -> Snapshot {
    let (snapshot, rejected) = build_with_rejected(entries);
    assert_eq!(rejected, []);
    snapshot
}

pub(crate) fn build_with_rejected(entries: &[Entry]) -> (Snapshot, Vec<Rejected>) {
    Snapshot::build(entries, &name("edge"), &NoConditions)
}
