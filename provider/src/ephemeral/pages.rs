//! The pages that the tokens of a key set are kept in.

use std::collections::BTreeMap;

use tollgate_store::backend::TokenOwner;
use tollgate_store::document::{DocumentKey, KeySet, Kind};
use tollgate_store::{Name, Secret};

use crate::diagnostic::Diagnostic;
use crate::failure::failure;
use crate::store::Store;

/// The token of the key `name`; `None` where no page has one. Which page a key is on is its writer's business, so that
/// they are read one after the other until it is found.
pub(super) async fn token(
    store: &Store,
    (set, header): (&Name, &KeySet),
    name: &Name,
) -> Result<Option<Secret>, Diagnostic> {
    let key = DocumentKey {
        kind: Kind::KeySet,
        name: set.clone(),
    };
    for page in 0..header.pages {
        let owner = TokenOwner::Page {
            set,
            generation: header.generation,
            page,
        };
        let kept = store.backend.read_token(owner).await;
        let kept = kept.map_err(|error| failure(&key, "opened", &error))?;
        let Some(kept) = kept else { continue };
        let tokens = read(&kept.token).ok_or_else(|| broken(&kept.place.secret_id, &key))?;
        if let Some(token) = tokens.get(name.as_str()) {
            return Ok(Some(token.clone()));
        }
    }
    Ok(None)
}

/// A page's tokens by the names of their keys.
fn read(page: &Secret) -> Option<BTreeMap<String, Secret>> {
    let tokens: BTreeMap<String, String> = serde_json::from_str(page.expose()).ok()?;
    let secrets = tokens.into_iter();
    Some(
        secrets
            .map(|(name, token)| (name, Secret::new(token)))
            .collect(),
    )
}

/// What is wrong with it can't be told: it might be a token.
fn broken(secret: &str, key: &DocumentKey) -> Diagnostic {
    Diagnostic::error(
        format!("A page of the tokens of {key} is broken"),
        format!(
            "What {secret} holds must be a JSON object that maps the names of keys to their tokens, and is something \
             else: somebody changed it by hand. Put back what it held before."
        ),
    )
}
