//! What is remembered of tokens, and what issuers say of them.

use std::sync::Arc;

use serde_json::{Value, json};
use tollgate_gate::{
    Caller, GivenKeys, Introspection, IssuerKeys, JsonWebKeys, NoKeys, Presented, Rejected,
    Snapshot, TokenDigest, TokenMemory,
};
use tollgate_store::{Name, Secret};

use super::*;
use crate::documents::*;

/// The keys that an issuer publishes.
#[derive(Debug)]
struct Published(Arc<JsonWebKeys>);

impl Published {
    fn of(keys: &[Value]) -> Self {
        let set = json!({ "keys": keys }).to_string();
        Self(Arc::new(JsonWebKeys::parse(set.as_bytes()).unwrap()))
    }
}

impl IssuerKeys for Published {
    fn keys(&self, _issuer: &Name) -> Option<Arc<JsonWebKeys>> {
        Some(Arc::clone(&self.0))
    }
}

/// What the issuer `login` says of one token.
struct Said(TokenDigest, Arc<Introspection>);

impl Said {
    fn of(token: &str, answer: &Value) -> Self {
        let answer = Introspection::parse(answer.to_string().as_bytes()).unwrap();
        Self(TokenDigest::of(token.as_bytes()), Arc::new(answer))
    }
}

impl IssuerKeys for Said {
    fn keys(&self, _issuer: &Name) -> Option<Arc<JsonWebKeys>> {
        None
    }

    fn introspection(&self, issuer: &Name, token: &TokenDigest) -> Option<Arc<Introspection>> {
        (issuer.as_str() == "login" && *token == self.0).then(|| Arc::clone(&self.1))
    }
}

/// What becomes of a token after so many seconds.
fn verdict_by(
    snapshot: &Snapshot,
    token: &str,
    (keys, memory, seconds): (&dyn IssuerKeys, &TokenMemory, u64),
) -> &'static str {
    let presented = Presented {
        trail: None,
        certificate: None,
        headers: &headers(token),
        address: Some(ADDRESS),
        keys,
        memory: Some(memory),
        sent: None,
    };
    let result = snapshot.identify_presented(&presented, at(seconds * 1_000));
    result.map_or_else(|refusal| refusal.code(), |_| "ok")
}

fn remote(more: Value) -> Snapshot {
    let mut entries = world(Signer::ed25519().jwk("k1"), json!({}));
    entries.pop();
    let spec = json!({"url": URL, "audiences": ["orders"], "any_subject": true});
    entries.push(entry("issuer", "login", with(spec, more)));
    build(&entries)
}

fn token(key: &str) -> String {
    let head = with(head(), json!({ "kid": key }));
    Signer::ed25519().token(&head.to_string(), &claims().to_string())
}

#[test]
fn a_token_that_is_remembered_is_judged_anew_by_everything_but_its_signature() {
    let memory = TokenMemory::default();
    let keys = Published::of(&[Signer::ed25519().jwk("k1")]);
    let (snapshot, token) = (remote(json!({})), token("k1"));
    assert_eq!(verdict_by(&snapshot, &token, (&keys, &memory, 0)), "ok");
    assert_eq!(verdict_by(&snapshot, &token, (&keys, &memory, 90)), "ok");

    let late = verdict_by(&snapshot, &token, (&keys, &memory, 91));
    assert_eq!(late, "token_expired");
    for (more, expected) in [
        (json!({"audiences": ["others"]}), "token_audience"),
        (json!({"algorithms": ["ES256"]}), "token_algorithm"),
        (json!({"token_types": ["JWT"]}), "token_type"),
        (json!({"enabled": false}), "token_issuer_disabled"),
        (json!({"any_subject": false}), "token_subject_unknown"),
        (
            json!({"url": "https://other.example.com"}),
            "token_issuer_unknown",
        ),
    ] {
        let snapshot = remote(more.clone());
        let verdict = verdict_by(&snapshot, &token, (&keys, &memory, 0));
        assert_eq!(verdict, expected, "{more}");
    }
}

