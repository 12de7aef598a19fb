//! Wrong values of proxies.

use serde_json::{Value as Json, json};

use super::Mistake;
use crate::samples::{self, Sample};

pub(super) fn all() -> (Sample, Vec<Mistake>) {
    let mistakes = vec![
        ("listen", json!([])),
        ("listen", json!([{"address": "8080"}])),
        (
            "listen",
            json!([{"address": "0.0.0.0:80"}, {"address": "0.0.0.0:80"}]),
        ),
        (
            "listen",
            (0..17)
                .map(|n| json!({"address": format!("0.0.0.0:{}", 8000 + n)}))
                .collect(),
        ),
        ("trusted_proxies", json!(["10.0.0.0/33"])),
        ("fleet", json!({})),
        ("fleet", json!({"size": 0})),
        ("fleet", json!({"size": 1_001})),
        ("fleet", json!({"dns": "edge.internal:8080"})),
        ("rate_limit_headers", json!("all")),
        ("jwks_path", json!("keys")),
        ("jwks_path", json!("/keys/**")),
        ("jwks_path", json!("/.well-known/oauth-protected-resource")),
        (
            "listen",
            json!([{"address": "0.0.0.0:80", "proxy_protocol": ["10.0.0.1/8"]}]),
        ),
        (
            "listen",
            json!([{"address": "0.0.0.0:80", "proxy_protocol": []}]),
        ),
        (
            "listen",
            json!([{"address": "0.0.0.0:80", "proxy_protocol": ["unix"]}]),
        ),
        (
            "listen",
            json!([{"address": "unix:/run/a.sock", "proxy_protocol": ["10.0.0.0/8"]}]),
        ),
        ("listen", json!([{"address": "unix:a.sock"}])),
        ("listen", tls(&json!({"certificates": []}))),
        ("listen", tls(&json!({"certificates": ["/etc/edge.pem"]}))),
        (
            "listen",
            tls(&json!({"certificates": ["-----BEGIN PRIVATE KEY-----\nMIG"]})),
        ),
        (
            "listen",
            tls(&json!({"certificates": ["file:/a.pem", "file:/a.pem"]})),
        ),
        (
            "listen",
            tls(&json!({"certificates": ["file:/a.pem"], "min_version": "1.1"})),
        ),
        (
            "listen",
            tls(&json!({"certificates": ["file:/a.pem"], "client_certificates": "optional"})),
        ),
        (
            "listen",
            tls(&json!({
                "certificates": ["file:/a.pem"],
                "client_ca": "file:clients.pem",
                "client_certificates": "always",
            })),
        ),
        (
            "listen",
            tls(&json!({"certificates": ["file:/a.pem"], "client_crl": "file:/crl.pem"})),
        ),
    ];
    let all = mistakes.into_iter().chain(metadata()).chain(counters());
    (samples::proxy(), all.collect())
}

/// What a proxy says of itself.
fn metadata() -> [Mistake; 3] {
    [
        (
            "resource_metadata",
            json!({"resource": "https://api.example.com?x=1", "authorization_servers": ["https://a"]}),
        ),
        (
            "resource_metadata",
            json!({"resource": "http://api.example.com", "authorization_servers": []}),
        ),
        (
            "resource_metadata",
            json!({"resource": "https://a", "authorization_servers": ["https://a#b"], "scopes": ["a b"]}),
        ),
    ]
}

/// Of where a fleet counts.
fn counters() -> Vec<Mistake> {
    vec![
        ("counters", json!({"url": "counters.internal:6379"})),
        (
            "counters",
            json!({"url": "rediss://edge:word@counters.internal"}),
        ),
        (
            "counters",
            json!({"url": "redis://counters.internal", "password": "file:/etc/tollgate/word"}),
        ),
        (
            "counters",
            json!({"url": "redis://counters.internal", "ca": "file:/etc/tollgate/ca.pem"}),
        ),
        (
            "counters",
            json!({"url": "rediss://counters.internal", "username": "edge"}),
        ),
        (
            "counters",
            json!({"url": "rediss://counters.internal", "password": "hush", "username": "edge"}),
        ),
        (
            "counters",
            json!({"url": "rediss://counters.internal", "timeout": "2s", "prefix": "{a}"}),
        ),
    ]
}

/// One address with that TLS.
fn tls(tls: &Json) -> Json {
    json!([{"address": "0.0.0.0:443", "tls": tls}])
}
