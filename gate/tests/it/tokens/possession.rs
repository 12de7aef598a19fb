//! Tokens that are their bearer's alone.

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tollgate_gate::{NoKeys, Presented, Sent, Snapshot, Target, TokenMemory};

use super::*;
use crate::documents::*;

/// SHA-256 of nothing, as a certificate's.
const CERTIFICATE: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
pub(super) const CERTIFICATE_THUMBPRINT: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

fn sha256(text: &str) -> String {
    base64(aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        text.as_bytes(),
    ))
}

/// The client's own key, which is another than the issuer's.
fn own() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap()
}

fn own_jwk() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": base64(own().public_key())})
}

fn thumbprint() -> String {
    let x = base64(own().public_key());
    sha256(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#))
}

/// A token that says it is bound so.
pub(super) fn bound(cnf: &Value) -> String {
    let claims = with(claims(), json!({ "cnf": cnf }));
    Signer::ed25519().token(&head().to_string(), &claims.to_string())
}

pub(super) fn by_key() -> String {
    bound(&json!({"jkt": thumbprint()}))
}

fn proof_head() -> Value {
    json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": own_jwk()})
}

fn proof_claims(token: &str) -> Value {
    json!({
        "jti": "p1", "htm": "GET", "htu": "https://api.example.com/a", "iat": NOW, "ath": sha256(token),
    })
}

fn proof(head: &Value, claims: &Value) -> String {
    let head = head.to_string();
    Signer::Ed25519(own()).token(&head, &claims.to_string())
}

/// A request that bears a token.
struct Request {
    headers: HeaderMap,
    certificate: Option<&'static str>,
    is_encrypted: bool,
    authority: &'static str,
}

impl Request {
    fn new(scheme: &str, token: &str) -> Self {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::try_from(format!("{scheme} {token}")).unwrap();
        headers.insert("authorization", value);
        Self {
            headers,
            certificate: None,
            is_encrypted: true,
            authority: "api.example.com",
        }
    }

    fn proven(token: &str, proof: &str) -> Self {
        let mut request = Self::new("DPoP", token);
        let value = HeaderValue::from_str(proof).unwrap();
        request.headers.append("dpop", value);
        request
    }

    /// What becomes of it, where nothing was sent before.
    fn verdict(&self, snapshot: &Snapshot) -> &'static str {
        self.verdict_with(snapshot, &TokenMemory::default())
    }

    fn verdict_with(&self, snapshot: &Snapshot, memory: &TokenMemory) -> &'static str {
        let target = Target::parse(
            &http::Method::GET,
            Some(self.authority),
            &http::Uri::from_static("/a?x=1"),
        )
        .unwrap();
        let presented = Presented {
            trail: None,
            certificate: None,
            headers: &self.headers,
            address: Some(ADDRESS),
            keys: &NoKeys,
            memory: Some(memory),
            sent: Some(Sent {
                target: &target,
                authority: Some(self.authority),
                is_encrypted: self.is_encrypted,
                certificate: self.certificate,
            }),
        };
        let result = snapshot.identify_presented(&presented, at(0));
        result.map_or_else(|refusal| refusal.code(), |_| "ok")
    }
}

#[test]
fn a_token_of_a_certificate_opens_nothing_without_it() {
    let snapshot = open(json!({}));
    let token = bound(&json!({"x5t#S256": CERTIFICATE_THUMBPRINT}));
    let mut request = Request::new("Bearer", &token);
    assert_eq!(request.verdict(&snapshot), "token_certificate_missing");

    request.certificate = Some(CERTIFICATE);
    assert_eq!(request.verdict(&snapshot), "ok");

    let other = "0".repeat(64);
    request.certificate = Some(other.leak());
    assert_eq!(request.verdict(&snapshot), "token_certificate_other");
    for thumbprint in ["", "AAAA", CERTIFICATE] {
        let token = bound(&json!({ "x5t#S256": thumbprint }));
        let mut request = Request::new("Bearer", &token);
        request.certificate = Some(CERTIFICATE);
        assert_eq!(request.verdict(&snapshot), "token_certificate_other");
    }
}

#[test]
fn a_binding_that_is_not_known_is_not_ignored() {
    let snapshot = open(json!({}));
    for (cnf, expected) in [
        (json!({}), "token_binding_unknown"),
        (json!({"kid": "x"}), "token_binding_unknown"),
        (json!("x"), "token_claim"),
        (json!({"jkt": 7}), "token_claim"),
    ] {
        let request = Request::new("Bearer", &bound(&cnf));
        assert_eq!(request.verdict(&snapshot), expected, "{cnf}");
    }
}

#[test]
fn an_issuer_may_demand_that_its_tokens_are_bound() {
    let snapshot = open(json!({"require_binding": true}));
    let plain = Signer::ed25519().token(&head().to_string(), &claims().to_string());
    assert_eq!(
        Request::new("Bearer", &plain).verdict(&snapshot),
        "token_unbound"
    );

    let token = bound(&json!({"x5t#S256": CERTIFICATE_THUMBPRINT}));
    let mut request = Request::new("Bearer", &token);
    request.certificate = Some(CERTIFICATE);
    assert_eq!(request.verdict(&snapshot), "ok");
}

#[test]
fn a_token_of_a_key_opens_what_its_proof_is_for() {
    let snapshot = open(json!({}));
    let token = by_key();
    for (url, authority, is_encrypted) in [
        ("https://api.example.com/a", "api.example.com", true),
        ("https://API.example.com:443/a", "api.example.com", true),
        ("https://api.example.com/a?y=2#z", "api.example.com", true),
        (
            "https://api.example.com:8443/a",
            "api.example.com:8443",
            true,
        ),
        ("https://api.example.com/a", "api.example.com", false),
        ("http://api.example.com/a", "api.example.com", false),
    ] {
        let claims = with(proof_claims(&token), json!({ "htu": url }));
        let mut request = Request::proven(&token, &proof(&proof_head(), &claims));
        request.authority = authority;
        request.is_encrypted = is_encrypted;
        assert_eq!(request.verdict(&snapshot), "ok", "{url}");
    }
}

