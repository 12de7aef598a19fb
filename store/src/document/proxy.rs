//! Proxies: deployments that serve routes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::{check_count, check_number};
use super::{Counters, Declaration, Kind, Listen, ResourceMetadata, Spec, listen};
use crate::{Cidr, Description, PagePath, Problem, ServerName};

/// The most addresses that one proxy listens on.
pub const LISTEN_MAX: usize = 16;
/// The most blocks of trusted proxies.
pub const TRUSTED_PROXIES_MAX: usize = 64;
/// The most processes of a fleet.
pub const FLEET_SIZE_MAX: u32 = 1_000;

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
    /// How many processes serve it: each enforces its share of what quotas allow the fleet. One where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Fleet>,
    /// Where all processes count together; each counts by itself where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Box<Counters>>,
    /// What clients are told of their quotas: [`RateLimitHeaders::Standard`] where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_headers: Option<RateLimitHeaders>,
    /// What it says of itself to clients of OAuth 2.0 (RFC 9728); nothing where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_metadata: Option<ResourceMetadata>,
    /// Where clients find the public keys that verify what upstreams are told; nowhere where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_path: Option<PagePath>,
}

/// How many processes serve a deployment: a number, a name that DNS has an address of each for, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// The number, 1 to 1,000; beside `dns`, what is taken until that is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<ServerName>,
}

/// What clients are told of their quotas, beside `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateLimitHeaders {
    /// `RateLimit` and `RateLimit-Policy`, as the IETF's draft-ietf-httpapi-ratelimit-headers has them.
    #[default]
    Standard,
    /// These, and `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`.
    Legacy,
    /// Nothing.
    None,
}

impl Fleet {
    fn check(&self) -> Result<(), Problem> {
        if let Some(size) = self.size {
            return check_number("size", size, FLEET_SIZE_MAX)
                .map_err(|problem| problem.under("fleet"));
        }
        if self.dns.is_none() {
            return Err(Problem::field("fleet", "give size, dns or both"));
        }
        Ok(())
    }
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
        self.fleet.as_ref().map_or(Ok(()), Fleet::check)?;
        let counters = self.counters.as_deref().map_or(Ok(()), Counters::check);
        counters.map_err(|problem| problem.under("counters"))?;
        let metadata = self.resource_metadata.as_ref();
        let metadata = metadata.map_or(Ok(()), ResourceMetadata::check);
        metadata.map_err(|problem| problem.under("resource_metadata"))?;
        self.check_pages()?;
        listen::check(&self.listen)
    }
}

impl Proxy {
    /// Whether each page has a path of its own.
    fn check_pages(&self) -> Result<(), Problem> {
        let metadata = self.resource_metadata.as_ref().map(ResourceMetadata::path);
        let jwks = self.jwks_path.as_ref().map(PagePath::as_str);
        if jwks.is_some() && jwks == metadata.as_deref() {
            let message = "the metadata of the resource is there: take another path";
            return Err(Problem::field("jwks_path", message));
        }
        Ok(())
    }
}

impl From<Proxy> for Spec {
    fn from(proxy: Proxy) -> Self {
        Self::Proxy(proxy)
    }
}
