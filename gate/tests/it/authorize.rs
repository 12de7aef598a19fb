use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_gate::{CallerKind, Refusal, Snapshot};
use tollgate_store::document::{Document, Entry, Spec};

use crate::documents::*;

/// A world in which `acme` holds the scope `some` with the given grants.
fn with_grants(grants: Value) -> (Snapshot, Caller) {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries.push(entry("scope", "some", json!({"grants": grants})));
    entries.push(acme.key(json!({"scopes": ["some"]})));
    (build(&entries), acme)
}

fn is_in_scope(world: &(Snapshot, Caller), method: &str, host: &str, path: &str) -> bool {
    let (snapshot, acme) = world;
    let target = target(method, host, path).unwrap();
    match snapshot.authorize(&acme.identify(snapshot).unwrap(), &target, &circumstances()) {
        Ok(grant) => {
            assert_eq!(grant.scope().unwrap().as_str(), "some");
            true
        }
        Err(refusal) => {
            assert_eq!(
                refusal,
                Refusal::OutOfScope {
                    caller: CallerKind::Key(acme.id)
                }
            );
            false
        }
    }
}

#[test]
fn method_host_and_path_must_all_fit_one_grant() {
    let world = with_grants(json!([
        {"methods": ["GET"], "hosts": ["api.example.com", "*.example.org"], "path": "/a/**"},
        {"methods": ["POST"], "path": "/b"},
    ]));

    assert!(is_in_scope(&world, "GET", "api.example.com", "/a/1"));
    assert!(is_in_scope(&world, "GET", "API.example.com.:80", "/a"));
    assert!(is_in_scope(&world, "GET", "x.example.org", "/a/"));
    assert!(is_in_scope(&world, "POST", "any.host", "/b"));

    assert!(!is_in_scope(&world, "POST", "api.example.com", "/a/1"));
    assert!(!is_in_scope(&world, "get", "api.example.com", "/a/1"));
    assert!(!is_in_scope(&world, "GET", "other.example.com", "/a/1"));
    assert!(!is_in_scope(&world, "GET", "x.y.example.org", "/a/1"));
    assert!(!is_in_scope(&world, "GET", "example.org", "/a/1"));
    assert!(!is_in_scope(&world, "GET", "api.example.com", "/A/1"));
    assert!(!is_in_scope(&world, "POST", "any.host", "/b/"));
}

#[test]
fn an_ipv6_host_fits_however_it_is_written() {
    let world = with_grants(json!([{"hosts": ["2001:db8:0::1"], "path": "/**"}]));

    assert!(is_in_scope(&world, "GET", "[2001:DB8::1]:80", "/"));
    assert!(!is_in_scope(&world, "GET", "[2001:db8::2]", "/"));
}

#[test]
fn a_literal_is_compared_in_the_spelling_that_is_forwarded() {
    let world = with_grants(json!([{"path": "/caf%C3%A9/%7Bid%7D/~x"}]));

    assert!(is_in_scope(&world, "GET", "h", "/caf%c3%a9/{id}/%7ex"));
    assert!(!is_in_scope(&world, "GET", "h", "/cafe/{id}/~x"));
}

#[test]
fn a_scope_that_the_key_does_not_hold_opens_nothing() {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries.push(scope("orders", "/orders/**"));
    entries.push(acme.key(json!({"scopes": ["orders"]})));
    let snapshot = build(&entries);

    assert!(acme.get(&snapshot, "/orders/1").is_ok());
    assert_eq!(
        acme.get(&snapshot, "/other").unwrap_err().code(),
        "scope_insufficient"
    );
}

#[test]
fn who_lacks_the_scope_does_not_learn_which_routes_exist() {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries[2] = route("orders", "/orders/**");
    entries.push(scope("some", "/some/**"));
    entries.push(acme.key(json!({"scopes": ["some"]})));
    let snapshot = build(&entries);

    for (path, code) in [
        ("/orders/1", "scope_insufficient"),
        ("/nowhere", "scope_insufficient"),
        ("/some/1", "route_missing"),
    ] {
        assert_eq!(
            acme.get(&snapshot, path).unwrap_err().code(),
            code,
            "{path}"
        );
    }
}

fn routes_world(routes: &[Value]) -> (Vec<Entry>, Caller) {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries.remove(2);
    entries.push(acme.key(json!({"scopes": ["all"]})));
    for (index, fields) in routes.iter().enumerate() {
        let mut spec = json!({"proxy": "edge", "upstream": "orders"});
        spec.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        entries.push(entry("route", &format!("r{index:02}"), spec));
    }
    (entries, acme)
}

