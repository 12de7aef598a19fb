//! Tokens of issuers: which are taken, as whom, and why others are not.

mod access;
mod conditions;
mod cookbook;
mod explained;
mod memory;
mod possession;
mod verification;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tollgate_gate::Snapshot;
use tollgate_store::document::Entry;

use crate::documents::*;

const URL: &str = "https://login.example.com/";
/// [`at`]`(0)`, in seconds since 1970.
const NOW: i64 = 1_780_272_000;

fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// An issuer's key.
enum Signer {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl Signer {
    fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap())
    }

    fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn rsa(encoding: &'static dyn RsaEncoding) -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap(), encoding)
    }

    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": base64(pair.public_key())})
            }
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "kid": id, "x": base64(&point[1..33]), "y": base64(&point[33..])})
            }
            Self::Rsa(pair, _) => {
                // Two numbers as DER (RFC 8017, appendix A.1.1): of 2,048 bits, each has its place.
                let key = pair.public_key().as_ref();
                json!({
                    "kty": "RSA", "kid": id, "use": "sig",
                    "n": base64(&key[9..265]), "e": base64(&key[267..]),
                })
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                signature.unwrap().as_ref().to_vec()
            }
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let random = SystemRandom::new();
                pair.sign(*encoding, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    /// A token with that head and those claims, to the letter.
    fn token(&self, head: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64(head), base64(claims));
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", base64(signature))
    }
}

fn head() -> Value {
    json!({"alg": "EdDSA", "kid": "k1", "typ": "at+jwt"})
}

fn claims() -> Value {
    json!({
        "iss": URL, "aud": "orders", "sub": "acme", "exp": NOW + 60, "iat": NOW, "scope": "a openid",
    })
}

/// `value` with `more` in place of what it says of the same.
fn with(mut value: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("members are an object")
    };
    value.as_object_mut().unwrap().extend(more);
    value
}

fn without(mut value: Value, member: &str) -> Value {
    value.as_object_mut().unwrap().remove(member).unwrap();
    value
}

fn issuer(jwk: Value, more: Value) -> Entry {
    let keys = json!({"keys": [jwk]}).to_string();
    let spec = json!({"url": URL, "audiences": ["orders", "billing"], "jwks": keys});
    entry("issuer", "login", with(spec, more))
}

/// Scopes `a`, `b` and `c`, each of one path, roles `ab` and `bc`, and the issuer.
fn world(jwk: Value, more: Value) -> Vec<Entry> {
    let mut entries = open_world();
    for letter in ["a", "b", "c"] {
        entries.push(scope(letter, &format!("/{letter}")));
    }
    entries.push(role("ab", &["a", "b"]));
    entries.push(role("bc", &["b", "c"]));
    entries.push(issuer(jwk, more));
    entries
}

/// A world whose issuer takes anybody's tokens.
fn open(more: Value) -> Snapshot {
    let more = with(json!({"any_subject": true}), more);
    build(&world(Signer::ed25519().jwk("k1"), more))
}

fn headers(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    headers.insert("authorization", value);
    headers
}

/// What a token is taken for: `ok`, or the reason why it is not.
fn verdict(snapshot: &Snapshot, token: &str) -> &'static str {
    let result = snapshot.identify(&headers(token), ADDRESS, at(0));
    result.map_or_else(|refusal| refusal.code(), |_| "ok")
}

/// The same of a token that the issuer signed.
fn signed(snapshot: &Snapshot, head: Value, claims: Value) -> &'static str {
    let token = Signer::ed25519().token(&head.to_string(), &claims.to_string());
    verdict(snapshot, &token)
}

/// Which of the paths `/a`, `/b` and `/c` a token with these claims opens.
fn opened(snapshot: &Snapshot, claims: Value) -> String {
    let token = Signer::ed25519().token(&head().to_string(), &claims.to_string());
    let principal = snapshot.identify(&headers(&token), ADDRESS, at(0)).unwrap();
    let is_open = |letter: &&str| {
        let target = target("GET", "api.example.com", &format!("/{letter}")).unwrap();
        snapshot
            .authorize(&principal, &target, &circumstances())
            .is_ok()
    };
    ["a", "b", "c"].into_iter().filter(is_open).collect()
}
