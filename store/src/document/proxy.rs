//! Proxies: deployments that serve routes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::check_count;
use super::{Declaration, Kind, Listen, ResourceMetadata, Spec, listen};
use crate::{Cidr, Description, Problem};

/// The most addresses that one proxy listens on.
pub const LISTEN_MAX: usize = 16;
/// The most blocks of trusted proxies.
pub const TRUSTED_PROXIES_MAX: usize = 64;

/// A deployment of proxies: any number of processes that serve the same routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// What it is for, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Where clients connect: 1 to 16 addresses.
    pub listen: Vec<Listen>,
    /// The networks whose word about a client is taken: its address (`X-Forwarded-For`), its request id and its trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_proxies: Option<BTreeSet<Cidr>>,
    /// What it says of itself to clients of OAuth 2.0 (RFC 9728); nothing where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_metadata: Option<ResourceMetadata>,
}

impl Declaration for Proxy {
    const KIND: Kind = Kind::Proxy;

    fn check(&self) -> Result<(), Problem> {
        check_count("listen", Some(self.listen.len()), LISTEN_MAX)?;
        check_count(
            "trusted_proxies",
            self.trusted_proxies.as_ref().map(BTreeSet::len),
            TRUSTED_PROXIES_MAX,
        )?;
        let metadata = self.resource_metadata.as_ref();
        let metadata = metadata.map_or(Ok(()), ResourceMetadata::check);
        metadata.map_err(|problem| problem.under("resource_metadata"))?;
        listen::check(&self.listen)
    }
}

impl From<Proxy> for Spec {
    fn from(proxy: Proxy) -> Self {
        Self::Proxy(proxy)
    }
}
