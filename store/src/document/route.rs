//! Routes: which requests go to which upstream.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::{check_count, check_number, check_set};
use super::scope::MATCHERS_MAX;
use super::{Declaration, Kind, Priority, Spec};
use crate::{Description, HostPattern, Method, Name, PathPattern, Problem, UpgradeProtocol};

/// The most protocols that one route may be upgraded to.
pub const UPGRADES_MAX: usize = 8;
/// The most requests that one may count for.
pub const COST_MAX: u32 = 1_000;

/// The most quotas that count a route's anonymous callers.
pub const ROUTE_QUOTAS_MAX: usize = 8;

/// By what a caller proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// The token of a key.
    Key,
    /// The token of an issuer.
    Token,
    /// A client's certificate.
    Certificate,
}

impl CredentialKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Key, Self::Token, Self::Certificate];

    /// Its name in documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Token => "token",
            Self::Certificate => "certificate",
        }
    }

    /// The kind of that name; the error says which there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| {
            format!(
                "{text:?} is no kind of credential: it must be \"key\", \"token\" or \"certificate\""
            )
        })
    }
}

/// Requests of one proxy that go to one upstream. Of several that fit a request, the most specific carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// What it is for, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// The proxy that serves it.
    pub proxy: Name,
    /// The hosts; every host where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<BTreeSet<HostPattern>>,
    /// The methods; every method where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<BTreeSet<Method>>,
    /// The paths.
    pub path: PathPattern,
    /// The upstream that answers.
    pub upstream: Name,
    /// What its connections may turn into; nothing where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrades: Option<BTreeSet<UpgradeProtocol>>,
    /// How many requests each of its requests counts for in quotas, 1 to 1,000: 1 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u32>,
    /// How soon its requests are shed where its upstream is throttled, unless their principal says so:
    /// [`Priority::Default`] where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Whether everybody may send them, also who proves nothing: nobody but who holds a scope where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous: Option<bool>,
    /// The quotas that count callers who prove nothing, 1 to 8; none where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous_quotas: Option<BTreeSet<Name>>,
    /// By which credentials a caller that has one may be known: every kind where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<BTreeSet<CredentialKind>>,
    /// The most bytes that the body of one of its requests may have, at least 1: no bound where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes_max: Option<u32>,
}

impl Declaration for Route {
    const KIND: Kind = Kind::Route;

    fn check(&self) -> Result<(), Problem> {
        check_count(
            "hosts",
            self.hosts.as_ref().map(BTreeSet::len),
            MATCHERS_MAX,
        )?;
        check_count(
            "methods",
            self.methods.as_ref().map(BTreeSet::len),
            MATCHERS_MAX,
        )?;
        check_set("upgrades", self.upgrades.as_ref(), UPGRADES_MAX)?;
        if self.anonymous_quotas.is_some() && self.anonymous != Some(true) {
            let message =
                "nobody sends its requests without a credential: set anonymous, or leave them out";
            return Err(Problem::field("anonymous_quotas", message));
        }
        check_set(
            "anonymous_quotas",
            self.anonymous_quotas.as_ref(),
            ROUTE_QUOTAS_MAX,
        )?;
        let kinds = CredentialKind::ALL.len();
        check_set("credentials", self.credentials.as_ref(), kinds)?;
        if let Some(most) = self.body_bytes_max {
            check_number("body_bytes_max", most, u32::MAX)?;
        }
        self.cost
            .map_or(Ok(()), |cost| check_number("cost", cost, COST_MAX))
    }
}

impl From<Route> for Spec {
    fn from(route: Route) -> Self {
        Self::Route(route)
    }
}
