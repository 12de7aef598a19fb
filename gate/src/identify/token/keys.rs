//! The keys that an issuer signs with (RFC 7517).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    EcdsaVerificationAlgorithm, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use tollgate_store::document::SignatureAlgorithm;

use super::jws::Jws;
use super::memory::TokenDigest;
use super::{TokenFault, json};

/// The most keys of one issuer that are used.
pub const ISSUER_KEYS_MAX: usize = 64;
/// The most keys that are tried on a token that names none: each costs as much as a whole request.
const KEYS_TRIED_MAX: usize = 4;
const RSA_BITS_MIN: usize = 2_048;
const UNCOMPRESSED: u8 = 4;

/// The keys that an issuer signs with, ready to verify.
#[derive(Debug)]
pub struct JsonWebKeys {
    keys: Vec<JsonWebKey>,
    /// What tells this set from any other.
    digest: TokenDigest,
}

#[derive(Debug)]
struct JsonWebKey {
    id: Option<String>,
    /// One for each algorithm that the key may be used with.
    uses: Vec<(SignatureAlgorithm, ParsedPublicKey)>,
}

/// What a key is made of.
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Curve { name: String, point: Vec<u8> },
    Ed25519(Vec<u8>),
}

impl JsonWebKeys {
    /// Reads a set of keys. Those that verify no signature are passed over (RFC 7517, section 5), as are those beyond
    /// [`ISSUER_KEYS_MAX`]; the error says why none is left.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let set =
            json::object(text).map_err(|_| "it is no JSON that has one reading".to_owned())?;
        let Some(Value::Array(keys)) = set.get("keys") else {
            return Err("it is no set of keys (RFC 7517, section 5)".to_owned());
        };
        let objects = keys.iter().filter_map(Value::as_object);
        let keys: Vec<_> = objects.filter_map(key).take(ISSUER_KEYS_MAX).collect();
        if keys.is_empty() {
            return Err(
                "it holds no key that verifies signatures: RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519"
                    .to_owned(),
            );
        }
        Ok(Self {
            keys,
            digest: TokenDigest::of(text),
        })
    }

    /// One key by itself, where it is one that verifies signatures.
    pub(super) fn of_one(members: &Map<String, Value>) -> Option<Self> {
        Some(Self {
            keys: vec![key(members)?],
            digest: TokenDigest::of(&[]),
        })
    }

    /// What tells this set from any other: two that were read from the same text are the same.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        self.digest
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none, which is never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a key signed it: the one that it names, or any that fits where it names none.
    pub(super) fn verify(&self, token: &Jws<'_>) -> Result<(), TokenFault> {
        let id = token.head.key_id.as_deref();
        let called_so = |key: &&JsonWebKey| id.is_none() || key.id.as_deref() == id;
        let uses = self.keys.iter().filter(called_so).flat_map(|key| &key.uses);
        let fitting = uses.filter(|(algorithm, _)| *algorithm == token.head.algorithm);
        let mut is_known = false;
        for (_, key) in fitting.take(KEYS_TRIED_MAX) {
            is_known = true;
            if key.verify_sig(token.signed, &token.signature).is_ok() {
                return Ok(());
            }
        }
        // Where it names none, it may be of a key that is yet to come.
        let fault = if is_known && id.is_some() {
            TokenFault::Signature
        } else {
            TokenFault::KeyUnknown
        };
        Err(fault)
    }
}

/// A key, where it is one that verifies signatures.
fn key(members: &Map<String, Value>) -> Option<JsonWebKey> {
    let is_for_signatures = match members.get("use") {
        None => true,
        Some(usage) => usage == "sig",
    };
    let verifies = match members.get("key_ops") {
        None => true,
        Some(operations) => {
            let mut operations = operations.as_array()?.iter();
            operations.any(|operation| operation == "verify")
        }
    };
    if !is_for_signatures || !verifies {
        return None;
    }
    let material = material(members)?;
    let only = members.get("alg").map(Value::as_str);
    let may_be =
        |algorithm: &SignatureAlgorithm| only.is_none_or(|only| only == Some(algorithm.as_str()));
    let algorithms = SignatureAlgorithm::ALL.into_iter().filter(may_be);
    let uses: Vec<_> = algorithms
        .filter_map(|algorithm| Some((algorithm, ready(&material, algorithm)?)))
        .collect();
    let id = match members.get("kid") {
        None => None,
        Some(id) => Some(id.as_str()?.to_owned()),
    };
    (!uses.is_empty()).then_some(JsonWebKey { id, uses })
}

