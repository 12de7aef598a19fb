//! Keys to rules.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use tollgate_store::Name;
use tollgate_store::document::{Claim, Kind};
use tollgate_store::token::Verifier;

use super::candidate::Candidate;
use super::documents::Documents;
use super::key_sets;
use super::rules::Rules;
use crate::identify::{Access, KeyRule, Keys};

/// The rules of every good key. One that names what is missing is left out, as with roles and principals, and so is
/// one that can't be told from another.
pub(super) fn rules<'e>(documents: &mut Documents<'e>, rules: &Rules<'e>) -> Keys {
    let in_sets = key_sets::candidates(documents, rules);
    let alone = documents.keys.iter();
    let alone = alone.map(|(name, key)| Candidate::alone(name, key));
    let candidates: Vec<_> = alone.chain(in_sets).collect();
    let twins = twins(&candidates);
    let mut accesses = Accesses::default();
    let mut good = Vec::with_capacity(candidates.len());
    let mut imported = HashMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let access = match twins.get(&index) {
            Some(says) => Err(says.clone()),
            None => accesses.of(candidate.claim(), rules, documents),
        };
        let name = candidate.name();
        match access {
            Ok(access) => {
                let foreign = candidate.foreign();
                imported.extend(foreign.map(|verifier| (verifier, candidate.id)));
                good.push(KeyRule::new(name, &candidate.credential(), access));
            }
            Err(says) => documents.leave_out(Kind::Key, name, &says),
        }
    }
    Keys::new(good, imported)
}

/// What keys may do that claim the same.
#[derive(Default)]
struct Accesses<'e> {
    known: HashMap<Claim<'e>, Result<Arc<Access>, String>>,
    /// What was asked for last: the keys of a set mostly claim what it says, one after the other.
    last: Option<(Claim<'e>, Result<Arc<Access>, String>)>,
}

impl<'e> Accesses<'e> {
    fn of(
        &mut self,
        claim: Claim<'e>,
        rules: &Rules<'e>,
        documents: &Documents<'e>,
    ) -> Result<Arc<Access>, String> {
        match &self.last {
            Some((last, access)) if last.is_told_with(&claim) => access.clone(),
            _ => {
                let known = self.known.entry(claim);
                let access = known.or_insert_with(|| rules.access(&claim, documents).map(Arc::new));
                let (_, access) = self.last.insert((claim, access.clone()));
                access.clone()
            }
        }
    }
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

/// What is wrong with the keys that nobody could tell from another, by their places in the list: neither is taken.
fn twins(candidates: &[Candidate<'_>]) -> HashMap<usize, String> {
    let mut twins = HashMap::new();
    let name = |index: usize| {
        let candidate = candidates.get(index);
        candidate.map(Candidate::name).unwrap_or_default()
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
    let hasher = DefaultHashBuilder::default();
    let mut ids: HashTable<usize> = HashTable::with_capacity(candidates.len());
    let mut tokens: HashMap<Verifier, usize> = HashMap::new();
    let mut clashes = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let id = candidate.id;
        let hash = hasher.hash_one(id);
        let has_it = |index: &usize| candidates.get(*index).is_some_and(|other| other.id == id);
        // There is room for all of them: nothing is ever moved.
        match ids.entry(hash, has_it, |_| hash) {
            Entry::Occupied(owner) => clashes.push((*owner.get(), index, format!("the id {id}"))),
            Entry::Vacant(free) => drop(free.insert(index)),
        }
        for verifier in candidate.foreign() {
            let owner = *tokens.entry(verifier).or_insert(index);
            if owner != index {
                clashes.push((owner, index, "an imported token".to_owned()));
            }
        }
    }
    clashes
}
