//! Whose tokens are, and what they open.

use serde_json::{Value, json};
use tollgate_gate::{Meter, Refusal, Rejected};
use tollgate_store::document::Entry;

use super::*;
use crate::documents::*;
use crate::meter::quota;
#[test]
fn scopes_and_roles_of_a_token_are_those_of_the_same_name() {
    let snapshot = open(json!({"roles_claim": "realm.roles"}));

    assert_eq!(opened(&snapshot, claims()), "a");
    let claims = with(claims(), json!({"scope": ["b", "nothing"]}));
    assert_eq!(opened(&snapshot, claims.clone()), "b");
    let claims = with(claims, json!({"realm": {"roles": ["bc", "x"]}}));
    assert_eq!(opened(&snapshot, claims.clone()), "bc");
    assert_eq!(
        opened(&snapshot, without(without(claims, "realm"), "scope")),
        ""
    );
}

#[test]
fn scopes_and_roles_of_a_token_are_what_the_issuer_says_they_are() {
    let snapshot = open(json!({
        "scope_claim": "scp", "roles_claim": "groups",
        "scopes": {"api/read": "b"}, "roles": {"team-1": "ab"},
    }));
    let claims = with(claims(), json!({"scp": "api/read a c"}));

    assert_eq!(opened(&snapshot, claims.clone()), "b");
    let claims = with(claims, json!({"groups": "team-1 bc"}));
    assert_eq!(opened(&snapshot, claims), "ab");
}

#[test]
fn a_principals_subject_may_do_what_the_principal_may() {
    let world = |more: Value| {
        let mut entries = world(Signer::ed25519().jwk("k1"), more);
        let subjects = json!([
            {"issuer": "login", "value": "acme"},
            {"issuer": "login", "claim": "client_id", "value": "batch"},
        ]);
        let fields = json!({"roles": ["bc"], "subjects": subjects});
        entries.push(principal("buyer", fields));
        build(&entries)
    };
    let snapshot = world(json!({}));
    assert_eq!(opened(&snapshot, claims()), "bc");
    let by_client = with(claims(), json!({"sub": "x", "client_id": "batch"}));
    assert_eq!(opened(&snapshot, by_client), "bc");
    let stranger = with(claims(), json!({"sub": "x"}));
    assert_eq!(signed(&snapshot, head(), stranger), "token_subject_unknown");

    let narrowing = world(json!({"narrow": true}));
    let claims = with(claims(), json!({"scope": "a b"}));
    assert_eq!(opened(&narrowing, claims.clone()), "b");
    assert_eq!(opened(&narrowing, without(claims, "scope")), "");
}

#[test]
fn a_token_of_two_principals_is_nobodys() {
    let mut entries = world(Signer::ed25519().jwk("k1"), json!({"any_subject": true}));
    let subject = |claim: &str| json!([{"issuer": "login", "claim": claim, "value": "acme"}]);
    entries.push(principal("one", json!({"subjects": subject("sub")})));
    entries.push(principal("two", json!({"subjects": subject("client_id")})));
    let snapshot = build(&entries);

    let claims = with(claims(), json!({"client_id": "acme"}));
    assert_eq!(signed(&snapshot, head(), claims), "token_subject_ambiguous");
}

#[test]
fn a_disabled_principal_or_issuer_opens_nothing() {
    let mut entries = world(Signer::ed25519().jwk("k1"), json!({}));
    let subjects = json!([{"issuer": "login", "value": "acme"}]);
    entries.push(principal(
        "buyer",
        json!({"enabled": false, "subjects": subjects}),
    ));
    assert_eq!(
        signed(&build(&entries), head(), claims()),
        "principal_disabled"
    );

    let disabled = open(json!({"enabled": false}));
    assert_eq!(signed(&disabled, head(), claims()), "token_issuer_disabled");
}

