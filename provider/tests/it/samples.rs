//! Configurations of every resource.

use serde_json::{Value as Json, json};

/// A resource with every attribute given, and a change of it.
pub(crate) struct Sample {
    pub(crate) resource: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) full: Json,
    pub(crate) change: (&'static str, Json),
}

pub(crate) fn all() -> [Sample; 6] {
    [scope(), quota(), key(), upstream(), route(), proxy()]
}

pub(crate) fn scope() -> Sample {
    Sample {
        resource: "tollgate_scope",
        kind: "scope",
        name: "orders:read",
        full: json!({
            "name": "orders:read",
            "description": "Read orders.",
            "grants": [
                {"methods": ["HEAD", "GET"], "hosts": ["api.example.com"], "path": "/v1/orders/**"},
                {"path": "/v1/status"},
            ],
        }),
        change: ("grants", json!([{"path": "/v2/**"}])),
    }
}

pub(crate) fn quota() -> Sample {
    Sample {
        resource: "tollgate_quota",
        kind: "quota",
        name: "free",
        full: json!({
            "name": "free",
            "description": "The free plan.",
            "limits": [{"requests": 10, "per": "1m"}, {"requests": 5000, "per": "1d"}],
            "each": "key",
        }),
        change: ("limits", json!([{"requests": 20, "per": "1m"}])),
    }
}

pub(crate) fn key() -> Sample {
    Sample {
        resource: "tollgate_key",
        kind: "key",
        name: "acme-ci",
        full: json!({
            "name": "acme-ci",
            "scopes": ["orders:write", "orders:read"],
            "quotas": ["free"],
            "environment": "test",
            "enabled": true,
            "not_before": "2026-01-01T00:00:00Z",
            "expires_at": "2046-01-01T02:00:00+02:00",
            "allowed_cidrs": ["10.0.0.0/8", "2001:db8::/32"],
            "metadata": {"owner": "acme", "note": "Zoë"},
        }),
        change: ("enabled", json!(false)),
    }
}

pub(crate) fn upstream() -> Sample {
    Sample {
        resource: "tollgate_upstream",
        kind: "upstream",
        name: "orders",
        full: json!({
            "name": "orders",
            "description": "The orders API.",
            "targets": ["http://b.internal:8080", "https://a.internal"],
            "timeouts": {"connect": "500ms", "response": "10s"},
        }),
        change: ("timeouts", json!({"connect": "1s"})),
    }
}

pub(crate) fn route() -> Sample {
    Sample {
        resource: "tollgate_route",
        kind: "route",
        name: "orders",
        full: json!({
            "name": "orders",
            "description": "Orders.",
            "proxy": "edge",
            "hosts": ["*.example.com", "api.example.com"],
            "methods": ["POST", "GET"],
            "path": "/v1/orders/**",
            "upstream": "orders",
        }),
        change: ("methods", Json::Null),
    }
}

pub(crate) fn proxy() -> Sample {
    Sample {
        resource: "tollgate_proxy",
        kind: "proxy",
        name: "edge",
        full: json!({
            "name": "edge",
            "description": "From outside.",
            "listen": [{"address": "0.0.0.0:8080"}, {"address": "[::1]:8081"}],
            "trusted_proxies": ["10.0.0.0/8"],
        }),
        change: ("description", json!("From everywhere.")),
    }
}

impl Sample {
    /// The configuration after its change.
    pub(crate) fn changed(&self) -> Json {
        self.with(self.change.0, self.change.1.clone())
    }

    /// The configuration with one attribute changed.
    pub(crate) fn with(&self, attribute: &str, value: Json) -> Json {
        let mut json = self.full.clone();
        json[attribute] = value;
        json
    }
}
