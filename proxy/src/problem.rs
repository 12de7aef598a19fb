//! What a client is told: problem details (RFC 9457). The only place with status codes for clients, which stand in
//! [`kind`].
//!
//! A stranger learns no more than the RFCs demand: every bad credential gets the same answer, to the letter.

mod challenge;
mod kind;

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;
use tollgate_gate::{CredentialFault, Malformed};
use tollgate_store::document::CredentialKind;

use crate::refusal::{Refusal, UpstreamFault};
use challenge::{bearer, insufficient_scope, proof, unauthenticated, unproven};
use kind::kind;

/// A snapshot comes with a poll.
const NOT_READY_RETRY: HeaderValue = HeaderValue::from_static("5");
const OVERLOADED_RETRY: HeaderValue = HeaderValue::from_static("1");

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    request_id: &'a str,
}

/// What was asked, as far as an answer repeats it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The path, without the query.
    pub path: &'a str,
    /// The request's id.
    pub request_id: &'a str,
    /// Where the proxy says who hands out tokens (RFC 9728).
    pub resource_metadata: Option<&'a str>,
    /// Whether an issuer's tokens must be bound, so that how to prove a key is told too (RFC 9449).
    pub wants_binding: bool,
    /// Whether its token was sent with a proof (`Authorization: DPoP`).
    pub is_by_dpop: bool,
}

/// The answer to a request that was refused.
#[must_use]
pub fn response(refusal: &Refusal, asked: &Asked<'_>) -> Response<Bytes> {
    let kind = kind(refusal);
    let problem = Problem {
        r#type: format!("urn:tollgate:problem:{}", kind.code),
        title: kind.title,
        status: kind.status.as_u16(),
        detail: &detail(refusal),
        instance: asked.path,
        request_id: asked.request_id,
    };
    // Texts and a number: JSON can hold them all.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = kind.status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    add_headers(refusal, asked, headers);
    response
}

/// The status of that answer.
#[must_use]
pub fn status(refusal: &Refusal) -> StatusCode {
    kind(refusal).status
}

fn detail(refusal: &Refusal) -> Cow<'static, str> {
    use tollgate_gate::Refusal as Decision;

    match refusal {
        Refusal::Decision(Decision::Unauthenticated(
            CredentialFault::Missing | CredentialFault::CertificateUnknown,
        )) => "send a token as \"Authorization: Bearer\" or \"X-API-Key\"".into(),
        Refusal::Decision(Decision::Unauthenticated(_)) => "the credential is not valid".into(),
        Refusal::Decision(Decision::OutOfScope { .. }) | Refusal::ScopeMissing { .. } => {
            "the credential does not allow this request".into()
        }
        Refusal::Decision(Decision::ConditionUnmet { .. }) => {
            "the credential does not allow this request under these circumstances".into()
        }
        Refusal::Decision(Decision::CredentialKind { kind, taken, .. }) => format!(
            "what answers here takes no {}: use {}",
            kind.as_str(),
            any_of(taken)
        )
        .into(),
        Refusal::Decision(Decision::NotExchanged { .. }) => {
            "what answers here takes access tokens of some issuers alone: use one of theirs".into()
        }
        Refusal::Decision(Decision::NoRoute) => "nothing answers here".into(),
        Refusal::Decision(Decision::OverQuota(over)) => {
            let (quota, measure) = (&over.policy.quota, &over.policy.measure);
            format!("quota \"{quota}\" allows {measure}").into()
        }
        Refusal::Decision(Decision::IssuerUnready { .. } | Decision::TokenUnasked { .. })
        | Refusal::Introspection(_) => "the proxy can't tell yet whether the token is good".into(),
        Refusal::Decision(Decision::Overloaded | Decision::ProofsFull) => {
            "the proxy is overloaded: try again".into()
        }
        Refusal::Decision(Decision::CountersUnreachable) => {
            "the proxy can't tell yet whether a quota has room: try again".into()
        }
        other => other.to_string().into(),
    }
}

/// Kinds of credentials one after the other: `a token or a certificate`.
fn any_of(kinds: &[CredentialKind]) -> String {
    let kinds: Vec<_> = kinds
        .iter()
        .map(|kind| format!("a {}", kind.as_str()))
        .collect();
    if kinds.is_empty() {
        return "none".to_owned();
    }
    kinds.join(" or ")
}

fn add_headers(refusal: &Refusal, asked: &Asked<'_>, headers: &mut HeaderMap) {
    use tollgate_gate::Refusal as Decision;

    match refusal {
        Refusal::Decision(Decision::Malformed(Malformed::MethodRefused)) => {
            let allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        Refusal::Decision(Decision::Unauthenticated(CredentialFault::Token { fault, .. }))
            if fault.is_of_proof() =>
        {
            proof(*fault, asked, headers);
        }
        Refusal::Decision(Decision::Unauthenticated(fault)) => {
            let error = match fault {
                CredentialFault::Missing | CredentialFault::CertificateUnknown => None,
                _ => Some("invalid_token"),
            };
            unauthenticated(error, asked, headers);
        }
        Refusal::Decision(Decision::OutOfScope { .. }) => {
            insufficient_scope(None, asked, headers);
        }
        Refusal::ScopeMissing { needed, .. } => {
            insufficient_scope(Some(needed), asked, headers);
        }
        Refusal::Decision(Decision::CredentialKind { taken, .. }) => {
            if taken.contains(&CredentialKind::Key) || taken.contains(&CredentialKind::Token) {
                bearer((None, None), asked, headers);
            }
            if taken.contains(&CredentialKind::Token) {
                unproven(asked, headers);
            }
        }
        Refusal::Decision(Decision::NotExchanged { .. }) => {
            bearer((None, None), asked, headers);
            unproven(asked, headers);
        }
        Refusal::Decision(Decision::OverQuota(over)) => {
            let wait = over.retry_after_seconds();
            headers.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        Refusal::Decision(
            Decision::Overloaded | Decision::ProofsFull | Decision::CountersUnreachable,
        )
        | Refusal::Throttled
        | Refusal::Upstream(UpstreamFault::Connections) => {
            headers.insert(RETRY_AFTER, OVERLOADED_RETRY);
        }
        Refusal::NotReady
        | Refusal::Decision(Decision::IssuerUnready { .. } | Decision::TokenUnasked { .. })
        | Refusal::Introspection(_) => {
            headers.insert(RETRY_AFTER, NOT_READY_RETRY);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