#[test]
fn a_token_whose_key_is_taken_away_opens_nothing_more() {
    let memory = TokenMemory::default();
    let (snapshot, token) = (remote(json!({})), token("k1"));
    let keys = Published::of(&[Signer::ed25519().jwk("k1")]);
    assert_eq!(verdict_by(&snapshot, &token, (&keys, &memory, 0)), "ok");

    let newer = Published::of(&[Signer::p256().jwk("k2")]);
    let verdict = verdict_by(&snapshot, &token, (&newer, &memory, 0));
    assert_eq!(verdict, "token_key_unknown");
    let unknown = verdict_by(&snapshot, &token, (&NoKeys, &memory, 0));
    assert_eq!(unknown, "issuer_keys_missing");
    assert_eq!(verdict_by(&snapshot, &token, (&keys, &memory, 0)), "ok");
}

#[test]
fn one_altered_byte_makes_another_token() {
    let memory = TokenMemory::default();
    let (snapshot, token) = (remote(json!({})), token("k1"));
    let keys = Published::of(&[Signer::ed25519().jwk("k1")]);
    assert_eq!(verdict_by(&snapshot, &token, (&keys, &memory, 0)), "ok");

    let (signed, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", base64([0; 64]));
    let verdict = verdict_by(&snapshot, &forged, (&keys, &memory, 0));
    assert_eq!(verdict, "token_signature");
}

fn asked(more: Value) -> Value {
    let spec = json!({
        "url": format!("{URL}introspect"), "client_id": "edge", "client_secret": "file:/etc/secret",
    });
    json!({"introspection": with(spec, more)})
}

fn said(snapshot: &Snapshot, token: &str, answer: Value) -> &'static str {
    let said = Said::of(token, &answer);
    verdict_by(snapshot, token, (&said, &TokenMemory::default(), 0))
}

fn active() -> Value {
    json!({"active": true, "sub": "acme", "aud": "orders", "scope": "a"})
}

#[test]
fn an_opaque_token_is_what_its_issuer_says_of_it() {
    let snapshot = remote(asked(json!({})));
    for (answer, expected) in [
        (active(), "ok"),
        (json!({"active": false}), "token_inactive"),
        (with(active(), json!({"aud": "others"})), "token_audience"),
        (without(active(), "aud"), "token_claim_missing"),
        (without(active(), "sub"), "token_claim_missing"),
        (with(active(), json!({"exp": NOW - 31})), "token_expired"),
        (with(active(), json!({"exp": NOW - 30})), "ok"),
        (with(active(), json!({"exp": "9999999999"})), "token_claim"),
        (
            with(active(), json!({"nbf": NOW + 31})),
            "token_not_yet_valid",
        ),
        (
            with(active(), json!({"iss": "https://other.example.com"})),
            "token_issuer_unknown",
        ),
        (with(active(), json!({"iss": URL})), "ok"),
    ] {
        assert_eq!(
            said(&snapshot, "opaque", answer.clone()),
            expected,
            "{answer}"
        );
    }
    let any = remote(asked(json!({"any_audience": true})));
    assert_eq!(said(&any, "opaque", without(active(), "aud")), "ok");
    let other = with(active(), json!({"aud": "others"}));
    assert_eq!(said(&any, "opaque", other), "token_audience");
}

#[test]
fn a_token_that_nobody_was_asked_about_waits_for_the_answer() {
    let memory = TokenMemory::default();
    let snapshot = remote(asked(json!({})));

    let said = Said::of("another", &active());
    let verdict = verdict_by(&snapshot, "opaque", (&said, &memory, 0));
    assert_eq!(verdict, "introspection_missing");
    let refusal = snapshot
        .identify(&headers("opaque"), ADDRESS, at(0))
        .unwrap_err();
    let issuer = refusal.wants_answer_of().unwrap();
    assert_eq!(snapshot.issuer(issuer).unwrap().name.as_str(), "login");
}

#[test]
fn a_prefix_tells_whose_an_opaque_token_is() {
    let snapshot = remote(asked(json!({"token_prefix": "op_"})));

    assert_eq!(said(&snapshot, "op_x", active()), "ok");
    assert_eq!(said(&snapshot, "xx_x", active()), "credential_malformed");
}

#[test]
fn a_mistyped_token_of_a_key_is_shown_to_no_issuer() {
    let snapshot = remote(asked(json!({})));

    assert_eq!(
        said(&snapshot, "tg_live_x", active()),
        "credential_malformed"
    );
}

