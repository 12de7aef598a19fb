//! Tokens that the proxy signs: JWT (RFC 7519) as JWS (RFC 7515), by ES256 (RFC 7518) or `EdDSA` (RFC 8037).

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::{HeaderName, HeaderValue};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tollgate_store::Timeout;
use tollgate_store::document::IdentityJwt;

use super::file::SecretFile;
use super::identity::Caller;
use super::signed::Signed;
use crate::tls::Vault;
use crate::upstream::Findings;

const TTL: Duration = Duration::from_mins(1);

/// Signs who asks.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) header: HeaderName,
    issuer: String,
    audience: String,
    ttl: Duration,
    key: SecretFile<SigningKey>,
    /// The public keys that tokens may still be verified by: the one in use, and the one before.
    published: Mutex<Vec<Value>>,
    /// What was signed lately.
    signed: Signed,
}

/// A private key, and what is public of it.
pub(super) struct SigningKey {
    pair: Pair,
    /// What the key is called.
    kid: String,
    /// The protected header of every token, encoded.
    head: String,
    /// The public key as a JWK (RFC 7517).
    jwk: Value,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    scope: &'a str,
}

impl Signer {
    pub(super) fn new(jwt: &IdentityJwt, vault: &Vault) -> Option<Self> {
        let signer = Self {
            header: HeaderName::try_from(jwt.header.as_str()).ok()?,
            issuer: jwt.issuer.to_string(),
            audience: jwt.audience.to_string(),
            ttl: jwt.ttl.as_ref().map_or(TTL, Timeout::length),
            key: SecretFile::new(&jwt.key, SigningKey::read, vault),
            published: Mutex::default(),
            signed: Signed::default(),
        };
        signer.publish();
        Some(signer)
    }

    /// Reads a key that changed. The one before stays published, as its tokens are still on their way.
    pub(super) fn refresh(&self) {
        if self.key.refresh() {
            self.publish();
        }
    }

    fn publish(&self) {
        let Some(key) = self.key.value() else { return };
        let mut published = self.published();
        published.retain(|jwk| jwk.get("kid") != key.jwk.get("kid"));
        published.insert(0, key.jwk.clone());
        published.truncate(2);
    }

    /// The public keys that its tokens are verified by.
    pub(super) fn jwks(&self) -> Vec<Value> {
        self.published().clone()
    }

    fn published(&self) -> std::sync::MutexGuard<'_, Vec<Value>> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is wrong with the key.
    pub(super) fn report(&self, findings: &mut Findings) {
        self.key.report(findings);
    }

    /// A token that says who asks, signed for this request or, for the same caller, within the first half of its life;
    /// `None` where there is no key to sign it with.
    pub(super) fn token(&self, caller: &Caller<'_>, now: jiff::Timestamp) -> Option<HeaderValue> {
        let key = self.key.value()?;
        let time = (now.as_second(), i64::try_from(self.ttl.as_secs()).ok()?);
        self.signed
            .find_or(caller, (&key.kid, time), || self.sign(caller, now))
    }

    fn sign(&self, caller: &Caller<'_>, now: jiff::Timestamp) -> Option<HeaderValue> {
        let key = self.key.value()?;
        let issued = now.as_second();
        let ttl = i64::try_from(self.ttl.as_secs()).ok()?;
        let claims = Claims {
            iss: &self.issuer,
            sub: &caller.subject,
            aud: &self.audience,
            iat: issued,
            exp: issued.checked_add(ttl)?,
            principal: caller.principal,
            key: caller.key,
            key_id: caller.key_id.as_deref(),
            scope: &caller.scopes,
        };
        let claims = BASE64.encode(serde_json::to_vec(&claims).ok()?);
        let mut token = format!("{}.{claims}", key.head);
        let signature = key.pair.sign(token.as_bytes())?;
        token.push('.');
        BASE64.encode_string(signature, &mut token);
        let mut value = HeaderValue::try_from(token).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl SigningKey {
    fn read(pem: &[u8]) -> Result<Self, String> {
        const EXPECTED: &str =
            "it must be one private key of P-256 or Ed25519 as PEM (PKCS#8, \"BEGIN PRIVATE KEY\")";
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| EXPECTED.to_owned())?;
        let der = der.secret_pkcs8_der();
        let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        let pair = p256.map(Pair::P256);
        let pair = pair.or_else(|_| Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed25519));
        let pair = pair.map_err(|_| EXPECTED.to_owned())?;
        let mut jwk = pair.public().ok_or(EXPECTED)?;
        let thumbprint = BASE64.encode(Sha256::digest(jwk.to_string()));
        let head = json!({"alg": pair.algorithm(), "kid": thumbprint, "typ": "JWT"}).to_string();
        for (name, text) in [
            ("kid", thumbprint.as_str()),
            ("alg", pair.algorithm()),
            ("use", "sig"),
        ] {
            let members = jwk.as_object_mut().ok_or(EXPECTED)?;
            members.insert(name.to_owned(), json!(text));
        }
        Ok(Self {
            pair,
            kid: thumbprint,
            head: BASE64.encode(head),
            jwk,
        })
    }
}

impl Pair {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    /// The members that a thumbprint is made of, in the order of their names (RFC 7638).
    fn public(&self) -> Option<Value> {
        match self {
            Self::P256(pair) => {
                // 4, then both coordinates (SEC 1, section 2.3.3).
                let point = pair.public_key().as_ref().strip_prefix(&[4])?;
                let (x, y) = point.split_at_checked(32)?;
                Some(
                    json!({"crv": "P-256", "kty": "EC", "x": BASE64.encode(x), "y": BASE64.encode(y)}),
                )
            }
            Self::Ed25519(pair) => {
                let x = BASE64.encode(pair.public_key().as_ref());
                Some(json!({"crv": "Ed25519", "kty": "OKP", "x": x}))
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).ok()?;
                Some(signature.as_ref().to_vec())
            }
            Self::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey")
    }
}

#[cfg(test)]
mod tests;
