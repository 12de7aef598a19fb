//! Wrong values of key sets.

use serde_json::{Value as Json, json};

use super::{Mistake, many};
use crate::samples::{self, Sample};

pub(super) fn all() -> (Sample, Vec<Mistake>) {
    let key = |key: Json| ("keys", json!({"acme": key}));
    let mistakes = vec![
        ("name", json!("x".repeat(49))),
        ("keys", json!({})),
        ("keys", json!({"a key": {}})),
        ("keys", json!({"acme": null})),
        ("principal", json!("acme")),
        key(json!({"principal": "acme"})),
        key(json!({"scopes": []})),
        key(json!({"scopes": ["orders read"]})),
        key(json!({"quotas": many(|n| format!("q{n}"), 9)})),
        key(json!({"expires_at": "soon"})),
        key(json!({"not_before": "2027-01-01T00:00:00Z", "expires_at": "2026-01-01T00:00:00Z"})),
        key(json!({"allowed_cidrs": ["10.0.0.1/8"]})),
        key(json!({"metadata": {"owner": "x".repeat(257)}})),
        key(json!({"token_version": 0})),
        key(json!({"token_sha256": "sk_4eC39HqLyjWDarjtT1zdp7dc"})),
        key(json!({"id": "mine"})),
    ];
    (samples::key_set(), mistakes)
}
