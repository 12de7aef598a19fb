//! The routes of this proxy.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use tollgate_store::document::{self, CredentialKind, Priority};
use tollgate_store::{Name, UpgradeProtocol};

use super::path_trie::PathTrie;
use super::request_table::RequestTable;
use crate::identify::QuotaRule;
use crate::{Target, UpstreamRule};

/// As it stands in a canonical path.
const SPACE: &str = "%20";

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
    /// The most bytes that a body may have.
    pub(crate) body_bytes_max: Option<u32>,
    pub(crate) door: Door,
    /// What counts callers who prove nothing.
    pub(crate) anonymous_quotas: Box<[Arc<QuotaRule>]>,
}

/// Whom a route lets in.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    /// Whether it lets in everybody, also without a scope and without a credential.
    pub(crate) is_open: bool,
    /// Which credentials it takes, where there is one; `None`: every kind.
    pub(crate) kinds: Option<BTreeSet<CredentialKind>>,
}

impl Door {
    fn takes(&self, kind: CredentialKind) -> bool {
        self.kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&kind))
    }
}

/// Whom every declared route lets in, also those that are left out, by the loosest reading of their paths.
#[derive(Debug, Default)]
pub(crate) struct Doors(PathTrie<RequestTable<Door>>);

impl Doors {
    /// Adds a route. Of two that are equally specific for a request, the one that was added first counts.
    pub(crate) fn insert(&mut self, route: &document::Route, door: &Door) {
        let table = self.0.value_of(&route.path, loose);
        table.insert(route.hosts.as_ref(), route.methods.as_ref(), door);
    }

    fn find(&self, target: &Target) -> Option<&Door> {
        let segments: Vec<_> = target.path().split('/').map(loose).collect();
        self.0.find(&segments.join("/"), |table| table.find(target))
    }
}

/// A segment as the most careless upstream reads it: without parameters, without spaces around it and dots at its end,
/// and in lower case.
fn loose(segment: &str) -> Cow<'_, str> {
    let mut rest = segment.split(';').next().unwrap_or_default();
    while let Some(shorter) = shorter(rest) {
        rest = shorter;
    }
    if rest.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return rest.to_ascii_lowercase().into();
    }
    rest.into()
}

fn shorter(name: &str) -> Option<&str> {
    let end = || name.strip_suffix(SPACE);
    name.strip_suffix('.')
        .or_else(end)
        .or_else(|| name.strip_prefix(SPACE))
}

/// Every route of this proxy.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    trie: PathTrie<RequestTable<Arc<RouteRule>>>,
    len: usize,
    is_any_open: bool,
    /// What was declared, where any route is open or takes some credentials only: a wider route must not open what a
    /// narrower one closes, neither where that is left out nor where an upstream reads paths more loosely.
    declared: Option<Doors>,
}

impl Routes {
    /// Adds a route. Of two that are equally specific for a request, the one that was added first carries it.
    pub(crate) fn insert(&mut self, route: &document::Route, rule: RouteRule) {
        self.is_any_open |= rule.door.is_open;
        let table = self.trie.value(&route.path);
        table.insert(
            route.hosts.as_ref(),
            route.methods.as_ref(),
            &Arc::new(rule),
        );
        self.len += 1;
    }

    /// Whom every route lets in that was declared.
    pub(crate) fn declare(&mut self, declared: Doors) {
        self.declared = Some(declared);
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether any is open to everybody.
    pub(crate) fn are_any_open(&self) -> bool {
        self.is_any_open
    }

    /// The most specific route: by path, then by host, then by method.
    pub(crate) fn find(&self, target: &Target) -> Option<&RouteRule> {
        self.trie
            .find(target.path(), |table| table.find(target))
            .map(Arc::as_ref)
    }

    /// Whether a request that `route` carries needs neither scope nor credential.
    pub(crate) fn is_open(&self, route: &RouteRule, target: &Target) -> bool {
        route.door.is_open && self.declared(target).is_some_and(|door| door.is_open)
    }

    /// Whether a request that `route` carries may be sent with that kind of credential.
    pub(crate) fn takes(&self, route: &RouteRule, kind: CredentialKind, target: &Target) -> bool {
        route.door.takes(kind) && self.declared(target).is_none_or(|door| door.takes(kind))
    }

    fn declared(&self, target: &Target) -> Option<&Door> {
        self.declared.as_ref()?.find(target)
    }
}
