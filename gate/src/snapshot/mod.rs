//! Everything that decides requests, in one immutable value.

mod advice;
mod build;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use tollgate_store::Name;
use tollgate_store::document::{DocumentId, Proxy, Upstream};

pub use advice::{Advice, advise};

use crate::OwnPage;
use crate::authorize::{Grants, Routes};
use crate::identify::{Access, Certificates, IssuerNumber, IssuerRule, Issuers, Keys};

/// Everything that decides requests: rules, never state.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) keys: Keys,
    pub(crate) issuers: Issuers,
    pub(crate) certificates: Certificates,
    /// What whoever proves nothing may do wherever it asks: nothing.
    pub(crate) nobody: Access,
    pub(crate) grants: Grants,
    pub(crate) routes: Routes,
    /// The names of all scopes, by their numbers.
    pub(crate) scopes: Box<[Name]>,
    /// How much each of them allows, by their numbers.
    pub(crate) breadths: Box<[usize]>,
    /// What each principal may do by a key that narrows nothing.
    pub(crate) principals: BTreeMap<Name, Arc<Access>>,
    /// The headers that conditions look at, each once.
    conditions_headers: Box<[HeaderName]>,
    /// What the proxy answers by itself, by its path.
    pub(crate) own_pages: Box<[(String, OwnPage)]>,
    proxy: Option<Proxy>,
    upstreams: BTreeMap<Name, Arc<UpstreamRule>>,
}

/// A document that stays out of a snapshot, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The document; of one key of a set, what would be the key's own: `key "<set>/<key>"`.
    pub id: DocumentId,
    /// What is wrong with it, or with a document that it names.
    pub reason: String,
}

/// An upstream and its name.
#[derive(Debug, PartialEq, Eq)]
pub struct UpstreamRule {
    /// The document's name.
    pub name: Name,
    /// What it declares.
    pub upstream: Upstream,
}

impl Snapshot {
    /// The deployment's own document; `None` where there is none, or none that is good.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// How many processes are declared to serve the deployment: one where nothing is.
    #[must_use]
    pub fn fleet_size(&self) -> u32 {
        let fleet = self.proxy.as_ref().and_then(|proxy| proxy.fleet.as_ref());
        fleet.and_then(|fleet| fleet.size).unwrap_or(1)
    }

    /// The upstreams that a route of this proxy names, in the order of their names.
    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<UpstreamRule>> {
        self.upstreams.values()
    }

    /// The issuers whose tokens are taken, in the order of their names.
    pub fn issuers(&self) -> impl Iterator<Item = &IssuerRule> {
        self.issuers.all().iter()
    }

    /// The issuer that a refusal of this snapshot tells of.
    #[must_use]
    pub fn issuer(&self, number: IssuerNumber) -> Option<&IssuerRule> {
        self.issuers.get(number)
    }

    /// The headers that the conditions of roles look at.
    #[must_use]
    pub fn conditions_headers(&self) -> &[HeaderName] {
        &self.conditions_headers
    }

    /// Whether tokens of any issuer must be bound to their bearer's certificate or key: who comes without is told how to
    /// prove a key (RFC 9449).
    #[must_use]
    pub fn wants_binding(&self) -> bool {
        let mut issuers = self.issuers().map(|rule| &rule.issuer);
        issuers.any(|issuer| issuer.enabled && issuer.require_binding)
    }

    /// How many keys there are, also disabled and expired ones.
    #[must_use]
    pub fn keys_len(&self) -> usize {
        self.keys.len()
    }

    /// How many routes this proxy has.
    #[must_use]
    pub fn routes_len(&self) -> usize {
        self.routes.len()
    }
}