fn material(members: &Map<String, Value>) -> Option<Material> {
    let bytes = |member: &str| {
        let text = members.get(member)?.as_str()?;
        BASE64_URL_SAFE_NO_PAD.decode(text).ok()
    };
    match members.get("kty")?.as_str()? {
        "RSA" => Some(Material::Rsa {
            modulus: bytes("n")?,
            exponent: bytes("e")?,
        }),
        "EC" => {
            let (x, y) = (bytes("x")?, bytes("y")?);
            Some(Material::Curve {
                name: members.get("crv")?.as_str()?.to_owned(),
                point: [&[UNCOMPRESSED], x.as_slice(), y.as_slice()].concat(),
            })
        }
        "OKP" if members.get("crv")? == "Ed25519" => Some(Material::Ed25519(bytes("x")?)),
        _ => None,
    }
}

/// What a key is known by wherever it is told of (RFC 7638): SHA-256 of what it is made of.
pub(super) fn thumbprint(members: &Map<String, Value>) -> Option<String> {
    let names: &[&str] = match members.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    let field = |name: &&str| {
        let value = members.get(*name)?.as_str()?;
        Some(format!("\"{name}\":{}", Value::from(value)))
    };
    let fields: Option<Vec<_>> = names.iter().map(field).collect();
    let text = format!("{{{}}}", fields?.join(","));
    let digest = TokenDigest::of(text.as_bytes());
    Some(BASE64_URL_SAFE_NO_PAD.encode(digest.as_bytes()))
}

/// A key as it verifies by that algorithm; `None` where it can't.
fn ready(material: &Material, algorithm: SignatureAlgorithm) -> Option<ParsedPublicKey> {
    use SignatureAlgorithm as By;
    match (material, algorithm) {
        (Material::Rsa { modulus, exponent }, _) => {
            let parameters = rsa(algorithm)?;
            // The library looks at it with each signature; a key that can verify none is none.
            if modulus.len() * 8 < RSA_BITS_MIN {
                return None;
            }
            let (n, e) = (modulus.as_slice(), exponent.as_slice());
            let components = RsaPublicKeyComponents { n, e };
            components.to_parsed_public_key(parameters).ok()
        }
        (Material::Curve { name, point }, _) => {
            let (curve, verifying) = curve(algorithm)?;
            let key = (name == curve).then(|| ParsedPublicKey::new(verifying, point))?;
            key.ok()
        }
        (Material::Ed25519(point), By::EdDsa) => ParsedPublicKey::new(&ED25519, point).ok(),
        (Material::Ed25519(_), _) => None,
    }
}

fn rsa(algorithm: SignatureAlgorithm) -> Option<&'static RsaParameters> {
    use SignatureAlgorithm as By;
    match algorithm {
        By::RS256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        By::RS384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        By::RS512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        By::PS256 => Some(&RSA_PSS_2048_8192_SHA256),
        By::PS384 => Some(&RSA_PSS_2048_8192_SHA384),
        By::PS512 => Some(&RSA_PSS_2048_8192_SHA512),
        By::ES256 | By::ES384 | By::ES512 | By::EdDsa => None,
    }
}

