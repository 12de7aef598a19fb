//! Which tokens are taken, and why others are not.

use http::{HeaderMap, HeaderValue};
use serde_json::json;

use super::*;
use crate::documents::*;
#[test]
fn a_good_token_of_every_usual_algorithm_is_taken() {
    for (algorithm, signer) in [
        ("EdDSA", Signer::ed25519()),
        ("ES256", Signer::p256()),
        ("RS256", Signer::rsa(&RSA_PKCS1_SHA256)),
        ("PS256", Signer::rsa(&RSA_PSS_SHA256)),
    ] {
        let snapshot = build(&world(signer.jwk("k1"), json!({"any_subject": true})));
        let head = with(head(), json!({"alg": algorithm}));
        let token = signer.token(&head.to_string(), &claims().to_string());

        let principal = snapshot.identify(&headers(&token), ADDRESS, at(0)).unwrap();

        let (issuer, subject) = principal.issuer().unwrap();
        assert_eq!((issuer.as_str(), subject), ("login", "acme"), "{algorithm}");
        assert_eq!(principal.key_id(), None);
    }
}

#[test]
fn a_token_that_nobody_signed_is_refused() {
    let snapshot = open(json!({}));
    for algorithm in ["none", "None", "nOnE"] {
        let head = with(head(), json!({"alg": algorithm}));
        let text = format!(
            "{}.{}.",
            base64(head.to_string()),
            base64(claims().to_string())
        );
        assert_eq!(verdict(&snapshot, &text), "token_unsigned");
    }
    let text = format!(
        "{}.{}.",
        base64(head().to_string()),
        base64(claims().to_string())
    );
    assert_eq!(verdict(&snapshot, &text), "token_signature");
}

#[test]
fn an_algorithm_that_the_issuer_does_not_sign_by_is_refused() {
    let snapshot = open(json!({}));
    for algorithm in [
        "HS256", "HS384", "HS512", "RS1", "ES256K", "RS384", "eddsa", "",
    ] {
        let head = with(head(), json!({"alg": algorithm}));
        assert_eq!(
            signed(&snapshot, head, claims()),
            "token_algorithm",
            "{algorithm}"
        );
    }
    // The key itself is for another.
    let head = with(head(), json!({"alg": "RS256"}));
    assert_eq!(signed(&snapshot, head, claims()), "token_key_unknown");
}

#[test]
fn a_shared_secret_made_of_the_public_key_signs_nothing() {
    use aws_lc_rs::hmac;

    let signer = Signer::rsa(&RSA_PKCS1_SHA256);
    let jwk = signer.jwk("k1");
    let snapshot = build(&world(jwk.clone(), json!({"any_subject": true})));
    let head = with(head(), json!({"alg": "HS256"}));
    let text = format!(
        "{}.{}",
        base64(head.to_string()),
        base64(claims().to_string())
    );
    let secret = hmac::Key::new(hmac::HMAC_SHA256, jwk["n"].as_str().unwrap().as_bytes());
    let signature = hmac::sign(&secret, text.as_bytes());

    let token = format!("{text}.{}", base64(signature));
    assert_eq!(verdict(&snapshot, &token), "token_algorithm");
}

#[test]
fn a_token_that_brings_or_names_its_own_key_is_refused() {
    let snapshot = open(json!({}));
    for (member, value) in [
        ("jwk", Signer::ed25519().jwk("k1")),
        ("jku", json!("https://login.example.com/keys")),
        ("x5u", json!("https://login.example.com/cert")),
        ("x5c", json!(["MIIB"])),
    ] {
        let head = with(head(), json!({ member: value }));
        assert_eq!(
            signed(&snapshot, head, claims()),
            "token_own_key",
            "{member}"
        );
    }
    let head = with(head(), json!({"x5t": "abc", "cty": "x"}));
    assert_eq!(signed(&snapshot, head, claims()), "ok");
}

#[test]
fn the_name_of_a_key_is_compared_and_used_for_nothing_else() {
    let snapshot = open(json!({}));
    for id in [
        "k2",
        "../../../dev/null",
        "/dev/null",
        "k1' or '1'='1",
        "k1\u{0}",
        "K1",
        "",
    ] {
        let head = with(head(), json!({ "kid": id }));
        assert_eq!(
            signed(&snapshot, head, claims()),
            "token_key_unknown",
            "{id:?}"
        );
    }
    let long = "k".repeat(300);
    for id in [json!(1), json!(null), json!(["k1"]), json!(long)] {
        let head = with(head(), json!({ "kid": id }));
        assert_eq!(signed(&snapshot, head, claims()), "token_malformed", "{id}");
    }
    assert_eq!(signed(&snapshot, without(head(), "kid"), claims()), "ok");
}

