//! What is told of tokens to who wonders.

use std::sync::Arc;

use tollgate_gate::{
    Caller, Decision, Documents, GivenAnswer, Introspection, NoKeys, Presented, TokenTrail,
};
use tollgate_store::Secret;

use super::possession::{CERTIFICATE_THUMBPRINT, bound, by_key};
use super::*;

fn signed_token(claims: &Value) -> Secret {
    Secret::new(Signer::ed25519().token(&head().to_string(), &claims.to_string()))
}

fn told(snapshot: &Snapshot, token: &Secret) -> Decision {
    snapshot.simulate(&get("/a", Caller::Token(token)), &[])
}

#[test]
fn a_bound_token_opens_nothing_by_itself_and_is_told_what_it_would_with_what_it_is_bound_to() {
    let snapshot = open(json!({}));
    for (token, code, what) in [
        (by_key(), "proof_missing", "\"Authorization: DPoP\""),
        (
            bound(&json!({"x5t#S256": CERTIFICATE_THUMBPRINT})),
            "token_certificate_missing",
            "show that certificate",
        ),
    ] {
        let decision = told(&snapshot, &Secret::new(token));
        assert_eq!((decision.allowed, decision.code), (false, code));
        let reason = &decision.reason;
        assert!(reason.contains(what), "{reason}");
        assert!(reason.contains("; with that, scope \"a\" lets"), "{reason}");
    }
}

#[test]
fn claims_of_a_bound_token_are_decided_as_that() {
    for (more, cnf, expected) in [
        (json!({}), json!({"jkt": "x"}), "proof_missing"),
        (json!({}), json!({"kid": "x"}), "token_binding_unknown"),
        (
            json!({"require_binding": true}),
            json!(null),
            "token_unbound",
        ),
    ] {
        let snapshot = open(more);
        let mut claims = without(claims(), "exp");
        if !cnf.is_null() {
            claims = with(claims, json!({ "cnf": cnf }));
        }
        let (issuer, claims) = (name("login"), claims.to_string());
        let question = get("/a", Caller::Claims(&issuer, &claims));
        assert_eq!(snapshot.simulate(&question, &[]).code, expected);
    }
}

#[test]
fn a_token_is_told_by_its_issuer_and_its_subject_and_is_no_key() {
    let decision = told(&open(json!({})), &signed_token(&claims()));

    assert!(decision.allowed, "{}", decision.reason);
    assert_eq!(decision.key, None);
    assert_eq!(decision.issuer.as_deref(), Some("login"));
    assert_eq!(decision.subject.as_deref(), Some("acme"));
    let who = "the token of issuer \"login\" about subject \"acme\"";
    assert!(decision.reason.contains(who), "{}", decision.reason);
    assert!(!decision.reason.contains("key"), "{}", decision.reason);
}

#[test]
fn a_refused_token_is_told_by_what_is_wrong_with_it_once_its_signature_is_good() {
    let entries = world(Signer::ed25519().jwk("k1"), json!({"any_subject": true}));
    let snapshot = build(&entries);
    let documents = Documents {
        entries: &entries,
        proxy: &name("edge"),
        rejected: &[],
    };
    let expired = with(claims(), json!({"exp": NOW - 60}));
    for (claims, says) in [
        (expired.clone(), "the token expired (its exp is 2026-"),
        (
            with(claims(), json!({"aud": "others"})),
            "(its aud is [\"others\"], and [\"billing\", \"orders\"] would do)",
        ),
    ] {
        let token = signed_token(&claims);
        let explanation = snapshot.explain(&get("/a", Caller::Token(&token)), &documents);
        let decision = &explanation.decision;
        assert!(decision.reason.contains(says), "{}", decision.reason);
        let who = "caller: the token of issuer \"login\" about subject \"acme\"";
        assert_eq!(explanation.findings[1].says, who);
    }

    // Anybody could have written what it says.
    let stranger = Signer::p256().token(
        &with(head(), json!({"alg": "ES256"})).to_string(),
        &expired.to_string(),
    );
    let decision = told(&snapshot, &Secret::new(stranger));
    assert_eq!(decision.subject, None);
    assert!(!decision.reason.contains("acme"), "{}", decision.reason);
}

