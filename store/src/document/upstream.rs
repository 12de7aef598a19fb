//! Upstreams: the servers behind the proxies.

use serde::{Deserialize, Serialize};

use super::check::check_count;
use super::{Declaration, Kind, Spec};
use crate::{Description, Problem, TargetUrl, Timeout};

/// The most targets of one upstream.
pub const TARGETS_MAX: usize = 64;

/// Servers that answer the same requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// What it is, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Where it answers: 1 to 64 targets, taken in turn.
    pub targets: Vec<TargetUrl>,
    /// How long to wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
}

/// How long a proxy waits for an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// For a connection: 2 s where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Timeout>,
    /// For the head of a response, once the request was sent: 30 s where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Timeout>,
}

impl Declaration for Upstream {
    const KIND: Kind = Kind::Upstream;

    fn check(&self) -> Result<(), Problem> {
        check_count("targets", Some(self.targets.len()), TARGETS_MAX)
    }
}

impl From<Upstream> for Spec {
    fn from(upstream: Upstream) -> Self {
        Self::Upstream(upstream)
    }
}
