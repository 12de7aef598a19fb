//! Tokens of issuers: which are taken, as whom, and why others are not.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tollgate_gate::{Meter, Refusal, Rejected, Snapshot};
use tollgate_store::document::Entry;

use crate::documents::*;
use crate::meter::quota;

const URL: &str = "https://login.example.com/";
/// [`at`]`(0)`, in seconds since 1970.
const NOW: i64 = 1_780_272_000;

fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// An issuer's key.
enum Signer {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl Signer {
    fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap())
    }

    fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn rsa(encoding: &'static dyn RsaEncoding) -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap(), encoding)
    }

    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": base64(pair.public_key())})
            }
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "kid": id, "x": base64(&point[1..33]), "y": base64(&point[33..])})
            }
            Self::Rsa(pair, _) => {
                // Two numbers as DER (RFC 8017, appendix A.1.1): of 2,048 bits, each has its place.
                let key = pair.public_key().as_ref();
                json!({
                    "kty": "RSA", "kid": id, "use": "sig",
                    "n": base64(&key[9..265]), "e": base64(&key[267..]),
                })
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                signature.unwrap().as_ref().to_vec()
            }
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let random = SystemRandom::new();
                pair.sign(*encoding, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    /// A token with that head and those claims, to the letter.
    fn token(&self, head: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64(head), base64(claims));
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", base64(signature))
    }
}

fn head() -> Value {
    json!({"alg": "EdDSA", "kid": "k1", "typ": "at+jwt"})
}

fn claims() -> Value {
    json!({
        "iss": URL, "aud": "orders", "sub": "acme", "exp": NOW + 60, "iat": NOW, "scope": "a openid",
    })
}

/// `value` with `more` in place of what it says of the same.
fn with(mut value: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("members are an object")
    };
    value.as_object_mut().unwrap().extend(more);
    value
}

fn without(mut value: Value, member: &str) -> Value {
    value.as_object_mut().unwrap().remove(member).unwrap();
    value
}

fn issuer(jwk: Value, more: Value) -> Entry {
    let keys = json!({"keys": [jwk]}).to_string();
    let spec = json!({"url": URL, "audiences": ["orders", "billing"], "jwks": keys});
    entry("issuer", "login", with(spec, more))
}

/// Scopes `a`, `b` and `c`, each of one path, roles `ab` and `bc`, and the issuer.
fn world(jwk: Value, more: Value) -> Vec<Entry> {
    let mut entries = open_world();
    for letter in ["a", "b", "c"] {
        entries.push(scope(letter, &format!("/{letter}")));
    }
    entries.push(role("ab", &["a", "b"]));
    entries.push(role("bc", &["b", "c"]));
    entries.push(issuer(jwk, more));
    entries
}

/// A world whose issuer takes anybody's tokens.
fn open(more: Value) -> Snapshot {
    let more = with(json!({"any_subject": true}), more);
    build(&world(Signer::ed25519().jwk("k1"), more))
}

fn headers(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    headers.insert("authorization", value);
    headers
}

/// What a token is taken for: `ok`, or the reason why it is not.
fn verdict(snapshot: &Snapshot, token: &str) -> &'static str {
    let result = snapshot.identify(&headers(token), ADDRESS, at(0));
    result.map_or_else(|refusal| refusal.code(), |_| "ok")
}

/// The same of a token that the issuer signed.
fn signed(snapshot: &Snapshot, head: Value, claims: Value) -> &'static str {
    let token = Signer::ed25519().token(&head.to_string(), &claims.to_string());
    verdict(snapshot, &token)
}

/// Which of the paths `/a`, `/b` and `/c` a token with these claims opens.
fn opened(snapshot: &Snapshot, claims: Value) -> String {
    let token = Signer::ed25519().token(&head().to_string(), &claims.to_string());
    let principal = snapshot.identify(&headers(&token), ADDRESS, at(0)).unwrap();
    let is_open = |letter: &&str| {
        let target = target("GET", "api.example.com", &format!("/{letter}")).unwrap();
        snapshot.authorize(&principal, &target).is_ok()
    };
    ["a", "b", "c"].into_iter().filter(is_open).collect()
}

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