#[test]
fn an_issuer_without_keys_is_asked_about_its_signed_tokens_too() {
    let token = token("k1");
    let snapshot = remote(asked(json!({})));
    assert_eq!(said(&snapshot, &token, active()), "ok");
    assert_eq!(
        said(&snapshot, &token, json!({"active": false})),
        "token_inactive"
    );

    let more = with(asked(json!({})), json!({"jwks_url": format!("{URL}keys")}));
    assert_eq!(said(&remote(more), &token, active()), "issuer_keys_missing");
}

#[test]
fn two_issuers_that_are_asked_about_the_same_tokens_are_left_out() {
    let names = |first: Value, second: Value| -> Vec<_> {
        let mut entries = open_world();
        for (name, more) in [("one", first), ("two", second)] {
            let url = format!("https://{name}.example.com");
            let spec = json!({"url": url, "audiences": ["orders"]});
            entries.push(entry("issuer", name, with(spec, asked(more))));
        }
        let (_, rejected) = build_with_rejected(&entries);
        let name = |rejected: &Rejected| rejected.id.name.clone();
        rejected.iter().map(name).collect()
    };

    assert_eq!(names(json!({}), json!({})), ["one", "two"]);
    let prefix = json!({"token_prefix": "a_"});
    assert_eq!(names(prefix.clone(), prefix.clone()), ["one", "two"]);
    assert_eq!(names(json!({}), prefix), Vec::<String>::new());
}

#[test]
fn a_claim_may_name_the_principal_itself() {
    let mut entries = world(Signer::ed25519().jwk("k1"), json!({}));
    entries.pop();
    let more = json!({"principal_claim": "actor", "any_subject": false});
    entries.push(issuer(Signer::ed25519().jwk("k1"), more));
    entries.push(principal("acme", json!({"roles": ["bc"]})));
    entries.push(principal(
        "gone",
        json!({"roles": ["bc"], "enabled": false}),
    ));
    let snapshot = build(&entries);

    let claims = |actor: &str| with(claims(), json!({ "actor": actor }));
    assert_eq!(opened(&snapshot, claims("acme")), "bc");
    let gone = signed(&snapshot, head(), claims("gone"));
    assert_eq!(gone, "principal_disabled");
    let nobody = signed(&snapshot, head(), claims("nobody"));
    assert_eq!(nobody, "token_subject_unknown");
}

/// What becomes of `GET` of a path.
fn decided(snapshot: &Snapshot, caller: Caller<'_>, path: &str) -> &'static str {
    let question = get(path, caller);
    snapshot.simulate(&question, &[]).code
}

#[test]
fn claims_are_decided_as_a_token_that_says_them() {
    let snapshot = open(json!({}));
    let (login, other) = (name("login"), name("other"));
    let code = |issuer: &Name, claims: &str, path: &str| {
        decided(&snapshot, Caller::Claims(issuer, claims), path)
    };
    let good = json!({"aud": "orders", "sub": "acme", "scope": "a"}).to_string();

    assert_eq!(code(&login, &good, "/a"), "allowed");
    assert_eq!(code(&login, &good, "/b"), "scope_insufficient");
    assert_eq!(code(&other, &good, "/a"), "token_issuer_unknown");
    for (more, expected) in [
        (json!({"aud": "others"}), "token_audience"),
        (json!({"sub": ""}), "token_claim"),
        (json!({"exp": NOW - 31}), "token_expired"),
        (json!({"iss": "x"}), "token_issuer_unknown"),
    ] {
        let good = json!({"aud": "orders", "sub": "acme", "scope": "a"});
        let claims = with(good, more).to_string();
        assert_eq!(code(&login, &claims, "/a"), expected, "{claims}");
    }
    assert_eq!(code(&login, "x", "/a"), "token_malformed");
}

#[test]
fn a_token_is_decided_by_the_keys_that_are_given() {
    let snapshot = remote(json!({}));
    let secret = Secret::new(token("k1"));
    let issuer = snapshot.issuer_named_by(secret.expose()).unwrap();
    assert_eq!(issuer.name, name("login"));
    for (signer, expected) in [
        (Signer::ed25519(), "allowed"),
        (Signer::p256(), "token_key_unknown"),
    ] {
        let keys = GivenKeys(Published::of(&[signer.jwk("k1")]).0);
        let caller = Caller::SignedToken(&secret, &keys);
        assert_eq!(decided(&snapshot, caller, "/a"), expected);
    }
}
