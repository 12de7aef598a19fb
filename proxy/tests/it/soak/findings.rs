//! What the proxy counted, wrote and held, beside what the clients saw.

use std::collections::BTreeMap;

use serde_json::Value;

use super::scene::Scene;
use crate::support::until;

/// How many more files than at the start may be open at the end, the pipes aside that each thread keeps.
const MORE_FILES_MAX: usize = 8;
/// How much more memory than after the first third of the load there may be at the end.
const MORE_BYTES_MAX: u64 = 48 * 1024 * 1024;
/// Why the requests of rude clients may end.
const RUDE_REASONS: [&str; 3] = ["none", "client_closed", "body_broken"];

/// Counts by class of status, reason and route.
type Counts = BTreeMap<(String, String, String), u64>;

/// What was found up to now.
pub(super) struct Findings {
    files_at_start: usize,
    bytes_warm: Option<u64>,
    written: Counts,
}

impl Findings {
    pub(super) async fn begin(scene: &Scene) -> Self {
        scene.proxy.get("/metrics").await;
        Self {
            files_at_start: scene.proxy.open_files(),
            bytes_warm: None,
            written: Counts::new(),
        }
    }

    /// Reads what was written of requests, and how much memory there is once the proxy is warm.
    pub(super) fn look(&mut self, scene: &Scene, is_warm: bool) {
        if is_warm {
            self.bytes_warm
                .get_or_insert_with(|| scene.proxy.resident_bytes());
        }
        for line in scene.proxy.take_accessed() {
            let line: Value = serde_json::from_str(&line).unwrap();
            let word = |field: &str| line[field].as_str().map(str::to_owned);
            let class = line["status"].as_u64().map(|status| status / 100);
            let key = (
                class.map_or_else(|| "none".to_owned(), |class| format!("{class}xx")),
                word("reason").unwrap_or_else(|| "none".to_owned()),
                word("route").unwrap_or_default(),
            );
            *self.written.entry(key).or_default() += 1;
        }
    }

    /// Looks for everything that may not be, once all clients have gone.
    pub(super) async fn conclude(mut self, scene: &Scene) {
        for gauge in ["tollgate_requests_in_flight", "tollgate_connections"] {
            until(&format!("{gauge} is 0"), async || {
                scene.proxy.metric(gauge).await == Some(0.0)
            })
            .await;
        }
        let counted = counted(scene).await;
        assert_reasons(&counted);
        assert_seen(scene, &counted);
        until("every request is written down", || {
            self.look(scene, true);
            let is_all = self.written == counted;
            async move { is_all }
        })
        .await;
        assert_well(scene).await;
        self.assert_no_leak(scene).await;
    }

    async fn assert_no_leak(&self, scene: &Scene) {
        let (before, after) = (self.bytes_warm.unwrap(), scene.proxy.resident_bytes());
        assert!(
            after <= before + MORE_BYTES_MAX,
            "{before} bytes became {after}"
        );
        // What is kept for the next request ends with those that it was to be sent to.
        for upstream in &scene.lasting {
            upstream.stop();
        }
        let most = self.files_at_start + MORE_FILES_MAX;
        until("no more files are open than before", async || {
            scene.proxy.open_files() <= most + scene.proxy.pipes()
        })
        .await;
    }
}

/// Requests as the proxy counts them.
async fn counted(scene: &Scene) -> Counts {
    let (_, text) = scene.proxy.get("/metrics").await;
    let series = text
        .lines()
        .filter_map(|line| line.strip_prefix("tollgate_requests_total{"));
    series
        .map(|line| {
            let (labels, count) = line.split_once("} ").unwrap();
            let label = |name: &str| {
                let (_, value) = labels.split_once(&format!("{name}=\"")).unwrap_or_default();
                value.split('"').next().unwrap().to_owned()
            };
            let key = (label("class"), label("reason"), label("route"));
            (key, count.parse::<u64>().unwrap())
        })
        .collect()
}

/// That nothing failed but what may fail, and for no other reason.
fn assert_reasons(counted: &Counts) {
    for ((class, reason, route), count) in counted {
        let is_expected = match (route.as_str(), class.as_str()) {
            ("all" | "mirror" | "large" | "sized", "2xx") => reason == "none",
            ("chat", "1xx") => ["none", "client_closed"].contains(&reason.as_str()),
            // What may not be repeated, of which the connection was cut.
            ("all", "5xx") => reason == "upstream_reset",
            ("rude", "2xx" | "4xx" | "none") => RUDE_REASONS.contains(&reason.as_str()),
            ("", "4xx") => {
                reason == "head_invalid"
                    || reason == "credential_unknown"
                    || reason == "credential_missing"
                    || reason == "scope_insufficient"
            }
            _ => false,
        };
        assert!(is_expected, "{count} of {route:?}: {class}, {reason}");
    }
}

/// That the proxy counted each request of the well-behaved once.
fn assert_seen(scene: &Scene, counted: &Counts) {
    let of = |route: &str, class: &str, reason: &str| -> u64 {
        let fits = |key: &(String, String, String)| {
            key.2 == route && key.0 == class && key.1.starts_with(reason)
        };
        counted
            .iter()
            .filter(|(key, _)| fits(key))
            .map(|(_, count)| count)
            .sum()
    };
    let seen = scene.seen();
    for (route, status, class, reason) in [
        ("all", 200, "2xx", ""),
        ("mirror", 200, "2xx", ""),
        ("large", 200, "2xx", ""),
        ("sized", 200, "2xx", ""),
        ("chat", 101, "1xx", ""),
        ("", 401, "4xx", "credential_"),
        ("", 403, "4xx", "scope_"),
    ] {
        let seen = seen.get(&(route, status)).copied().unwrap_or_default();
        assert!(seen > 0, "nobody was answered {status} by {route:?}");
        assert_eq!(seen, of(route, class, reason), "{status} by {route:?}");
    }
    let failed = seen.get(&("all", 502)).copied().unwrap_or_default();
    assert_eq!(failed, of("all", "5xx", ""));
}

/// That nothing panicked, got lost, or was told that should be in no log.
async fn assert_well(scene: &Scene) {
    for series in [
        "tollgate_panics_total",
        "tollgate_access_log_dropped_total",
        "tollgate_documents_rejected_count",
        "tollgate_materials_failed",
        "tollgate_listeners_failed",
    ] {
        assert_eq!(scene.proxy.metric(series).await, Some(0.0), "{series}");
    }
    let log = scene.proxy.output();
    for line in log.lines() {
        let told: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert_ne!(told["level"], "ERROR", "{line}");
    }
    for token in [&scene.store.token, &scene.visitor, &scene.clerk] {
        assert!(!log.contains(token.expose()), "a token is in the log");
    }
}
