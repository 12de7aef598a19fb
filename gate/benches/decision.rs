//! What one decision costs: the head is parsed, the caller identified, the request authorised and charged.
//!
//! Run it with `cargo bench -p tollgate-gate`.
#![allow(missing_docs, reason = "criterion's macros write functions without")]
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on fails")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method, Uri};
use serde_json::json;
use tollgate_gate::{
    Admission, Circumstances, Meter, NoConditions, Now, Refusal, Snapshot, Target,
};
use tollgate_store::document::{Document, DocumentKey, Entry, Key, KeyVersion, Kind, Spec};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Environment, KeyId, Name, Namespace, Secret, Timestamp};

/// The proxy's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3));
const SCOPES: usize = 100;
/// The most clients that send requests, in turn: more than the caches hold.
const CLIENTS_MAX: usize = 200_000;

/// A request as it arrives.
struct Request {
    headers: HeaderMap,
    uri: Uri,
}

impl Request {
    fn new(token: &str, path: &str) -> Self {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {token}");
        headers.insert("host", HeaderValue::from_static("api.example.com"));
        headers.insert("user-agent", HeaderValue::from_static("bench/1.0"));
        headers.insert("authorization", HeaderValue::try_from(bearer).unwrap());
        let uri = Uri::try_from(path).unwrap();
        Self { headers, uri }
    }
}

/// What a client sends: its token, and where to.
struct Client {
    token: Secret,
    path: String,
}

struct World {
    snapshot: Snapshot,
    meter: Meter,
    clients: Vec<Client>,
}

