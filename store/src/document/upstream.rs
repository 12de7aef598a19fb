//! Upstreams: the servers behind the proxies.

use serde::{Deserialize, Serialize};

use super::check::check_count;
use super::{Declaration, Kind, Spec};
use crate::{Authorities, Description, MaterialReference, Problem, ServerName, TargetUrl, Timeout};

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
    /// How it is spoken to, where that is not to be found out: HTTP/1.1 to a target without TLS, and with TLS what
    /// both sides agree on (ALPN, RFC 7301).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// How it and the proxy prove who they are, where its targets are spoken to by TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// How long to wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
}

/// How an upstream is spoken to, by the names that TLS has for it (ALPN, RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP/1.1 (RFC 9112).
    #[serde(rename = "http/1.1")]
    Http11,
    /// HTTP/2 (RFC 9113), without TLS by prior knowledge.
    #[serde(rename = "h2")]
    Http2,
}

/// How an upstream and the proxy prove who they are. An upstream is always verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTls {
    /// The authorities that its certificate must be signed by, in place of those that the proxy's system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Authorities>,
    /// Whom its certificate must be made out to, also what is asked for by SNI: the target's host where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<ServerName>,
    /// The proxy's own certificate with what it is signed by, and its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<MaterialReference>,
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
        check_count("targets", Some(self.targets.len()), TARGETS_MAX)?;
        if self.tls.is_some() && !self.targets.iter().any(TargetUrl::encrypted) {
            let message =
                "no target is spoken to by TLS: write \"https://\" in targets, or leave it out";
            return Err(Problem::field("tls", message));
        }
        Ok(())
    }
}

impl From<Upstream> for Spec {
    fn from(upstream: Upstream) -> Self {
        Self::Upstream(upstream)
    }
}
