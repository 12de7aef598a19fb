//! What a client is told: problem details (RFC 9457). The only place with status codes for clients.
//!
//! A stranger learns no more than the RFCs demand: every bad credential gets the same answer, to the letter.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;
use tollgate_gate::{CredentialFault, Malformed, TokenFault};
use tollgate_store::document::SignatureAlgorithm;

use crate::filter::Fault;
use crate::refusal::{Refusal, UpstreamFault};

/// A snapshot comes with a poll.
const NOT_READY_RETRY: HeaderValue = HeaderValue::from_static("5");
const OVERLOADED_RETRY: HeaderValue = HeaderValue::from_static("1");

const BODY_TOO_LARGE: (StatusCode, &str, &str) = (
    StatusCode::PAYLOAD_TOO_LARGE,
    "body-too-large",
    "Body too large",
);

/// What is the same in every answer of one kind.
struct Kind {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
}

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

fn kind(refusal: &Refusal) -> Kind {
    let (status, code, title) = match refusal {
        Refusal::Decision(decision) => decision_kind(decision),
        Refusal::ScopeMissing { .. } => INSUFFICIENT_SCOPE,
        Refusal::Malformed(Fault::HeadTooLarge) => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head-too-large",
            "Request header fields too large",
        ),
        Refusal::Malformed(_) | Refusal::BodyBroken => MALFORMED_REQUEST,
        Refusal::BodyStalled => (
            StatusCode::REQUEST_TIMEOUT,
            "request-timeout",
            "Request timeout",
        ),
        Refusal::NotReady | Refusal::Introspection(_) => NOT_READY,
        Refusal::BodyUnsignable { .. } => BODY_TOO_LARGE,
        Refusal::Throttled => upstream_kind(UpstreamFault::Connections),
        Refusal::Upstream(fault) => upstream_kind(*fault),
        Refusal::Internal => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal-error",
            "Internal error",
        ),
    };
    Kind {
        status,
        code,
        title,
    }
}

type Words = (StatusCode, &'static str, &'static str);