impl World {
    fn decide(&self, request: &Request, now: Now) -> Result<Admission, Refusal> {
        let target = Target::parse(&Method::GET, Some("api.example.com"), &request.uri)?;
        let principal = self.snapshot.identify(&request.headers, ADDRESS, now)?;
        let circumstances = Circumstances {
            address: Some(ADDRESS),
            time: now.wall,
            headers: &request.headers,
        };
        let grant = self
            .snapshot
            .authorize(&principal, &target, &circumstances)?;
        self.meter.admit(&grant, ADDRESS, now)
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn entry(kind: Kind, text: &str, spec: serde_json::Value) -> Entry {
    let key = DocumentKey {
        kind,
        name: name(text),
    };
    as_entry(Document::parse(&key, spec).unwrap())
}

fn as_entry(document: Document) -> Entry {
    Entry {
        id: document.key().into(),
        revision: None,
        document: Ok(document),
    }
}

/// A hundred scopes and routes, and one quota that lets everything pass.
fn rules() -> Vec<Entry> {
    let listen = json!({"listen": [{"address": "127.0.0.1:80"}]});
    let limits = json!({"limits": [{"requests": 1_000_000_000, "per": "1m"}]});
    let mut entries = vec![
        entry(Kind::Proxy, "edge", listen),
        entry(Kind::Quota, "free", limits),
        entry(
            Kind::Upstream,
            "orders",
            json!({"targets": ["http://10.0.0.1:80"]}),
        ),
    ];
    for index in 0..SCOPES {
        let path = format!("/v1/team-{index}/**");
        let grants = json!({"grants": [{"methods": ["GET", "HEAD"], "path": path}]});
        let route = json!({"proxy": "edge", "path": path, "upstream": "orders"});
        entries.push(entry(Kind::Scope, &format!("team-{index}:read"), grants));
        entries.push(entry(Kind::Route, &format!("team-{index}"), route));
    }
    entries
}

/// The key number `index`, which holds one scope, and a client that stays within it.
fn key(index: usize) -> (Entry, Client) {
    let name = name(&format!("key-{index}"));
    let id = KeyId::derive(&Namespace::parse("bench").unwrap(), &name);
    let token = token::generate(&Environment::default(), id).unwrap();
    let team = index % SCOPES;
    let key = Key {
        id,
        environment: Environment::default(),
        principal: None,
        scopes: Some([self::name(&format!("team-{team}:read"))].into()),
        roles: None,
        quotas: Some([self::name("free")].into()),
        enabled: true,
        not_before: None,
        expires_at: Some(Timestamp::parse("2030-01-01T00:00:00Z").unwrap()),
        allowed_cidrs: None,
        metadata: None,
        rotation: None,
        versions: vec![KeyVersion {
            version: 1,
            sha256: Verifier::of(token.expose()),
            created_at: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
            expires_at: None,
            imported: false,
            pending: false,
        }],
    };
    let path = format!("/v1/team-{team}/orders/{index}?page=2");
    (
        as_entry(Document::new(name, key).unwrap()),
        Client { token, path },
    )
}

/// Where the paths of scopes lead.
#[derive(Clone, Copy, PartialEq)]
enum Paths {
    /// Each scope has one of its own.
    Own,
    /// All have the same, and so does the request.
    Shared,
}

/// The most scopes that a principal can hold: 32 roles of 100.
const HELD_MAX: usize = 3_200;
const ROLE_SCOPES: usize = 100;

/// One principal that holds as many of `scopes` as it can, from the last on, and asks for those it holds or, where
/// `is_refused`, for one that it does not.
fn roles(scopes: usize, paths: Paths, is_refused: bool) -> World {
    let mut entries = rules();
    let width = scopes.to_string().len();
    let scope = |index: usize| format!("pattern-{index:0width$}");
    let path = |index: usize| match paths {
        Paths::Own => format!("/v2/pattern-{index}/**"),
        Paths::Shared => "/v2/shared/**".to_owned(),
    };
    for index in 0..scopes {
        let grants = json!({"grants": [{"methods": ["GET"], "path": path(index)}]});
        entries.push(entry(Kind::Scope, &scope(index), grants));
    }
    entries.push(entry(
        Kind::Scope,
        "elsewhere",
        json!({"grants": [{"path": "/v2/elsewhere/**"}]}),
    ));
    entries.push(entry(
        Kind::Route,
        "patterns",
        json!({"proxy": "edge", "path": "/v2/**", "upstream": "orders"}),
    ));
    let first = scopes.saturating_sub(HELD_MAX);
    let held: Vec<_> = (first..scopes).collect();
    let mut names = Vec::new();
    for (number, chunk) in held.chunks(ROLE_SCOPES).enumerate() {
        let scopes: Vec<_> = chunk.iter().map(|index| scope(*index)).collect();
        let name = format!("role-{number}");
        entries.push(entry(Kind::Role, &name, json!({"scopes": scopes})));
        names.push(name);
    }
    let principal = json!({"roles": names, "quotas": ["free"]});
    entries.push(entry(Kind::Principal, "acme", principal));
    let clients = held.iter().take(1_000).enumerate().map(|(number, index)| {
        let (key, mut client) = principals_key(number);
        entries.push(key);
        client.path = match (paths, is_refused) {
            (_, true) => "/v2/elsewhere/1".to_owned(),
            (Paths::Own, _) => format!("/v2/pattern-{index}/1"),
            (Paths::Shared, _) => "/v2/shared/1".to_owned(),
        };
        client
    });
    let clients = clients.collect();
    let (snapshot, rejected) = Snapshot::build(&entries, &name("edge"), &NoConditions);
    assert!(rejected.is_empty(), "{rejected:?}");
    World {
        snapshot,
        meter: Meter::default(),
        clients,
    }
}

/// A key that acts as `acme`.
fn principals_key(number: usize) -> (Entry, Client) {
    let (entry, client) = key(number);
    let Ok(document) = entry.document else {
        unreachable!("it was just made")
    };
    let Spec::Key(mut key) = document.spec().clone() else {
        unreachable!("it is a key")
    };
    key.principal = Some(name("acme"));
    (key.scopes, key.quotas) = (None, None);
    let document = Document::new(document.name().clone(), key).unwrap();
    (as_entry(document), client)
}

fn patterns(criterion: &mut Criterion) {
    for (scopes, title) in [(10, "10 scopes"), (10_000, "10,000 scopes")] {
        for (paths, what) in [
            (Paths::Own, "a path of its own each"),
            (Paths::Shared, "one path of all"),
        ] {
            let world = roles(scopes, paths, false);
            measure(
                criterion,
                &format!("admitted, {title}, {what}"),
                &world,
                None,
            );
        }
        let world = roles(scopes, Paths::Shared, true);
        let expected = Some("scope_insufficient");
        measure(
            criterion,
            &format!("out of scope, {title}"),
            &world,
            expected,
        );
    }
}

fn world(keys: usize) -> World {
    let mut entries = rules();
    let mut clients = Vec::new();
    for index in 0..keys {
        let (entry, client) = key(index);
        entries.push(entry);
        clients.push((index.wrapping_mul(2_654_435_761) % 4_294_967_291, client));
    }
    // An order that no cache can foresee.
    clients.sort_by_key(|(order, _)| *order);
    clients.truncate(CLIENTS_MAX);
    let (snapshot, rejected) = Snapshot::build(&entries, &name("edge"), &NoConditions);
    assert!(rejected.is_empty());
    World {
        snapshot,
        meter: Meter::default(),
        clients: clients.into_iter().map(|(_, client)| client).collect(),
    }
}

fn moment(step: u64) -> Now {
    Now {
        wall: jiff::Timestamp::constant(1_800_000_000, 0),
        monotonic: Duration::from_micros(step),
    }
}

/// Decides one request of each client in turn, over and over.
fn measure(criterion: &mut Criterion, title: &str, world: &World, expected: Option<&str>) {
    let mut steps = 0..;
    let mut clients = world.clients.iter().cycle();
    // Made just before it is decided, as a server has just read it: the key may be cold, the request never is.
    let mut request = || {
        clients
            .next()
            .map(|it| Request::new(it.token.expose(), &it.path))
    };
    let mut decide = |request: &mut Option<Request>| {
        let now = moment(steps.next().unwrap_or_default());
        request.as_ref().map(|request| world.decide(request, now))
    };
    for _ in &world.clients {
        let code = decide(&mut request())
            .unwrap()
            .err()
            .map(|refusal| refusal.code());
        assert_eq!(code, expected);
    }
    criterion.bench_function(title, |bencher| {
        bencher.iter_batched_ref(&mut request, &mut decide, BatchSize::NumIterations(64));
    });
}

fn with_keys(criterion: &mut Criterion, keys: usize, title: &str) {
    let mut world = world(keys);
    measure(criterion, &format!("admitted, {title}"), &world, None);

    let strangers = (0..1_000).map(|index| key(2_000_000 + index).1);
    world.clients = strangers.collect();
    let expected = Some("credential_unknown");
    measure(
        criterion,
        &format!("unknown key, {title}"),
        &world,
        expected,
    );
}

fn out_of_scope(criterion: &mut Criterion) {
    let mut world = world(1_000);
    for client in &mut world.clients {
        client.path.replace_range(.., "/v1/elsewhere/orders/1");
    }
    let expected = Some("scope_insufficient");
    measure(criterion, "out of scope, 1,000 keys", &world, expected);
}

fn thousand(criterion: &mut Criterion) {
    with_keys(criterion, 1_000, "1,000 keys");
    out_of_scope(criterion);
}

fn million(criterion: &mut Criterion) {
    with_keys(criterion, 1_000_000, "1,000,000 keys");
}

criterion_group!(benches, thousand, patterns, million);
criterion_main!(benches);