#[test]
fn the_most_specific_route_carries_by_path_then_host_then_method() {
    let (entries, acme) = routes_world(&[
        json!({"path": "/**"}),
        json!({"path": "/a/**", "hosts": ["a.b"]}),
        json!({"path": "/a/**", "hosts": ["*.b"], "methods": ["GET"]}),
        json!({"path": "/a/**"}),
        json!({"path": "/a/**", "hosts": ["a.b"], "methods": ["PUT"]}),
        json!({"path": "/a/1", "methods": ["PUT"]}),
    ]);
    let snapshot = build(&entries);

    for (method, host, path, expected) in [
        ("GET", "a.b", "/", "r00"),
        ("GET", "a.b", "/a", "r01"),
        ("PUT", "a.b", "/a", "r04"),
        ("GET", "c.b", "/a", "r02"),
        ("PUT", "c.b", "/a", "r03"),
        ("PUT", "a.b", "/a/1", "r05"),
        ("GET", "a.b", "/a/1", "r01"),
    ] {
        let target = target(method, host, path).unwrap();
        let principal = acme.identify(&snapshot).unwrap();
        let grant = snapshot
            .authorize(&principal, &target, &circumstances())
            .unwrap();
        assert_eq!(grant.route().as_str(), expected, "{method} {host} {path}");
        assert_eq!(grant.upstream().name.as_str(), "orders");
    }
}

fn route_fields() -> impl Strategy<Value = Value> {
    let path = prop::sample::select(vec![
        "/a", "/a/**", "/**", "/*", "/a/b", "/a/*", "/*/b", "/a/",
    ]);
    let hosts = prop::sample::select(vec![
        json!(null),
        json!(["a.b"]),
        json!(["*.b"]),
        json!(["a.b", "*.b"]),
        json!(["c.b", "d"]),
    ]);
    let methods = prop::sample::select(vec![json!(null), json!(["GET"]), json!(["GET", "PUT"])]);
    (path, hosts, methods).prop_map(
        |(path, hosts, methods)| json!({"path": path, "hosts": hosts, "methods": methods}),
    )
}

/// How specific a route is for a request that it fits, the smallest the most; `None` where it does not fit.
fn rank(entry: &Entry, method: &str, host: &str, path: &str) -> Option<(Vec<u8>, u8, u8)> {
    let Ok(Spec::Route(route)) = entry.document.as_ref().map(Document::spec) else {
        return None;
    };
    let methods = match &route.methods {
        None => 1,
        Some(methods) => methods.iter().find(|m| m.as_str() == method).map(|_| 0)?,
    };
    let hosts = match &route.hosts {
        None => 2,
        Some(hosts) => hosts
            .iter()
            .filter(|pattern| pattern.matches(host))
            .map(|pattern| u8::from(!pattern.is_exact()))
            .min()?,
    };
    let mut ranks = Vec::new();
    let mut segments = path.split('/').skip(1);
    for part in route.path.as_str().split('/').skip(1) {
        if part == "**" {
            ranks.push(2);
            return Some((ranks, hosts, methods));
        }
        let segment = segments.next()?;
        match part {
            "*" if !segment.is_empty() => ranks.push(1),
            literal if literal == segment => ranks.push(0),
            _ => return None,
        }
    }
    ranks.push(0);
    segments.next().is_none().then_some((ranks, hosts, methods))
}

proptest! {
    #[test]
    fn the_route_is_the_first_of_those_that_fit_by_rank_then_by_name(
        routes in prop::collection::vec(route_fields(), 1..12),
        method in prop::sample::select(vec!["GET", "PUT", "POST"]),
        host in prop::sample::select(vec!["a.b", "c.b", "x.b", "d", "a.b.c"]),
        path in prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/b/b", "/c", "/a/b/c"]),
    ) {
        let (entries, acme) = routes_world(&routes);
        let (snapshot, _) = build_with_rejected(&entries);
        let expected = entries
            .iter()
            .filter_map(|entry| Some((rank(entry, method, host, path)?, &entry.id.name)))
            .min();

        let target = target(method, host, path).unwrap();
        let principal = acme.identify(&snapshot).unwrap();
        let found = snapshot.authorize(&principal, &target, &circumstances());

        prop_assert_eq!(
            found.ok().map(|grant| grant.route().as_str().to_owned()),
            expected.map(|(_, name)| name.clone())
        );
    }
}
