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
    /// Its issuer says that it is no good, or not any more.
    #[error("the token's issuer says that it is not active")]
    Inactive,
    /// It is whoever's who has it, and its issuer's tokens must not be.
    #[error("the token is bound to nobody, which its issuer's must be")]
    BindingMissing,
    /// It is bound to something that is not known here.
    #[error("the token is bound by a way that is not known")]
    BindingUnknown,
    /// It is bound to a certificate, and the client has shown none.
    #[error("the token is bound to a certificate, and none was shown")]
    CertificateMissing,
    /// It is bound to another certificate than the client's.
    #[error("the token is bound to another certificate")]
    CertificateOther,
    /// It is bound to a key, and nothing proves that the sender has it.
    #[error("the token is bound to a key, and there is no proof of it")]
    ProofMissing,
    /// A proof is sent for a token that is bound to no key.
    #[error("the token is sent with a proof, and is bound to no key")]
    ProofUnwanted,
    /// What should be a proof is none (RFC 9449, section 4.2).
    #[error("the proof has another form than it must")]
    Proof,
    /// The proof's signature is not its key's.
    #[error("the proof's signature is wrong")]
    ProofSignature,
    /// The proof is of another key than the token's.
    #[error("the proof is of another key than the token's")]
    ProofKey,
    /// The proof is for another request.
    #[error("the proof is for another method or URL")]
    ProofRequest,
    /// The proof is too old, or of the future.
    #[error("the proof was not made just now")]
    ProofTime,
    /// The proof is for another token.
    #[error("the proof is for another token")]
    ProofToken,
    /// The proof was used before.
    #[error("the proof was used before")]
    ProofUsed,
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
            Self::Inactive => "token_inactive",
            Self::BindingMissing => "token_unbound",
            Self::BindingUnknown => "token_binding_unknown",
            Self::CertificateMissing => "token_certificate_missing",
            Self::CertificateOther => "token_certificate_other",
            Self::ProofMissing => "proof_missing",
            Self::ProofUnwanted => "proof_unwanted",
            Self::Proof => "proof_malformed",
            Self::ProofSignature => "proof_signature",
            Self::ProofKey => "proof_key",
            Self::ProofRequest => "proof_request",
            Self::ProofTime => "proof_time",
            Self::ProofToken => "proof_token",
            Self::ProofUsed => "proof_used",
        }
    }

    /// Whether it is the proof of possession that is wrong, or missing (RFC 9449, section 7.1).
    #[must_use]
    pub fn is_of_proof(self) -> bool {
        matches!(
            self,
            Self::ProofMissing
                | Self::Proof
                | Self::ProofSignature
                | Self::ProofKey
                | Self::ProofRequest
                | Self::ProofTime
                | Self::ProofToken
                | Self::ProofUsed
        )
    }
}
