use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_gate::{CallerKind, Measure, OverQuota, Policy, TokenFault};
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
        wants_binding: false,
        is_by_dpop: false,
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
        let expected =
            format!("DPoP realm=\"tollgate\", error=\"{error}\", algs=\"RS256 PS256 ES256 EdDSA\"");
        assert_eq!(header(&response, "www-authenticate"), Some(expected));
    }
}

#[test]
fn who_came_with_a_proof_is_challenged_by_that_scheme() {
    let challenges = |refusal: tollgate_gate::Refusal| {
        let asked = Asked {
            path: "/",
            request_id: "r-1",
            resource_metadata: None,
            wants_binding: false,
            is_by_dpop: true,
        };
        let response = response(&decision(refusal), &asked);
        let values = response.headers().get_all("www-authenticate").iter();
        let values = values.map(|value| value.to_str().unwrap().to_owned());
        values.collect::<Vec<_>>()
    };
    let algorithms = "algs=\"RS256 PS256 ES256 EdDSA\"";
    let expired = CredentialFault::Token {
        issuer: None,
        fault: TokenFault::Expired,
    };
    assert_eq!(
        challenges(expired.into()),
        [
            format!("DPoP realm=\"tollgate\", error=\"invalid_token\", {algorithms}"),
            "Bearer realm=\"tollgate\"".to_owned(),
        ]
    );
    let caller = CallerKind::Token;
    assert_eq!(
        challenges(tollgate_gate::Refusal::OutOfScope { caller }),
        [format!(
            "DPoP realm=\"tollgate\", error=\"insufficient_scope\", {algorithms}"
        )]
    );
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
                taken: Vec::new(),
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
        (Refusal::BodyTooLarge { bytes_max: 1 }, 413),
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

/// Every challenge of an answer, where issuers' tokens must be bound or not, and the metadata is declared.
fn challenges(refusal: impl Into<Refusal>, wants_binding: bool) -> Vec<String> {
    let asked = Asked {
        path: "/v1/orders",
        request_id: "r-1",
        resource_metadata: Some("https://a.test/m"),
        is_by_dpop: false,
        wants_binding,
    };
    let response = response(&refusal.into(), &asked);
    let values = response.headers().get_all("www-authenticate").iter();
    values
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

const BEARER: &str = "Bearer realm=\"tollgate\", resource_metadata=\"https://a.test/m\"";
const DPOP: &str = "DPoP realm=\"tollgate\", algs=\"RS256 PS256 ES256 EdDSA\", \
                    resource_metadata=\"https://a.test/m\"";

#[test]
fn where_tokens_must_be_bound_both_schemes_are_offered() {
    let missing = || decision(CredentialFault::Missing);
    assert_eq!(challenges(missing(), false), [BEARER]);
    assert_eq!(challenges(missing(), true), [BEARER, DPOP]);

    let fault = TokenFault::ProofMissing;
    let unproven = decision(CredentialFault::Token {
        issuer: None,
        fault,
    });
    let expected = DPOP.replace("algs", "error=\"invalid_token\", algs");
    assert_eq!(challenges(unproven, true), [expected]);
}

#[test]
fn a_kind_of_credential_that_is_not_taken_is_answered_with_the_schemes_of_those_that_are() {
    use tollgate_store::document::CredentialKind::{Certificate, Key, Token};

    for (kind, taken, is_bound, expected, detail) in [
        (Key, vec![Token], true, vec![BEARER, DPOP], "use a token"),
        (Key, vec![Token], false, vec![BEARER], "use a token"),
        (
            Token,
            vec![Key, Certificate],
            true,
            vec![BEARER],
            "use a key or a certificate",
        ),
        (Key, vec![Certificate], true, vec![], "use a certificate"),
    ] {
        let refusal = || {
            decision(tollgate_gate::Refusal::CredentialKind {
                route: "orders".to_owned(),
                kind,
                taken: taken.clone(),
            })
        };
        assert_eq!(challenges(refusal(), is_bound), expected, "{taken:?}");
        let told = body(refusal());
        assert!(told["detail"].as_str().unwrap().ends_with(detail), "{told}");
    }
    let refusal = decision(tollgate_gate::Refusal::NotExchanged {
        upstream: "orders".to_owned(),
        kind: Key,
    });
    assert_eq!(challenges(refusal.clone(), false), [BEARER]);
    let told = body(refusal);
    assert!(!told.to_string().contains("upstream"), "{told}");
}
