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
fn who_lacks_the_scope_is_told_what_is_held() {
    let path = "/v1/invoices";
    let decision = decide(&world(), &get(path, Asker::KeyName("acme-ci")));

    assert_eq!(decision.code, "scope_insufficient");
    assert_eq!((decision.scope, decision.route), (None, None));
    assert_eq!(
        decision.reason,
        "key \"acme-ci\" of principal \"acme\" holds scope \"orders:read\", which does not allow GET \
         api.example.com/v1/invoices"
    );

    let mut entries = world();
    entries.push(principal("idle", json!({})));
    let idle = name("idle");
    let decision = decide(&entries, &get(path, Asker::Principal(&idle)));
    assert_eq!(
        decision.reason,
        "principal \"idle\" holds no scope, and GET api.example.com/v1/invoices needs one"
    );
}

#[test]
fn a_request_that_no_route_carries_names_the_scope_that_allows_it() {
    let decision = decide(&world(), &get("/elsewhere", Asker::KeyName("alone")));

    assert_eq!(decision.code, "route_missing");
    assert_eq!(decision.scope.as_deref(), Some("all"));
    assert_eq!(
        decision.reason,
        "scope \"all\" lets key \"alone\" send GET api.example.com/elsewhere, but no route of this proxy carries it"
    );
}

#[test]
fn time_and_place_count_as_in_the_proxy() {
    let late = Question {
        at: "2027-01-01T00:00:00Z".parse().unwrap(),
        ..get(ORDERS, Asker::KeyName("acme-ci"))
    };
    let far = Question {
        address: "192.0.2.1".parse().unwrap(),
        headers: None,
        ..get(ORDERS, Asker::KeyName("acme-ci"))
    };
    for (question, code, reason) in [
        (
            late,
            "credential_expired",
            "key \"acme-ci\" of principal \"acme\" opens nothing since 2027-01-01T00:00:00Z, and it would be \
             2027-01-01T00:00:00Z",
        ),
        (
            far,
            "credential_address",
            "key \"acme-ci\" of principal \"acme\" may not be used from 192.0.2.1",
        ),
        (
            get(ORDERS, Asker::Nobody),
            "credential_missing",
            "the request bears no credential",
        ),
    ] {
        let decision = decide(&world(), &question);
        assert!(!decision.allowed);
        assert_eq!((decision.code, decision.reason.as_str()), (code, reason));
    }
}

