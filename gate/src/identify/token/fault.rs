//! Why a token of an issuer proves nothing.

/// Why a token of an issuer proves nothing. Nothing of the token is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// It is longer than any token need be.
    #[error("the token is too long")]
    TooLong,
    /// It is no signed JSON Web Token in its compact form (RFC 7519, RFC 7515).
    #[error("the token is no signed JSON Web Token")]
    Malformed,
    /// A member of its head or a claim stands twice.
    #[error("the token says something twice")]
    Twice,
    /// It says that nobody signed it.
    #[error("the token is not signed")]
    Unsigned,
    /// Its algorithm is none that its issuer signs by.
    #[error("the token's algorithm is none of its issuer's")]
    Algorithm,
    /// It demands something that nobody here knows (`crit`; RFC 7515, section 4.1.11).
    #[error("the token demands an extension")]
    Critical,
    /// It brings or names a key of its own (`jwk`, `jku`, `x5u`, `x5c`).
    #[error("the token brings its own key")]
    OwnKey,
    /// It is a token for something else (`typ`; RFC 8725, section 3.11).
    #[error("the token's type is none that its issuer's tokens may have")]
    Type,
    /// Nobody knows its issuer.
    #[error("the token is of no issuer that is known")]
    Issuer,
    /// Its issuer is switched off.
    #[error("the token's issuer is disabled")]
    IssuerDisabled,
    /// Its issuer has no such key.
    #[error("the token's key is none of its issuer's")]
    KeyUnknown,
    /// Its signature is not its key's.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim that it needs is missing.
    #[error("the token lacks a claim")]
    ClaimMissing,
    /// A claim has another form than it must, like a time that is text.
    #[error("a claim of the token has another form than it must")]
    Claim,
    /// It is made out to others.
    #[error("the token is for another audience")]
    Audience,
    /// It opens nothing any more.
    #[error("the token expired")]
    Expired,
    /// It opens nothing yet.
    #[error("the token is not yet valid")]
    NotYetValid,
    /// It is about nobody that is known, and its issuer's tokens must be.
    #[error("the token's subject is no principal's")]
    Subject,
    /// It is about two principals at once.
    #[error("the token's subject is more than one principal's")]
    Subjects,
    /// The principal that it is about is switched off.
    #[error("the principal of the token is disabled")]
    PrincipalDisabled,
}

impl TokenFault {
    /// The reason as one stable word, for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "token_too_long",
            Self::Malformed => "token_malformed",
            Self::Twice => "token_duplicate_member",
            Self::Unsigned => "token_unsigned",
            Self::Algorithm => "token_algorithm",
            Self::Critical => "token_critical",
            Self::OwnKey => "token_own_key",
            Self::Type => "token_type",
            Self::Issuer => "token_issuer_unknown",
            Self::IssuerDisabled => "token_issuer_disabled",
            Self::KeyUnknown => "token_key_unknown",
            Self::Signature => "token_signature",
            Self::ClaimMissing => "token_claim_missing",
            Self::Claim => "token_claim",
            Self::Audience => "token_audience",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Subject => "token_subject_unknown",
            Self::Subjects => "token_subject_ambiguous",
            Self::PrincipalDisabled => "principal_disabled",
        }
    }
}
