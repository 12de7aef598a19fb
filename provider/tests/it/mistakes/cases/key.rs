//! Wrong values of keys.

use serde_json::json;

use super::{Mistake, many};
use crate::samples::{self, Sample};

pub(super) fn all() -> (Sample, Vec<Mistake>) {
    let mistakes = vec![
        ("scopes", json!([])),
        ("id", json!("mine")),
        ("versions", json!([])),
        ("scopes", json!(["orders read"])),
        ("scopes", many(|n| format!("s{n}"), 101)),
        ("quotas", json!([])),
        ("quotas", many(|n| format!("q{n}"), 9)),
        ("roles", json!([])),
        ("roles", json!(["a role"])),
        ("principal", json!("")),
        ("principal", json!("acme")),
        ("rotation", json!({"every": "30 days"})),
        ("rotation", json!({"every": "59m"})),
        ("rotation", json!({"every": "3651d"})),
        ("rotation", json!({"overlap": "91d"})),
        ("rotation", json!({"every": "24h", "overlap": "24h"})),
        ("rotation", json!({"trigger": "x".repeat(257)})),
        ("token_wo", json!("too-short")),
        ("allowed_cidrs", json!(["010.0.0.0/8"])),
        ("allowed_cidrs", json!(["10.0.0.0/08"])),
        ("token_wo", json!("a token with spaces in it")),
        ("token_wo", json!("x".repeat(513))),
        ("token_wo", json!("a-token-of-another-gateway")),
        ("token_wo_version", json!(0)),
        ("token_wo_version", json!(1)),
        ("token_sha256", json!("abc")),
        ("token_sha256", json!("A".repeat(64))),
        ("token_sha256", json!("a".repeat(64))),
        ("timeouts", json!({"create": "500ms"})),
        ("timeouts", json!({"delete": "25h"})),
        ("environment", json!("Live")),
        ("not_before", json!("2026-01-01")),
        ("expires_at", json!("tomorrow")),
        ("expires_at", json!("2025-01-01T00:00:00Z")),
        ("allowed_cidrs", json!(["10.0.0.1/8"])),
        ("allowed_cidrs", json!(["everywhere"])),
        ("allowed_cidrs", json!([])),
        ("metadata", json!({})),
        ("metadata", json!({"owner": null})),
        ("metadata", json!({"owner": "x".repeat(257)})),
        ("metadata", json!({"x".repeat(257): "owner"})),
        (
            "metadata",
            (0..17)
                .map(|n| (n.to_string(), json!("")))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        ),
    ];
    (samples::key(), mistakes)
}
