//! Wrong values of issuers.

use serde_json::{Value as Json, json};

use super::{Mistake, many};
use crate::samples::{self, Sample};

pub(super) fn all() -> (Sample, Vec<Mistake>) {
    let mistakes = vec![
        ("url", json!("login.example.com")),
        ("url", json!("http://login.example.com/")),
        ("url", json!("https://169.254.169.254/")),
        ("url", json!("https://me@login.example.com/")),
        ("url", json!("https://login.example.com/?tenant=1")),
        ("jwks_url", json!("http://keys.example.com/")),
        ("jwks_url", json!("ldap://keys.example.com/")),
        ("jwks", json!("https://login.example.com/keys")),
        ("jwks", json!("{\"keys\": []}")),
        (
            "jwks",
            json!("{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}"),
        ),
        ("jwks", json!("{\"keys\": [{\"kty\": \"RSA\"}]}")),
        ("audiences", json!([])),
        ("audiences", json!(["the orders"])),
        ("algorithms", json!(["none"])),
        ("algorithms", json!(["HS256"])),
        ("algorithms", json!(["rs256"])),
        ("clock_skew", json!("6m")),
        ("clock_skew", json!("30")),
        ("token_types", json!([])),
        ("token_types", json!(["access token"])),
        ("scope_claim", json!("")),
        ("roles_claim", json!("the roles")),
        ("subject_claim", json!("x".repeat(201))),
        ("principal_claim", json!("")),
        ("ca", json!("/etc/ca.pem")),
        (
            "ca",
            json!("arn:aws:acm:eu-west-1:123456789012:certificate/1"),
        ),
        (
            "introspection",
            asked(&json!({"url": "http://login.example.com/introspect"})),
        ),
        ("introspection", asked(&json!({"client_secret": "hush"}))),
        (
            "introspection",
            asked(&json!({"method": "private_key_jwt"})),
        ),
        ("introspection", asked(&json!({"token_prefix": ""}))),
        ("introspection", asked(&json!({"cache": "2m"}))),
        ("introspection", asked(&json!({"timeout": "6s"}))),
        ("introspection", asked(&json!({"calls_per_second": 0}))),
        ("scopes", json!({"api/read": "orders read"})),
        ("roles", json!({})),
        ("quotas", many(|n| format!("q{n}"), 9)),
    ];
    (samples::issuer(), mistakes)
}

/// How an issuer is asked, with what is wrong about it.
fn asked(wrong: &Json) -> Json {
    let mut asked = json!({
        "url": "https://login.example.com/introspect",
        "client_id": "tollgate",
        "client_secret": "file:/etc/tollgate/introspection",
    });
    let wrong = wrong.as_object().unwrap().clone();
    asked.as_object_mut().unwrap().extend(wrong);
    asked
}
