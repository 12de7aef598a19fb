//! Why a credential proves nothing.

use std::net::IpAddr;

use tollgate_store::KeyId;

use crate::identify::{IssuerNumber, TokenFault};

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

/// An address, for messages.
pub(crate) fn address_text(address: Option<IpAddr>) -> String {
    address.map_or_else(
        || "an unknown address".to_owned(),
        |address| address.to_string(),
    )
}
