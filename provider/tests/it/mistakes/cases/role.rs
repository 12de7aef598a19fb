//! Wrong values of roles.

use serde_json::{Value as Json, json};

use super::{Mistake, many};
use crate::samples::{self, Sample};

pub(super) fn all() -> (Sample, Vec<Mistake>) {
    let role = vec![
        ("name", json!(":partner")),
        ("scopes", json!([])),
        ("scopes", json!(["orders read"])),
        ("scopes", json!([null])),
        ("scopes", many(|n| format!("s{n}"), 101)),
        ("description", json!("x".repeat(501))),
        ("condition", json!("")),
        ("condition", json!("context.hour = 9")),
        (
            "condition",
            json!("context.hour >= 9 &&\n  context.hous < 17"),
        ),
        ("condition", json!("context.hour >= \"9\"")),
        ("condition", json!("context.hour")),
        (
            "condition",
            json!("context.address.isInRange(ip(\"10.0.0.0/8\"))"),
        ),
        (
            "condition",
            json!("context has address && context.address.isInRange(ip(\"10.0.0.0/40\"))"),
        ),
        ("condition", json!("context.headers[\"x-env\"] == \"test\"")),
        ("condition", json!("context.headers has \"X-Env\"")),
        ("condition", json!("context.headers has authorization")),
        ("condition", json!("principal == User::\"alice\"")),
        ("condition", json!("context == {hour: 9}")),
        ("condition", json!("false")),
        ("condition", json!("true } unless { false")),
        (
            "condition",
            json!("(".repeat(33) + "true" + &")".repeat(33)),
        ),
        ("condition", json!(vec!["true"; 300].join("&&"))),
        ("condition", json!(format!("true{}", " ".repeat(4_093)))),
        ("condition", Json::Null),
        ("time_zone", json!("Berlin")),
    ];
    (samples::role(), role)
}
