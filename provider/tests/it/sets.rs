//! Key sets for tests, as their resource writes them.

use serde_json::{Value as Json, json};
use tollgate_store::backend::{Backend, Expected, Memory, TokenOwner};
use tollgate_store::document::{Document, DocumentKey, Kind};
use tollgate_store::{Environment, KeyId, Name, Secret, token, token::Verifier};

use crate::terraform::namespace;

/// Writes a document.
pub(crate) async fn put(store: &Memory, kind: Kind, name: &str, spec: Json) {
    let name = Name::parse(name).unwrap();
    let document = Document::parse(&DocumentKey { kind, name }, spec).unwrap();
    store.write(&document, &Expected::Absent).await.unwrap();
}

/// Writes the set `partners` with the keys `a` (its own scopes), `b` (disabled) and `c` (which expires), and a part of an
/// older generation with `z`. Returns the token of `c`.
pub(crate) async fn partners(store: &Memory) -> Secret {
    let set = json!({
        "namespace": "prod", "scopes": ["orders:read"], "quotas": ["free"], "generation": 2, "parts": 2, "pages": 1,
    });
    put(store, Kind::KeySet, "partners", set).await;
    let (tokens, versions): (Vec<_>, Vec<_>) = ["a", "b", "c"].map(made).into_iter().unzip();
    let [a, b, c] = <[Json; 3]>::try_from(versions).unwrap();
    let first = json!({"keys": {
        "a": {"scopes": ["orders:write"], "metadata": {"owner": "a", "tier": "gold"}, "versions": a},
        "b": {"enabled": false, "versions": b},
    }});
    let second = json!({"keys": {"c": {"expires_at": "2030-01-01T00:00:00Z", "versions": c}}});
    let outdated = json!({"keys": {"z": {"versions": c}}});
    put(store, Kind::KeySetPart, "partners/2/1", first).await;
    put(store, Kind::KeySetPart, "partners/2/2", second).await;
    put(store, Kind::KeySetPart, "partners/1/1", outdated).await;
    let text = |index: usize| tokens[index].expose();
    write_page(store, &json!({"a": text(0), "b": text(1), "c": text(2)})).await;
    tokens[2].clone()
}

/// Writes the page of the tokens of `partners`.
pub(crate) async fn write_page(store: &Memory, tokens: &Json) {
    let owner = TokenOwner::Page {
        set: &Name::parse("partners").unwrap(),
        generation: 2,
        page: 0,
    };
    store.delete_token(owner).await.unwrap();
    let text = Secret::new(tokens.to_string());
    let written = store.write_token(owner, &text, &Expected::Absent).await;
    written.unwrap();
}

/// The id of a key of `partners`.
pub(crate) fn id(key: &str) -> KeyId {
    let name = |text| Name::parse(text).unwrap();
    KeyId::derive_in_set(&namespace(), &name("partners"), &name(key))
}

fn made(key: &str) -> (Secret, Json) {
    let token = token::generate(&Environment::default(), id(key)).unwrap();
    let sha256 = Verifier::of(token.expose());
    let version = json!({"version": 1, "sha256": sha256, "created_at": "2026-01-01T00:00:00Z"});
    (token, json!([version]))
}
