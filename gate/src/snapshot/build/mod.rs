//! From documents to a snapshot.

mod candidate;
mod certificates;
mod documents;
mod issuers;
mod key_sets;
mod keys;
mod routes;
mod rules;
mod subjects;

use std::collections::BTreeMap;
use std::sync::Arc;

use tollgate_store::Name;
use tollgate_store::document::{Entry, Scope};

use super::{Rejected, Snapshot};
use crate::OwnPage;
use crate::authorize::{Grants, breadth};
use crate::condition::ConditionLanguage;
use crate::identify::{Access, ScopeRule};
use documents::Documents;
use rules::Rules;

impl Snapshot {
    /// Makes a snapshot of the good documents, and names each that is left out and why. It never fails: a bad
    /// document disables itself and what names it. Of the routes, those of `proxy` are taken. The conditions of roles are
    /// read as `language`.
    ///
    /// `entries` hold one document under a kind and name, as every backend does.
    #[must_use]
    pub fn build(
        entries: &[Entry],
        proxy: &Name,
        language: &dyn ConditionLanguage,
    ) -> (Self, Vec<Rejected>) {
        let mut documents = Documents::sort(entries);
        let rules = Rules::new(&mut documents, language);
        let keys = keys::rules(&mut documents, &rules);
        let (routes, upstreams) = routes::rules(&mut documents, &rules, proxy);
        let principals = keys::principals(&documents, &rules);
        let snapshot = Self {
            keys,
            grants: grants(&documents.scopes, &rules.scopes),
            routes,
            issuers: issuers::rules(&documents, &rules),
            certificates: certificates::rules(&rules, &principals),
            nobody: Access::default(),
            scopes: rules.scopes.keys().copied().cloned().collect(),
            breadths: documents.scopes.values().copied().map(breadth).collect(),
            principals,
            conditions_headers: rules.conditions_headers(),
            own_pages: OwnPage::all(documents.proxies.get(proxy).copied()),
            proxy: documents.proxies.get(proxy).copied().cloned(),
            upstreams,
        };
        (snapshot, documents.rejected)
    }
}

fn grants(documents: &BTreeMap<&Name, &Scope>, rules: &BTreeMap<&Name, Arc<ScopeRule>>) -> Grants {
    let mut grants = Grants::default();
    for (scope, rule) in documents.values().zip(rules.values()) {
        for grant in &scope.grants {
            grants.insert(rule, grant);
        }
    }
    grants
}
