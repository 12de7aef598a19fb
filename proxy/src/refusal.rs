//! Why a request gets another answer than its upstream's: facts, never a status code.

use tollgate_gate::{Malformed, Principal, Snapshot, Target};

use crate::filter::Fault;

/// Why a request gets another answer than its upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The engine says no.
    #[error(transparent)]
    Decision(#[from] tollgate_gate::Refusal),
    /// No scope of the caller allows the request, but one that it lacks would.
    #[error("{source}")]
    ScopeMissing {
        /// What the engine says.
        source: tollgate_gate::Refusal,
        /// The scope that would, as the caller can ask for it.
        needed: String,
    },
    /// The head can be read in two ways.
    #[error(transparent)]
    Malformed(#[from] Fault),
    /// The body broke off, or its framing is bad.
    #[error("the request's body broke off")]
    BodyBroken,
    /// The body stood still for too long.
    #[error("the request's body did not come in time")]
    BodyStalled,
    /// The body is longer than its route takes.
    #[error("the request's body is too long: at most {bytes_max} bytes are taken here")]
    BodyTooLarge {
        /// How many bytes it may have.
        bytes_max: u32,
    },
    /// The body is longer than may be held to be signed.
    #[error("the request's body is too long to be signed: at most {bytes_max} bytes are")]
    BodyUnsignable {
        /// How many bytes may be.
        bytes_max: usize,
    },
    /// There is no snapshot to decide by, or it does not know this proxy.
    #[error("the proxy does not know yet what to let through")]
    NotReady,
    /// The upstream has as much to do as it can, or more.
    #[error("the upstream has too much to do: try again")]
    Throttled,
    /// The token's issuer did not say whether it is good.
    #[error(transparent)]
    Introspection(#[from] IntrospectionFault),
    /// The upstream gave no answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamFault),
    /// A bug.
    #[error("the proxy failed")]
    Internal,
}

/// Why nobody knows whether a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum IntrospectionFault {
    /// The issuer can't be reached, or what it says is no answer.
    #[error("the token's issuer can't be asked")]
    Failed,
    /// It did not answer in time.
    #[error("the token's issuer did not answer in time")]
    TooLate,
    /// It failed so often that it is left alone for a moment.
    #[error("the token's issuer failed too often, and is not asked for a moment")]
    CircuitOpen,
    /// It was asked as often as it may be.
    #[error("the token's issuer was asked as often as it may be")]
    Budget,
}

impl IntrospectionFault {
    /// The reason as one stable word, for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Failed => "introspection_failed",
            Self::TooLate => "introspection_timeout",
            Self::CircuitOpen => "introspection_circuit_open",
            Self::Budget => "introspection_budget",
        }
    }
}

/// In which way an upstream gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum UpstreamFault {
    /// No connection: refused, no route, no such name.
    #[error("the upstream can't be reached")]
    Connect,
    /// No connection in time.
    #[error("the upstream can't be reached in time")]
    ConnectTimeout,
    /// There are as many connections as may be, and none was free in time.
    #[error("the upstream has too many connections: try again")]
    Connections,
    /// TLS failed: a certificate that is not what it should be, on either side, or none that could be read.
    #[error("the upstream can't be reached safely")]
    Tls,
    /// No head of a response in time.
    #[error("the upstream did not answer in time")]
    ResponseTimeout,
    /// Not everything in time.
    #[error("the upstream took longer than a request may")]
    Deadline,
    /// The connection was cut before an answer came.
    #[error("the upstream closed the connection without an answer")]
    Reset,
    /// There is no key to sign with who asks.
    #[error("the upstream can't be told who asks")]
    Identity,
    /// There is nothing to show it: a secret that can't be read, or an authorization server that gives no token.
    #[error("the proxy has no credential for the upstream")]
    Credential,
    /// There is no token to show it for the caller's: that is none of an issuer's, or the server exchanges it for none.
    #[error("the caller's token can't be exchanged for one for the upstream")]
    TokenExchange,
    /// What came was no HTTP, or can be read in two ways.
    #[error("the upstream's answer is no valid HTTP")]
    Protocol,
}

impl Refusal {
    /// What the engine says to a request, with the scope that it would need, if it lacks one.
    #[must_use]
    pub fn advised(
        source: tollgate_gate::Refusal,
        snapshot: &Snapshot,
        (principal, target): (&Principal<'_>, &Target),
    ) -> Self {
        let is_scope = matches!(source, tollgate_gate::Refusal::OutOfScope { .. });
        let needed = is_scope.then(|| snapshot.scope_needed(principal, target));
        match needed.flatten().map(str::to_owned) {
            Some(needed) => Self::ScopeMissing { source, needed },
            None => Self::Decision(source),
        }
    }

    /// The reason as one stable word, for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decision(refusal)
            | Self::ScopeMissing {
                source: refusal, ..
            } => refusal.code(),
            Self::Malformed(fault) => fault.code(),
            Self::BodyBroken => "body_broken",
            Self::BodyStalled => "body_stalled",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyUnsignable { .. } => "body_unsignable",
            Self::NotReady => "not_ready",
            Self::Throttled => "throttled",
            Self::Introspection(fault) => fault.code(),
            Self::Upstream(fault) => fault.code(),
            Self::Internal => "internal",
        }
    }

    /// Whether nothing more is read from the request's connection, where it carries one request after the other.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        match self {
            Self::Malformed(fault) => fault.ends_connection(),
            Self::Decision(tollgate_gate::Refusal::Malformed(fault)) => matches!(
                fault,
                Malformed::HostMissing | Malformed::HostInvalid | Malformed::HostAmbiguous
            ),
            Self::BodyBroken
            | Self::BodyStalled
            | Self::BodyTooLarge { .. }
            | Self::BodyUnsignable { .. } => true,
            _ => false,
        }
    }
}

impl UpstreamFault {
    /// The reason as one stable word, for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Connect => "upstream_connect",
            Self::ConnectTimeout => "upstream_connect_timeout",
            Self::Connections => "upstream_connections",
            Self::Tls => "upstream_tls",
            Self::ResponseTimeout => "upstream_timeout",
            Self::Deadline => "upstream_deadline",
            Self::Reset => "upstream_reset",
            Self::Identity => "upstream_identity",
            Self::Credential => "upstream_credential",
            Self::TokenExchange => "upstream_token_exchange",
            Self::Protocol => "upstream_protocol",
        }
    }
}
