//! Wrong values of quotas.

use serde_json::{Value as Json, json};

use super::Mistake;
use crate::samples::{self, Sample};

pub(super) fn all() -> (Sample, Vec<Mistake>) {
    let limits = |limit: Json| ("limits", json!([limit]));
    let mistakes = vec![
        limits(json!({"requests": null, "per": "1m"})),
        limits(json!({"requests": 0, "per": "1m"})),
        limits(json!({"requests": -1, "per": "1m"})),
        limits(json!({"requests": 1.5, "per": "1m"})),
        limits(json!({"requests": 1_000_000_001, "per": "1m"})),
        limits(json!({"requests": 1, "per": "a minute"})),
        limits(json!({"requests": 1, "per": "1h30m"})),
        limits(json!({"requests": 1, "per": "32d"})),
        limits(json!({"requests": 1, "per": "0s"})),
        (
            "limits",
            json!([{"requests": 1, "per": "60s"}, {"requests": 2, "per": "1m"}]),
        ),
        ("limits", json!([])),
        (
            "limits",
            (1..10)
                .map(|n| json!({"requests": n, "per": format!("{n}s")}))
                .collect(),
        ),
        ("each", json!("user")),
        limits(json!({})),
        limits(json!({"requests": 1})),
        limits(json!({"per": "1m"})),
        limits(json!({"concurrent": 0})),
        limits(json!({"concurrent": 1_000_001})),
        limits(json!({"concurrent": 1, "requests": 1, "per": "1m"})),
        limits(json!({"concurrent": 1, "burst": 1})),
        ("limits", json!([{"concurrent": 1}, {"concurrent": 2}])),
        limits(json!({"requests": 1, "per": "1m", "window": "fixed"})),
        limits(json!({"requests": 1, "per": "1m", "window": "smooth"})),
        limits(json!({"requests": 1, "per": "1m", "window": "smooth", "burst": 0})),
        limits(json!({"requests": 1, "per": "1m", "burst": 5})),
        limits(json!({"requests": 1, "per": "day", "window": "strict"})),
        ("time_zone", json!("Berlin")),
        limits(json!({"requests": 1, "per": "1m"})),
        ("across", json!("all")),
        ("across", json!("process")),
        ("on_counter_failure", json!("wait")),
        ("overrides", json!({})),
        (
            "overrides",
            json!({"a name": {"limits": [{"concurrent": 1}]}}),
        ),
        ("overrides", json!({"acme": {"limits": []}})),
        (
            "overrides",
            json!({"acme": {"limits": [{"requests": 1, "per": "1m", "burst": 5}]}}),
        ),
    ];
    (samples::quota(), mistakes)
}