/// A curve and how its signatures are verified: two numbers of fixed length, one after the other.
fn curve(
    algorithm: SignatureAlgorithm,
) -> Option<(&'static str, &'static EcdsaVerificationAlgorithm)> {
    use SignatureAlgorithm as By;
    match algorithm {
        By::ES256 => Some(("P-256", &ECDSA_P256_SHA256_FIXED)),
        By::ES384 => Some(("P-384", &ECDSA_P384_SHA384_FIXED)),
        By::ES512 => Some(("P-521", &ECDSA_P521_SHA512_FIXED)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

    use std::path::Path;

    use super::super::jws::Head;
    use super::*;

    /// The examples of RFC 7520 and RFC 8037, where somebody has put them.
    fn cookbook() -> Option<std::path::PathBuf> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
        let folder = std::env::var_os("TOLLGATE_CORPORA").map_or_else(beside, Into::into);
        let folder = folder.join("jose-cookbook");
        if !folder.is_dir() {
            println!(
                "skipped the cookbook's signatures: no corpora, name them in TOLLGATE_CORPORA"
            );
            return None;
        }
        Some(folder)
    }

    #[test]
    fn the_signatures_of_the_cookbook_are_good_and_others_are_not() {
        let Some(folder) = cookbook() else {
            return;
        };
        for file in [
            "jws_4_1.rsa_v15_signature.json",
            "jws_4_2.rsa-pss_signature.json",
            "jws_4_3.ecdsa_signature.json",
            "curve25519_jws.json",
        ] {
            let text = std::fs::read(folder.join(file)).unwrap();
            let example: Value = serde_json::from_slice(&text).unwrap();
            let set = serde_json::json!({"keys": [example["input"]["key"]]}).to_string();
            let keys = JsonWebKeys::parse(set.as_bytes()).unwrap();
            let algorithm = example["input"]["alg"].as_str().unwrap();
            let id = example["input"]["key"]["kid"].as_str();
            let signed = example["signing"]["sig-input"].as_str().unwrap();
            let signature = example["signing"]["sig"].as_str().unwrap();
            let mut token = Jws {
                head: Head {
                    algorithm: SignatureAlgorithm::parse(algorithm).unwrap(),
                    key_id: id.map(str::to_owned),
                    kind: None,
                },
                claims: std::sync::Arc::default(),
                signed: signed.as_bytes(),
                signature: BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap(),
            };

            assert_eq!(keys.verify(&token), Ok(()), "{file}");
            token.signed = b"another text";
            assert!(keys.verify(&token).is_err(), "{file}");
            token.signed = signed.as_bytes();
            token.signature[7] ^= 1;
            assert!(keys.verify(&token).is_err(), "{file}");
        }
    }

    #[test]
    fn a_thumbprint_is_that_of_the_rfcs_example() {
        // RFC 7638, section 3.1.
        let modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi\
                       FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9\
                       c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1j\
                       F44-csFCur-kEgU8awapJzKnqDKgw";
        let key = serde_json::json!({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});

        assert_eq!(
            thumbprint(key.as_object().unwrap()).as_deref(),
            Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
        );
    }

    #[test]
    fn keys_that_verify_no_signature_are_passed_over() {
        let of = |key: Value| {
            let set = serde_json::json!({"keys": [key]}).to_string();
            JsonWebKeys::parse(set.as_bytes()).map(|keys| keys.len())
        };
        let point = BASE64_URL_SAFE_NO_PAD.encode([0x11_u8; 32]);
        let short = BASE64_URL_SAFE_NO_PAD.encode([0xc1_u8; 128]);

        for key in [
            serde_json::json!({"kty": "oct", "k": "c2VjcmV0"}),
            serde_json::json!({"kty": "RSA", "n": short, "e": "AQAB"}),
            serde_json::json!({"kty": "OKP", "crv": "X25519", "x": point}),
            serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": "AQAB"}),
            serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": point, "use": "enc"}),
            serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": point, "key_ops": ["sign"]}),
            serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": point, "alg": "HS256"}),
            serde_json::json!({"kty": "EC", "crv": "P-256", "x": point, "y": point}),
            serde_json::json!({}),
        ] {
            assert!(of(key.clone()).is_err(), "{key}");
        }
        let good = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        assert_eq!(of(good), Ok(1));
    }
}