#[test]
fn the_trail_of_a_request_names_whose_token_it_refused() {
    let snapshot = open(json!({}));
    let headers = |claims: &Value| {
        let token = signed_token(claims);
        let value = HeaderValue::try_from(format!("Bearer {}", token.expose())).unwrap();
        HeaderMap::from_iter([(http::header::AUTHORIZATION, value)])
    };
    for (claims, expected) in [
        (claims(), None),
        (
            with(claims(), json!({"exp": 1})),
            Some(Some("acme".to_owned())),
        ),
        (without(claims(), "sub"), Some(None)),
    ] {
        let trail = TokenTrail::default();
        let presented = Presented {
            headers: &headers(&claims),
            address: Some(ADDRESS),
            certificate: None,
            keys: &NoKeys,
            memory: None,
            sent: None,
            trail: Some(&trail),
        };
        let _ = snapshot.identify_presented(&presented, at(0));
        let subject = trail.traced().map(|traced| traced.subject.clone());
        assert_eq!(subject, expected, "{claims}");
    }
}

#[test]
fn what_a_token_needs_is_told_as_its_issuer_calls_it() {
    for (scopes, expected) in [
        (
            json!({"read-b": "b", "also-b": "b", "read-a": "a"}),
            Some("also-b"),
        ),
        (json!({"read a": "b"}), None),
        (json!({"read-a": "a"}), None),
        (json!(null), Some("b")),
    ] {
        let snapshot = open(json!({ "scopes": scopes }));
        let token = signed_token(&claims());
        let value = HeaderValue::try_from(format!("Bearer {}", token.expose())).unwrap();
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
        let principal = snapshot.identify(&headers, ADDRESS, at(0)).unwrap();
        let target = target("GET", "api.example.com", "/b").unwrap();

        assert_eq!(
            snapshot.scope_needed(&principal, &target),
            expected,
            "{scopes}"
        );
    }
}

#[test]
fn a_token_that_its_issuer_was_asked_about_is_decided_by_what_that_said() {
    let asked = json!({"introspection": {
        "url": "https://login.example.com/introspect", "client_id": "edge", "client_secret": "file:/s",
    }});
    let snapshot = open(asked);
    // Two dots make no signed token of it.
    for token in ["opaque", "op.aq.ue", "!.e30.x"] {
        let token = Secret::new(token.to_owned());
        assert_eq!(told(&snapshot, &token).code, "introspection_missing");
        let issuer = snapshot.issuer_to_ask(&token, at(0).wall).unwrap();
        assert_eq!(issuer.name, name("login"));
        for (says, expected) in [
            (
                json!({"active": true, "sub": "acme", "aud": "orders", "scope": "a"}),
                "allowed",
            ),
            (json!({"active": false}), "token_inactive"),
        ] {
            let answer = Introspection::parse(says.to_string().as_bytes()).unwrap();
            let answer = GivenAnswer(Arc::new(answer));
            let question = get("/a", Caller::AnsweredToken(&token, &answer));
            assert_eq!(snapshot.simulate(&question, &[]).code, expected);
        }
    }
    // What has the head of one is one.
    let signed = signed_token(&claims());
    assert!(snapshot.issuer_to_ask(&signed, at(0).wall).is_none());
    assert_eq!(told(&snapshot, &signed).code, "allowed");
    let other = Secret::new("e30.e30.x".to_owned());
    assert_eq!(told(&snapshot, &other).code, "token_malformed");
}

#[test]
fn a_token_of_an_issuer_is_refused_in_a_target_and_others_tokens_are_not() {
    let snapshot = open(json!({}));
    let ours = signed_token(&claims());
    let theirs = signed_token(&with(
        claims(),
        json!({"iss": "https://elsewhere.example.com/"}),
    ));
    for (token, expected) in [(&ours, "credential_in_query"), (&theirs, "allowed")] {
        let token = token.expose();
        for path in [
            format!("/a?state={token}&x=1"),
            format!("/a?state={}", token.replace('.', "%2e")),
            format!("/a?state={}", token.replace('.', "%252e")),
        ] {
            let decision = snapshot.simulate(&get(&path, Caller::Token(&ours)), &[]);
            assert_eq!(decision.code, expected, "{}", path.replace(token, "TOKEN"));
            assert!(!decision.reason.contains(token));
        }
    }
    let path = format!("/{}", ours.expose());
    let decision = snapshot.simulate(&get(&path, Caller::Nobody), &[]);
    assert_eq!(decision.code, "credential_in_query");
    assert!(
        !decision.reason.contains(ours.expose()),
        "{}",
        decision.reason
    );
}
