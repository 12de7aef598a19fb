//! Keys to rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use tollgate_store::document::{Key, Kind};
use tollgate_store::{KeyId, Name};

use super::documents::{Documents, left_out};
use super::{Quotas, Scopes};
use crate::Rejected;
use crate::identify::{Access, KeyRule};

/// The rules of every good key.
///
/// A key that names what is missing is left out: without a scope it would open less than its author meant, without a
/// quota it would be unlimited.
pub(super) fn rules(
    documents: &Documents<'_>,
    (scopes, quotas): (&Scopes<'_>, &Quotas<'_>),
    rejected: &mut Vec<Rejected>,
) -> Vec<KeyRule> {
    let twins = twins(&documents.keys);
    let mut shared: HashMap<_, Result<Arc<Access>, String>> = HashMap::new();
    let mut rules = Vec::with_capacity(documents.keys.len());
    for (name, key) in &documents.keys {
        let access = match twins.get(name) {
            Some(twin) => Err(has_the_id_of(key.id, twin)),
            None => shared
                .entry(key.claim())
                .or_insert_with(|| access(key, documents, (scopes, quotas)))
                .clone(),
        };
        match access {
            Ok(access) => rules.push(KeyRule::new(name, key, access)),
            Err(says) => rejected.push(left_out(Kind::Key, name, &says)),
        }
    }
    rules
}

/// The keys whose id another key has too, each with one such other: nobody can tell which was meant.
fn twins<'e>(keys: &BTreeMap<&'e Name, &Key>) -> HashMap<&'e Name, &'e Name> {
    let mut owners: HashMap<KeyId, &Name> = HashMap::with_capacity(keys.len());
    let mut twins = HashMap::new();
    for (name, key) in keys {
        if let Some(owner) = owners.insert(key.id, name) {
            twins.insert(owner, *name);
            twins.insert(*name, owner);
        }
    }
    twins
}

fn has_the_id_of(id: KeyId, twin: &Name) -> String {
    let twin = twin.as_str();
    format!("has the id {id}, which key {twin:?} has too: an id must be one key's")
}

fn access(
    key: &Key,
    documents: &Documents<'_>,
    (scopes, quotas): (&Scopes<'_>, &Quotas<'_>),
) -> Result<Arc<Access>, String> {
    if key.principal.is_some() || key.roles.is_some() {
        return Err("names a principal or roles, which this build doesn't serve yet".to_owned());
    }
    let none = BTreeSet::new();
    let named = key.quotas.as_ref().unwrap_or(&none);
    let own = key.scopes.as_ref().unwrap_or(&none);
    Ok(Arc::new(Access {
        scopes: resolve(own, scopes)
            .map_err(|name| format!("names {}", documents.missing(Kind::Scope, name)))?,
        quotas: resolve(named, quotas)
            .map_err(|name| format!("names {}", documents.missing(Kind::Quota, name)))?,
    }))
}

/// What is named, in the order of the names; the first that is missing is the error.
fn resolve<'n, R>(
    names: &'n BTreeSet<Name>,
    rules: &BTreeMap<&Name, Arc<R>>,
) -> Result<Box<[Arc<R>]>, &'n Name> {
    names
        .iter()
        .map(|name| rules.get(name).cloned().ok_or(name))
        .collect()
}
