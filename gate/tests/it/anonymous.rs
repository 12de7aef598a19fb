//! Routes that are open to everybody, and routes that take some credentials only.

use http::HeaderMap;
use serde_json::{Value, json};
use tollgate_gate::{Caller as Asker, Documents, Meter, Question, Snapshot};
use tollgate_store::document::Entry;

use crate::documents::*;
use crate::meter::quota;
use crate::snapshot::rejected;

fn route_with(name: &str, path: &str, more: Value) -> Entry {
    let mut spec = json!({"proxy": "edge", "path": path, "upstream": "orders"});
    let more = more.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(more);
    entry("route", name, spec)
}

/// Everything below `/public` is open, but `/public/admin`.
fn world() -> Vec<Entry> {
    let mut entries = open_world();
    entries.push(route_with(
        "public",
        "/public/**",
        json!({"anonymous": true}),
    ));
    entries.push(route("admin", "/public/admin/**"));
    entries
}

fn code(snapshot: &Snapshot, headers: &HeaderMap, path: &str) -> &'static str {
    let target = target("GET", "a", path).unwrap();
    let principal = match snapshot.identify(headers, ADDRESS, at(0)) {
        Ok(principal) => principal,
        Err(refusal) => return refusal.code(),
    };
    let grant = snapshot.authorize(&principal, &target, &circumstances());
    grant.map_or_else(|refusal| refusal.code(), |_| "allowed")
}

fn nobodys(entries: &[Entry], path: &str) -> &'static str {
    let (snapshot, _) = build_with_rejected(entries);
    code(&snapshot, &HeaderMap::new(), path)
}

#[test]
fn an_open_route_lets_everybody_in_and_no_other_route_does() {
    let world = world();

    assert_eq!(nobodys(&world, "/public/a"), "allowed");
    // Also where there is nothing: a stranger learns of no route.
    for path in ["/public/admin", "/public/admin/x", "/orders", "/nothing"] {
        assert_eq!(nobodys(&world, path), "credential_missing", "{path}");
    }
    assert_eq!(nobodys(&open_world(), "/x"), "credential_missing");
}

#[test]
fn a_bad_credential_is_not_made_good_by_an_open_route() {
    let stranger = Caller::new("stranger");
    let snapshot = build(&world());

    let refused = code(&snapshot, &stranger.headers(), "/public/a");
    assert_eq!(refused, "credential_unknown");
}

#[test]
fn who_is_known_needs_no_scope_for_an_open_route() {
    let caller = Caller::new("key");
    let mut entries = world();
    entries.push(scope("other", "/other"));
    entries.push(caller.key(json!({"scopes": ["other"]})));
    let snapshot = build(&entries);

    assert_eq!(code(&snapshot, &caller.headers(), "/public/a"), "allowed");
    let admin = code(&snapshot, &caller.headers(), "/public/admin");
    assert_eq!(admin, "scope_insufficient");
}

#[test]
fn what_a_broken_route_had_closed_stays_closed() {
    let admin = |spec: Value| {
        let mut entries = world();
        entries.retain(|entry| entry.id.name != "admin");
        entries.push(entry("route", "admin", spec));
        entries
    };
    // One that names what is missing.
    let broken = json!({"proxy": "edge", "path": "/public/admin/**", "upstream": "nowhere"});
    let entries = admin(broken);
    assert_eq!(rejected(&entries).len(), 1);
    assert_eq!(nobodys(&entries, "/public/admin/x"), "credential_missing");
    assert_eq!(nobodys(&entries, "/public/a"), "allowed");
    // One that can't be read: what it closes is not known.
    let unreadable =
        json!({"proxy": "edge", "path": "/public/admin/**", "upstream": "orders", "new": 1});
    let entries = admin(unreadable);
    assert_eq!(nobodys(&entries, "/public/admin/x"), "credential_missing");
    assert_eq!(nobodys(&entries, "/public/a"), "credential_missing");
    // One that matches the same requests as an open one.
    let twin = json!({"proxy": "edge", "path": "/public/**", "upstream": "orders"});
    assert_eq!(nobodys(&admin(twin), "/public/a"), "credential_missing");
}

