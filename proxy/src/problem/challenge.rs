//! How to authenticate, as challenges tell it (`WWW-Authenticate`; RFC 9110, section 11.6.1). Each scheme has a field of
//! its own, as not every client takes apart a list.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};
use tollgate_gate::TokenFault;
use tollgate_store::document::SignatureAlgorithm;

use super::Asked;

/// By a token of a key or an issuer: RFC 6750, section 3, and RFC 9728, section 5.1.
pub(super) fn bearer(
    (error, scope): (Option<&str>, Option<&str>),
    asked: &Asked<'_>,
    headers: &mut HeaderMap,
) {
    let parameters = [
        ("error", error),
        ("scope", scope),
        ("resource_metadata", asked.resource_metadata),
    ];
    challenge("Bearer", &parameters, headers);
}

/// By a token and a proof of the key that it is bound to, where an issuer's tokens must be bound to one's key or
/// certificate: RFC 9449, section 7.1.
pub(super) fn unproven(asked: &Asked<'_>, headers: &mut HeaderMap) {
    if asked.wants_binding {
        dpop(None, asked, headers);
    }
}

/// What is wrong with such a proof, likewise.
pub(super) fn proof(fault: TokenFault, asked: &Asked<'_>, headers: &mut HeaderMap) {
    let error = match fault {
        TokenFault::ProofMissing | TokenFault::ProofKey => "invalid_token",
        _ => "invalid_dpop_proof",
    };
    dpop(Some(error), asked, headers);
}

fn dpop(error: Option<&str>, asked: &Asked<'_>, headers: &mut HeaderMap) {
    let algorithms = SignatureAlgorithm::USUAL.map(SignatureAlgorithm::as_str);
    let algorithms = algorithms.join(" ");
    let parameters = [
        ("error", error),
        ("algs", Some(algorithms.as_str())),
        ("resource_metadata", asked.resource_metadata),
    ];
    challenge("DPoP", &parameters, headers);
}

/// Scopes, algorithms and URLs hold no quotes.
fn challenge(scheme: &'static str, parameters: &[(&str, Option<&str>)], headers: &mut HeaderMap) {
    let mut text = format!("{scheme} realm=\"tollgate\"");
    for (name, value) in parameters {
        if let Some(value) = value {
            text.extend([", ", *name, "=\"", *value, "\""]);
        }
    }
    let value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(scheme));
    headers.append(WWW_AUTHENTICATE, value);
}