#[test]
fn a_token_of_a_key_opens_nothing_without_its_proof() {
    let snapshot = open(json!({}));
    let token = by_key();
    let good = proof(&proof_head(), &proof_claims(&token));
    assert_eq!(Request::proven(&token, &good).verdict(&snapshot), "ok");

    let mut bearer = Request::proven(&token, &good);
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    bearer.headers.insert("authorization", value);
    assert_eq!(bearer.verdict(&snapshot), "proof_missing");
    let without = Request::new("DPoP", &token);
    assert_eq!(without.verdict(&snapshot), "proof_missing");

    let plain = Signer::ed25519().token(&head().to_string(), &claims().to_string());
    let unwanted = Request::proven(&plain, &good);
    assert_eq!(unwanted.verdict(&snapshot), "proof_unwanted");

    let mut twice = Request::proven(&token, &good);
    let value = HeaderValue::from_str(&good).unwrap();
    twice.headers.append("dpop", value);
    assert_eq!(twice.verdict(&snapshot), "proof_malformed");

    let other = bound(&json!({"jkt": sha256("another key")}));
    let proof = proof(&proof_head(), &proof_claims(&other));
    assert_eq!(
        Request::proven(&other, &proof).verdict(&snapshot),
        "proof_key"
    );
}

#[test]
fn a_proof_that_says_anything_else_is_refused() {
    let snapshot = open(json!({}));
    let token = by_key();
    for (more, expected) in [
        (json!({"htm": "POST"}), "proof_request"),
        (json!({"htm": "get"}), "proof_request"),
        (json!({"htu": "https://api.example.com/b"}), "proof_request"),
        (
            json!({"htu": "https://other.example.com/a"}),
            "proof_request",
        ),
        (
            json!({"htu": "https://api.example.com:444/a"}),
            "proof_request",
        ),
        (json!({"htu": "http://api.example.com/a"}), "proof_request"),
        (
            json!({"htu": "https://api.example.com/x/../a"}),
            "proof_request",
        ),
        (json!({"htu": "/a"}), "proof_request"),
        (json!({"htu": 7}), "proof_malformed"),
        (json!({"iat": NOW + 61}), "proof_time"),
        (json!({"iat": NOW - 61}), "proof_time"),
        (json!({"iat": NOW.to_string()}), "proof_malformed"),
        (json!({"ath": sha256("another token")}), "proof_token"),
        (json!({"jti": ""}), "proof_malformed"),
        (json!({"jti": "x".repeat(257)}), "proof_malformed"),
    ] {
        let claims = with(proof_claims(&token), more.clone());
        let request = Request::proven(&token, &proof(&proof_head(), &claims));
        assert_eq!(request.verdict(&snapshot), expected, "{more}");
    }
    for claim in ["jti", "htm", "htu", "iat", "ath"] {
        let claims = without(proof_claims(&token), claim);
        let request = Request::proven(&token, &proof(&proof_head(), &claims));
        assert_eq!(request.verdict(&snapshot), "proof_malformed", "{claim}");
    }
}

#[test]
fn a_proof_of_another_form_is_refused() {
    let snapshot = open(json!({}));
    let token = by_key();
    let secret = with(own_jwk(), json!({"d": "c2VjcmV0"}));
    for (more, expected) in [
        (json!({"typ": "at+jwt"}), "proof_malformed"),
        (json!({"alg": "none"}), "proof_malformed"),
        (json!({"alg": "HS256"}), "proof_malformed"),
        (json!({"alg": "ES384"}), "proof_malformed"),
        (json!({"crit": ["exp"]}), "proof_malformed"),
        (json!({ "jwk": secret }), "proof_malformed"),
        (
            json!({"jwk": {"kty": "oct", "k": "c2VjcmV0"}}),
            "proof_malformed",
        ),
        (json!({"jwk": "x"}), "proof_malformed"),
        (json!({"alg": "ES256"}), "proof_signature"),
        (
            json!({"jwk": Signer::ed25519().jwk("k1")}),
            "proof_signature",
        ),
    ] {
        let head = with(proof_head(), more.clone());
        let request = Request::proven(&token, &proof(&head, &proof_claims(&token)));
        assert_eq!(request.verdict(&snapshot), expected, "{more}");
    }
    for text in ["", "a.b", "a.b.c"] {
        assert_eq!(
            Request::proven(&token, text).verdict(&snapshot),
            "proof_malformed"
        );
    }
}

#[test]
fn a_proof_counts_once() {
    let (snapshot, memory) = (open(json!({})), TokenMemory::default());
    let token = by_key();
    let first = Request::proven(&token, &proof(&proof_head(), &proof_claims(&token)));
    assert_eq!(first.verdict_with(&snapshot, &memory), "ok");
    assert_eq!(first.verdict_with(&snapshot, &memory), "proof_used");

    let claims = with(proof_claims(&token), json!({"jti": "p2"}));
    let second = Request::proven(&token, &proof(&proof_head(), &claims));
    assert_eq!(second.verdict_with(&snapshot, &memory), "ok");
}

#[test]
fn the_token_of_a_key_of_ours_takes_no_proof() {
    let entries = world(Signer::ed25519().jwk("k1"), json!({}));
    let snapshot = build(&entries);
    let request = Request::new("DPoP", "tg_live_x");

    assert_eq!(request.verdict(&snapshot), "credential_malformed");
}