const MALFORMED_REQUEST: Words = (
    StatusCode::BAD_REQUEST,
    "malformed-request",
    "Malformed request",
);
const NOT_READY: Words = (StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready");
const INSUFFICIENT_SCOPE: Words = (
    StatusCode::FORBIDDEN,
    "insufficient-scope",
    "Insufficient scope",
);

fn decision_kind(decision: &tollgate_gate::Refusal) -> Words {
    use tollgate_gate::Refusal as Decision;

    match decision {
        Decision::Malformed(Malformed::MethodRefused) => (
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "Method not allowed",
        ),
        Decision::Malformed(Malformed::PathTooLong) => {
            (StatusCode::URI_TOO_LONG, "path-too-long", "Path too long")
        }
        Decision::Malformed(_) => MALFORMED_REQUEST,
        Decision::Unauthenticated(_) => (
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "Unauthenticated",
        ),
        Decision::ConditionUnmet { .. } => (
            StatusCode::FORBIDDEN,
            "condition-unmet",
            "Condition not met",
        ),
        Decision::CredentialKind { .. } => (
            StatusCode::FORBIDDEN,
            "credential-not-taken",
            "Credential not taken",
        ),
        Decision::NoRoute => (StatusCode::NOT_FOUND, "no-route", "Not found"),
        Decision::OverQuota(_) => (
            StatusCode::TOO_MANY_REQUESTS,
            "quota-exceeded",
            "Quota exceeded",
        ),
        Decision::Overloaded | Decision::ProofsFull => {
            (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded")
        }
        Decision::IssuerUnready { .. }
        | Decision::TokenUnasked { .. }
        | Decision::CountersUnreachable => NOT_READY,
        // Also whatever the engine may one day refuse beyond.
        _ => INSUFFICIENT_SCOPE,
    }
}

fn upstream_kind(fault: UpstreamFault) -> (StatusCode, &'static str, &'static str) {
    match fault {
        UpstreamFault::Connect
        | UpstreamFault::Tls
        | UpstreamFault::Reset
        | UpstreamFault::Protocol
        | UpstreamFault::Identity
        | UpstreamFault::Credential
        | UpstreamFault::TokenExchange => {
            (StatusCode::BAD_GATEWAY, "upstream-failed", "Bad gateway")
        }
        UpstreamFault::Connections => (
            StatusCode::SERVICE_UNAVAILABLE,
            "upstream-busy",
            "Upstream busy",
        ),
        UpstreamFault::ConnectTimeout
        | UpstreamFault::ResponseTimeout
        | UpstreamFault::Deadline => (
            StatusCode::GATEWAY_TIMEOUT,
            "upstream-timeout",
            "Gateway timeout",
        ),
    }
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
        Refusal::Decision(Decision::CredentialKind { kind, .. }) => format!(
            "what answers here takes no {}: use another kind of credential",
            kind.as_str()
        )
        .into(),
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
            headers.insert(WWW_AUTHENTICATE, proof_challenge(*fault));
        }
        Refusal::Decision(Decision::Unauthenticated(fault)) => {
            let error = match fault {
                CredentialFault::Missing | CredentialFault::CertificateUnknown => None,
                _ => Some("invalid_token"),
            };
            headers.insert(WWW_AUTHENTICATE, challenge(error, None, asked));
        }
        Refusal::Decision(Decision::OutOfScope { .. }) => {
            let error = Some("insufficient_scope");
            headers.insert(WWW_AUTHENTICATE, challenge(error, None, asked));
        }
        Refusal::ScopeMissing { needed, .. } => {
            let error = Some("insufficient_scope");
            headers.insert(WWW_AUTHENTICATE, challenge(error, Some(needed), asked));
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

/// How to authenticate: RFC 6750, section 3, and RFC 9728, section 5.1. Scopes and URLs hold no quotes.
fn challenge(error: Option<&str>, scope: Option<&str>, asked: &Asked<'_>) -> HeaderValue {
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
fn proof_challenge(fault: TokenFault) -> HeaderValue {
    let error = match fault {
        TokenFault::ProofMissing | TokenFault::ProofKey => "invalid_token",
        _ => "invalid_dpop_proof",
    };
    let algorithms = SignatureAlgorithm::USUAL.map(SignatureAlgorithm::as_str);
    let algorithms = algorithms.join(" ");
    let text = format!("DPoP realm=\"tollgate\", error=\"{error}\", algs=\"{algorithms}\"");
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("DPoP"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::{Value, json};
    use tollgate_gate::{CallerKind, Measure, OverQuota, Policy};
    use tollgate_store::{KeyId, Name};

    use super::*;
    use crate::filter::Fault;
    use crate::refusal::IntrospectionFault;

    fn key() -> KeyId {
        KeyId::parse("abcdefghijkl").unwrap()
    }

    fn answer(refusal: impl Into<Refusal>) -> Response<Bytes> {
        let asked = Asked {
            path: "/v1/orders",
            request_id: "r-1",
            resource_metadata: None,
        };
        response(&refusal.into(), &asked)
    }

    fn body(refusal: impl Into<Refusal>) -> Value {
        serde_json::from_slice(answer(refusal).body()).unwrap()
    }

    fn header(response: &Response<Bytes>, name: &str) -> Option<String> {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }

    fn over(requests: u32, seconds: u64, retry_after: Duration) -> OverQuota {
        let name = Name::parse("free").unwrap();
        let period = Duration::from_secs(seconds);
        let policy = Policy {
            name: name.to_string(),
            quota: Arc::new(name),
            measure: Measure::Strict { requests, period },
            header: HeaderValue::from_static("\"free\""),
        };
        OverQuota {
            policy: Arc::new(policy),
            remaining: 0,
            retry_after,
        }
    }

    fn decision(refusal: impl Into<tollgate_gate::Refusal>) -> Refusal {
        Refusal::Decision(refusal.into())
    }

    #[test]
    fn a_used_up_quota_says_which_and_when_to_come_back() {
        let over = over(10, 60, Duration::from_millis(21_001));
        let response = answer(decision(over.clone()));

        assert_eq!(header(&response, "retry-after").unwrap(), "22");
        assert_eq!(
            body(decision(over)),
            json!({
                "type": "urn:tollgate:problem:quota-exceeded",
                "title": "Quota exceeded",
                "status": 429,
                "detail": "quota \"free\" allows 10 requests in 60 seconds",
                "instance": "/v1/orders",
                "request_id": "r-1",
            })
        );
    }

    #[test]
    fn what_is_wrong_with_a_proof_is_told_with_how_to_make_one() {
        for (fault, error) in [
            (TokenFault::ProofMissing, "invalid_token"),
            (TokenFault::ProofKey, "invalid_token"),
            (TokenFault::ProofTime, "invalid_dpop_proof"),
            (TokenFault::ProofUsed, "invalid_dpop_proof"),
        ] {
            let issuer = None;
            let response = answer(decision(CredentialFault::Token { issuer, fault }));
            let expected = format!(
                "DPoP realm=\"tollgate\", error=\"{error}\", algs=\"RS256 PS256 ES256 EdDSA\""
            );
            assert_eq!(header(&response, "www-authenticate"), Some(expected));
        }
    }

    #[test]
    fn a_wait_is_at_least_a_second() {
        let over = over(1, 1, Duration::ZERO);

        let response = answer(decision(over));
        assert_eq!(header(&response, "retry-after").unwrap(), "1");
    }

    #[test]
    fn every_bad_credential_gets_the_same_answer_to_the_letter() {
        let key = key();
        let at = jiff::Timestamp::UNIX_EPOCH;
        let address = "10.0.0.1".parse().ok();
        let first = answer(decision(CredentialFault::Unknown { key }));
        assert_eq!(
            header(&first, "www-authenticate").unwrap(),
            "Bearer realm=\"tollgate\", error=\"invalid_token\""
        );

        for fault in [
            CredentialFault::Several,
            CredentialFault::Malformed,
            CredentialFault::Wrong { key },
            CredentialFault::Disabled { key },
            CredentialFault::PrincipalDisabled { key },
            CredentialFault::NotYetValid { key, at },
            CredentialFault::Expired { key, at },
            CredentialFault::TokenExpired { key, at },
            CredentialFault::Address { key, address },
            CredentialFault::PrincipalAddress {
                key: Some(key),
                address,
            },
            CredentialFault::CertificateAmbiguous,
            CredentialFault::CertificatePrincipalDisabled,
        ] {
            let other = answer(decision(fault));
            assert_eq!(other.body(), first.body(), "{fault}");
            assert_eq!(other.headers(), first.headers(), "{fault}");
            assert_eq!(other.status(), first.status(), "{fault}");
        }
    }

    #[test]
    fn who_sent_no_credential_is_told_how_to() {
        let response = answer(decision(CredentialFault::Missing));

        assert_eq!(
            header(&response, "www-authenticate").unwrap(),
            "Bearer realm=\"tollgate\""
        );
        assert_eq!(
            body(decision(CredentialFault::Missing)),
            json!({
                "type": "urn:tollgate:problem:unauthenticated",
                "title": "Unauthenticated",
                "status": 401,
                "detail": "send a token as \"Authorization: Bearer\" or \"X-API-Key\"",
                "instance": "/v1/orders",
                "request_id": "r-1",
            })
        );
    }

    #[test]
    fn a_lack_of_scope_names_neither_the_key_nor_its_scopes() {
        let response = answer(tollgate_gate::Refusal::OutOfScope {
            caller: CallerKind::Key(key()),
        });

        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(
            header(&response, "www-authenticate").unwrap(),
            "Bearer realm=\"tollgate\", error=\"insufficient_scope\""
        );
        assert!(!String::from_utf8_lossy(response.body()).contains("abcdefghijkl"));
    }

    #[test]
    fn each_refusal_has_its_status() {
        for (refusal, status) in [
            (decision(Malformed::MethodRefused), 405),
            (decision(Malformed::PathTooLong), 414),
            (decision(Malformed::PathDotSegment), 400),
            (Fault::HostSeveral.into(), 400),
            (Refusal::BodyBroken, 400),
            (Refusal::BodyStalled, 408),
            (
                decision(tollgate_gate::Refusal::CredentialKind {
                    route: "orders".to_owned(),
                    kind: tollgate_store::document::CredentialKind::Key,
                }),
                403,
            ),
            (tollgate_gate::Refusal::NoRoute.into(), 404),
            (tollgate_gate::Refusal::Overloaded.into(), 503),
            (tollgate_gate::Refusal::CountersUnreachable.into(), 503),
            (tollgate_gate::Refusal::ProofsFull.into(), 503),
            (IntrospectionFault::Budget.into(), 503),
            (Refusal::NotReady, 503),
            (Refusal::Throttled, 503),
            (UpstreamFault::Connections.into(), 503),
            (UpstreamFault::Connect.into(), 502),
            (UpstreamFault::Tls.into(), 502),
            (UpstreamFault::Reset.into(), 502),
            (UpstreamFault::Identity.into(), 502),
            (UpstreamFault::Credential.into(), 502),
            (UpstreamFault::TokenExchange.into(), 502),
            (UpstreamFault::Protocol.into(), 502),
            (Refusal::BodyUnsignable { bytes_max: 1 }, 413),
            (UpstreamFault::ConnectTimeout.into(), 504),
            (UpstreamFault::ResponseTimeout.into(), 504),
            (UpstreamFault::Deadline.into(), 504),
            (Refusal::Internal, 500),
        ] {
            assert_eq!(answer(refusal.clone()).status(), status, "{refusal}");
        }
    }

    #[test]
    fn a_503_says_when_to_come_back() {
        for refusal in [
            tollgate_gate::Refusal::Overloaded.into(),
            tollgate_gate::Refusal::ProofsFull.into(),
            IntrospectionFault::TooLate.into(),
            Refusal::NotReady,
            Refusal::Throttled,
            UpstreamFault::Connections.into(),
        ] {
            assert!(header(&answer(refusal), "retry-after").is_some());
        }
    }
}
