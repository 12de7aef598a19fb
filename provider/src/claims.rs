//! Tokens that clients bring along: each opens one key. Proxies refuse a token that could be two keys', and with it both.

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
        let is_new = |given: &Verifier| !known.iter().any(|(_, known)| known.matches(given));
        let mut claimed = Claimed {
            store,
            hashes: Vec::new(),
        };
        let given: Vec<_> = given.into_iter().filter(|(_, hash)| is_new(hash)).collect();
        if given.is_empty() {
            return Ok(claimed);
        }
        for (path, hash) in &given {
            claimed.claim(*hash).map_err(|()| taken(path, None))?;
        }
        let entries = store.backend.list().await;
        let entries = entries.map_err(|error| failure(key, "written", &error))?;
        let others: Vec<_> = entries.iter().flat_map(tokens).collect();
        for (path, hash) in &given {
            let is_same =
                |other: &&(DocumentKey, String, Verifier)| other.0 != *key && other.2.matches(hash);
            if let Some((_, label, _)) = others.iter().find(is_same) {
                return Err(taken(path, Some(label)));
            }
        }
        Ok(claimed)
    }
}

impl Claimed<'_> {
    fn claim(&mut self, hash: Verifier) -> Result<(), ()> {
        let mut claimed = lock(&self.store.claimed);
        if claimed.iter().any(|other| other.matches(&hash)) {
            return Err(());
        }
        claimed.push(hash);
        self.hashes.push(hash);
        Ok(())
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        let mut claimed = lock(&self.store.claimed);
        claimed.retain(|other| !self.hashes.iter().any(|own| own.matches(other)));
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

fn taken(path: &Path, by: Option<&str>) -> Diagnostic {
    let whose = match by {
        Some(label) => format!("the key {label:?}"),
        None => "another key of this apply".to_owned(),
    };
    let message = format!(
        "{whose} has that token already, and proxies would refuse a token of two keys: give each client a token of its own"
    );
    Diagnostic::invalid(path.clone(), &message)
}
