//! Which of a key's tokens are its own.
//!
//! Whoever can write the store can add the hash of a token of theirs to a key. A state knows the tokens that were there
//! when it was last written; another one is the key's own only if the client was given it.

use serde_json::Value as Json;
use tollgate_store::Timestamp;
use tollgate_store::document::{Key, KeyVersion};
use tollgate_store::token::Verifier;

use crate::value::Value;

/// Takes from `fresh` the tokens that `prior` does not know, and tells their fingerprints.
pub(super) fn distrust(key: &Key, prior: &Value, fresh: &mut Value) -> Vec<String> {
    let (known, unknown): (Vec<_>, Vec<_>) = key
        .versions
        .iter()
        .partition(|version| version.pending || is_known(version, prior));
    if unknown.is_empty() {
        return Vec::new();
    }
    let numbers: Vec<u32> = known.iter().map(|version| version.version).collect();
    let newest = known.last().map(|newest| newest.sha256.fingerprint());
    if let Value::Object(values) = fresh {
        if let Some(Value::List(shown)) = values.get_mut("versions") {
            shown.retain(|shown| {
                numbers
                    .iter()
                    .any(|number| shown.attribute("version") == &Value::from(i64::from(*number)))
            });
        }
        values.insert(
            "fingerprint".to_owned(),
            newest.map_or(Value::Null, Value::String),
        );
    }
    unknown
        .iter()
        .map(|version| version.sha256.fingerprint())
        .collect()
}

/// Whether a state knows every token that a key has.
pub(super) fn knows_all(key: &Key, state: &Value) -> bool {
    key.versions.iter().all(|version| is_known(version, state))
}

/// The tokens that a state knows, that are on their way, or that the client was given.
pub(super) fn trusted(key: &Key, state: &Value, given: Option<Verifier>) -> Vec<KeyVersion> {
    let own = |version: &&KeyVersion| {
        let is_given = given.is_some_and(|given| given.matches(&version.sha256));
        version.pending || is_given || is_known(version, state)
    };
    key.versions.iter().filter(own).cloned().collect()
}

/// Whether a state knows a token, and that it opens as long as it does.
fn is_known(version: &KeyVersion, state: &Value) -> bool {
    let Value::List(known) = state.attribute("versions") else {
        return false;
    };
    let fingerprint = Value::String(version.sha256.fingerprint());
    known
        .iter()
        .filter(|known| known.attribute("fingerprint") == &fingerprint)
        .any(|known| ends_no_later(version, known.attribute("expires_at").as_str()))
}

fn ends_no_later(version: &KeyVersion, known: Option<&str>) -> bool {
    let Some(known) = known else {
        return true;
    };
    let known = serde_json::from_value::<Timestamp>(Json::from(known));
    match (&version.expires_at, known) {
        (Some(end), Ok(known)) => end.at() <= known.at(),
        _ => false,
    }
}
