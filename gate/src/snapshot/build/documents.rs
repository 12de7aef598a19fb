//! Documents by kind.

use std::collections::{BTreeMap, HashSet};

use tollgate_store::Name;
use tollgate_store::document::{
    DocumentKey, Entry, Key, Kind, Proxy, Quota, Route, Scope, Spec, Upstream,
};

use crate::Rejected;

/// The good documents by kind and name.
///
/// The maps are ordered, so that every process makes the same snapshot of the same documents.
#[derive(Default)]
pub(super) struct Documents<'e> {
    pub(super) scopes: BTreeMap<&'e Name, &'e Scope>,
    pub(super) quotas: BTreeMap<&'e Name, &'e Quota>,
    pub(super) keys: BTreeMap<&'e Name, &'e Key>,
    pub(super) upstreams: BTreeMap<&'e Name, &'e Upstream>,
    pub(super) routes: BTreeMap<&'e Name, &'e Route>,
    pub(super) proxies: BTreeMap<&'e Name, &'e Proxy>,
    /// Kind and name of each that is broken.
    broken: HashSet<(&'e str, &'e str)>,
}

impl<'e> Documents<'e> {
    /// Sorts the good from the broken.
    pub(super) fn sort(entries: &'e [Entry], rejected: &mut Vec<Rejected>) -> Self {
        let mut documents = Self::default();
        for entry in entries {
            match &entry.document {
                Ok(document) => documents.insert(document.name(), document.spec()),
                Err(problem) => {
                    documents.broken.insert((&entry.id.kind, &entry.id.name));
                    rejected.push(Rejected {
                        id: entry.id.clone(),
                        reason: problem.to_string(),
                    });
                }
            }
        }
        documents
    }

    fn insert(&mut self, name: &'e Name, spec: &'e Spec) {
        match spec {
            Spec::Scope(scope) => drop(self.scopes.insert(name, scope)),
            Spec::Quota(quota) => drop(self.quotas.insert(name, quota)),
            Spec::Key(key) => drop(self.keys.insert(name, key)),
            Spec::Upstream(upstream) => drop(self.upstreams.insert(name, upstream)),
            Spec::Route(route) => drop(self.routes.insert(name, route)),
            Spec::Proxy(proxy) => drop(self.proxies.insert(name, proxy)),
            // Nothing is decided by them yet.
            Spec::Role(_) | Spec::Principal(_) | Spec::KeySet(_) | Spec::KeySetPart(_) => {}
        }
    }

    /// What a document names that is not among the good ones: `scope "x", which does not exist`.
    pub(super) fn missing(&self, kind: Kind, name: &Name) -> String {
        let why = if self.broken.contains(&(kind.as_str(), name.as_str())) {
            "was rejected"
        } else {
            "does not exist"
        };
        format!("{kind} {:?}, which {why}", name.as_str())
    }
}

/// A document that is left out, because of what it says about another: `key "acme" names scope "x", which …`.
pub(super) fn left_out(kind: Kind, name: &Name, says: &str) -> Rejected {
    let key = DocumentKey {
        kind,
        name: name.clone(),
    };
    Rejected {
        reason: format!("{key} {says}"),
        id: key.into(),
    }
}
