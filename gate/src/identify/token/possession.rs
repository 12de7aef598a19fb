//! Tokens that are their bearer's alone: bound to a client's certificate (RFC 8705) or to a key (RFC 9449).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use super::claims::Claims;
use super::issuer::IssuerRule;
use super::memory::Once;
use super::proof::Proof;
use super::{Scheme, TokenFault};
use crate::identify::Presented;
use crate::{Now, Refusal, Target};

const SHA256_BYTES: usize = 32;

/// What a request and its connection show, beside its headers.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'r> {
    /// What it asks for.
    pub target: &'r Target,
    /// What it is addressed to: a host, with or without a port.
    pub authority: Option<&'r str>,
    /// Whether its connection to this proxy is encrypted.
    pub is_encrypted: bool,
    /// SHA-256 of the client's certificate in hexadecimal digits, where it has shown one that is good.
    pub certificate: Option<&'r str>,
}

/// What a token is bound to (RFC 7800).
struct Binding<'c> {
    /// SHA-256 of a certificate.
    certificate: Option<&'c str>,
    /// The thumbprint of a key.
    key: Option<&'c str>,
}

/// Why a token is not its sender's.
pub(super) enum Stop {
    Fault(TokenFault),
    /// Nobody knows whether the proof was used before.
    Full,
}

impl From<TokenFault> for Stop {
    fn from(fault: TokenFault) -> Self {
        Self::Fault(fault)
    }
}

impl Stop {
    pub(super) fn refusal(self, faulty: impl Fn(TokenFault) -> Refusal) -> Refusal {
        match self {
            Self::Fault(fault) => faulty(fault),
            Self::Full => Refusal::ProofsFull,
        }
    }
}

/// Checks that a token with those claims is its sender's own, as far as it must be. Call it last: a proof is used up.
pub(super) fn check(
    rule: &IssuerRule,
    claims: &Claims<'_>,
    (token, scheme): (&str, Scheme),
    presented: &Presented<'_>,
    now: Now,
) -> Result<(), Stop> {
    let binding = Binding::read(claims)?;
    if binding.is_none() && rule.issuer.require_binding {
        return Err(TokenFault::BindingMissing.into());
    }
    let Some(sent) = &presented.sent else {
        return Ok(());
    };
    let key = binding.as_ref().and_then(|binding| binding.key);
    match (scheme, key) {
        (Scheme::Dpop, None) => return Err(TokenFault::ProofUnwanted.into()),
        (Scheme::Bearer, Some(_)) => return Err(TokenFault::ProofMissing.into()),
        _ => {}
    }
    let Some(binding) = binding else {
        return Ok(());
    };
    if let Some(thumbprint) = binding.certificate {
        let shown = sent.certificate.ok_or(TokenFault::CertificateMissing)?;
        if !is_same(thumbprint, shown) {
            return Err(TokenFault::CertificateOther.into());
        }
    }
    let Some(key) = key else {
        return Ok(());
    };
    let second = now.wall.as_second();
    let proof = Proof::read(presented.headers, sent, token, second)?;
    if proof.thumbprint != key {
        return Err(TokenFault::ProofKey.into());
    }
    let once = presented
        .memory
        .map(|memory| memory.take_proof(&proof.id, second));
    match once {
        Some(Once::Again) => Err(TokenFault::ProofUsed.into()),
        Some(Once::Full) => Err(Stop::Full),
        Some(Once::First) | None => Ok(()),
    }
}

impl<'c> Binding<'c> {
    /// `None` of a token that is whoever's who has it.
    fn read(claims: &'c Claims<'_>) -> Result<Option<Self>, TokenFault> {
        let Some(cnf) = claims.own("cnf") else {
            return Ok(None);
        };
        let cnf = cnf.as_object().ok_or(TokenFault::Claim)?;
        let text = |name: &str| match cnf.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(TokenFault::Claim),
        };
        let binding = Self {
            certificate: text("x5t#S256")?,
            key: text("jkt")?,
        };
        if binding.certificate.is_none() && binding.key.is_none() {
            // Bound to something, and nobody here can tell whether that is at hand.
            return Err(TokenFault::BindingUnknown);
        }
        Ok(Some(binding))
    }
}

/// Whether a thumbprint of a token is that of a certificate, in hexadecimal digits.
fn is_same(thumbprint: &str, certificate: &str) -> bool {
    let byte = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    let shown: Option<Vec<u8>> = certificate.as_bytes().chunks(2).map(byte).collect();
    let said = BASE64_URL_SAFE_NO_PAD.decode(thumbprint);
    match (said, shown) {
        (Ok(said), Some(shown)) => said.len() == SHA256_BYTES && said == shown,
        _ => false,
    }
}
