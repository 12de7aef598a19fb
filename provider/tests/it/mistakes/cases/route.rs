//! Wrong values of routes.

use serde_json::json;

use super::{Mistake, many};
use crate::samples::{self, Sample};

pub(super) fn all() -> (Sample, Vec<Mistake>) {
    let mistakes = vec![
        ("proxy", json!("the edge")),
        ("upstream", json!("")),
        ("path", json!("orders")),
        ("methods", json!(["Get"])),
        ("hosts", json!(["a..b"])),
        ("upgrades", json!(["WebSocket", "h2c"])),
        ("upgrades", json!([])),
        ("priority", json!("high")),
        ("anonymous", json!(false)),
        ("credentials", json!([])),
        ("credentials", json!(["password"])),
        ("anonymous_quotas", json!([])),
        ("anonymous_quotas", many(|n| format!("q{n}"), 9)),
        ("body_bytes_max", json!(0)),
        ("body_bytes_max", json!(4_294_967_296_u64)),
    ];
    (samples::route(), mistakes)
}
