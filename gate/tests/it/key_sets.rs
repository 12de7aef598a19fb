use serde_json::{Map, Value, json};
use tollgate_store::document::Entry;

use crate::documents::*;
use crate::identify::presented;
use crate::snapshot::rejected;

/// The header of the set `partners` with two parts of the generation 3, and the fields of `more`.
fn header(more: Value) -> Entry {
    let mut spec = json!({"namespace": "test", "generation": 3, "parts": 2, "pages": 1});
    let more = more.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(more);
    entry("key_set", "partners", spec)
}

fn part(name: &str, keys: &[(&str, Value)]) -> Entry {
    let keys: Map<_, _> = keys
        .iter()
        .map(|(name, key)| ((*name).to_owned(), key.clone()))
        .collect();
    entry("key_set_part", name, json!({"keys": keys}))
}

/// A set of which `acme` says `fields` itself.
fn set(header_fields: Value, fields: Value) -> (Vec<Entry>, Caller) {
    let acme = Caller::in_set("partners", "acme");
    let mut entries = open_world();
    entries.push(scope("orders", "/orders"));
    entries.push(header(header_fields));
    entries.push(part("partners/3/1", &[("acme", acme.declared(fields))]));
    entries.push(part("partners/3/2", &[]));
    (entries, acme)
}

fn code(entries: &[Entry], caller: &Caller, path: &str) -> &'static str {
    let (snapshot, _) = build_with_rejected(entries);
    let refusal = caller.get(&snapshot, path).err();
    refusal.map_or("allowed", |refusal| refusal.code())
}

#[test]
fn a_key_of_a_set_has_what_the_set_says() {
    let (entries, acme) = set(json!({"scopes": ["all"]}), json!({}));
    let snapshot = build(&entries);

    let grant = acme.get(&snapshot, "/").unwrap();

    assert_eq!(grant.principal().key_name(), Some("partners/acme"));
    assert_eq!(grant.principal().key_id(), Some(acme.id));
    assert_eq!(grant.principal().name(), None);
}

#[test]
fn what_a_key_says_itself_replaces_what_its_set_says() {
    let (mut entries, acme) = set(
        json!({"scopes": ["all"], "principal": "big"}),
        json!({"scopes": ["orders"], "principal": "small"}),
    );
    entries.push(role("every", &["all", "orders"]));
    entries.push(principal(
        "big",
        json!({"roles": ["every"], "enabled": false}),
    ));
    entries.push(principal("small", json!({"roles": ["every"]})));
    let snapshot = build(&entries);

    assert_eq!(
        acme.identify(&snapshot).unwrap().name().unwrap().as_str(),
        "small"
    );
    assert_eq!(code(&entries, &acme, "/orders"), "allowed");
    assert_eq!(code(&entries, &acme, "/"), "scope_insufficient");
}

#[test]
fn a_key_of_a_set_is_judged_like_any_other() {
    for (header, fields, expected) in [
        (json!({"enabled": false}), json!({}), "credential_disabled"),
        (json!({}), json!({"enabled": false}), "credential_disabled"),
        (
            json!({}),
            json!({"expires_at": "2026-06-01T00:00:00Z"}),
            "credential_expired",
        ),
        (
            json!({}),
            json!({"not_before": "2026-06-02T00:00:00Z"}),
            "credential_not_yet_valid",
        ),
        (
            json!({}),
            json!({"allowed_cidrs": ["192.0.2.0/24"]}),
            "credential_address",
        ),
        (json!({}), json!({}), "allowed"),
    ] {
        let mut header = header;
        header["scopes"] = json!(["all"]);
        let (entries, acme) = set(header, fields);

        assert_eq!(code(&entries, &acme, "/"), expected);
    }
}

#[test]
fn the_rules_of_keys_hold_for_what_a_set_and_a_key_say_together() {
    for (header, fields, says) in [
        (
            json!({}),
            json!({}),
            "a key needs a principal, or scopes or roles of its own: give one of them",
        ),
        (
            json!({"roles": ["all"]}),
            json!({"principal": "acme"}),
            "the roles of a key that acts as a principal come from principal \"acme\": remove one of the two",
        ),
    ] {
        let (mut entries, acme) = set(header, fields);
        entries.push(role("all", &["all"]));
        entries.push(principal("acme", json!({"roles": ["all"]})));

        let reason = format!(
            "key \"partners/acme\": key \"partners/acme\" says too little or too much: {says}"
        );
        assert_eq!(rejected(&entries), [reason]);
        assert_eq!(code(&entries, &acme, "/"), "credential_unknown");
    }
}

#[test]
fn a_key_that_names_the_missing_is_left_out_and_the_others_of_its_set_stand() {
    let (mut entries, acme) = set(json!({"scopes": ["all"]}), json!({}));
    let bad = Caller::in_set("partners", "bad");
    let key = bad.declared(json!({"quotas": ["x"]}));
    entries.pop();
    entries.push(part("partners/3/2", &[("bad", key)]));

    assert_eq!(
        rejected(&entries),
        ["key \"partners/bad\": key \"partners/bad\" names quota \"x\", which does not exist"]
    );
    assert_eq!(code(&entries, &acme, "/"), "allowed");
    assert_eq!(code(&entries, &bad, "/"), "credential_unknown");
}

