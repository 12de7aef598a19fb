//! Scopes: what a credential may be given.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::check_count;
use super::{Declaration, Kind, Spec};
use crate::{Description, HostPattern, Method, PathPattern, Problem};

/// The most grants of one scope.
pub const GRANTS_MAX: usize = 100;
/// The most methods, and the most hosts, of one grant or route.
pub const MATCHERS_MAX: usize = 32;

/// What a credential that holds the scope may do: any of its grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// What it is for, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// 1 to 100 grants; a request needs one of them.
    pub grants: Vec<Grant>,
}

/// Requests that a scope allows: the method, the host and the path must all fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The methods; every method where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<BTreeSet<Method>>,
    /// The hosts; every host where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<BTreeSet<HostPattern>>,
    /// The paths.
    pub path: PathPattern,
}

impl Declaration for Scope {
    const KIND: Kind = Kind::Scope;

    fn check(&self) -> Result<(), Problem> {
        check_count("grants", Some(self.grants.len()), GRANTS_MAX)?;
        for (index, grant) in self.grants.iter().enumerate() {
            check_count(
                "methods",
                grant.methods.as_ref().map(BTreeSet::len),
                MATCHERS_MAX,
            )
            .and_then(|()| {
                check_count(
                    "hosts",
                    grant.hosts.as_ref().map(BTreeSet::len),
                    MATCHERS_MAX,
                )
            })
            .map_err(|problem| problem.within("grants", index))?;
        }
        Ok(())
    }
}

impl From<Scope> for Spec {
    fn from(scope: Scope) -> Self {
        Self::Scope(scope)
    }
}
