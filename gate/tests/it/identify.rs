use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tollgate_gate::{CredentialFault, Refusal};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Environment, Secret};

use crate::documents::*;

fn fault_at(fields: Value, milliseconds: u64) -> Option<&'static str> {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    let mut key = json!({"scopes": ["all"]});
    key.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    entries.push(acme.key(key));
    let snapshot = build(&entries);
    let result = snapshot.identify(&acme.headers(), ADDRESS, at(milliseconds));
    result.err().map(|refusal| refusal.code())
}

pub(crate) fn presented(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::from_str(token).unwrap());
    headers
}

fn version(number: u32, token: &Secret) -> Value {
    let sha256 = Verifier::of(token.expose());
    json!({"version": number, "sha256": sha256, "created_at": "2026-01-01T00:00:00Z"})
}

#[test]
fn a_good_token_is_its_keys() {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries.push(acme.key(json!({"scopes": ["all"]})));
    let snapshot = build(&entries);

    for headers in [acme.headers(), presented(acme.token.expose())] {
        let principal = snapshot.identify(&headers, ADDRESS, at(0)).unwrap();
        assert_eq!(principal.key_id(), Some(acme.id));
        assert_eq!(principal.key_name(), Some("acme"));
        assert_eq!(principal.name(), None);
    }
}

#[test]
fn each_version_of_a_key_opens() {
    let acme = Caller::new("acme");
    let older = token::generate(&Environment::default(), acme.id).unwrap();
    let mut entries = open_world();
    let versions = [version(1, &older), version(2, &acme.token)];
    entries.push(acme.key(json!({"scopes": ["all"], "versions": versions})));
    let snapshot = build(&entries);

    for token in [&older, &acme.token] {
        assert!(
            snapshot
                .identify(&presented(token.expose()), ADDRESS, at(0))
                .is_ok()
        );
    }
}

#[test]
fn a_token_expires_at_its_instant_and_the_keys_others_open_on() {
    let acme = Caller::new("acme");
    let older = token::generate(&Environment::default(), acme.id).unwrap();
    let mut versions = json!([version(1, &older), version(2, &acme.token)]);
    versions[0]["expires_at"] = json!("2026-06-01T00:00:01Z");
    versions[1]["pending"] = json!(true);
    let mut entries = open_world();
    entries.push(acme.key(json!({"scopes": ["all"], "versions": versions})));
    let snapshot = build(&entries);
    let code = |token: &Secret, milliseconds| {
        let found = snapshot.identify(&presented(token.expose()), ADDRESS, at(milliseconds));
        found.err().map(|refusal| refusal.code())
    };

    assert_eq!(code(&older, 999), None);
    assert_eq!(code(&older, 1000), Some("credential_token_expired"));
    assert_eq!(code(&acme.token, 1000), None, "a pending token opens");
}

#[test]
fn a_wrong_secret_an_unknown_id_and_a_bad_checksum_are_told_apart_in_the_code_only() {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries.push(acme.key(json!({"scopes": ["all"]})));
    let snapshot = build(&entries);
    let forged = token::generate(&Environment::default(), acme.id).unwrap();
    let mut mistyped = acme.token.expose().to_owned();
    mistyped.push(if mistyped.ends_with('x') { 'y' } else { 'x' });

    for (token, code) in [
        (forged.expose(), "credential_wrong"),
        (Caller::new("nobody").token.expose(), "credential_unknown"),
        (&mistyped, "credential_malformed"),
        ("", "credential_malformed"),
        ("tg_live_", "credential_malformed"),
    ] {
        let refusal = snapshot
            .identify(&presented(token), ADDRESS, at(0))
            .unwrap_err();
        assert_eq!(refusal.code(), code);
    }
}

#[test]
fn a_refusal_shows_no_token() {
    let acme = Caller::new("acme");
    let snapshot = build(&open_world());

    let refusal = acme.identify(&snapshot).unwrap_err();

    let shown = format!("{refusal} {refusal:?}");
    let secret = &acme.token.expose()[21..];
    assert!(shown.contains(acme.id.as_str()));
    assert!(!shown.contains(secret));
    assert_eq!(
        refusal,
        Refusal::Unauthenticated(CredentialFault::Unknown { key: acme.id })
    );
}

#[test]
fn a_disabled_key_is_refused() {
    assert_eq!(
        fault_at(json!({"enabled": false}), 0),
        Some("credential_disabled")
    );
}

#[test]
fn a_key_expires_at_the_instant_that_it_names() {
    let fields = json!({"expires_at": "2026-06-01T00:00:01Z"});

    assert_eq!(fault_at(fields.clone(), 999), None);
    assert_eq!(fault_at(fields.clone(), 1000), Some("credential_expired"));
    assert_eq!(fault_at(fields, 1001), Some("credential_expired"));
}

#[test]
fn a_key_starts_at_the_instant_that_it_names() {
    let fields = json!({"not_before": "2026-06-01T00:00:01Z"});

    assert_eq!(
        fault_at(fields.clone(), 999),
        Some("credential_not_yet_valid")
    );
    assert_eq!(fault_at(fields, 1000), None);
}

#[test]
fn a_key_is_refused_from_an_address_outside_its_blocks() {
    let inside = json!({"allowed_cidrs": ["192.0.2.0/24", "10.1.0.0/16"]});
    let outside = json!({"allowed_cidrs": ["192.0.2.0/24", "2001:db8::/32"]});

    assert_eq!(fault_at(inside, 0), None);
    assert_eq!(fault_at(outside, 0), Some("credential_address"));
}

#[test]
fn an_ipv4_address_inside_ipv6_is_the_ipv4_one() {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries.push(acme.key(json!({"scopes": ["all"], "allowed_cidrs": ["10.0.0.0/8"]})));
    let snapshot = build(&entries);

    let mapped: std::net::IpAddr = "::ffff:10.9.9.9".parse().unwrap();
    assert!(snapshot.identify(&acme.headers(), mapped, at(0)).is_ok());
}

#[test]
fn a_key_that_is_bound_to_addresses_is_refused_from_an_unknown_one() {
    let acme = Caller::new("acme");
    for (blocks, is_good) in [(json!(["0.0.0.0/0", "::/0"]), false), (json!(null), true)] {
        let mut entries = open_world();
        entries.push(acme.key(json!({"scopes": ["all"], "allowed_cidrs": blocks})));
        let snapshot = build(&entries);

        let found = snapshot.identify(&acme.headers(), None, at(0));
        assert_eq!(found.is_ok(), is_good);
    }
}
