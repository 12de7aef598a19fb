//! Why a request goes no further: facts, never a status code, never a token.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tollgate_store::document::CredentialKind;
use tollgate_store::{KeyId, Name};

use crate::PATH_BYTES_MAX;
use crate::identify::{IssuerNumber, TokenFault};
use crate::meter::{Policy, seconds};

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

/// What makes a request's head ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// CONNECT opens a tunnel and TRACE echoes credentials.
    #[error("the methods CONNECT and TRACE are never let through")]
    MethodRefused,
    /// The method is no token (RFC 9110, section 9.1).
    #[error("the method is not one: it must be letters, like GET")]
    MethodInvalid,
    /// No host is named.
    #[error("the request names no host")]
    HostMissing,
    /// The host is none: user information, a list, a path, a bad port.
    #[error("the host is neither a name nor an address with an optional port")]
    HostInvalid,
    /// The request target names another host than the one it was sent for.
    #[error("the request names two hosts")]
    HostAmbiguous,
    /// The target is `*`, an authority, or empty.
    #[error("the request target must be a path that starts with '/'")]
    PathForm,
    /// The path is longer than [`PATH_BYTES_MAX`].
    #[error("the path is longer than {PATH_BYTES_MAX} bytes")]
    PathTooLong,
    /// A raw control character, space, `#`, backslash or byte beyond ASCII.
    #[error("the path holds a character that must be percent-encoded")]
    PathCharacter,
    /// A `%` that two hexadecimal digits don't follow.
    #[error("the path holds a '%' without two hexadecimal digits")]
    PathEscape,
    /// An encoded slash, backslash, percent, semicolon or control character: some decode it, some don't.
    #[error("the path holds a percent-encoded separator, percent or control character")]
    PathAmbiguous,
    /// What is percent-encoded is no UTF-8, like the overlong forms of a slash.
    #[error("the path's percent-encoded bytes are not UTF-8")]
    PathNotUtf8,
    /// A segment `.` or `..`, also with parameters or spaces.
    #[error("the path holds a dot segment")]
    PathDotSegment,
    /// Two slashes in a row.
    #[error("the path holds an empty segment")]
    PathEmptySegment,
    /// A segment that is nothing but parameters, which some servers read as empty.
    #[error("the path holds a segment that starts with ';'")]
    PathParameter,
    /// A token in the path or the query, or a parameter that bears one by its name, where logs on the way would keep it
    /// (RFC 6750, section 2.3).
    #[error("a token must not be sent in the path or the query")]
    CredentialInTarget,
    /// A raw control character, space, `#` or byte beyond ASCII.
    #[error("the query holds a character that must be percent-encoded")]
    QueryCharacter,
}

impl Malformed {
    /// The reason as one stable word, for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::MethodRefused => "method_refused",
            Self::MethodInvalid => "method_invalid",
            Self::HostMissing => "host_missing",
            Self::HostInvalid => "host_invalid",
            Self::HostAmbiguous => "host_ambiguous",
            Self::PathForm => "path_form",
            Self::PathTooLong => "path_too_long",
            Self::PathCharacter => "path_character",
            Self::PathEscape => "path_escape",
            Self::PathAmbiguous => "path_ambiguous",
            Self::PathNotUtf8 => "path_not_utf8",
            Self::PathDotSegment => "path_dot_segment",
            Self::PathEmptySegment => "path_empty_segment",
            Self::PathParameter => "path_parameter",
            Self::CredentialInTarget => "credential_in_query",
            Self::QueryCharacter => "query_character",
        }
    }
}

