//! From documents to a snapshot.

mod documents;
mod keys;
mod routes;

use std::collections::BTreeMap;
use std::sync::Arc;

use tollgate_store::Name;
use tollgate_store::document::{Entry, Quota, Scope};

use super::{Rejected, Snapshot};
use crate::authorize::Grants;
use crate::identify::{Keys, QuotaRule, ScopeRule};
use documents::Documents;

impl Snapshot {
    /// Makes a snapshot of the good documents, and names each that is left out and why. It never fails: a bad
    /// document disables itself and what names it. Of the routes, those of `proxy` are taken.
    ///
    /// `entries` hold one document under a kind and name, as every backend does.
    #[must_use]
    pub fn build(entries: &[Entry], proxy: &Name) -> (Self, Vec<Rejected>) {
        let mut rejected = Vec::new();
        let documents = Documents::sort(entries, &mut rejected);
        let scopes = scopes(&documents.scopes);
        let quotas = quotas(&documents.quotas);
        let keys = keys::rules(&documents, (&scopes, &quotas), &mut rejected);
        let (routes, upstreams) = routes::rules(&documents, proxy, &mut rejected);
        let snapshot = Self {
            keys: Keys::new(keys),
            grants: grants(&documents.scopes, &scopes),
            routes,
            proxy: documents.proxies.get(proxy).copied().cloned(),
            upstreams,
        };
        (snapshot, rejected)
    }
}

type Scopes<'e> = BTreeMap<&'e Name, Arc<ScopeRule>>;
type Quotas<'e> = BTreeMap<&'e Name, Arc<QuotaRule>>;

fn scopes<'e>(documents: &BTreeMap<&'e Name, &Scope>) -> Scopes<'e> {
    let numbered = documents.keys().copied().zip(0..);
    numbered
        .map(|(name, number)| {
            let rule = ScopeRule {
                number,
                name: name.clone(),
            };
            (name, Arc::new(rule))
        })
        .collect()
}

fn quotas<'e>(documents: &BTreeMap<&'e Name, &Quota>) -> Quotas<'e> {
    let rule = |(name, quota): (&&'e Name, &&Quota)| {
        let rule = QuotaRule {
            name: Arc::new(Name::clone(name)),
            quota: Quota::clone(quota),
        };
        (*name, Arc::new(rule))
    };
    documents.iter().map(rule).collect()
}

fn grants(documents: &BTreeMap<&Name, &Scope>, rules: &Scopes<'_>) -> Grants {
    let mut grants = Grants::default();
    for (scope, rule) in documents.values().zip(rules.values()) {
        for grant in &scope.grants {
            grants.insert(rule, grant);
        }
    }
    grants
}
