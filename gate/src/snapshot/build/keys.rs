//! Keys to rules.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use tollgate_store::document::{Claim, Key, Kind};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Name};

use super::documents::Documents;
use super::key_sets;
use super::rules::Rules;
use crate::identify::{Access, Credential, KeyRule, Keys};

/// A key as it is declared, by itself or in a set.
pub(super) struct Candidate<'e> {
    /// Of a key of a set: `<set>/<key>`.
    pub(super) name: Cow<'e, str>,
    pub(super) claim: Claim<'e>,
    pub(super) credential: Credential<'e>,
}

/// The rules of every good key. One that names what is missing is left out, as with roles and principals, and so is
/// one that can't be told from another.
pub(super) fn rules<'e>(documents: &mut Documents<'e>, rules: &Rules<'e>) -> Keys {
    let mut candidates = alone(&documents.keys);
    candidates.extend(key_sets::candidates(documents, rules));
    let twins = twins(&candidates);
    let mut shared: HashMap<Claim<'_>, Result<Arc<Access>, String>> = HashMap::new();
    let mut good = Vec::with_capacity(candidates.len());
    let mut imported = HashMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let access = match twins.get(&index) {
            Some(says) => Err(says.clone()),
            None => shared
                .entry(candidate.claim)
                .or_insert_with(|| rules.access(&candidate.claim, documents).map(Arc::new))
                .clone(),
        };
        match access {
            Ok(access) => {
                let id = candidate.credential.id;
                imported.extend(foreign(candidate).map(|verifier| (verifier, id)));
                good.push(KeyRule::new(&candidate.name, &candidate.credential, access));
            }
            Err(says) => documents.leave_out(Kind::Key, &*candidate.name, &says),
        }
    }
    Keys::new(good, imported)
}

/// What each principal may do by a key that narrows nothing.
pub(super) fn principals(
    documents: &Documents<'_>,
    rules: &Rules<'_>,
) -> BTreeMap<Name, Arc<Access>> {
    let access = |name: &Name| {
        let claim = Claim {
            principal: Some(name),
            scopes: None,
            roles: None,
            quotas: None,
        };
        let access = rules.access(&claim, documents).ok()?;
        Some((name.clone(), Arc::new(access)))
    };
    let names = rules.principals.keys();
    names.filter_map(|name| access(name)).collect()
}

fn alone<'e>(keys: &BTreeMap<&'e Name, &'e Key>) -> Vec<Candidate<'e>> {
    let candidate = |(name, key): (&&'e Name, &&'e Key)| Candidate {
        name: name.as_str().into(),
        claim: key.claim(),
        credential: Credential {
            id: key.id,
            is_in_set: false,
            enabled: key.enabled,
            not_before: key.not_before.as_ref(),
            expires_at: key.expires_at.as_ref(),
            allowed_cidrs: key.allowed_cidrs.as_ref(),
            versions: &key.versions,
        },
    };
    keys.iter().map(candidate).collect()
}

/// The tokens of a key that were made elsewhere.
fn foreign(candidate: &Candidate<'_>) -> impl Iterator<Item = Verifier> {
    let versions = candidate.credential.versions.iter();
    versions
        .filter(|version| version.imported)
        .map(|version| version.sha256)
}

/// What is wrong with the keys that nobody could tell from another, by their places in the list: neither is taken.
fn twins(candidates: &[Candidate<'_>]) -> HashMap<usize, String> {
    let mut twins = HashMap::new();
    let name = |index: usize| {
        candidates
            .get(index)
            .map_or("", |candidate| &*candidate.name)
    };
    for (owner, index, what) in clashes(candidates) {
        for (one, other) in [(owner, index), (index, owner)] {
            let other = name(other);
            twins.entry(one).or_insert_with(|| {
                format!("has {what}, which key {other:?} has too: it must be one key's")
            });
        }
    }
    twins
}

/// Which two keys, by their places in the list, share what must be one key's.
fn clashes(candidates: &[Candidate<'_>]) -> Vec<(usize, usize, String)> {
    let mut ids: HashMap<KeyId, usize> = HashMap::with_capacity(candidates.len());
    let mut tokens: HashMap<Verifier, usize> = HashMap::new();
    let mut clashes = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let id = candidate.credential.id;
        let owner = *ids.entry(id).or_insert(index);
        if owner != index {
            clashes.push((owner, index, format!("the id {id}")));
        }
        for verifier in foreign(candidate) {
            let owner = *tokens.entry(verifier).or_insert(index);
            if owner != index {
                clashes.push((owner, index, "an imported token".to_owned()));
            }
        }
    }
    clashes
}