/// Why a credential proves nothing. The key's id is public; the token is never held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialFault {
    /// There is none.
    #[error("the request bears no credential")]
    Missing,
    /// There are two or more: which one counts would be a guess.
    #[error("the request bears more than one credential")]
    Several,
    /// It is no token: another scheme, another shape, or a wrong checksum; nor is it one that a key imported.
    #[error("the credential is not a token of this kind, nor one that was imported")]
    Malformed,
    /// It is no good token of an issuer.
    #[error("{fault}")]
    Token {
        /// The issuer that it says it is of, where that is known.
        issuer: Option<IssuerNumber>,
        /// What is wrong with it.
        #[source]
        fault: TokenFault,
    },
    /// There is nothing but a client's certificate, which is no principal's.
    #[error("the client's certificate is no principal's")]
    CertificateUnknown,
    /// What the client's certificate says is more than one principal's.
    #[error("the client's certificate is more than one principal's")]
    CertificateAmbiguous,
    /// The principal whose certificate it is is switched off.
    #[error("the principal of the client's certificate is disabled")]
    CertificatePrincipalDisabled,
    /// The principal's credentials may not be used from there.
    #[error("the principal may not ask from {}", address_text(*.address))]
    PrincipalAddress {
        /// The key, where one was shown.
        key: Option<KeyId>,
        /// The client's address, if it is known.
        address: Option<IpAddr>,
    },
    /// No key has its id.
    #[error("no key has the id {key}")]
    Unknown {
        /// The id inside the token.
        key: KeyId,
    },
    /// The id is a key's, the secret is not.
    #[error("the token is none of key {key}'s")]
    Wrong {
        /// The key.
        key: KeyId,
    },
    /// The key is switched off.
    #[error("key {key} is disabled")]
    Disabled {
        /// The key.
        key: KeyId,
    },
    /// The principal that the key acts as is switched off.
    #[error("the principal of key {key} is disabled")]
    PrincipalDisabled {
        /// The key.
        key: KeyId,
    },
    /// The key opens nothing yet.
    #[error("key {key} is valid from {at} on")]
    NotYetValid {
        /// The key.
        key: KeyId,
        /// From when on it does.
        at: jiff::Timestamp,
    },
    /// The key opens nothing any more.
    #[error("key {key} expired at {at}")]
    Expired {
        /// The key.
        key: KeyId,
        /// Since when.
        at: jiff::Timestamp,
    },
    /// The token opens nothing any more, though its key has others.
    #[error("the token of key {key} expired at {at}")]
    TokenExpired {
        /// The key.
        key: KeyId,
        /// Since when.
        at: jiff::Timestamp,
    },
    /// The key may not be used from there.
    #[error("key {key} may not be used from {}", address_text(*.address))]
    Address {
        /// The key.
        key: KeyId,
        /// The client's address, if it is known.
        address: Option<IpAddr>,
    },
}

fn unexchanged(kind: CredentialKind) -> String {
    match kind {
        CredentialKind::Token => "tokens of this one's issuer are not".to_owned(),
        kind => format!("a {} is never", kind.as_str()),
    }
}

/// An address, for messages.
pub(crate) fn address_text(address: Option<IpAddr>) -> String {
    address.map_or_else(
        || "an unknown address".to_owned(),
        |address| address.to_string(),
    )
}

impl CredentialFault {
    /// The reason as one stable word, for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "credential_missing",
            Self::Several => "credentials_several",
            Self::Malformed => "credential_malformed",
            Self::Token { fault, .. } => fault.code(),
            Self::CertificateUnknown => "certificate_unknown",
            Self::CertificateAmbiguous => "certificate_ambiguous",
            Self::PrincipalAddress { .. } => "principal_address",
            Self::Unknown { .. } => "credential_unknown",
            Self::Wrong { .. } => "credential_wrong",
            Self::Disabled { .. } => "credential_disabled",
            Self::PrincipalDisabled { .. } | Self::CertificatePrincipalDisabled => {
                "principal_disabled"
            }
            Self::NotYetValid { .. } => "credential_not_yet_valid",
            Self::Expired { .. } => "credential_expired",
            Self::TokenExpired { .. } => "credential_token_expired",
            Self::Address { .. } => "credential_address",
        }
    }

    /// The id of the key that was tried, where the credential shows one. It proves nothing about the caller.
    #[must_use]
    pub fn key(self) -> Option<KeyId> {
        match self {
            Self::Missing
            | Self::Several
            | Self::Malformed
            | Self::CertificateUnknown
            | Self::CertificateAmbiguous
            | Self::CertificatePrincipalDisabled
            | Self::Token { .. } => None,
            Self::PrincipalAddress { key, .. } => key,
            Self::Unknown { key }
            | Self::Wrong { key }
            | Self::Disabled { key }
            | Self::PrincipalDisabled { key }
            | Self::NotYetValid { key, .. }
            | Self::Expired { key, .. }
            | Self::TokenExpired { key, .. }
            | Self::Address { key, .. } => Some(key),
        }
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