#[test]
fn callers_without_a_credential_are_counted_by_their_addresses() {
    for each in ["principal", "key", "address"] {
        let mut entries = open_world();
        let more = json!({"anonymous": true, "anonymous_quotas": ["one"]});
        entries.push(route_with("public", "/public/**", more));
        entries.push(quota("one", each, &[(1, "1m")]));
        let snapshot = build(&entries);
        let meter = Meter::default();
        let target = target("GET", "a", "/public/x").unwrap();
        let admit = |address: &str| {
            let address: std::net::IpAddr = address.parse().unwrap();
            let principal = snapshot
                .identify(&HeaderMap::new(), address, at(0))
                .unwrap();
            let grant = snapshot
                .authorize(&principal, &target, &circumstances())
                .unwrap();
            meter.admit(&grant, address, at(0)).is_ok()
        };
        assert!(admit("192.0.2.1"), "{each}");
        assert!(!admit("192.0.2.1"), "{each}");
        assert!(admit("192.0.2.2"), "{each}");
    }
}

#[test]
fn an_open_route_without_its_quota_is_left_out() {
    let mut entries = open_world();
    let more = json!({"anonymous": true, "anonymous_quotas": ["gone"]});
    entries.push(route_with("public", "/public/**", more));

    assert_eq!(
        rejected(&entries),
        ["route \"public\": route \"public\" names quota \"gone\", which does not exist"]
    );
    assert_eq!(nobodys(&entries, "/public/a"), "credential_missing");
}

#[test]
fn a_route_takes_the_credentials_that_it_names_from_who_may_send_its_requests() {
    let (caller, lacking) = (Caller::new("key"), Caller::new("lacking"));
    for (kinds, expected) in [
        (json!(["certificate"]), "credential_kind"),
        (json!(["token", "certificate"]), "credential_kind"),
        (json!(["key"]), "allowed"),
    ] {
        let mut entries = open_world();
        entries.push(scope("other", "/other"));
        entries.push(route_with(
            "some",
            "/some/**",
            json!({"credentials": kinds}),
        ));
        entries.push(caller.key(json!({"scopes": ["all"]})));
        entries.push(lacking.key(json!({"scopes": ["other"]})));
        let snapshot = build(&entries);

        assert_eq!(code(&snapshot, &caller.headers(), "/some/x"), expected);
        assert_eq!(code(&snapshot, &caller.headers(), "/other"), "allowed");
        // Who holds no scope learns nothing of the route.
        let refused = code(&snapshot, &lacking.headers(), "/some/x");
        assert_eq!(refused, "scope_insufficient");
    }
}

#[test]
fn a_narrower_route_that_is_left_out_keeps_its_credentials() {
    let caller = Caller::new("key");
    let mut entries = open_world();
    entries.push(caller.key(json!({"scopes": ["all"]})));
    let more = json!({"credentials": ["certificate"], "upstream": "nowhere"});
    entries.push(route_with("some", "/some/**", more));
    let (snapshot, _) = build_with_rejected(&entries);

    assert_eq!(
        code(&snapshot, &caller.headers(), "/some/x"),
        "credential_kind"
    );
    assert_eq!(code(&snapshot, &caller.headers(), "/x"), "allowed");
}

#[test]
fn a_decision_and_its_explanation_know_nobody() {
    let mut entries = world();
    entries.push(quota("one", "address", &[(1, "1m")]));
    entries.push(route_with(
        "counted",
        "/counted",
        json!({"anonymous": true, "anonymous_quotas": ["one"]}),
    ));
    let snapshot = build(&entries);
    let edge = name("edge");
    let explained = |path: &str, requests: u32| {
        let question = Question {
            method: "GET",
            host: "a",
            path,
            caller: Asker::Nobody,
            address: ADDRESS,
            headers: None,
            at: at(0).wall,
            requests,
        };
        let documents = Documents {
            entries: &entries,
            proxy: &edge,
            rejected: &[],
        };
        snapshot.explain(&question, &documents)
    };

    let open = explained("/public/a", 1);
    assert!(open.decision.allowed);
    assert_eq!(open.decision.scope, None);
    assert_eq!(
        open.decision.reason,
        "route \"public\" is open to everybody, also to whoever bears nothing, and carries GET a/public/a to upstream \
         \"orders\", and no quota counts it"
    );
    assert_eq!(explained("/orders", 1).decision.code, "credential_missing");
    let over = explained("/counted", 2).decision;
    assert_eq!(over.code, "quota_exceeded");
    assert_eq!(over.quotas, ["one"]);
}
