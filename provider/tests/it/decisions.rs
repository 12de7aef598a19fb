//! What a proxy would answer.

use serde_json::{Value as Json, json};
use tollgate_provider::value::{Value, to_json};
use tollgate_store::document::Kind;
use tollgate_store::{KeyId, Name};

use crate::asking::Asked;
use crate::backend::{Fault, Unreliable};
use crate::sets;
use crate::terraform::{Terraform, namespace};
use crate::words::texts;

const DECISION: &str = "tollgate_decision";

/// One route, for whoever has the scope, ten times a minute: the key `acme-ci`, those of a set, a principal.
async fn served() -> Terraform {
    let terraform = Terraform::new().await;
    let store = &terraform.store;
    let named = |name: &str| KeyId::derive(&namespace(), &Name::parse(name).unwrap());
    let version =
        json!({"version": 1, "sha256": "00".repeat(32), "created_at": "2026-01-01T00:00:00Z"});
    for (kind, name, spec) in [
        (
            Kind::Scope,
            "orders:read",
            json!({"grants": [{"methods": ["GET"], "path": "/v1/orders/**"}]}),
        ),
        (
            Kind::Quota,
            "free",
            json!({"limits": [{"requests": 10, "per": "1m"}]}),
        ),
        (Kind::Role, "partner", json!({"scopes": ["orders:read"]})),
        (Kind::Principal, "acme", json!({"roles": ["partner"]})),
        (
            Kind::Upstream,
            "orders",
            json!({"targets": ["http://orders.internal"]}),
        ),
        (
            Kind::Route,
            "orders",
            json!({"proxy": "edge", "path": "/v1/**", "upstream": "orders"}),
        ),
        (
            Kind::Proxy,
            "edge",
            json!({"listen": [{"address": "127.0.0.1:8080"}]}),
        ),
        (
            Kind::Key,
            "acme-ci",
            json!({
                "id": named("acme-ci"), "scopes": ["orders:read"], "quotas": ["free"], "versions": [version],
                "allowed_cidrs": ["127.0.0.1", "10.0.0.0/8"], "expires_at": "2046-01-01T00:00:00Z",
            }),
        ),
    ] {
        sets::put(store, kind, name, spec).await;
    }
    terraform
}

/// A request that the key `acme-ci` may make, with something else about it.
fn request(other: Json) -> Json {
    let mut asked = json!({
        "proxy": "edge", "method": "GET", "host": "api.example.com", "path": "/v1/orders/1", "key": "acme-ci",
    });
    let Json::Object(other) = other else {
        panic!("{other} is no object");
    };
    asked.as_object_mut().unwrap().extend(other);
    asked
}

async fn decide(terraform: &Terraform, other: Json) -> Json {
    let answer = terraform.ask(DECISION, &request(other)).await.answer();
    to_json(&answer).unwrap()
}

#[tokio::test]
async fn a_request_that_is_let_through_is_told_with_what_lets_it() {
    let terraform = served().await;

    let decision = decide(&terraform, json!({})).await;

    let expected = [
        ("allowed", json!(true)),
        ("code", json!("allowed")),
        ("key_name", json!("acme-ci")),
        ("scope", json!("orders:read")),
        ("route", json!("orders")),
        ("upstream", json!("orders")),
        ("quotas", json!(["free"])),
        ("address", json!("127.0.0.1")),
        ("requests", json!(1)),
    ];
    for (name, value) in expected {
        assert_eq!(decision[name], value, "{name}");
    }
    for name in [
        "at",
        "quota",
        "limit",
        "retry_after_seconds",
        "principal_name",
    ] {
        assert_eq!(decision.get(name), None, "{name}");
    }
}

