//! How to authenticate, as challenges tell it.

use http::HeaderValue;
use tollgate_gate::TokenFault;
use tollgate_store::document::SignatureAlgorithm;

use super::Asked;

/// How to authenticate: RFC 6750, section 3, and RFC 9728, section 5.1. Scopes and URLs hold no quotes.
pub(super) fn challenge(
    error: Option<&str>,
    scope: Option<&str>,
    asked: &Asked<'_>,
) -> HeaderValue {
    let mut text = "Bearer realm=\"tollgate\"".to_owned();
    for (name, value) in [
        ("error", error),
        ("scope", scope),
        ("resource_metadata", asked.resource_metadata),
    ] {
        if let Some(value) = value {
            text.extend([", ", name, "=\"", value, "\""]);
        }
    }
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
}

/// How to prove that a token is one's own: RFC 9449, section 7.1.
pub(super) fn proof_challenge(fault: TokenFault) -> HeaderValue {
    let error = match fault {
        TokenFault::ProofMissing | TokenFault::ProofKey => "invalid_token",
        _ => "invalid_dpop_proof",
    };
    let algorithms = SignatureAlgorithm::USUAL.map(SignatureAlgorithm::as_str);
    let algorithms = algorithms.join(" ");
    let text = format!("DPoP realm=\"tollgate\", error=\"{error}\", algs=\"{algorithms}\"");
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("DPoP"))
}
