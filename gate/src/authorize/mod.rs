//! What a principal may do, and where it goes.

mod needed;
mod path_trie;
mod request_table;
mod routes;

use std::sync::Arc;

use tollgate_store::Name;
use tollgate_store::document::{self, Priority};

use crate::identify::{HeldScopes, QuotaRule, ScopeRule, ScopeSet};
use crate::{Principal, Refusal, Snapshot, Target, UpstreamRule};
pub(crate) use needed::breadth;
use path_trie::PathTrie;
use request_table::RequestTable;
pub(crate) use routes::{Door, Doors, RouteRule, Routes};

/// What every scope of a snapshot allows.
///
/// All grants share one trie, and those of one path, host and method one set of bits: a request costs the same however
/// many scopes there are that its caller lacks.
#[derive(Debug, Default)]
pub(crate) struct Grants(PathTrie<RequestTable<ScopeSet>>);

impl Grants {
    pub(crate) fn insert(&mut self, scope: &ScopeRule, grant: &document::Grant) {
        let table = self.0.value(&grant.path);
        let mut add = |slot: &mut Option<ScopeSet>| {
            slot.get_or_insert_default().insert(scope.number);
        };
        table.alter(grant.hosts.as_ref(), grant.methods.as_ref(), &mut add);
    }

    /// The first of `scopes` that allows the request, by its most specific path.
    pub(crate) fn find<'s>(
        &self,
        scopes: &'s HeldScopes,
        target: &Target,
    ) -> Option<&'s ScopeRule> {
        let first = |table: &RequestTable<ScopeSet>| {
            let fitting = table.fitting(target);
            let held = fitting.filter_map(|allowed| allowed.first_common(scopes.set()));
            held.min()
        };
        scopes.get(self.0.find(target.path(), first)?)
    }
}

impl Snapshot {
    /// Finds the scope that allows a request and the route that carries it; a route that is open to everybody needs no
    /// scope.
    ///
    /// Scopes come first: who holds none that fits learns nothing of the routes that are not open.
    pub fn authorize<'s>(
        &'s self,
        principal: &'s Principal<'s>,
        target: &Target,
    ) -> Result<Grant<'s>, Refusal> {
        let scope = self.grants.find(&principal.access().scopes, target);
        let route = self.routes.find(target);
        let is_open = || route.is_some_and(|route| self.routes.is_open(route, target));
        if scope.is_none() && !is_open() {
            return Err(match principal.nothing() {
                Some(fault) => fault.into(),
                None => Refusal::OutOfScope {
                    caller: principal.kind(),
                },
            });
        }
        let route = route.ok_or(Refusal::NoRoute)?;
        if let Some(kind) = principal.credential()
            && !self.routes.takes(route, kind, target)
        {
            return Err(Refusal::CredentialKind {
                route: route.name.to_string(),
                kind,
            });
        }
        Ok(Grant {
            principal,
            scope: scope.map(|scope| &scope.name),
            route,
        })
    }
}

/// Proof that a principal may send a request, and where it goes. Only [`Snapshot::authorize`] makes one.
#[derive(Debug)]
pub struct Grant<'s> {
    principal: &'s Principal<'s>,
    scope: Option<&'s Name>,
    route: &'s RouteRule,
}

impl<'s> Grant<'s> {
    /// Who asks.
    #[must_use]
    pub fn principal(&self) -> &'s Principal<'s> {
        self.principal
    }

    /// The scope that allows it; `None` where none does, and the route is open to everybody.
    #[must_use]
    pub fn scope(&self) -> Option<&'s Name> {
        self.scope
    }

    /// The route that carries it.
    #[must_use]
    pub fn route(&self) -> &'s Name {
        &self.route.name
    }

    /// Whether the request's connection may turn into one of `protocol`, whose case does not matter.
    #[must_use]
    pub fn allows_upgrade(&self, protocol: &str) -> bool {
        let mut upgrades = self.route.upgrades.iter();
        upgrades.any(|upgrade| upgrade.as_str().eq_ignore_ascii_case(protocol))
    }

    /// How soon it is shed where its upstream is throttled: what the principal says, or else the route.
    #[must_use]
    pub fn priority(&self) -> Priority {
        let principal = self.principal.access().principal.as_ref();
        let own = principal.and_then(|principal| principal.priority);
        own.unwrap_or(self.route.priority)
    }

    /// The most bytes that its body may have; `None`: any number.
    #[must_use]
    pub fn body_bytes_max(&self) -> Option<u32> {
        self.route.body_bytes_max
    }

    /// The upstream that answers.
    #[must_use]
    pub fn upstream(&self) -> &'s Arc<UpstreamRule> {
        &self.route.upstream
    }

    /// How many requests it counts for.
    pub(crate) fn cost(&self) -> u32 {
        self.route.cost
    }

    /// The scopes that the caller holds, in the order of their names.
    pub fn scopes(&self) -> impl Iterator<Item = &'s Name> {
        let scopes = self.principal.access().scopes.iter();
        scopes.map(|scope| &scope.name)
    }

    /// The quotas that count it.
    pub(crate) fn quotas(&self) -> &'s [Arc<QuotaRule>] {
        match self.principal.nothing() {
            Some(_) => &self.route.anonymous_quotas,
            None => &self.principal.access().quotas,
        }
    }
}