#[test]
fn a_token_that_names_no_key_may_be_of_any() {
    let (first, second) = (Signer::p256(), Signer::p256());
    let keys = json!({"keys": [first.jwk("k1"), second.jwk("k2")]}).to_string();
    let more = json!({"any_subject": true, "jwks": keys});
    let snapshot = build(&world(Signer::ed25519().jwk("k0"), more));
    let head = without(with(head(), json!({"alg": "ES256"})), "kid").to_string();

    for signer in [first, second] {
        let token = signer.token(&head, &claims().to_string());
        assert_eq!(verdict(&snapshot, &token), "ok");
    }
    let token = Signer::p256().token(&head, &claims().to_string());
    assert_eq!(verdict(&snapshot, &token), "token_key_unknown");
}

#[test]
fn a_signature_of_zeros_is_refused() {
    let snapshot = build(&world(
        Signer::p256().jwk("k1"),
        json!({"any_subject": true}),
    ));
    let head = with(head(), json!({"alg": "ES256"}));
    let text = format!(
        "{}.{}",
        base64(head.to_string()),
        base64(claims().to_string())
    );
    let one_of_two = [[0_u8; 32], [1; 32]].concat();
    for signature in [vec![0; 64], vec![0; 8], vec![], one_of_two] {
        let token = format!("{text}.{}", base64(signature));
        assert_eq!(verdict(&snapshot, &token), "token_signature");
    }
}

#[test]
fn a_token_that_demands_an_extension_is_refused() {
    let snapshot = open(json!({}));
    for demand in [json!(["b64"]), json!([]), json!(["exp"]), json!("x")] {
        let head = with(head(), json!({"crit": demand, "b64": false}));
        assert_eq!(signed(&snapshot, head, claims()), "token_critical");
    }
}

