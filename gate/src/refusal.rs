//! Why a request goes no further: facts, never a status code, never a token.

mod credential;
mod malformed;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tollgate_store::document::CredentialKind;
use tollgate_store::{KeyId, Name};

use crate::identify::{IssuerNumber, TokenFault};
use crate::meter::{Policy, seconds};
pub use credential::CredentialFault;
pub(crate) use credential::address_text;
pub use malformed::Malformed;

/// Why a request goes no further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// An upstream could read the request differently than it was read here.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Nobody knows who asks. To the caller all faults must look the same.
    #[error(transparent)]
    Unauthenticated(#[from] CredentialFault),
    /// The keys of the token's issuer are not known yet, or not any more: neither is the caller's fault.
    #[error("the keys of the token's issuer are not known")]
    IssuerUnready {
        /// The issuer.
        issuer: IssuerNumber,
    },
    /// The token's issuer was not asked about it, or gave no answer: neither is the caller's fault.
    #[error("the token's issuer did not say yet whether it is good")]
    TokenUnasked {
        /// The issuer.
        issuer: IssuerNumber,
    },
    /// As many proofs of possession are remembered as can be: whether this one was used before, nobody knows.
    #[error("as many proofs of possession are remembered as can be")]
    ProofsFull,
    /// None of the caller's scopes allows the request.
    #[error("no scope of {caller} allows the request")]
    OutOfScope {
        /// Who asks.
        caller: CallerKind,
    },
    /// Roles of the caller would allow the request, but it meets the condition of none of them.
    #[error("{caller} may send the request only under a condition, which it does not meet")]
    ConditionUnmet {
        /// Who asks.
        caller: CallerKind,
        /// The roles: for the operator, not for the caller.
        roles: Box<[Name]>,
    },
    /// The route that carries the request does not take that kind of credential.
    #[error("route {route:?} takes no {}", kind.as_str())]
    CredentialKind {
        /// The route.
        route: String,
        /// The kind that was sent.
        kind: CredentialKind,
        /// The kinds that it takes.
        taken: Vec<CredentialKind>,
    },
    /// The upstream is shown a token that is exchanged for the caller's, and the caller has none that is.
    #[error(
        "upstream {upstream:?} is shown a token that is exchanged for the caller's, and {}",
        unexchanged(*kind)
    )]
    NotExchanged {
        /// The upstream.
        upstream: String,
        /// The kind of credential that was sent; a token is one of another issuer.
        kind: CredentialKind,
    },
    /// The request is in scope, but no route of this proxy carries it.
    #[error("no route of this proxy carries the request, though the caller's scopes allow it")]
    NoRoute,
    /// A quota is used up.
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
    /// The counters of the fleet can't be asked, and a quota says that nobody is let through then.
    #[error("the counters of the fleet can't be asked, and a quota lets nobody through without")]
    CountersUnreachable,
    /// The meter holds its most subjects, and this one would be another.
    #[error("the meter counts its most subjects already, and this request would add one")]
    Overloaded,
}

impl Refusal {
    /// The issuer whose newer keys may change the answer.
    #[must_use]
    pub fn wants_keys_of(&self) -> Option<IssuerNumber> {
        match self {
            Self::IssuerUnready { issuer } => Some(*issuer),
            Self::Unauthenticated(CredentialFault::Token {
                issuer,
                fault: TokenFault::KeyUnknown,
            }) => *issuer,
            _ => None,
        }
    }

    /// The issuer that may change the answer if it is asked about the token.
    #[must_use]
    pub fn wants_answer_of(&self) -> Option<IssuerNumber> {
        match self {
            Self::TokenUnasked { issuer } => Some(*issuer),
            _ => None,
        }
    }

    /// The issuer that the refused token says it is of, where that is known.
    #[must_use]
    pub fn issuer(&self) -> Option<IssuerNumber> {
        match self {
            Self::IssuerUnready { issuer } | Self::TokenUnasked { issuer } => Some(*issuer),
            Self::Unauthenticated(CredentialFault::Token { issuer, .. }) => *issuer,
            _ => None,
        }
    }

    /// The reason as one stable word, for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(malformed) => malformed.code(),
            Self::Unauthenticated(fault) => fault.code(),
            Self::IssuerUnready { .. } => "issuer_keys_missing",
            Self::TokenUnasked { .. } => "introspection_missing",
            Self::ProofsFull => "proofs_full",
            Self::OutOfScope { .. } => "scope_insufficient",
            Self::ConditionUnmet { .. } => "condition_unmet",
            Self::CredentialKind { .. } => "credential_kind",
            Self::NotExchanged { .. } => "credential_not_exchanged",
            Self::NoRoute => "route_missing",
            Self::OverQuota(_) => "quota_exceeded",
            Self::CountersUnreachable => "counters_unreachable",
            Self::Overloaded => "meter_full",
        }
    }
}

/// What proved who asks, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallerKind {
    /// A token of that key.
    Key(KeyId),
    /// A token of an issuer.
    Token,
    /// A client's certificate.
    Certificate,
    /// Nothing.
    Nothing,
}

impl fmt::Display for CallerKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(formatter, "key {id}"),
            Self::Token => formatter.write_str("the token"),
            Self::Certificate => formatter.write_str("the certificate"),
            Self::Nothing => formatter.write_str("nobody"),
        }
    }
}

fn unexchanged(kind: CredentialKind) -> String {
    match kind {
        CredentialKind::Token => "tokens of this one's issuer are not".to_owned(),
        kind => format!("a {} is never", kind.as_str()),
    }
}

/// A quota that leaves no room for a request; nothing was charged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("quota {} allows {}; the next fits in {retry_after:?}", policy.quota, policy.measure)]
pub struct OverQuota {
    /// The limit: of several that leave no room, the one to wait for longest.
    pub policy: Arc<Policy>,
    /// How many requests that limit has left, which are fewer than this one counts for.
    pub remaining: u32,
    /// The time until such a request fits, if no other comes first. Of a limit of concurrency nobody knows it.
    pub retry_after: Duration,
}

impl OverQuota {
    /// The time until one request fits, in whole seconds: rounded up, so that who waits as long never comes too early,
    /// and at least one.
    #[must_use]
    pub fn retry_after_seconds(&self) -> u64 {
        seconds(self.retry_after).max(1)
    }
}
