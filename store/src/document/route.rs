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
        self.cost
            .map_or(Ok(()), |cost| check_number("cost", cost, COST_MAX))
    }
}

impl From<Route> for Spec {
    fn from(route: Route) -> Self {
        Self::Route(route)
    }
}
