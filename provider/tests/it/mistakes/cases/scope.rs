//! Wrong values of scopes.

use serde_json::{Value as Json, json};

use super::{Mistake, many};
use crate::samples::{self, Sample};

pub(super) fn all() -> (Sample, Vec<Mistake>) {
    let grants = |grant: Json| ("grants", json!([grant]));
    let mistakes = vec![
        ("name", json!("")),
        ("name", json!("orders read")),
        ("name", json!("x".repeat(65))),
        ("grants", json!([])),
        (
            "grants",
            (0..101).map(|n| json!({"path": format!("/{n}")})).collect(),
        ),
        grants(json!({"path": "v1/orders"})),
        grants(json!({"path": "/v1/**/orders"})),
        grants(json!({"path": "/v1/orders*"})),
        grants(json!({"path": "/v1//orders"})),
        grants(json!({"path": "/v1/../orders"})),
        grants(json!({"path": "/v1/{id}"})),
        grants(json!({"path": "/v1?x=1"})),
        grants(json!({"path": "/v1/a b"})),
        grants(json!({"path": "/v1/%2fa"})),
        grants(json!({"path": "/v1", "methods": ["get"]})),
        grants(json!({"path": "/v1", "methods": ["TRACE"]})),
        grants(json!({"path": "/v1", "methods": []})),
        grants(
            json!({"path": "/v1", "methods": many(|n| "X".repeat(n % 24 + 1) + &"-".repeat(n / 24), 33)}),
        ),
        grants(json!({"path": "/v1", "hosts": ["API.example.com"]})),
        grants(json!({"path": "/v1", "hosts": ["api.example.com:443"]})),
        grants(json!({"path": "/v1", "hosts": []})),
        grants(json!({"path": "/v1", "hosts": [null]})),
        grants(Json::Null),
        (
            "grants",
            json!([{"path": "/v1"}, {"path": "v2", "methods": ["post"], "hosts": ["*"]}]),
        ),
    ];
    (samples::scope(), mistakes)
}
