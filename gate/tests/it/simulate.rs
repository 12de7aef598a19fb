mod exchange;
mod refusals;

use serde_json::json;
use tollgate_gate::{Caller as Asker, Decision, Documents, Question};
use tollgate_store::Secret;
use tollgate_store::document::Entry;

use crate::documents::*;
use crate::meter::quota;

/// `acme-ci` is a key of `acme`, which may read orders ten times a minute; `alone` is nobody's and may do everything.
fn world() -> Vec<Entry> {
    let mut entries = open_world();
    entries[2] = route("orders", "/v1/orders/**");
    let grants = json!({"grants": [{"methods": ["GET"], "path": "/v1/orders/**"}]});
    entries.push(entry("scope", "orders:read", grants));
    entries.push(role("reader", &["orders:read"]));
    entries.push(quota("free", "principal", &[(10, "1m")]));
    let fields = json!({"roles": ["reader"], "quotas": ["free"]});
    entries.push(principal("acme", fields));
    entries.push(Caller::new("acme-ci").key(json!({
        "principal": "acme",
        "expires_at": "2027-01-01T00:00:00Z",
        "allowed_cidrs": ["10.0.0.0/8"],
    })));
    entries.push(Caller::new("alone").key(json!({"scopes": ["all"]})));
    entries
}

fn decide(entries: &[Entry], question: &Question<'_>) -> Decision {
    let (snapshot, rejected) = build_with_rejected(entries);
    snapshot.simulate(question, &rejected)
}

const ORDERS: &str = "/v1/orders/7?page=2";

#[test]
fn an_allowed_request_names_everything_that_lets_it_through() {
    let decision = decide(&world(), &get(ORDERS, Asker::KeyName("acme-ci")));

    assert_eq!(
        decision,
        Decision {
            allowed: true,
            code: "allowed",
            reason: "scope \"orders:read\" lets key \"acme-ci\" of principal \"acme\" send GET \
                     api.example.com/v1/orders/7, route \"orders\" carries it to upstream \"orders\", and quota \
                     \"free\" counts it and has room"
                .to_owned(),
            key: Some("acme-ci".to_owned()),
            issuer: None,
            subject: None,
            principal: Some("acme".to_owned()),
            conditions: Vec::new(),
            scope: Some("orders:read".to_owned()),
            route: Some("orders".to_owned()),
            upstream: Some("orders".to_owned()),
            quotas: vec!["free".to_owned()],
            quota: None,
            limit: None,
            retry_after_seconds: None,
        }
    );
}

#[test]
fn a_key_may_be_asked_for_by_its_id_and_a_principal_without_a_key() {
    let id = Caller::new("acme-ci").id;
    let by_id = decide(&world(), &get(ORDERS, Asker::KeyId(id)));
    let acme = name("acme");
    let principal = decide(&world(), &get(ORDERS, Asker::Principal(&acme)));

    assert_eq!(
        by_id,
        decide(&world(), &get(ORDERS, Asker::KeyName("acme-ci")))
    );
    assert!(principal.allowed);
    assert_eq!(principal.key, None);
    assert_eq!(principal.principal.as_deref(), Some("acme"));
    assert_eq!(principal.quotas, ["free"]);
}

#[test]
fn a_key_of_a_set_is_asked_for_by_both_names() {
    let acme = Caller::in_set("partners", "acme");
    let mut entries = world();
    let header =
        json!({"namespace": "test", "scopes": ["all"], "generation": 1, "parts": 1, "pages": 1});
    entries.push(entry("key_set", "partners", header));
    let keys = json!({"keys": {"acme": acme.declared(json!({}))}});
    entries.push(entry("key_set_part", "partners/1/1", keys));

    let decision = decide(&entries, &get(ORDERS, Asker::KeyName("partners/acme")));
    assert!(decision.allowed, "{}", decision.reason);
    assert_eq!(decision.key.as_deref(), Some("partners/acme"));

    // A key that stands by itself may be called the same, and then it is that one.
    entries.push(Caller::new("partners/acme").key(json!({"scopes": ["orders:read"]})));
    let decision = decide(&entries, &get(ORDERS, Asker::KeyName("partners/acme")));
    assert_eq!(decision.scope.as_deref(), Some("orders:read"));
}

#[test]
fn of_many_requests_at_one_moment_the_last_is_decided() {
    for (requests, allowed) in [
        (0, true),
        (1, true),
        (10, true),
        (11, false),
        (1_000_000, false),
    ] {
        let question = Question {
            requests,
            ..get(ORDERS, Asker::KeyName("acme-ci"))
        };
        let decision = decide(&world(), &question);
        assert_eq!(decision.allowed, allowed, "{requests}");
    }
    let question = Question {
        requests: 11,
        ..get(ORDERS, Asker::KeyName("acme-ci"))
    };

    let decision = decide(&world(), &question);

    assert_eq!(decision.code, "quota_exceeded");
    assert_eq!(decision.quota.as_deref(), Some("free"));
    assert_eq!(decision.retry_after_seconds, Some(61));
    assert_eq!(decision.route.as_deref(), Some("orders"));
    assert_eq!(
        decision.reason,
        "quota \"free\" allows 10 requests in 60 seconds, which request 11 of key \"acme-ci\" of principal \"acme\" at one \
         moment exceeds; there is room for one more after 61 s"
    );
}

