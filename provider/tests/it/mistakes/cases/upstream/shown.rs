//! Wrong values of what upstreams are told and shown.

use serde_json::json;

use super::super::Mistake;

pub(super) fn all() -> Vec<Mistake> {
    let shown = secrets().into_iter().chain(tokens_and_signatures());
    let forwarded = ("forward_credential", json!(true));
    told().into_iter().chain(shown).chain([forwarded]).collect()
}

/// What they are told of who asks.
fn told() -> Vec<Mistake> {
    vec![
        ("identity", json!({})),
        (
            "identity",
            json!({"principal": "X-User", "key": "host", "scopes": "x-forwarded-for"}),
        ),
        ("identity", json!({"principal": "x-user", "key": "x-user"})),
        ("identity", json!({"principal": "authorization"})),
        (
            "identity",
            json!({"principal": "cookie", "key": "dpop", "subject": "proxy-authorization", "issuer": "transfer-encoding"}),
        ),
        (
            "identity",
            json!({"jwt": {"header": "x-api-key", "issuer": "a", "audience": "b", "key": "file:/k"}}),
        ),
        (
            "identity",
            json!({"subject": "x-caller", "issuer": "x-caller"}),
        ),
        (
            "identity",
            json!({"jwt": {"header": "x-caller", "issuer": "", "audience": "a b", "key": "hush"}}),
        ),
        (
            "identity",
            json!({"jwt": {"header": "x-caller", "issuer": "a", "audience": "b", "ttl": "6m", "key": "file:/k"}}),
        ),
    ]
}

/// Secrets that they are shown.
fn secrets() -> Vec<Mistake> {
    vec![
        ("credential", json!({})),
        (
            "credential",
            json!({
                "header": {"name": "x-key", "value": "file:/k"},
                "basic": {"username": "a", "password": "file:/k"},
            }),
        ),
        (
            "credential",
            json!({"header": {"name": "Cookie", "value": "Bearer hush"}}),
        ),
        (
            "credential",
            json!({"header": {"name": "proxy-authorization", "value": "file:/k"}, "plaintext": true}),
        ),
        (
            "credential",
            json!({"header": {"name": "x-key", "value": "file:/k"}}),
        ),
        (
            "credential",
            json!({"basic": {"username": "a", "password": "file:/k"}, "plaintext": false}),
        ),
        (
            "credential",
            json!({"token_exchange": {
                "token_url": "https://login.internal/token", "client_id": "a", "client_secret": "file:/k",
                "issuers": ["log in"],
            }}),
        ),
        (
            "credential",
            json!({"token_exchange": {
                "token_url": "https://login.internal/token", "client_id": "a", "client_secret": "file:/k",
                "issuers": [],
            }}),
        ),
        (
            "credential",
            json!({"basic": {"username": "a:b", "password": "file:/k"}}),
        ),
    ]
}

/// Tokens and signatures that they are shown.
fn tokens_and_signatures() -> Vec<Mistake> {
    vec![
        (
            "credential",
            json!({"oauth2_client_credentials": {
                "token_url": "http://login.internal/token", "client_id": "a", "client_secret": "hush", "scopes": [],
            }}),
        ),
        (
            "credential",
            json!({"oauth2_client_credentials": {
                "token_url": "https://a:hush@login.internal", "client_id": "a", "client_secret": "file:/k",
            }}),
        ),
        (
            "credential",
            json!({"oauth2_client_credentials": {
                "token_url": "https://login.internal", "client_id": "a", "client_secret": "file:/k", "ca": "ca.pem",
            }}),
        ),
        (
            "credential",
            json!({"token_exchange": {
                "token_url": "http://login.internal/token", "client_id": "", "client_secret": "hush", "scopes": [],
            }}),
        ),
        (
            "credential",
            json!({"aws_sigv4": {"service": "Execute API", "region": "", "payload": "none", "body_bytes_max": 0}}),
        ),
        (
            "credential",
            json!({"aws_sigv4": {"service": "s3", "region": "eu-west-1", "payload": "unsigned"}}),
        ),
        (
            "credential",
            json!({"aws_sigv4": {
                "service": "s3", "region": "eu-west-1", "payload": "unsigned", "body_bytes_max": 1,
            }}),
        ),
    ]
}