#[test]
fn a_disabled_principal_is_named() {
    let mut entries = world();
    entries.retain(|entry| entry.id.kind != "principal");
    let fields = json!({"roles": ["reader"], "enabled": false});
    entries.push(principal("acme", fields));
    let acme = name("acme");

    for caller in [Asker::KeyName("acme-ci"), Asker::Principal(&acme)] {
        let decision = decide(&entries, &get(ORDERS, caller));
        assert_eq!(decision.code, "principal_disabled");
        assert_eq!(
            decision.reason,
            "principal \"acme\" is disabled, and with it every key that acts as it"
        );
    }
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
fn who_is_not_served_is_told_why() {
    let mut entries = world();
    entries.push(Caller::new("bad").key(json!({"scopes": ["x"]})));
    entries.push(principal("worse", json!({"roles": ["x"]})));
    let header =
        json!({"namespace": "test", "scopes": ["x"], "generation": 1, "parts": 1, "pages": 1});
    entries.push(entry("key_set", "lost", header));
    entries.push(entry("key_set_part", "odd/1/1", json!({"keys": []})));
    let (worse, nobody) = (name("worse"), name("nobody"));
    let id = Caller::new("nobody").id;
    for (caller, code, reason) in [
        (
            Asker::KeyName("bad"),
            "credential_unknown",
            "key \"bad\" is not served: key \"bad\" names scope \"x\", which does not exist",
        ),
        (
            Asker::KeyName("lost/acme"),
            "credential_unknown",
            "key \"lost/acme\" is not served: key_set \"lost\" names scope \"x\", which does not exist",
        ),
        (
            Asker::KeyName("odd/acme"),
            "credential_unknown",
            "no key \"odd/acme\" is served: it may stand in key_set_part \"odd/1/1\", which is left out: keys: invalid \
             type: sequence, expected a map",
        ),
        (
            Asker::KeyName("nobody"),
            "credential_unknown",
            "no key \"nobody\" is served: there is none of that name",
        ),
        (
            Asker::KeyId(id),
            "credential_unknown",
            &format!("no key with the id {id} is served"),
        ),
        (
            Asker::Principal(&worse),
            "principal_unknown",
            "principal \"worse\" is not served: principal \"worse\" names role \"x\", which does not exist",
        ),
        (
            Asker::Principal(&nobody),
            "principal_unknown",
            "no principal \"nobody\" is served: there is none of that name",
        ),
    ] {
        let decision = decide(&entries, &get(ORDERS, caller));
        assert_eq!((decision.code, decision.reason.as_str()), (code, reason));
        assert_eq!((decision.key, decision.principal), (None, None));
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_with_its_code() {
    let good = get(ORDERS, Asker::KeyName("acme-ci"));
    let method = |method| Question { method, ..good };
    let host = |host| Question { host, ..good };
    let path = |path| Question { path, ..good };
    for (question, code) in [
        (method(""), "method_invalid"),
        (method("G ET"), "method_invalid"),
        (method("CONNECT"), "method_refused"),
        (host(""), "host_invalid"),
        (host("a/b"), "host_invalid"),
        (host("user@api.example.com"), "host_invalid"),
        (path(""), "path_form"),
        (path("v1/orders"), "path_form"),
        (path("http://api.example.com/v1/orders"), "path_form"),
        (path("/v1/orders/a b"), "path_character"),
        (path("/v1/orders/../x"), "path_dot_segment"),
        (path("/v1//orders"), "path_empty_segment"),
    ] {
        let decision = decide(&world(), &question);
        assert_eq!(decision.code, code, "{question:?}");
        assert!(decision.reason.starts_with("the request is malformed: "));
    }
}

#[test]
fn a_proxy_without_a_document_serves_nothing() {
    let mut entries = world();
    entries.remove(0);

    let decision = decide(&entries, &get(ORDERS, Asker::KeyName("acme-ci")));

    assert_eq!((decision.allowed, decision.code), (false, "not_ready"));
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

/// A world whose upstream is shown what tokens are exchanged for, and an issuer whose tokens may do everything.
fn exchanging(more: serde_json::Value) -> Vec<Entry> {
    let mut exchange = json!({
        "token_url": "https://login.example.com/token", "client_id": "edge", "client_secret": "file:/s",
    });
    let fields = exchange.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    let mut entries = world();
    let spec = json!({
        "targets": ["https://10.0.0.1"], "credential": {"token_exchange": exchange},
    });
    entries[1] = entry("upstream", "orders", spec);
    for issuer in ["login", "other"] {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let spec = json!({
            "url": format!("https://{issuer}.example.com/"), "audiences": ["orders"], "any_subject": true,
            "jwks": json!({"keys": [key]}).to_string(),
        });
        entries.push(entry("issuer", issuer, spec));
    }
    entries
}

#[test]
fn who_has_no_token_to_exchange_is_refused_before_anything_is_charged() {
    let (login, other) = (name("login"), name("other"));
    let claims = r#"{"aud": "orders", "sub": "alice", "scope": "all"}"#;
    let all = exchanging(json!({}));
    let some = exchanging(json!({"issuers": ["login"]}));
    for (entries, caller, expected) in [
        (&all, Asker::Claims(&login, claims), "allowed"),
        (&all, Asker::Claims(&other, claims), "allowed"),
        (&all, Asker::KeyName("alone"), "credential_not_exchanged"),
        (&some, Asker::Claims(&login, claims), "allowed"),
        (
            &some,
            Asker::Claims(&other, claims),
            "credential_not_exchanged",
        ),
        (&some, Asker::KeyName("alone"), "credential_not_exchanged"),
    ] {
        let decision = decide(entries, &get(ORDERS, caller));
        assert_eq!(decision.code, expected, "{caller:?}: {}", decision.reason);
    }

    let decision = decide(&all, &get(ORDERS, Asker::KeyName("acme-ci")));
    assert_eq!(
        decision.reason,
        "scope \"orders:read\" would do, but upstream \"orders\" is shown a token that is exchanged for the caller's, and a \
         key is never"
    );
    assert_eq!(decision.upstream, None);
}

#[test]
fn nobody_gets_through_an_open_route_to_an_upstream_that_is_shown_exchanged_tokens() {
    let mut entries = exchanging(json!({}));
    let spec =
        json!({"proxy": "edge", "path": "/v1/orders/**", "upstream": "orders", "anonymous": true});
    entries[2] = entry("route", "orders", spec);

    let decision = decide(&entries, &get(ORDERS, Asker::Nobody));

    assert_eq!(decision.code, "credential_missing");
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
