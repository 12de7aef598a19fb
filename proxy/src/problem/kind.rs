//! The status and the type of each answer.

use http::StatusCode;
use tollgate_gate::Malformed;

use crate::filter::Fault;
use crate::refusal::{Refusal, UpstreamFault};

type Words = (StatusCode, &'static str, &'static str);

const BODY_TOO_LARGE: Words = (
    StatusCode::PAYLOAD_TOO_LARGE,
    "body-too-large",
    "Body too large",
);
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

/// What is the same in every answer of one kind.
pub(super) struct Kind {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) title: &'static str,
}

/// What is the same in every answer to such a refusal.
pub(super) fn kind(refusal: &Refusal) -> Kind {
    let (status, code, title) = match refusal {
        Refusal::Decision(decision) => decision_kind(decision),
        Refusal::ScopeMissing { .. } => INSUFFICIENT_SCOPE,
        Refusal::Malformed(Fault::HeadTooLarge) => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head-too-large",
            "Request header fields too large",
        ),
        Refusal::Malformed(Fault::ExpectationUnknown) => (
            StatusCode::EXPECTATION_FAILED,
            "expectation-unknown",
            "Expectation failed",
        ),
        Refusal::Malformed(_) | Refusal::BodyBroken => MALFORMED_REQUEST,
        Refusal::BodyStalled => (
            StatusCode::REQUEST_TIMEOUT,
            "request-timeout",
            "Request timeout",
        ),
        Refusal::NotReady | Refusal::Introspection(_) => NOT_READY,
        Refusal::BodyTooLarge { .. } | Refusal::BodyUnsignable { .. } => BODY_TOO_LARGE,
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
        Decision::CredentialKind { .. } | Decision::NotExchanged { .. } => (
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

fn upstream_kind(fault: UpstreamFault) -> Words {
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
