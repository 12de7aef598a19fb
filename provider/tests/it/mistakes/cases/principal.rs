//! Wrong values of principals.

use serde_json::json;

use super::{Mistake, many};
use crate::samples::{self, Sample};

pub(super) fn all() -> (Sample, Vec<Mistake>) {
    let mistakes = vec![
        ("kind", json!("robot")),
        ("roles", json!([])),
        ("roles", many(|n| format!("r{n}"), 33)),
        ("quotas", many(|n| format!("q{n}"), 9)),
        ("priority", json!("Critical")),
        ("metadata", json!({"owner": "x".repeat(257)})),
        ("subjects", json!([])),
        ("subjects", json!([{"issuer": "log in", "value": "acme"}])),
        ("subjects", json!([{"issuer": "base", "value": "a\nb"}])),
        (
            "subjects",
            json!([{"issuer": "base", "claim": "", "value": "acme"}]),
        ),
        ("subjects", json!([{}])),
        ("subjects", json!([{"issuer": "base"}])),
        ("subjects", json!([{"value": "acme"}])),
        (
            "subjects",
            json!([{"san_uri": "urn:acme", "san_dns": "acme.internal"}]),
        ),
        ("subjects", json!([{"san_uri": "acme"}])),
        (
            "subjects",
            json!([{"san_uri": "spiffe://Example.com/acme"}]),
        ),
        ("subjects", json!([{"san_dns": "*.internal"}])),
        ("subjects", json!([{"subject": "CN=acme, O=Example"}])),
        ("subjects", json!([{"public_key_sha256": "abc"}])),
        ("allowed_cidrs", json!([])),
        ("allowed_cidrs", json!(["10.0.0.0/33"])),
        ("allowed_cidrs", many(|n| format!("10.0.0.{n}"), 33)),
    ];
    (samples::principal(), mistakes)
}