#[test]
fn what_stands_twice_is_refused() {
    let snapshot = open(json!({}));
    let signer = Signer::ed25519();
    let (good_head, good_claims) = (head().to_string(), claims().to_string());
    let head_twice = good_head.replacen('{', r#"{"kid": "k2", "#, 1);
    let claims_twice = good_claims.replacen('{', r#"{"sub": "root", "#, 1);

    for token in [
        signer.token(&head_twice, &good_claims),
        signer.token(&good_head, &claims_twice),
    ] {
        assert_eq!(verdict(&snapshot, &token), "token_duplicate_member");
    }
}

#[test]
fn a_token_of_another_type_is_refused() {
    let snapshot = open(json!({}));
    for kind in ["JWT", "id+jwt", "logout+jwt", "dpop+jwt", ""] {
        let head = with(head(), json!({ "typ": kind }));
        assert_eq!(signed(&snapshot, head, claims()), "token_type", "{kind}");
    }
    let untyped = without(head(), "typ");
    assert_eq!(signed(&snapshot, untyped.clone(), claims()), "token_type");
    let media = with(head(), json!({"typ": "application/AT+JWT"}));
    assert_eq!(signed(&snapshot, media, claims()), "ok");

    let older = open(json!({"token_types": ["JWT"]}));
    assert_eq!(signed(&older, untyped, claims()), "ok");
    assert_eq!(signed(&older, head(), claims()), "token_type");
}

#[test]
fn a_token_of_another_issuer_or_for_another_audience_is_refused() {
    let snapshot = open(json!({}));
    for issuer in [
        json!("https://login.example.com"),
        json!("https://LOGIN.example.com/"),
        json!("https://login.example.com/x"),
        json!(1),
        json!([URL]),
        json!(null),
    ] {
        let claims = with(claims(), json!({ "iss": issuer }));
        assert_eq!(
            signed(&snapshot, head(), claims),
            "token_issuer_unknown",
            "{issuer}"
        );
    }
    for (audience, expected) in [
        (json!("billing"), "ok"),
        (json!(["x", "orders"]), "ok"),
        (json!("Orders"), "token_audience"),
        (json!("order"), "token_audience"),
        (json!([]), "token_audience"),
        (json!(""), "token_audience"),
        (json!(["orders", 1]), "token_claim"),
        (json!({"orders": true}), "token_claim"),
        (json!(null), "token_claim"),
    ] {
        let claims = with(claims(), json!({ "aud": audience }));
        assert_eq!(signed(&snapshot, head(), claims), expected, "{audience}");
    }
    let claims = without(claims(), "aud");
    assert_eq!(signed(&snapshot, head(), claims), "token_claim_missing");
}

#[test]
fn a_clock_may_be_wrong_by_what_is_declared_and_not_a_second_more() {
    for (skew, more) in [
        (30, json!({})),
        (5, json!({"clock_skew": "5s"})),
        (0, json!({"clock_skew": "0s"})),
    ] {
        let snapshot = open(more);
        for (more, expected) in [
            (json!({"exp": NOW - skew}), "ok"),
            (json!({"exp": NOW - skew - 1}), "token_expired"),
            (json!({"nbf": NOW + skew}), "ok"),
            (json!({"nbf": NOW + skew + 1}), "token_not_yet_valid"),
        ] {
            let claims = with(claims(), more.clone());
            assert_eq!(signed(&snapshot, head(), claims), expected, "{skew} {more}");
        }
    }
}

#[test]
fn a_time_that_is_no_number_is_refused() {
    let snapshot = open(json!({}));
    let later = NOW + 60;
    for (more, expected) in [
        (json!({"exp": later.to_string()}), "token_claim"),
        (json!({"exp": null}), "token_claim"),
        (json!({"exp": true}), "token_claim"),
        (json!({"exp": [later]}), "token_claim"),
        (json!({"exp": 1e300}), "token_claim"),
        (json!({"exp": -1e300}), "token_claim"),
        (json!({"exp": 1_780_272_060.5}), "ok"),
        (json!({"exp": -1}), "token_expired"),
        (json!({"exp": i64::MIN}), "token_expired"),
        (json!({"nbf": "1"}), "token_claim"),
        (json!({"iat": "1"}), "token_claim"),
    ] {
        let claims = with(claims(), more.clone());
        assert_eq!(signed(&snapshot, head(), claims), expected, "{more}");
    }
    let claims = without(claims(), "exp");
    assert_eq!(signed(&snapshot, head(), claims), "token_claim_missing");
}

#[test]
fn what_is_no_token_is_refused() {
    let snapshot = open(json!({}));
    let good = Signer::ed25519().token(&head().to_string(), &claims().to_string());
    assert_eq!(verdict(&snapshot, &good), "ok");
    let (signed_part, signature) = good.rsplit_once('.').unwrap();
    let array = format!("{}.{}", base64("[]"), base64(claims().to_string()));
    for token in [
        format!("{good}="),
        format!("{signed_part}.{signature}="),
        format!("{signed_part}.{}", signature.replace(['-', '_'], "+")) + "+",
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("{array}.{signature}"),
    ] {
        assert_eq!(verdict(&snapshot, &token), "token_malformed", "{token}");
    }
    for token in [
        format!("{good}.x"),
        signed_part.to_owned(),
        "abc".to_owned(),
    ] {
        assert_eq!(
            verdict(&snapshot, &token),
            "credential_malformed",
            "{token}"
        );
    }
    let long = with(claims(), json!({"padding": "x".repeat(8_192)}));
    assert_eq!(signed(&snapshot, head(), long), "token_too_long");
    let deep = format!(
        r#"{{"iss":"{URL}","x":{}1{}}}"#,
        "[".repeat(20),
        "]".repeat(20)
    );
    let deep = Signer::ed25519().token(&head().to_string(), &deep);
    assert_eq!(verdict(&snapshot, &deep), "token_malformed");
}

#[test]
fn a_token_with_another_byte_anywhere_is_refused() {
    let snapshot = open(json!({}));
    let good = Signer::ed25519().token(&head().to_string(), &claims().to_string());
    for place in 0..good.len() {
        let mut token = good.clone().into_bytes();
        token[place] = if token[place] == b'A' { b'B' } else { b'A' };
        let token = String::from_utf8(token).unwrap();
        assert_ne!(verdict(&snapshot, &token), "ok", "{place}");
    }
}

#[test]
fn a_token_stands_in_authorization_alone() {
    let snapshot = open(json!({}));
    let token = Signer::ed25519().token(&head().to_string(), &claims().to_string());
    let mut elsewhere = HeaderMap::new();
    elsewhere.insert("x-api-key", HeaderValue::try_from(token.as_str()).unwrap());
    let refusal = snapshot.identify(&elsewhere, ADDRESS, at(0)).unwrap_err();
    assert_eq!(refusal.code(), "credential_malformed");

    let mut both = headers(&token);
    both.insert("x-api-key", HeaderValue::from_static("key"));
    let refusal = snapshot.identify(&both, ADDRESS, at(0)).unwrap_err();
    assert_eq!(refusal.code(), "credentials_several");
}
