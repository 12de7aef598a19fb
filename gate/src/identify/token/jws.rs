//! The compact form of a signed token, taken apart (RFC 7515, section 7.1).

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use tollgate_store::document::SignatureAlgorithm;

use super::TokenFault;
use super::json::{self, JsonFault};

/// The longest token. Fields of a head are bounded beyond that, but this is what is decoded and hashed.
pub(super) const TOKEN_BYTES_MAX: usize = 8 * 1_024;
/// What tells of a key that its sender chose.
const OWN_KEY: [&str; 4] = ["jwk", "jku", "x5u", "x5c"];
const KEY_ID_CHARS_MAX: usize = 256;

/// What a token's head says.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) algorithm: SignatureAlgorithm,
    /// Which of its issuer's keys it says it is signed by (`kid`): compared, and used for nothing else.
    pub(super) key_id: Option<String>,
    /// What it says it is (`typ`).
    pub(super) kind: Option<String>,
}

/// A signed token whose head was read, and whose signature was not.
pub(super) struct Jws<'t> {
    pub(super) head: Head,
    pub(super) claims: Arc<Map<String, Value>>,
    /// What is signed.
    pub(super) signed: &'t [u8],
    pub(super) signature: Vec<u8>,
}

/// The same, of which the head alone was decoded, and nothing judged.
pub(super) struct Parts<'t> {
    pub(super) head: Map<String, Value>,
    pub(super) claims: &'t str,
    pub(super) signed: &'t [u8],
    pub(super) signature: &'t str,
}

/// Whether a text has the form of one: three parts.
pub(super) fn has_form(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Whether the first part of three is the head of a signed token: an object of JSON, whatever it says.
pub(super) fn has_head(token: &str) -> bool {
    let head = token.split('.').next().map(object);
    matches!(head, Some(Ok(_) | Err(TokenFault::Twice)))
}

/// What a token claims, whether or not it is signed; `None` where it claims nothing that can be read in one way.
pub(super) fn claims(token: &str) -> Option<Map<String, Value>> {
    object(token.split('.').nth(1)?).ok()
}

impl<'t> Jws<'t> {
    /// Reads a token, which must bring no key and demand nothing.
    pub(super) fn read(token: &'t str) -> Result<Self, TokenFault> {
        let Parts {
            head,
            claims,
            signed,
            signature,
        } = Self::parts(token)?;
        if OWN_KEY.iter().any(|member| head.contains_key(*member)) {
            return Err(TokenFault::OwnKey);
        }
        if head.contains_key("crit") {
            return Err(TokenFault::Critical);
        }
        Self::with_head(Head::read(&head)?, (claims, signed, signature))
    }

    /// Reads the rest of a token whose head was judged.
    pub(super) fn with_head(
        head: Head,
        (claims, signed, signature): (&str, &'t [u8], &str),
    ) -> Result<Self, TokenFault> {
        Ok(Self {
            head,
            claims: Arc::new(object(claims)?),
            signed,
            signature: bytes(signature)?,
        })
    }

    /// Takes a token apart.
    pub(super) fn parts(token: &'t str) -> Result<Parts<'t>, TokenFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
        Ok(Parts {
            head: object(head)?,
            claims,
            signed: signed.as_bytes(),
            signature,
        })
    }
}

impl Head {
    pub(super) fn read(head: &Map<String, Value>) -> Result<Self, TokenFault> {
        let algorithm = text(head, "alg")?.ok_or(TokenFault::Malformed)?;
        let algorithm = match SignatureAlgorithm::parse(&algorithm) {
            Ok(algorithm) => algorithm,
            Err(_) if algorithm.eq_ignore_ascii_case("none") => return Err(TokenFault::Unsigned),
            Err(_) => return Err(TokenFault::Algorithm),
        };
        let key_id = text(head, "kid")?;
        if key_id
            .as_ref()
            .is_some_and(|id| id.len() > KEY_ID_CHARS_MAX)
        {
            return Err(TokenFault::Malformed);
        }
        Ok(Self {
            algorithm,
            key_id,
            kind: text(head, "typ")?,
        })
    }
}

fn text(head: &Map<String, Value>, member: &str) -> Result<Option<String>, TokenFault> {
    match head.get(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(TokenFault::Malformed),
    }
}

fn object(part: &str) -> Result<Map<String, Value>, TokenFault> {
    json::object(&bytes(part)?).map_err(|fault| match fault {
        JsonFault::Invalid => TokenFault::Malformed,
        JsonFault::Twice => TokenFault::Twice,
    })
}

/// Without padding, and with no bits left over: a token has one spelling.
fn bytes(part: &str) -> Result<Vec<u8>, TokenFault> {
    BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenFault::Malformed)
}
