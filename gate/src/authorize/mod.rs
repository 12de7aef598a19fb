//! What a principal may do, and where it goes.

mod needed;
mod path_trie;
mod request_table;

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use tollgate_store::document::{self, Priority};
use tollgate_store::{Name, UpgradeProtocol};

use crate::identify::{QuotaRule, ScopeRule};
use crate::{Principal, Refusal, Snapshot, Target, UpstreamRule};
use path_trie::PathTrie;
use request_table::RequestTable;

/// What every scope of a snapshot allows.
///
/// All grants share one trie, so that a request costs the same however many scopes there are that its key lacks.
#[derive(Debug, Default)]
pub(crate) struct Grants(PathTrie<HashMap<u32, RequestTable<()>>>);

impl Grants {
    pub(crate) fn insert(&mut self, scope: &ScopeRule, grant: &document::Grant) {
        let table = self.0.value(&grant.path).entry(scope.number).or_default();
        table.insert(grant.hosts.as_ref(), grant.methods.as_ref(), &());
    }

    /// The first of `scopes` that allows the request, by its most specific path.
    pub(crate) fn find<'s>(
        &self,
        scopes: &'s [Arc<ScopeRule>],
        target: &Target,
    ) -> Option<&'s ScopeRule> {
        let find = |tables: &HashMap<u32, RequestTable<()>>| first(scopes, tables, target);
        self.0.find(target.path(), find)
    }
}

/// The first of `scopes` whose table holds the request. The fewer of the two are looked through: a principal may hold
/// thousands of scopes, and a path may be in as many.
fn first<'s>(
    scopes: &'s [Arc<ScopeRule>],
    tables: &HashMap<u32, RequestTable<()>>,
    target: &Target,
) -> Option<&'s ScopeRule> {
    if scopes.len() <= tables.len() {
        let fits = |scope: &&Arc<ScopeRule>| {
            tables
                .get(&scope.number)
                .is_some_and(|table| table.find(target).is_some())
        };
        return scopes.iter().find(fits).map(Arc::as_ref);
    }
    let held = |number: &u32| {
        scopes
            .binary_search_by_key(number, |scope| scope.number)
            .ok()
    };
    let fitting = tables
        .iter()
        .filter(|(_, table)| table.find(target).is_some())
        .filter_map(|(number, _)| held(number));
    scopes.get(fitting.min()?).map(Arc::as_ref)
}

/// A route of this proxy.
#[derive(Debug)]
pub(crate) struct RouteRule {
    pub(crate) name: Name,
    pub(crate) upstream: Arc<UpstreamRule>,
    /// What its connections may turn into.
    pub(crate) upgrades: BTreeSet<UpgradeProtocol>,
    /// How many requests each of its requests counts for.
    pub(crate) cost: u32,
    /// How soon its requests are shed, unless their principal says so.
    pub(crate) priority: Priority,
}

/// Every route of this proxy.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    trie: PathTrie<RequestTable<Arc<RouteRule>>>,
    len: usize,
}

impl Routes {
    /// Adds a route. Of two that are equally specific for a request, the one that was added first carries it.
    pub(crate) fn insert(&mut self, route: &document::Route, rule: RouteRule) {
        let table = self.trie.value(&route.path);
        table.insert(
            route.hosts.as_ref(),
            route.methods.as_ref(),
            &Arc::new(rule),
        );
        self.len += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The most specific route: by path, then by host, then by method.
    fn find(&self, target: &Target) -> Option<&RouteRule> {
        self.trie
            .find(target.path(), |table| table.find(target))
            .map(Arc::as_ref)
    }
}

impl Snapshot {
    /// Finds the scope that allows a request and the route that carries it.
    ///
    /// Scopes come first: who holds none that fits learns nothing of the routes.
    pub fn authorize<'s>(
        &'s self,
        principal: &'s Principal<'s>,
        target: &Target,
    ) -> Result<Grant<'s>, Refusal> {
        let scope = self
            .grants
            .find(&principal.access().scopes, target)
            .ok_or_else(|| Refusal::OutOfScope {
                caller: principal.kind(),
            })?;
        let route = self.routes.find(target).ok_or(Refusal::NoRoute)?;
        Ok(Grant {
            principal,
            scope: &scope.name,
            route,
        })
    }
}

/// Proof that a principal may send a request, and where it goes. Only [`Snapshot::authorize`] makes one.
#[derive(Debug)]
pub struct Grant<'s> {
    principal: &'s Principal<'s>,
    scope: &'s Name,
    route: &'s RouteRule,
}

impl<'s> Grant<'s> {
    /// Who asks.
    #[must_use]
    pub fn principal(&self) -> &'s Principal<'s> {
        self.principal
    }

    /// The scope that allows it.
    #[must_use]
    pub fn scope(&self) -> &'s Name {
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
        &self.principal.access().quotas
    }
}