#[tokio::test]
async fn whatever_refuses_is_told_by_its_code() {
    let terraform = served().await;
    let id = KeyId::derive(&namespace(), &Name::parse("acme-ci").unwrap());

    for (other, code) in [
        (json!({"method": "POST"}), "scope_insufficient"),
        (json!({"path": "/v2"}), "scope_insufficient"),
        (json!({"path": "/v1/orders/../x"}), "path_dot_segment"),
        (json!({"key": null}), "credential_missing"),
        (json!({"address": "192.0.2.1"}), "credential_address"),
        (json!({"at": "2046-01-01T00:00:00Z"}), "credential_expired"),
        (json!({"requests": 11}), "quota_exceeded"),
        (
            json!({"key": null, "key_id": id, "requests": 11}),
            "quota_exceeded",
        ),
    ] {
        let decision = decide(&terraform, other.clone()).await;
        assert_eq!(
            (&decision["allowed"], &decision["code"]),
            (&json!(false), &json!(code)),
            "{other}"
        );
        assert!(decision["reason"].as_str().unwrap().len() > 10, "{other}");
    }
}

#[tokio::test]
async fn a_used_up_quota_says_when_it_has_room_again() {
    let terraform = served().await;

    let tenth = decide(&terraform, json!({"requests": 10})).await;
    let eleventh = decide(&terraform, json!({"requests": 11})).await;

    assert_eq!(tenth["allowed"], true);
    assert_eq!(eleventh["quota"], "free");
    assert_eq!(eleventh["limit"], "10 requests in 60 seconds");
    let seconds = eleventh["retry_after_seconds"].as_u64().unwrap();
    assert!((60..=61).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_principal_and_a_key_of_a_set_can_ask() {
    let terraform = served().await;
    sets::partners(&terraform.store).await;

    let principal = decide(&terraform, json!({"key": null, "principal": "acme"})).await;
    let member = decide(
        &terraform,
        json!({"key": "partners/c", "at": "2029-01-01T00:00:00Z"}),
    )
    .await;
    let disabled = decide(&terraform, json!({"key": "partners/b"})).await;

    assert_eq!(
        (&principal["allowed"], &principal["principal_name"]),
        (&json!(true), &json!("acme"))
    );
    assert_eq!(
        (&member["allowed"], &member["key_name"]),
        (&json!(true), &json!("partners/c"))
    );
    assert_eq!(disabled["code"], "credential_disabled");
}

#[tokio::test]
async fn a_decision_is_about_what_the_store_holds_now() {
    let terraform = served().await;
    let other = json!({"key": "partners/c", "at": "2029-01-01T00:00:00Z"});

    let Asked { value, diagnostics } = terraform.ask(DECISION, &request(other.clone())).await;
    let before = to_json(&value.unwrap()).unwrap();
    assert_eq!(
        texts(&diagnostics),
        [
            "warning @.key\nThere is no key \"partners/c\"\nMemory, namespace \"prod\" holds no key \"partners/c\", or none \
             that proxies can read: the decision is about one that is not there. Check how it is written; where \
             something of this configuration makes it, add a `depends_on`."
        ]
    );
    sets::partners(&terraform.store).await;
    let after = decide(&terraform, other).await;

    assert_eq!(
        (&before["allowed"], &after["allowed"]),
        (&json!(false), &json!(true))
    );
}

#[tokio::test]
async fn another_proxy_has_other_routes() {
    let terraform = served().await;
    let proxy = json!({"listen": [{"address": "127.0.0.1:8081"}]});
    sets::put(&terraform.store, Kind::Proxy, "inner", proxy).await;

    let edge = decide(&terraform, json!({})).await;
    let inner = decide(&terraform, json!({"proxy": "inner"})).await;

    assert_eq!(edge["code"], "allowed");
    assert_eq!(inner["code"], "route_missing");
}

#[tokio::test]
async fn a_request_has_one_caller() {
    let terraform = served().await;

    let Asked { value, diagnostics } = terraform
        .ask(DECISION, &request(json!({"principal": "acme"})))
        .await;

    assert_eq!(value, None);
    assert_eq!(
        texts(&diagnostics),
        [
            "error @.principal\nInvalid principal\nBoth key and principal are given, but a request comes from one caller: \
             give one of key, key_id, principal, claims and certificate, or none of them for a caller without a credential."
        ]
    );
}

#[tokio::test]
async fn wrong_words_are_told_at_their_places() {
    let terraform = served().await;
    let other = json!({
        "address": "localhost", "at": "noon", "requests": 0, "proxy": "-", "key_id": "short", "key": null,
        "method": "get", "host": "https://api.example.com", "path": "v1/orders",
    });

    let Asked { diagnostics, .. } = terraform.ask(DECISION, &request(other)).await;

    let summaries: Vec<_> = diagnostics.iter().map(|one| one.summary.as_str()).collect();
    assert_eq!(
        summaries,
        [
            "Invalid proxy",
            "Invalid method",
            "Invalid host",
            "Invalid path",
            "Invalid key_id",
            "Invalid address",
            "Invalid at",
            "Invalid requests"
        ]
    );
}

#[tokio::test]
async fn a_name_that_nothing_has_is_told_where_it_stands() {
    let terraform = served().await;
    let id = KeyId::derive(&namespace(), &Name::parse("nobody").unwrap());

    for (other, attribute) in [
        (json!({"key": "acme-c1"}), "key"),
        (json!({"key": null, "key_id": id}), "key_id"),
        (json!({"key": null, "principal": "nobody"}), "principal"),
        (json!({"proxy": "egde"}), "proxy"),
    ] {
        let Asked { value, diagnostics } = terraform.ask(DECISION, &request(other.clone())).await;

        assert!(value.is_some(), "{other}");
        let [warning] = texts(&diagnostics).try_into().unwrap();
        assert!(
            warning.starts_with(&format!("warning @.{attribute}\nThere is no ")),
            "{warning}"
        );
    }
}

#[tokio::test]
async fn unknown_callers_are_never_too_many() {
    let terraform = served().await;
    let Value::Object(mut config) = terraform.data_config(DECISION, &request(json!({}))).await
    else {
        panic!("a configuration is an object");
    };
    for name in ["key_id", "principal", "requests", "at", "address"] {
        config.insert(name.to_owned(), Value::Unknown);
    }

    let problems = terraform
        .validate_data(DECISION, &Value::Object(config))
        .await;

    assert_eq!(problems, []);
}

#[tokio::test]
async fn a_store_that_fails_is_an_error() {
    let (terraform, store) = Unreliable::terraform().await;
    store.fail("list", Fault::Refused);

    let Asked { value, diagnostics } = terraform.ask(DECISION, &request(json!({}))).await;

    assert_eq!(value, None);
    assert_eq!(diagnostics[0].summary, "The store was not read");
}

#[tokio::test]
async fn the_claims_of_an_issuers_token_stand_in_for_the_token() {
    let terraform = served().await;
    let issuer = json!({
        "url": "https://login.example.com", "audiences": ["orders"], "any_subject": true,
    });
    sets::put(&terraform.store, Kind::Issuer, "login", issuer).await;
    let claims = |scope: &str| {
        let claims = json!({"aud": "orders", "sub": "alice", "scope": scope}).to_string();
        json!({"key": null, "issuer": "login", "claims": claims})
    };

    let allowed = decide(&terraform, claims("orders:read")).await;
    assert_eq!(allowed["code"], "allowed", "{allowed}");
    let refused = decide(&terraform, claims("openid")).await;
    assert_eq!(refused["code"], "scope_insufficient", "{refused}");
}

#[tokio::test]
async fn claims_have_an_issuer_and_are_no_token() {
    let terraform = served().await;
    for (other, place) in [
        (json!({"key": null, "claims": "{}"}), "@.issuer"),
        (json!({"key": null, "issuer": "login"}), "@.claims"),
        (
            json!({"key": null, "issuer": "login", "claims": "eyJhbGciOiJub25lIn0.hush."}),
            "@.claims",
        ),
    ] {
        let Asked { diagnostics, .. } = terraform.ask(DECISION, &request(other)).await;
        let told = texts(&diagnostics);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(place), "{told:?}");
        assert!(!told[0].contains("hush"), "{told:?}");
    }
}
