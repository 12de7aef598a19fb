//! Proof that whoever sends a token holds the key that it is bound to (DPoP, RFC 9449).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, Uri};
use serde_json::{Map, Value};
use tollgate_store::document::SignatureAlgorithm;

use super::TokenFault;
use super::claims::Claims;
use super::jws::{Head, Jws, Parts};
use super::keys::{JsonWebKeys, thumbprint};
use super::memory::TokenDigest;
use super::possession::Sent;
use crate::Target;

static DPOP: HeaderName = HeaderName::from_static("dpop");
/// What a proof says it is.
const KIND: &str = "dpop+jwt";
/// How far a proof's time may lie back or ahead, in seconds.
const PROOF_AGE_MAX_S: i64 = 60;
/// The longest name of a proof (`jti`).
const ID_CHARS_MAX: usize = 256;
/// What nobody else may know of a key (RFC 7518, section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A proof whose signature is good, for one request and one token.
pub(super) struct Proof {
    /// Of the key that signed it (RFC 7638).
    pub(super) thumbprint: String,
    /// What tells it from others.
    pub(super) id: TokenDigest,
}

impl Proof {
    /// Reads the one proof of a request (RFC 9449, section 4.3). Who calls it must still compare the key, and see that
    /// the proof is not used twice.
    pub(super) fn read(
        headers: &HeaderMap,
        sent: &Sent<'_>,
        token: &str,
        now: i64,
    ) -> Result<Self, TokenFault> {
        let mut proofs = headers.get_all(&DPOP).iter();
        let proof = proofs.next().ok_or(TokenFault::ProofMissing)?;
        if proofs.next().is_some() {
            return Err(TokenFault::Proof);
        }
        let proof = proof.to_str().map_err(|_| TokenFault::Proof)?;
        let Parts {
            head,
            claims,
            signed,
            signature,
        } = Jws::parts(proof).map_err(|_| TokenFault::Proof)?;
        let (key, thumbprint) = own_key(&head)?;
        let head = checked(&head)?;
        let proof = Jws::with_head(head, (claims, signed, signature));
        let proof = proof.map_err(|_| TokenFault::Proof)?;
        key.verify(&proof).map_err(|_| TokenFault::ProofSignature)?;
        let claims = Claims(&proof.claims);
        let said = |name: &str| match claims.text(name) {
            Ok(Some(text)) => Ok(text),
            _ => Err(TokenFault::Proof),
        };
        let id = said("jti")?;
        if id.is_empty() || id.len() > ID_CHARS_MAX {
            return Err(TokenFault::Proof);
        }
        if said("htm")? != sent.target.method().as_str() || !is_place(said("htu")?, sent) {
            return Err(TokenFault::ProofRequest);
        }
        let at = claims.time("iat").ok().flatten().ok_or(TokenFault::Proof)?;
        if at.saturating_sub(now).saturating_abs() > PROOF_AGE_MAX_S {
            return Err(TokenFault::ProofTime);
        }
        if said("ath")? != BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes())) {
            return Err(TokenFault::ProofToken);
        }
        // The key is a part of it, so that nobody can use up what another will call his.
        let id = TokenDigest::of(format!("{thumbprint} {id}").as_bytes());
        Ok(Self { thumbprint, id })
    }
}

/// What a proof's head must say, beside its key, which it must bring and which is no secret.
fn checked(head: &Map<String, Value>) -> Result<Head, TokenFault> {
    let head = Head::read(head).map_err(|_| TokenFault::Proof)?;
    let is_proof = head
        .kind
        .as_deref()
        .is_some_and(|kind| kind.eq_ignore_ascii_case(KIND));
    if !is_proof || !SignatureAlgorithm::USUAL.contains(&head.algorithm) {
        return Err(TokenFault::Proof);
    }
    // It brings its key, so that there is none to name.
    Ok(Head {
        key_id: None,
        ..head
    })
}

fn own_key(head: &Map<String, Value>) -> Result<(JsonWebKeys, String), TokenFault> {
    let key = head.get("jwk").and_then(Value::as_object);
    let key = key.filter(|key| !PRIVATE.iter().any(|member| key.contains_key(*member)));
    let key = key
        .filter(|_| !head.contains_key("crit"))
        .ok_or(TokenFault::Proof)?;
    let thumbprint = thumbprint(key).ok_or(TokenFault::Proof)?;
    let keys = JsonWebKeys::of_one(key).ok_or(TokenFault::Proof)?;
    Ok((keys, thumbprint))
}

/// Whether a proof is for where the request was sent, as that was read: without query and fragment.
fn is_place(text: &str, sent: &Sent<'_>) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let Some(authority) = uri.authority() else {
        return false;
    };
    // Who ends TLS before this proxy is told of by nobody that must be believed.
    let usual = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") if !sent.is_encrypted => 80,
        _ => return false,
    };
    let Ok(place) = Target::parse(sent.target.method(), Some(authority.as_str()), &uri) else {
        return false;
    };
    let is_usual = |port: &u16| *port == usual;
    let said = authority.port_u16().filter(|port| !is_usual(port));
    let asked = sent.authority.and_then(port).filter(|port| !is_usual(port));
    said == asked && place.host() == sent.target.host() && place.path() == sent.target.path()
}

fn port(authority: &str) -> Option<u16> {
    let (_, port) = authority.rsplit_once(':')?;
    port.parse().ok()
}