#[test]
fn scopes_and_roles_of_a_token_are_those_of_the_same_name() {
    let snapshot = open(json!({"roles_claim": "realm.roles"}));

    assert_eq!(opened(&snapshot, claims()), "a");
    let claims = with(claims(), json!({"scope": ["b", "nothing"]}));
    assert_eq!(opened(&snapshot, claims.clone()), "b");
    let claims = with(claims, json!({"realm": {"roles": ["bc", "x"]}}));
    assert_eq!(opened(&snapshot, claims.clone()), "bc");
    assert_eq!(
        opened(&snapshot, without(without(claims, "realm"), "scope")),
        ""
    );
}

#[test]
fn scopes_and_roles_of_a_token_are_what_the_issuer_says_they_are() {
    let snapshot = open(json!({
        "scope_claim": "scp", "roles_claim": "groups",
        "scopes": {"api/read": "b"}, "roles": {"team-1": "ab"},
    }));
    let claims = with(claims(), json!({"scp": "api/read a c"}));

    assert_eq!(opened(&snapshot, claims.clone()), "b");
    let claims = with(claims, json!({"groups": "team-1 bc"}));
    assert_eq!(opened(&snapshot, claims), "ab");
}

#[test]
fn a_principals_subject_may_do_what_the_principal_may() {
    let world = |more: Value| {
        let mut entries = world(Signer::ed25519().jwk("k1"), more);
        let subjects = json!([
            {"issuer": "login", "value": "acme"},
            {"issuer": "login", "claim": "client_id", "value": "batch"},
        ]);
        let fields = json!({"roles": ["bc"], "subjects": subjects});
        entries.push(principal("buyer", fields));
        build(&entries)
    };
    let snapshot = world(json!({}));
    assert_eq!(opened(&snapshot, claims()), "bc");
    let by_client = with(claims(), json!({"sub": "x", "client_id": "batch"}));
    assert_eq!(opened(&snapshot, by_client), "bc");
    let stranger = with(claims(), json!({"sub": "x"}));
    assert_eq!(signed(&snapshot, head(), stranger), "token_subject_unknown");

    let narrowing = world(json!({"narrow": true}));
    let claims = with(claims(), json!({"scope": "a b"}));
    assert_eq!(opened(&narrowing, claims.clone()), "b");
    assert_eq!(opened(&narrowing, without(claims, "scope")), "");
}

#[test]
fn a_token_of_two_principals_is_nobodys() {
    let mut entries = world(Signer::ed25519().jwk("k1"), json!({"any_subject": true}));
    let subject = |claim: &str| json!([{"issuer": "login", "claim": claim, "value": "acme"}]);
    entries.push(principal("one", json!({"subjects": subject("sub")})));
    entries.push(principal("two", json!({"subjects": subject("client_id")})));
    let snapshot = build(&entries);

    let claims = with(claims(), json!({"client_id": "acme"}));
    assert_eq!(signed(&snapshot, head(), claims), "token_subject_ambiguous");
}

#[test]
fn a_disabled_principal_or_issuer_opens_nothing() {
    let mut entries = world(Signer::ed25519().jwk("k1"), json!({}));
    let subjects = json!([{"issuer": "login", "value": "acme"}]);
    entries.push(principal(
        "buyer",
        json!({"enabled": false, "subjects": subjects}),
    ));
    assert_eq!(
        signed(&build(&entries), head(), claims()),
        "principal_disabled"
    );

    let disabled = open(json!({"enabled": false}));
    assert_eq!(signed(&disabled, head(), claims()), "token_issuer_disabled");
}