#[test]
fn a_subject_that_no_principal_has_must_be_a_plain_text() {
    let snapshot = open(json!({"subject_claim": "client_id"}));
    for (subject, expected) in [
        (json!("acme"), "ok"),
        (json!("a\r\nx-admin: 1"), "token_claim"),
        (json!(""), "token_claim"),
        (json!("x".repeat(256)), "token_claim"),
        (json!(7), "token_claim"),
    ] {
        let claims = with(claims(), json!({ "client_id": subject }));
        assert_eq!(signed(&snapshot, head(), claims), expected, "{subject}");
    }
    assert_eq!(signed(&snapshot, head(), claims()), "token_claim_missing");
}

#[test]
fn each_subject_has_a_quota_of_its_own() {
    let more = json!({"any_subject": true, "quotas": ["one"]});
    let mut entries = world(Signer::ed25519().jwk("k1"), more);
    entries.push(quota("one", "principal", &[(1, "1m")]));
    let snapshot = build(&entries);
    let meter = Meter::default();
    let get = |subject: &str| {
        let claims = with(claims(), json!({ "sub": subject }));
        let token = Signer::ed25519().token(&head().to_string(), &claims.to_string());
        let principal = snapshot.identify(&headers(&token), ADDRESS, at(0)).unwrap();
        let target = target("GET", "api.example.com", "/a").unwrap();
        let grant = snapshot
            .authorize(&principal, &target, &circumstances())
            .unwrap();
        let admitted = meter.admit(&grant, ADDRESS, at(0));
        admitted.map_or_else(|refusal| refusal.code(), |_| "ok")
    };

    assert_eq!(get("one"), "ok");
    assert_eq!(get("one"), "quota_exceeded");
    assert_eq!(get("two"), "ok");
}

#[test]
fn without_the_keys_of_an_issuer_the_proxy_is_not_ready_for_its_tokens() {
    let mut entries = open_world();
    let spec = json!({"url": URL, "audiences": ["orders"]});
    entries.push(entry("issuer", "login", spec));
    let snapshot = build(&entries);

    let token = Signer::ed25519().token(&head().to_string(), &claims().to_string());
    let refusal = snapshot
        .identify(&headers(&token), ADDRESS, at(0))
        .unwrap_err();

    let Refusal::IssuerUnready { issuer } = refusal else {
        panic!("{refusal:?}");
    };
    assert_eq!(snapshot.issuer(issuer).unwrap().name.as_str(), "login");
}

fn rejected(entries: &[Entry]) -> Vec<String> {
    let (_, rejected) = build_with_rejected(entries);
    let id = |rejected: &Rejected| format!("{} {}", rejected.id.kind, rejected.id.name);
    rejected.iter().map(id).collect()
}

#[test]
fn an_issuer_or_subject_that_cant_be_told_from_another_is_left_out() {
    let jwk = Signer::ed25519().jwk("k1");
    let mut entries = world(jwk.clone(), json!({}));
    let twin = json!({"url": URL, "audiences": ["x"]});
    entries.push(entry("issuer", "twin", twin));
    assert_eq!(rejected(&entries), ["issuer login", "issuer twin"]);

    let mut entries = world(jwk.clone(), json!({}));
    let subjects = json!([{"issuer": "login", "value": "acme"}]);
    entries.push(principal("one", json!({ "subjects": subjects })));
    let spelt = json!([{"issuer": "login", "claim": "sub", "value": "acme"}]);
    entries.push(principal("two", json!({"subjects": spelt})));
    let elsewhere = json!([{"issuer": "none", "value": "acme"}]);
    entries.push(principal("three", json!({"subjects": elsewhere})));
    assert_eq!(
        rejected(&entries),
        ["principal one", "principal three", "principal two"]
    );

    let entries = world(jwk, json!({"scopes": {"x": "missing"}}));
    assert_eq!(rejected(&entries), ["issuer login"]);
    let useless = json!({"kty": "oct", "kid": "k1"});
    assert_eq!(rejected(&world(useless, json!({}))), ["issuer login"]);
}