#[test]
fn a_set_that_names_the_missing_is_left_out_with_its_parts() {
    for fields in [
        json!({"scopes": ["x"]}),
        json!({"roles": ["x"]}),
        json!({"principal": "x"}),
        json!({"scopes": ["all"], "quotas": ["x"]}),
    ] {
        let (entries, acme) = set(fields, json!({"scopes": ["all"]}));

        let rejected = rejected(&entries);
        assert_eq!(rejected.len(), 3);
        assert!(rejected[0].starts_with("key_set \"partners\": key_set \"partners\" names "));
        assert_eq!(
            rejected[1],
            "key_set_part \"partners/3/1\": key_set_part \"partners/3/1\" is a part of key set \"partners\", which \
             was rejected"
        );
        assert_eq!(code(&entries, &acme, "/"), "credential_unknown");
    }
}

#[test]
fn parts_without_a_set_open_nothing_and_are_named() {
    let (mut entries, acme) = set(json!({"scopes": ["all"]}), json!({"scopes": ["all"]}));
    entries.retain(|entry| entry.id.kind != "key_set");

    assert_eq!(
        rejected(&entries)[0],
        "key_set_part \"partners/3/1\": key_set_part \"partners/3/1\" is a part of key set \"partners\", which does \
         not exist"
    );
    assert_eq!(code(&entries, &acme, "/"), "credential_unknown");
}

#[test]
fn parts_of_another_generation_say_nothing() {
    let (mut entries, acme) = set(json!({"scopes": ["all"]}), json!({}));
    let (old, new) = (
        Caller::in_set("partners", "old"),
        Caller::in_set("partners", "new"),
    );
    entries.push(part("partners/2/5", &[("old", old.declared(json!({})))]));
    entries.push(part("partners/4/1", &[("new", new.declared(json!({})))]));
    // The same key on its way to the next generation is no twin.
    entries.push(part("partners/4/2", &[("acme", acme.declared(json!({})))]));

    assert_eq!(rejected(&entries), [""; 0]);
    assert_eq!(code(&entries, &acme, "/"), "allowed");
    assert_eq!(code(&entries, &old, "/"), "credential_unknown");
    assert_eq!(code(&entries, &new, "/"), "credential_unknown");
}

#[test]
fn a_part_that_is_missing_or_one_too_many_is_named_and_the_others_stand() {
    let (mut entries, acme) = set(json!({"scopes": ["all"]}), json!({}));
    let extra = Caller::in_set("partners", "extra");
    entries.pop();
    entries.push(part(
        "partners/3/5",
        &[("extra", extra.declared(json!({})))],
    ));

    assert_eq!(
        rejected(&entries),
        [
            "key_set_part \"partners/3/5\": key_set_part \"partners/3/5\" is beyond the 2 parts of its set",
            "key_set_part \"partners/3/2\": key_set_part \"partners/3/2\" does not exist, though its set has 2 parts",
        ]
    );
    assert_eq!(code(&entries, &acme, "/"), "allowed");
    assert_eq!(code(&entries, &extra, "/"), "credential_unknown");
}

#[test]
fn a_broken_part_is_named_once_and_costs_its_keys_only() {
    let (mut entries, acme) = set(json!({"scopes": ["all"]}), json!({}));
    entries.pop();
    entries.push(entry("key_set_part", "partners/3/2", json!({"keys": []})));

    assert_eq!(rejected(&entries).len(), 1);
    assert_eq!(code(&entries, &acme, "/"), "allowed");
}

#[test]
fn a_key_in_two_parts_is_left_out_as_nobody_knows_which_counts() {
    let (mut entries, acme) = set(json!({"scopes": ["all"]}), json!({}));
    entries.pop();
    entries.push(part("partners/3/2", &[("acme", acme.declared(json!({})))]));

    assert_eq!(rejected(&entries).len(), 2);
    assert_eq!(code(&entries, &acme, "/"), "credential_unknown");
}

#[test]
fn a_key_of_a_set_imports_tokens_too() {
    let token = "a-token-from-another-gateway";
    let acme = Caller::in_set("partners", "acme");
    let mut key = acme.declared(json!({}));
    key["versions"][0]["imported"] = json!(true);
    key["versions"][0]["sha256"] = json!(tollgate_store::token::Verifier::of(token));
    let (mut entries, _) = set(json!({"scopes": ["all"]}), json!({}));
    entries.pop();
    entries.pop();
    entries.push(part("partners/3/1", &[("acme", key)]));
    entries.push(part("partners/3/2", &[]));
    let snapshot = build(&entries);

    let found = snapshot
        .identify(&presented(token), ADDRESS, at(0))
        .unwrap();

    assert_eq!(found.key_name(), Some("partners/acme"));
}

#[test]
fn ten_thousand_keys_of_a_set_are_ten_thousand_keys() {
    let versions = json!([{
        "version": 1,
        "sha256": "a".repeat(64),
        "created_at": "2026-01-01T00:00:00Z",
    }]);
    let mut entries = open_world();
    entries.push(header(json!({"scopes": ["all"], "parts": 10})));
    for number in 1..=10 {
        let keys: Vec<_> = (0..1_000).map(|key| format!("k{number}-{key}")).collect();
        let keys: Vec<_> = keys
            .iter()
            .map(|name| (name.as_str(), json!({"versions": versions})))
            .collect();
        entries.push(part(&format!("partners/3/{number}"), &keys));
    }

    let snapshot = build(&entries);

    assert_eq!(snapshot.keys_len(), 10_000);
}
