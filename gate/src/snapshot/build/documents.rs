//! Documents by kind.

use std::collections::{BTreeMap, HashSet};

use tollgate_store::Name;
use tollgate_store::document::{
    Document, DocumentId, DocumentKey, Entry, Issuer, Key, KeySet, KeySetPart, Kind, PartName,
    Principal, Proxy, Quota, Role, Route, Scope, Spec, Upstream,
};

use crate::Rejected;

/// The good documents by kind and name.
///
/// The maps are ordered, so that every process makes the same snapshot of the same documents.
#[derive(Default)]
pub(super) struct Documents<'e> {
    pub(super) scopes: BTreeMap<&'e Name, &'e Scope>,
    pub(super) quotas: BTreeMap<&'e Name, &'e Quota>,
    pub(super) roles: BTreeMap<&'e Name, &'e Role>,
    pub(super) principals: BTreeMap<&'e Name, &'e Principal>,
    pub(super) issuers: BTreeMap<&'e Name, &'e Issuer>,
    pub(super) keys: BTreeMap<&'e Name, &'e Key>,
    pub(super) key_sets: BTreeMap<&'e Name, &'e KeySet>,
    pub(super) parts: BTreeMap<PartName, &'e KeySetPart>,
    pub(super) upstreams: BTreeMap<&'e Name, &'e Upstream>,
    pub(super) routes: BTreeMap<&'e Name, &'e Route>,
    pub(super) proxies: BTreeMap<&'e Name, &'e Proxy>,
    /// What is left out, and why.
    pub(super) rejected: Vec<Rejected>,
    /// Kind and name of each that is left out.
    bad: HashSet<DocumentId>,
}

impl<'e> Documents<'e> {
    /// Sorts the good from the broken.
    pub(super) fn sort(entries: &'e [Entry]) -> Self {
        let mut documents = Self::default();
        for entry in entries {
            match &entry.document {
                Ok(document) => documents.insert(document),
                Err(problem) => documents.reject(entry.id.clone(), problem.to_string()),
            }
        }
        documents
    }

    fn insert(&mut self, document: &'e Document) {
        let name = document.name();
        match document.spec() {
            Spec::Scope(scope) => drop(self.scopes.insert(name, scope)),
            Spec::Quota(quota) => drop(self.quotas.insert(name, quota)),
            Spec::Role(role) => drop(self.roles.insert(name, role)),
            Spec::Principal(principal) => drop(self.principals.insert(name, principal)),
            Spec::Issuer(issuer) => drop(self.issuers.insert(name, issuer)),
            Spec::Key(key) => drop(self.keys.insert(name, key)),
            Spec::KeySet(set) => drop(self.key_sets.insert(name, set)),
            Spec::KeySetPart(part) => match PartName::parse(name) {
                Ok(place) => drop(self.parts.insert(place, part)),
                Err(problem) => self.reject(document.key().into(), problem),
            },
            Spec::Upstream(upstream) => drop(self.upstreams.insert(name, upstream)),
            Spec::Route(route) => drop(self.routes.insert(name, route)),
            Spec::Proxy(proxy) => drop(self.proxies.insert(name, proxy)),
        }
    }

    fn reject(&mut self, id: DocumentId, reason: String) {
        self.bad.insert(id.clone());
        self.rejected.push(Rejected { id, reason });
    }

    /// Leaves a document out because of what it says about another: `key "acme" names scope "x", which …`.
    pub(super) fn leave_out(&mut self, kind: Kind, name: impl Into<String>, says: &str) {
        let id = id(kind, name);
        let reason = format!("{id} {says}");
        self.reject(id, reason);
    }

    /// What a document names that is not among the good ones: `scope "x", which does not exist`.
    pub(super) fn missing(&self, kind: Kind, name: &Name) -> String {
        let key = DocumentKey {
            kind,
            name: name.clone(),
        };
        let why = if self.is_bad(kind, name.as_str()) {
            "was rejected"
        } else {
            "does not exist"
        };
        format!("{key}, which {why}")
    }

    /// Whether there is any document of that kind that is not good.
    pub(super) fn is_any_bad(&self, kind: Kind) -> bool {
        self.bad.iter().any(|id| id.kind == kind.as_str())
    }

    /// Whether there is such a document, but none that is good.
    pub(super) fn is_bad(&self, kind: Kind, name: &str) -> bool {
        self.bad.contains(&id(kind, name))
    }
}

fn id(kind: Kind, name: impl Into<String>) -> DocumentId {
    DocumentId {
        kind: kind.as_str().to_owned(),
        name: name.into(),
    }
}
