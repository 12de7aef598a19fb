//! Tokens that clients bring along: each opens one key. Proxies refuse a token that could be two keys', and with it both.

use std::collections::{HashMap, HashSet};

use tollgate_store::backend::StoreError;
use tollgate_store::document::{DocumentKey, Entry, KeyVersion, PartName, Spec};
use tollgate_store::token::Verifier;

use crate::call::Change;
use crate::diagnostic::{Diagnostic, Path};
use crate::failure::failure;
use crate::lock;
use crate::resource::ResourceType;
use crate::store::Store;
use crate::value::Value;

/// Tokens that a change is about to give a key; free for others once it is dropped, as the store tells of them then.
#[derive(Debug)]
pub(crate) struct Claimed<'a> {
    store: &'a Store,
    hashes: Vec<Verifier>,
}

impl ResourceType {
    /// Checks that no other key has a token that the change brings along.
    pub(crate) async fn claim_tokens<'a>(
        &self,
        store: &'a Store,
        key: &DocumentKey,
        change: &Change,
    ) -> Result<Claimed<'a>, Diagnostic> {
        let given = self.resource.given_tokens(&change.planned, &change.config);
        let known = self.resource.given_tokens(&change.prior, &Value::Null);
        let known: HashSet<Verifier> = known.into_iter().map(|(_, hash)| hash).collect();
        let new = given.into_iter().filter(|(_, hash)| !known.contains(hash));
        let given: HashMap<Verifier, Path> = new.map(|(path, hash)| (hash, path)).collect();
        let mut claimed = Claimed {
            store,
            hashes: Vec::new(),
        };
        if given.is_empty() {
            return Ok(claimed);
        }
        for (hash, path) in &given {
            claimed.claim(*hash).map_err(|()| taken_at_once(path))?;
        }
        // Whose it was may give it up by the same apply.
        let look = || holder(store, key, &given);
        let held = store.settled(look, Option::is_none).await;
        match held.map_err(|error| failure(key, "written", &error))? {
            Some((path, label)) => Err(taken(&path, &label)),
            None => Ok(claimed),
        }
    }
}

/// One of these tokens that another key has, by where it is given, and that key.
async fn holder(
    store: &Store,
    key: &DocumentKey,
    given: &HashMap<Verifier, Path>,
) -> Result<Option<(Path, String)>, StoreError> {
    let entries = store.backend.list().await?;
    let mut others = entries.iter().flat_map(tokens);
    Ok(others.find_map(|(owner, label, hash)| {
        let path = given.get(&hash).filter(|_| owner != *key)?;
        Some((path.clone(), label))
    }))
}

impl Claimed<'_> {
    fn claim(&mut self, hash: Verifier) -> Result<(), ()> {
        if !lock(&self.store.claimed).insert(hash) {
            return Err(());
        }
        self.hashes.push(hash);
        Ok(())
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        let mut claimed = lock(&self.store.claimed);
        for hash in &self.hashes {
            claimed.remove(hash);
        }
    }
}

/// The tokens of a document: whose it is, as whom logs know the key, and the hash.
fn tokens(entry: &Entry) -> Vec<(DocumentKey, String, Verifier)> {
    let Ok(document) = &entry.document else {
        return Vec::new();
    };
    let of = |owner: &DocumentKey, label: &str, versions: &[KeyVersion]| -> Vec<_> {
        let versions = versions.iter();
        versions
            .map(|version| (owner.clone(), label.to_owned(), version.sha256))
            .collect()
    };
    match document.spec() {
        Spec::Key(key) => of(&document.key(), document.name().as_str(), &key.versions),
        Spec::KeySetPart(part) => {
            let Ok(name) = PartName::parse(document.name()) else {
                return Vec::new();
            };
            let set = name.set_key();
            let keys = part.keys.iter();
            keys.flat_map(|(name, key)| of(&set, &format!("{}/{name}", set.name), &key.versions))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn taken(path: &Path, label: &str) -> Diagnostic {
    let message = format!(
        "the key {label:?} has that token, and proxies would refuse a token of two keys. Give each client a token of its \
         own; where {label:?} is to give it up, apply that first (two keys that swap tokens, or a key that is replaced with \
         `create_before_destroy`, need two applies)"
    );
    Diagnostic::invalid(path.clone(), &message)
}

fn taken_at_once(path: &Path) -> Diagnostic {
    let message = "another key of this apply is given the same token, and proxies would refuse a token of two keys: give \
                   each client a token of its own";
    Diagnostic::invalid(path.clone(), message)
}