#[test]
fn a_subject_that_no_principal_has_must_be_a_plain_text() {
    let snapshot = open(json!({"subject_claim": "client_id"}));
    for (subject, expected) in [
        (json!("acme"), "ok"),
        (json!("a\r\nx-admin: 1"), "token_claim"),
        (json!(""), "token_claim"),
        (json!("x".repeat(256)), "token_claim"),
        (json!(7), "token_claim"),
    ] {
        let claims = with(claims(), json!({ "client_id": subject }));
        assert_eq!(signed(&snapshot, head(), claims), expected, "{subject}");
    }
    assert_eq!(signed(&snapshot, head(), claims()), "token_claim_missing");
}

#[test]
fn each_subject_has_a_quota_of_its_own() {
    let more = json!({"any_subject": true, "quotas": ["one"]});
    let mut entries = world(Signer::ed25519().jwk("k1"), more);
    entries.push(quota("one", "principal", &[(1, "1m")]));
    let snapshot = build(&entries);
    let meter = Meter::default();
    let get = |subject: &str| {
        let claims = with(claims(), json!({ "sub": subject }));
        let token = Signer::ed25519().token(&head().to_string(), &claims.to_string());
        let principal = snapshot.identify(&headers(&token), ADDRESS, at(0)).unwrap();
        let target = target("GET", "api.example.com", "/a").unwrap();
        let grant = snapshot.authorize(&principal, &target).unwrap();
        let admitted = meter.admit(&grant, ADDRESS, at(0));
        admitted.map_or_else(|refusal| refusal.code(), |_| "ok")
    };

    assert_eq!(get("one"), "ok");
    assert_eq!(get("one"), "quota_exceeded");
    assert_eq!(get("two"), "ok");
}

#[test]
fn without_the_keys_of_an_issuer_the_proxy_is_not_ready_for_its_tokens() {
    let mut entries = open_world();
    let spec = json!({"url": URL, "audiences": ["orders"]});
    entries.push(entry("issuer", "login", spec));
    let snapshot = build(&entries);

    let token = Signer::ed25519().token(&head().to_string(), &claims().to_string());
    let refusal = snapshot
        .identify(&headers(&token), ADDRESS, at(0))
        .unwrap_err();

    let Refusal::IssuerUnready { issuer } = refusal else {
        panic!("{refusal:?}");
    };
    assert_eq!(snapshot.issuer(issuer).unwrap().name.as_str(), "login");
}

fn rejected(entries: &[Entry]) -> Vec<String> {
    let (_, rejected) = build_with_rejected(entries);
    let id = |rejected: &Rejected| format!("{} {}", rejected.id.kind, rejected.id.name);
    rejected.iter().map(id).collect()
}

#[test]
fn an_issuer_or_subject_that_cant_be_told_from_another_is_left_out() {
    let jwk = Signer::ed25519().jwk("k1");
    let mut entries = world(jwk.clone(), json!({}));
    let twin = json!({"url": URL, "audiences": ["x"]});
    entries.push(entry("issuer", "twin", twin));
    assert_eq!(rejected(&entries), ["issuer login", "issuer twin"]);

    let mut entries = world(jwk.clone(), json!({}));
    let subjects = json!([{"issuer": "login", "value": "acme"}]);
    entries.push(principal("one", json!({ "subjects": subjects })));
    let spelt = json!([{"issuer": "login", "claim": "sub", "value": "acme"}]);
    entries.push(principal("two", json!({"subjects": spelt})));
    let elsewhere = json!([{"issuer": "none", "value": "acme"}]);
    entries.push(principal("three", json!({"subjects": elsewhere})));
    assert_eq!(
        rejected(&entries),
        ["principal one", "principal three", "principal two"]
    );

    let entries = world(jwk, json!({"scopes": {"x": "missing"}}));
    assert_eq!(rejected(&entries), ["issuer login"]);
    let useless = json!({"kty": "oct", "kid": "k1"});
    assert_eq!(rejected(&world(useless, json!({}))), ["issuer login"]);
}
