//! What an upstream is told of who asks.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Identifier, IdentityFieldName, Problem, SecretPlace, Timeout};

/// The shortest and the longest time that a proxy's own token may be good for.
const TTL_BOUNDS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(5));

/// Headers that tell an upstream who asks, beside the proxy's own (`X-Tollgate-…`). They are taken from no client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamIdentity {
    /// The one for the principal's name; it is absent where a key stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<IdentityFieldName>,
    /// The one for the key's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<IdentityFieldName>,
    /// The one for the key's public id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<IdentityFieldName>,
    /// The one for the scopes that the caller holds, with spaces between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<IdentityFieldName>,
    /// The one for whom an issuer's token is about; it is absent where none proved who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<IdentityFieldName>,
    /// The one for the name of that token's issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IdentityFieldName>,
    /// The same as proof: a token that the proxy signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<IdentityJwt>,
}

/// A token that the proxy signs for an upstream (JWT, RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityJwt {
    /// The header that it stands in.
    pub header: IdentityFieldName,
    /// What the upstream knows the proxy by (`iss`).
    pub issuer: Identifier,
    /// What the upstream is called (`aud`).
    pub audience: Identifier,
    /// How long it is good, 10 s to 5 min: 1 min where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Timeout>,
    /// The file of the private key, as PEM (PKCS#8): of P-256 (ES256) or Ed25519 (`EdDSA`).
    pub key: SecretPlace,
}

impl UpstreamIdentity {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let mut names = BTreeSet::new();
        for (field, name) in self.names() {
            if !names.insert(name) {
                let message = format!(
                    "{name:?} is declared twice, but a header says one thing",
                    name = name.as_str()
                );
                return Err(Problem::field(field, message));
            }
        }
        if names.is_empty() {
            return Err(Problem::whole(
                "must not be empty: name a header, or leave it out",
            ));
        }
        let jwt = self.jwt.as_ref().map_or(Ok(()), IdentityJwt::check);
        jwt.map_err(|problem| problem.under("jwt"))
    }

    /// Every header that is declared, by its field.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &IdentityFieldName)> {
        let jwt = self.jwt.as_ref().map(|jwt| &jwt.header);
        let names = [
            ("principal", self.principal.as_ref()),
            ("key", self.key.as_ref()),
            ("key_id", self.key_id.as_ref()),
            ("scopes", self.scopes.as_ref()),
            ("subject", self.subject.as_ref()),
            ("issuer", self.issuer.as_ref()),
            ("jwt", jwt),
        ];
        names
            .into_iter()
            .filter_map(|(field, name)| Some((field, name?)))
    }
}

impl IdentityJwt {
    fn check(&self) -> Result<(), Problem> {
        let (least, most) = TTL_BOUNDS;
        let ttl = self.ttl.as_ref().map(Timeout::length);
        if ttl.is_some_and(|ttl| ttl < least || ttl > most) {
            let message = "is out of bounds: it must be 10s to 5m";
            return Err(Problem::field("ttl", message));
        }
        Ok(())
    }
}
