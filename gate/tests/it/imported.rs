use serde_json::{Value, json};
use tollgate_gate::Snapshot;
use tollgate_store::document::Entry;
use tollgate_store::token::Verifier;

use crate::documents::*;
use crate::identify::presented;
use crate::snapshot::rejected;

const FOREIGN: &str = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";

fn imported(token: &str) -> Value {
    json!({
        "version": 1,
        "sha256": Verifier::of(token),
        "created_at": "2026-01-01T00:00:00Z",
        "imported": true,
    })
}

fn importing(caller: &Caller, tokens: &[&str]) -> Entry {
    let numbered = |(number, token): (i64, &&str)| {
        let mut version = imported(token);
        version["version"] = number.into();
        version
    };
    let versions: Vec<_> = (1..).zip(tokens).map(numbered).collect();
    caller.key(json!({"scopes": ["all"], "versions": versions}))
}

/// The name of the key that a token opens, or the refusal's code.
fn found(snapshot: &Snapshot, token: &str) -> String {
    match snapshot.identify(&presented(token), ADDRESS, at(0)) {
        Ok(principal) => principal.key_name().unwrap().to_owned(),
        Err(refusal) => refusal.code().to_owned(),
    }
}

#[test]
fn a_token_from_elsewhere_opens_as_a_whole() {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries.push(importing(&acme, &["an-older-token-of-the-same", FOREIGN]));
    let snapshot = build(&entries);

    assert_eq!(found(&snapshot, FOREIGN), "acme");
    assert_eq!(found(&snapshot, "an-older-token-of-the-same"), "acme");
    assert_eq!(found(&snapshot, &FOREIGN[1..]), "credential_malformed");
    assert_eq!(found(&snapshot, "x"), "credential_malformed");
    assert_eq!(found(&snapshot, &"x".repeat(600)), "credential_malformed");
}

#[test]
fn a_hash_that_was_not_imported_opens_by_its_keys_id_only() {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    let mut version = imported(FOREIGN);
    version["imported"] = json!(false);
    entries.push(acme.key(json!({"scopes": ["all"], "versions": [version]})));
    entries.push(importing(
        &Caller::new("other"),
        &["some-other-token-of-it"],
    ));
    let snapshot = build(&entries);

    assert_eq!(found(&snapshot, FOREIGN), "credential_malformed");
}

#[test]
fn a_token_of_our_own_shape_is_found_by_its_id_and_then_by_its_hash() {
    let (acme, moved) = (Caller::new("acme"), Caller::new("moved"));
    let stranger = Caller::new("stranger");
    let mut entries = open_world();
    entries.push(acme.key(json!({"scopes": ["all"]})));
    // A token that another namespace made, with an id that is nobody's here.
    entries.push(importing(&moved, &[stranger.token.expose()]));
    let snapshot = build(&entries);

    assert_eq!(found(&snapshot, acme.token.expose()), "acme");
    assert_eq!(found(&snapshot, stranger.token.expose()), "moved");
    assert_eq!(found(&snapshot, moved.token.expose()), "credential_wrong");
    let nobody = Caller::new("nobody");
    assert_eq!(
        found(&snapshot, nobody.token.expose()),
        "credential_unknown"
    );
}

#[test]
fn two_keys_that_import_one_token_are_both_left_out_and_named() {
    let (one, other, good) = (
        Caller::new("one"),
        Caller::new("other"),
        Caller::new("good"),
    );
    let mut entries = open_world();
    entries.push(importing(&one, &[FOREIGN]));
    entries.push(importing(&other, &["another-token-of-that-key", FOREIGN]));
    entries.push(importing(&good, &["a-token-of-its-own-only"]));

    assert_eq!(
        rejected(&entries),
        [
            "key \"one\": key \"one\" has an imported token, which key \"other\" has too: it must be one key's",
            "key \"other\": key \"other\" has an imported token, which key \"one\" has too: it must be one key's",
        ]
    );
    let (snapshot, _) = build_with_rejected(&entries);
    assert_eq!(found(&snapshot, FOREIGN), "credential_malformed");
    assert_eq!(found(&snapshot, "a-token-of-its-own-only"), "good");
}

#[test]
fn a_key_that_imports_one_token_twice_is_good() {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries.push(importing(&acme, &[FOREIGN, FOREIGN]));

    assert_eq!(found(&build(&entries), FOREIGN), "acme");
}

#[test]
fn an_imported_token_expires_at_its_instant() {
    let acme = Caller::new("acme");
    let mut version = imported(FOREIGN);
    version["expires_at"] = json!("2026-06-01T00:00:00Z");
    let mut entries = open_world();
    entries.push(acme.key(json!({"scopes": ["all"], "versions": [version]})));

    assert_eq!(found(&build(&entries), FOREIGN), "credential_token_expired");
}
