//! Wrong values of upstreams.

mod shown;

use serde_json::json;

use super::{Mistake, many};
use crate::samples::{self, Sample};

pub(super) fn all() -> (Sample, Vec<Mistake>) {
    let mistakes = vec![
        ("targets", json!([])),
        ("targets", json!(["orders.internal:8080"])),
        ("targets", json!(["http://a", "ftp://orders.internal"])),
        ("targets", json!(["http://orders.internal/v1"])),
        ("targets", json!(["http://user:hush@orders.internal"])),
        ("targets", json!(["http://169.254.169.254"])),
        ("targets", many(|n| format!("http://t{n}"), 65)),
        (
            "target_weights",
            json!({"http://b.internal:8080": 0, "https://a.internal": 101, "a.internal": 1}),
        ),
        ("target_weights", json!({"http://c.internal": 1})),
        (
            "target_weights",
            json!({"https://a.internal": 1, "https://a.internal:443": 2}),
        ),
        ("target_weights", json!({})),
        ("connections_max", json!(0)),
        ("connections_max", json!(100_001)),
        ("timeouts", json!({"connect": "2h", "response": "1ms"})),
        ("protocol", json!("http2")),
        ("balance", json!("random")),
        (
            "health",
            json!({"path": "healthz", "interval": "1ms", "timeout": "2h"}),
        ),
        (
            "health",
            json!({"path": "/", "healthy_after": 0, "unhealthy_after": 11, "status": 101}),
        ),
        ("health", json!({"interval": "1s"})),
        ("slow_start", json!("slowly")),
        ("timeouts", json!({"idle": "2h", "request": "0s"})),
        ("retries", json!({"attempts": 6, "on": ["500"]})),
        ("retries", json!({"attempts": 0, "on": []})),
        ("retries", json!({"per_try_timeout": "1s"})),
        (
            "throttle",
            json!({"limit_min": 4, "limit_max": 100_001, "wait": "1m", "percentile": 99}),
        ),
        ("throttle", json!({"limit_min": 200, "limit_max": 100})),
        ("tls", json!({"ca": "ca.pem", "server_name": "Orders:443"})),
        ("tls", json!({"ca": "-----BEGIN PUBLIC KEY-----\nMIIB"})),
        (
            "tls",
            json!({"certificate": "arn:aws:acm:eu-west-1:123456789012:certificate/1"}),
        ),
        (
            "tls",
            json!({"ca": "-----BEGIN EC PRIVATE KEY-----\nMHcC", "certificate": "-----BEGIN EC PRIVATE KEY-----\nMHcC"}),
        ),
    ];
    let shown = shown::all().into_iter();
    (
        samples::upstream(),
        mistakes.into_iter().chain(shown).collect(),
    )
}
