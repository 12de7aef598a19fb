//! How to authenticate, as challenges tell it (`WWW-Authenticate`; RFC 9110, section 11.6.1). Each scheme has a field of
//! its own, as not every client takes apart a list.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};
use tollgate_gate::TokenFault;
use tollgate_store::document::SignatureAlgorithm;

use super::Asked;

/// What of a challenge tells what was wrong: `error` and `scope`.
type Told<'a> = (Option<&'a str>, Option<&'a str>);

/// To who has no good credential: `error`, where one was sent, by the scheme that it was sent by.
pub(super) fn unauthenticated(error: Option<&str>, asked: &Asked<'_>, headers: &mut HeaderMap) {
    if asked.is_by_dpop {
        dpop((error, None), asked, headers);
        bearer((None, None), asked, headers);
    } else {
        bearer((error, None), asked, headers);
        unproven(asked, headers);
    }
}

/// To who lacks a scope, likewise.
pub(super) fn insufficient_scope(scope: Option<&str>, asked: &Asked<'_>, headers: &mut HeaderMap) {
    let told = (Some("insufficient_scope"), scope);
    if asked.is_by_dpop {
        dpop(told, asked, headers);
    } else {
        bearer(told, asked, headers);
    }
}

/// By a token of a key or an issuer: RFC 6750, section 3, and RFC 9728, section 5.1.
pub(super) fn bearer((error, scope): Told<'_>, asked: &Asked<'_>, headers: &mut HeaderMap) {
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
        dpop((None, None), asked, headers);
    }
}

/// What is wrong with such a proof, likewise.
pub(super) fn proof(fault: TokenFault, asked: &Asked<'_>, headers: &mut HeaderMap) {
    let error = match fault {
        TokenFault::ProofMissing | TokenFault::ProofKey => "invalid_token",
        _ => "invalid_dpop_proof",
    };
    dpop((Some(error), None), asked, headers);
}

fn dpop((error, scope): Told<'_>, asked: &Asked<'_>, headers: &mut HeaderMap) {
    let algorithms = SignatureAlgorithm::USUAL.map(SignatureAlgorithm::as_str);
    let algorithms = algorithms.join(" ");
    let parameters = [
        ("error", error),
        ("scope", scope),
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
