//! What a proxy says of itself to clients of OAuth 2.0.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::{check_count, check_set};
use crate::{Name, Problem, ServiceUrl};

/// The most authorization servers that are named.
pub const AUTHORIZATION_SERVERS_MAX: usize = 16;
/// The most scopes that are named.
pub const SCOPES_SUPPORTED_MAX: usize = 100;

/// What a proxy says of itself to clients of OAuth 2.0 (RFC 9728), to whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceMetadata {
    /// What clients call it, which is what tokens are made out to.
    pub resource: ServiceUrl,
    /// Who hands out tokens: 1 to 16, by their issuer identifiers.
    pub authorization_servers: Vec<ServiceUrl>,
    /// The scopes that a client may ask for, 1 to 100; they are not told where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<BTreeSet<Name>>,
}

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

impl ResourceMetadata {
    /// Where it is told: the resource's own path follows the well-known one (RFC 9728, section 3.1).
    #[must_use]
    pub fn path(&self) -> String {
        let path = self.resource.path_and_query().trim_end_matches('/');
        format!("{WELL_KNOWN}{path}")
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.resource.has_query() {
            let message = "a resource has no query here: end it before the \"?\"";
            return Err(Problem::field("resource", message));
        }
        let servers = self.authorization_servers.len();
        check_count(
            "authorization_servers",
            Some(servers),
            AUTHORIZATION_SERVERS_MAX,
        )?;
        check_set("scopes", self.scopes.as_ref(), SCOPES_SUPPORTED_MAX)
    }
}
