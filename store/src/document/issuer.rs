//! Issuers: authorization servers whose tokens are taken.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::check::{check_count, check_set, enabled};
use super::{Declaration, Introspection, Kind, Spec};
use crate::{
    Audience, Authorities, ClaimName, ClockSkew, Description, InlineKeys, MaterialReference, Name,
    Problem, ServiceUrl, TokenType,
};

/// The most audiences of one issuer.
pub const AUDIENCES_MAX: usize = 16;
/// The most algorithms of one issuer, which is how many there are.
pub const ALGORITHMS_MAX: usize = 10;
/// The most types of tokens of one issuer.
pub const TOKEN_TYPES_MAX: usize = 8;
/// The most values of a claim that are given a meaning.
pub const CLAIM_MAP_MAX: usize = 100;
/// The most quotas of one issuer.
pub const ISSUER_QUOTAS_MAX: usize = 8;

/// An authorization server whose access tokens are taken: JSON Web Tokens (RFC 9068), verified with its published keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the document"
)]
pub struct Issuer {
    /// What it is, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// What its tokens say in `iss`, to the letter; its metadata is found below (RFC 8414, `OpenID` Connect Discovery).
    pub url: ServiceUrl,
    /// Where its keys are, in place of where its metadata says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<ServiceUrl>,
    /// Its keys themselves (RFC 7517), which are fetched from nowhere then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<InlineKeys>,
    /// Whom its tokens must be made out to: 1 to 16, of which a token's `aud` names one.
    pub audiences: BTreeSet<Audience>,
    /// What its tokens may be signed by: RS256, PS256, ES256 and `EdDSA` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<BTreeSet<SignatureAlgorithm>>,
    /// How far its clock and the proxy's may differ: 30 s where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew: Option<ClockSkew>,
    /// What its tokens' `typ` may be: `at+jwt` where left out. A token without one is a `JWT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_types: Option<BTreeSet<TokenType>>,
    /// The claim with scopes: `scope` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_claim: Option<ClaimName>,
    /// The claim with roles; none where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles_claim: Option<ClaimName>,
    /// The claim that tells whom a token is about: `sub` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_claim: Option<ClaimName>,
    /// The claim that names the principal whom a token is of, by the principal's own name; none where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_claim: Option<ClaimName>,
    /// The scopes that its own scopes stand for, by its names: those of the same name where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<BTreeMap<String, Name>>,
    /// The roles that its own roles stand for, by its names: those of the same name where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<BTreeMap<String, Name>>,
    /// Whether who is no principal's subject may do what its token's scopes and roles stand for.
    #[serde(default)]
    pub any_subject: bool,
    /// Whether a principal may do no more by a token than the token's scopes stand for.
    #[serde(default)]
    pub narrow: bool,
    /// The quotas that count each of its subjects: 1 to 8; none where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<BTreeSet<Name>>,
    /// How it is asked about tokens that only it can read, or that it may take back; about none where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection: Option<Box<Introspection>>,
    /// Whether its tokens must be bound to their bearer's certificate or key. Those that are bound count for nobody else
    /// in any case.
    #[serde(default)]
    pub require_binding: bool,
    /// Who may sign for its servers' certificates; whom the proxy's system trusts where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Authorities>,
    /// Whether its tokens open anything.
    #[serde(default = "enabled")]
    pub enabled: bool,
}

/// How a token is signed (RFC 7518, section 3.1; RFC 8037). Never by a shared secret, and never not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SignatureAlgorithm {
    /// RSA (PKCS #1 v1.5) with SHA-256.
    RS256,
    /// RSA (PKCS #1 v1.5) with SHA-384.
    RS384,
    /// RSA (PKCS #1 v1.5) with SHA-512.
    RS512,
    /// RSA-PSS with SHA-256.
    PS256,
    /// RSA-PSS with SHA-384.
    PS384,
    /// RSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SignatureAlgorithm {
    /// Every one.
    pub const ALL: [Self; ALGORITHMS_MAX] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDsa,
    ];
    /// Those that are taken where nothing is said.
    pub const USUAL: [Self; 4] = [Self::RS256, Self::PS256, Self::ES256, Self::EdDsa];

    /// Its name (`alg`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads a name; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or_else(|| {
            let why = match text {
                "none" => "a token that nobody signed proves nothing",
                "HS256" | "HS384" | "HS512" => {
                    "who can verify by a shared secret can make tokens too"
                }
                _ => "it is not known",
            };
            let all = Self::ALL.map(Self::as_str).join(", ");
            format!("{text:?} can't be taken: {why}; use any of {all}")
        })
    }
}

impl Issuer {
    /// Where everything is that a proxy reads to speak to it: authorities and secrets.
    pub fn places(&self) -> impl Iterator<Item = &MaterialReference> {
        let ca = self.ca.as_ref().and_then(Authorities::reference);
        let asked = self.introspection.as_deref();
        let secret = asked.map(|asked| asked.client_secret.reference());
        ca.into_iter().chain(secret)
    }

    /// What its tokens may be signed by.
    #[must_use]
    pub fn takes(&self, algorithm: SignatureAlgorithm) -> bool {
        match &self.algorithms {
            Some(algorithms) => algorithms.contains(&algorithm),
            None => SignatureAlgorithm::USUAL.contains(&algorithm),
        }
    }
}

impl Declaration for Issuer {
    const KIND: Kind = Kind::Issuer;

    fn check(&self) -> Result<(), Problem> {
        if self.url.has_query() {
            let message =
                "an issuer's URL has no query (RFC 8414): give it as its tokens say it in iss";
            return Err(Problem::field("url", message));
        }
        if self.jwks_url.is_some() && self.jwks.is_some() {
            let message = "its keys are either there or here: remove jwks_url or jwks";
            return Err(Problem::field("jwks", message));
        }
        check_set("audiences", Some(&self.audiences), AUDIENCES_MAX)?;
        check_set("algorithms", self.algorithms.as_ref(), ALGORITHMS_MAX)?;
        check_set("token_types", self.token_types.as_ref(), TOKEN_TYPES_MAX)?;
        check_set("quotas", self.quotas.as_ref(), ISSUER_QUOTAS_MAX)?;
        for (field, map) in [("scopes", &self.scopes), ("roles", &self.roles)] {
            check_count(field, map.as_ref().map(BTreeMap::len), CLAIM_MAP_MAX)?;
        }
        if let Some(introspection) = &self.introspection {
            let checked = introspection.check();
            checked.map_err(|problem| problem.under("introspection"))?;
        }
        if self.roles.is_some() && self.roles_claim.is_none() {
            let message = "no claim is read for roles: name it in roles_claim, or leave roles out";
            return Err(Problem::field("roles", message));
        }
        Ok(())
    }
}

impl From<Issuer> for Spec {
    fn from(issuer: Issuer) -> Self {
        Self::Issuer(issuer)
    }
}