#[test]
fn a_key_is_taken_to_bear_its_token_that_opens_for_longest() {
    let acme = Caller::new("two");
    let mut key = acme.declared(json!({"scopes": ["all"]}));
    let mut second = key["versions"][0].clone();
    second["version"] = json!(2);
    second["expires_at"] = json!("2026-06-01T00:00:00Z");
    key["versions"].as_array_mut().unwrap().push(second);
    let mut entries = world();
    entries.push(acme.key(key.clone()));
    assert!(decide(&entries, &get(ORDERS, Asker::KeyName("two"))).allowed);

    key["versions"][0]["expires_at"] = json!("2026-05-01T00:00:00Z");
    entries.pop();
    entries.push(acme.key(key));
    let decision = decide(&entries, &get(ORDERS, Asker::KeyName("two")));
    assert_eq!(decision.code, "credential_token_expired");
    assert!(decision.reason.contains("since 2026-06-01T00:00:00Z"));
}

#[test]
fn an_explanation_decides_the_same_and_shows_what_was_looked_at() {
    let entries = world();
    let (snapshot, rejected) = build_with_rejected(&entries);
    let edge = name("edge");
    let documents = Documents {
        entries: &entries,
        proxy: &edge,
        rejected: &rejected,
    };
    let post = Question {
        method: "POST",
        ..get(ORDERS, Asker::KeyName("acme-ci"))
    };
    for question in [get(ORDERS, Asker::KeyName("acme-ci")), post] {
        let explanation = snapshot.explain(&question, &documents);
        assert_eq!(
            explanation.decision,
            snapshot.simulate(&question, &rejected)
        );
        let scopes = &explanation.findings[2];
        assert_eq!(scopes.fits, Some(question.method == "GET"));
        let grant = &scopes.findings[0].findings[0];
        assert_eq!(grant.fits, Some(question.method == "GET"));
    }
}

#[test]
fn a_token_is_decided_as_its_request_would_be() {
    let acme = Caller::new("bearer");
    let mut entries = world();
    let fields = json!({"principal": "acme", "expires_at": "2027-01-01T00:00:00Z"});
    entries.push(acme.key(fields));
    let good = get(ORDERS, Asker::Token(&acme.token));
    let after = Question {
        at: "2027-06-01T00:00:00Z".parse().unwrap(),
        ..good
    };
    for (question, code) in [(good, "allowed"), (after, "credential_expired")] {
        let decision = decide(&entries, &question);
        assert_eq!(
            (decision.code, decision.key.as_deref()),
            (code, Some("bearer"))
        );
    }
    for text in ["", "hush", "tg_live_hush", "hush\nhush"] {
        let token = Secret::new(text.to_owned());
        let decision = decide(&entries, &get(ORDERS, Asker::Token(&token)));
        assert!(!decision.allowed && !decision.reason.contains("hush"));
    }
}

#[test]
fn the_scope_that_is_needed_is_the_narrowest_that_allows_the_request() {
    let mut entries = world();
    let path = "/v1/orders/**";
    for (scope, grants) in [
        ("aaa-admin", json!([{"path": path}])),
        ("orders:b", json!([{"methods": ["DELETE"], "path": path}])),
        ("orders:a", json!([{"methods": ["DELETE"], "path": path}])),
        (
            "orders:c",
            json!([{"methods": ["POST", "PUT"], "path": path}]),
        ),
    ] {
        entries.push(entry("scope", scope, json!({ "grants": grants })));
    }
    entries.retain(|entry| entry.id.name != "all" && entry.id.name != "alone");
    let key = Caller::new("nothing");
    entries.push(scope("elsewhere", "/elsewhere"));
    entries.push(key.key(json!({"scopes": ["elsewhere"]})));
    let snapshot = build(&entries);
    let principal = key.identify(&snapshot).unwrap();
    let needed = |method| {
        let target = target(method, "api.example.com", "/v1/orders/7").unwrap();
        let needed = snapshot.scope_needed(&principal, &target);
        needed.map(ToOwned::to_owned)
    };

    assert_eq!(needed("GET").as_deref(), Some("orders:read"));
    assert_eq!(needed("DELETE").as_deref(), Some("orders:a"));
    assert_eq!(needed("POST").as_deref(), Some("orders:c"));
    assert_eq!(needed("PATCH").as_deref(), Some("aaa-admin"));
}

#[test]
fn what_the_proxy_answers_by_itself_is_told_as_that() {
    let mut entries = world();
    let spec = json!({
        "listen": [{"address": "127.0.0.1:80"}],
        "jwks_path": "/.well-known/jwks.json",
        "resource_metadata": {
            "resource": "https://api.example.com", "authorization_servers": ["https://login.example.com"],
        },
    });
    entries[0] = entry("proxy", "edge", spec);
    let documents = |entries| Documents {
        entries,
        proxy: Box::leak(Box::new(name("edge"))),
        rejected: &[],
    };
    for (path, what) in [
        ("/.well-known/jwks.json", "its public keys (RFC 7517)"),
        (
            "/.well-known/oauth-protected-resource?x=1",
            "who hands out tokens for it (RFC 9728)",
        ),
    ] {
        let question = get(path, Asker::Nobody);
        let explanation = build(&entries).explain(&question, &documents(&entries));
        let decision = &explanation.decision;
        assert!(
            decision.allowed && decision.code == "allowed",
            "{decision:?}"
        );
        assert!(decision.reason.ends_with(what), "{}", decision.reason);
        assert_eq!((&decision.route, &decision.upstream), (&None, &None));
        let says: Vec<_> = explanation
            .findings
            .iter()
            .map(|it| it.says.as_str())
            .collect();
        assert_eq!(says.len(), 2, "{says:?}");
        assert!(says[1].ends_with(what), "{says:?}");
        let post = Question {
            method: "POST",
            ..question
        };
        assert_eq!(decide(&entries, &post).code, "credential_missing");
    }
}
