//! Upstreams that are shown tokens which are exchanged for the callers'.

use serde_json::json;
use tollgate_gate::Caller as Asker;
use tollgate_store::document::Entry;

use super::{ORDERS, decide, world};
use crate::documents::*;

/// A world whose upstream is shown what tokens are exchanged for, and an issuer whose tokens may do everything.
fn exchanging(more: serde_json::Value) -> Vec<Entry> {
    let mut exchange = json!({
        "token_url": "https://login.example.com/token", "client_id": "edge", "client_secret": "file:/s",
    });
    let fields = exchange.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    let mut entries = world();
    let spec = json!({
        "targets": ["https://10.0.0.1"], "credential": {"token_exchange": exchange},
    });
    entries[1] = entry("upstream", "orders", spec);
    for issuer in ["login", "other"] {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let spec = json!({
            "url": format!("https://{issuer}.example.com/"), "audiences": ["orders"], "any_subject": true,
            "jwks": json!({"keys": [key]}).to_string(),
        });
        entries.push(entry("issuer", issuer, spec));
    }
    entries
}

#[test]
fn who_has_no_token_to_exchange_is_refused_before_anything_is_charged() {
    let (login, other) = (name("login"), name("other"));
    let claims = r#"{"aud": "orders", "sub": "alice", "scope": "all"}"#;
    let all = exchanging(json!({}));
    let some = exchanging(json!({"issuers": ["login"]}));
    for (entries, caller, expected) in [
        (&all, Asker::Claims(&login, claims), "allowed"),
        (&all, Asker::Claims(&other, claims), "allowed"),
        (&all, Asker::KeyName("alone"), "credential_not_exchanged"),
        (&some, Asker::Claims(&login, claims), "allowed"),
        (
            &some,
            Asker::Claims(&other, claims),
            "credential_not_exchanged",
        ),
        (&some, Asker::KeyName("alone"), "credential_not_exchanged"),
    ] {
        let decision = decide(entries, &get(ORDERS, caller));
        assert_eq!(decision.code, expected, "{caller:?}: {}", decision.reason);
    }

    let decision = decide(&all, &get(ORDERS, Asker::KeyName("acme-ci")));
    assert_eq!(
        decision.reason,
        "scope \"orders:read\" would do, but upstream \"orders\" is shown a token that is exchanged for the caller's, and a \
         key is never"
    );
    assert_eq!(decision.upstream, None);
}

#[test]
fn nobody_gets_through_an_open_route_to_an_upstream_that_is_shown_exchanged_tokens() {
    let mut entries = exchanging(json!({}));
    let spec =
        json!({"proxy": "edge", "path": "/v1/orders/**", "upstream": "orders", "anonymous": true});
    entries[2] = entry("route", "orders", spec);

    let decision = decide(&entries, &get(ORDERS, Asker::Nobody));

    assert_eq!(decision.code, "credential_missing");
}
