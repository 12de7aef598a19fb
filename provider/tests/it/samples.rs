//! Configurations of every resource.

use serde_json::{Value as Json, json};
use tollgate_store::backend::{Backend, Expected};
use tollgate_store::document::Document;

use crate::terraform::key as key_of;

/// A resource with every attribute given, and a change of it.
pub(crate) struct Sample {
    pub(crate) resource: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) full: Json,
    pub(crate) change: (&'static str, Json),
    /// What can't be given beside the rest, and has tests of its own.
    pub(crate) without: &'static [&'static str],
    /// Of what is optional, what must be there all the same.
    pub(crate) needs: &'static [&'static str],
}

pub(crate) fn all() -> [Sample; 10] {
    [
        scope(),
        quota(),
        role(),
        issuer(),
        principal(),
        key(),
        key_set(),
        upstream(),
        route(),
        proxy(),
    ]
}

/// What the samples name: documents that are there before them.
pub(crate) fn named() -> [(&'static str, &'static str, Json); 7] {
    let grants = json!({"grants": [{"path": "/**"}]});
    [
        ("scope", "base:read", grants.clone()),
        ("scope", "base:write", grants),
        (
            "quota",
            "base",
            json!({"limits": [{"requests": 1, "per": "1s"}]}),
        ),
        ("role", "base", json!({"scopes": ["base:read"]})),
        (
            "issuer",
            "base",
            json!({"url": "https://base.example.com/", "audiences": ["base"]}),
        ),
        ("upstream", "base", json!({"targets": ["http://base"]})),
        (
            "proxy",
            "base",
            json!({"listen": [{"address": "127.0.0.1:80"}]}),
        ),
    ]
}

/// Writes what the samples name, where it is not there yet.
pub(crate) async fn write_named(store: &dyn Backend) {
    for (kind, name, spec) in named() {
        let named = Document::parse(&key_of(kind, name), spec).unwrap();
        // A second process finds them there.
        let _ = store.write(&named, &Expected::Absent).await;
    }
}

pub(crate) fn role() -> Sample {
    Sample {
        resource: "tollgate_role",
        kind: "role",
        name: "partner",
        full: json!({
            "name": "partner",
            "description": "Partners.",
            "scopes": ["base:write", "base:read"],
            "condition": "context.hour >= 9 && context.hour < 17",
            "time_zone": "Europe/Berlin",
            "force_destroy": false,
        }),
        change: ("scopes", json!(["base:read"])),
        without: &[],
        needs: &[],
    }
}

pub(crate) fn issuer() -> Sample {
    Sample {
        resource: "tollgate_issuer",
        kind: "issuer",
        name: "login",
        full: json!({
            "name": "login",
            "description": "Everybody who works here.",
            "url": "https://login.example.com/realms/staff",
            "jwks_url": "https://login.example.com/keys",
            "audiences": ["https://api.example.com", "orders"],
            "algorithms": ["EdDSA", "ES256"],
            "clock_skew": "10s",
            "token_types": ["JWT", "at+jwt"],
            "scope_claim": "scp",
            "roles_claim": "realm_access.roles",
            "subject_claim": "client_id",
            "principal_claim": "tollgate_principal",
            "introspection": {
                "url": "https://login.example.com/introspect",
                "client_id": "tollgate",
                "client_secret": "file:/etc/tollgate/introspection",
                "method": "client_secret_post",
                "token_prefix": "opaque_",
                "any_audience": true,
                "cache": "30s",
                "timeout": "500ms",
                "calls_per_second": 20,
            },
            "require_binding": true,
            "ca": "file:/etc/tollgate/login-ca.pem",
            "scopes": {"api/read": "base:read"},
            "roles": {"purchasing": "base"},
            "any_subject": true,
            "narrow": true,
            "quotas": ["base"],
            "enabled": true,
            "force_destroy": false,
        }),
        change: ("enabled", json!(false)),
        without: &["jwks"],
        needs: &[],
    }
}

pub(crate) fn principal() -> Sample {
    Sample {
        resource: "tollgate_principal",
        kind: "principal",
        name: "acme",
        full: json!({
            "name": "acme",
            "description": "The acme corporation.",
            "kind": "user",
            "priority": "critical",
            "roles": ["base"],
            "quotas": ["base"],
            "subjects": [
                {"issuer": "base", "claim": "client_id", "value": "acme"},
                {"san_uri": "spiffe://example.com/acme"},
                {"san_dns": "acme.internal"},
                {"subject": "CN=acme,O=Example"},
                {"public_key_sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
            ],
            "allowed_cidrs": ["10.0.0.0/8", "127.0.0.1"],
            "enabled": true,
            "metadata": {"owner": "acme"},
            "force_destroy": false,
        }),
        change: ("enabled", json!(false)),
        without: &[],
        needs: &[],
    }
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
            "force_destroy": false,
        }),
        change: ("grants", json!([{"path": "/v2/**"}])),
        without: &[],
        needs: &[],
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
            "limits": [
                {"requests": 10, "per": "1m"},
                {"requests": 60, "per": "1m", "window": "smooth", "burst": 5},
                {"requests": 5000, "per": "month"},
                {"concurrent": 10},
            ],
            "each": "key",
            "across": "fleet",
            "on_counter_failure": "deny",
            "time_zone": "Europe/Berlin",
            "shadow": true,
            "overrides": {"acme": {"limits": [{"requests": 100, "per": "1m"}, {"concurrent": 50}]}},
            "force_destroy": false,
        }),
        change: (
            "limits",
            json!([{"requests": 20, "per": "1m"}, {"requests": 9000, "per": "day"}]),
        ),
        without: &[],
        needs: &[],
    }
}

pub(crate) fn key() -> Sample {
    Sample {
        resource: "tollgate_key",
        kind: "key",
        name: "acme-ci",
        full: json!({
            "name": "acme-ci",
            "scopes": ["base:write", "base:read"],
            "quotas": ["base"],
            "environment": "test",
            "enabled": true,
            "not_before": "2026-01-01T00:00:00Z",
            "expires_at": "2046-01-01T02:00:00+02:00",
            "allowed_cidrs": ["10.0.0.0/8", "2001:db8::/32"],
            "metadata": {"owner": "acme", "note": "Zoë"},
            "roles": ["base"],
            "rotation": {"every": "30d", "overlap": "24h", "trigger": "spring"},
        }),
        change: ("enabled", json!(false)),
        without: &[
            "principal",
            "token_wo",
            "token_wo_version",
            "token_sha256",
            "timeouts",
        ],
        needs: &["scopes"],
    }
}

pub(crate) fn key_set() -> Sample {
    Sample {
        resource: "tollgate_key_set",
        kind: "key_set",
        name: "partners",
        full: json!({
            "name": "partners",
            "description": "Everybody else.",
            "environment": "test",
            "scopes": ["base:read"],
            "roles": ["base"],
            "quotas": ["base"],
            "enabled": true,
            "keys": {
                "acme": {
                    "enabled": false,
                    "not_before": "2026-01-01T00:00:00Z",
                    "expires_at": "2046-01-01T02:00:00+02:00",
                    "scopes": ["base:write", "base:read"],
                    "quotas": ["base"],
                    "allowed_cidrs": ["10.0.0.0/8"],
                    "metadata": {"owner": "acme"},
                    "token_version": 3,
                },
                "zoo": {"token_sha256": "ab".repeat(32)},
                "Team/x:1": {},
            },
        }),
        change: ("enabled", json!(false)),
        without: &["principal", "timeouts"],
        needs: &["scopes"],
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
            "target_weights": {"https://a.internal": 3},
            "connections_max": 100,
            "protocol": "h2",
            "tls": {
                "ca": "file:/etc/tollgate/ca.pem",
                "server_name": "orders.internal",
                "certificate": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:client-AbCdEf",
            },
            "balance": "two_choices",
            "health": {
                "path": "/healthz",
                "interval": "10s",
                "timeout": "1s",
                "healthy_after": 1,
                "unhealthy_after": 2,
                "status": 204,
            },
            "slow_start": "30s",
            "timeouts": {"connect": "500ms", "response": "10s", "idle": "5m", "request": "1h"},
            "retries": {"attempts": 2, "per_try_timeout": "3s", "on": ["503", "reset", "timeout"]},
            "throttle": {
                "limit_min": 10,
                "limit_max": 500,
                "wait": "20ms",
                "percentile": 75,
                "shadow": false,
            },
            "identity": {
                "principal": "x-user",
                "key": "x-client",
                "key_id": "x-client-id",
                "scopes": "x-roles",
                "subject": "x-subject",
                "issuer": "x-issuer",
                "jwt": {
                    "header": "x-caller",
                    "issuer": "edge",
                    "audience": "orders",
                    "ttl": "30s",
                    "key": "file:/etc/tollgate/jwt.pem",
                },
            },
            "credential": {
                "oauth2_client_credentials": {
                    "token_url": "https://login.internal/token",
                    "client_id": "edge",
                    "client_secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:login-AbCdEf",
                    "scopes": ["orders:read"],
                    "audience": "orders",
                    "ca": "file:/etc/tollgate/login-ca.pem",
                },
                "plaintext": true,
            },
            "forward_credential": false,
            "force_destroy": false,
        }),
        change: ("timeouts", json!({"connect": "1s"})),
        without: &[],
        needs: &[],
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
            "proxy": "base",
            "hosts": ["*.example.com", "api.example.com"],
            "methods": ["POST", "GET"],
            "path": "/v1/orders/**",
            "upstream": "base",
            "upgrades": ["websocket"],
            "cost": 5,
            "priority": "batch",
            "anonymous": true,
            "anonymous_quotas": ["base"],
            "credentials": ["key", "certificate", "token"],
            "body_bytes_max": 1_048_576,
        }),
        change: ("methods", Json::Null),
        without: &[],
        needs: &[],
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
            "listen": [
                {"address": "0.0.0.0:8080"},
                {"address": "unix:/run/tollgate.sock", "proxy_protocol": ["unix"]},
                {"address": "[::1]:8081", "proxy_protocol": ["10.0.0.0/8"], "tls": {
                    "certificates": [
                        "file:/etc/tollgate/edge.pem",
                        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:edge-AbCdEf",
                    ],
                    "client_ca": "file:/etc/tollgate/clients.pem",
                    "client_certificates": "optional",
                    "client_crl": "file:/etc/tollgate/revoked.pem",
                    "min_version": "1.3",
                }},
            ],
            "trusted_proxies": ["10.0.0.0/8"],
            "fleet": {"size": 3, "dns": "edge.internal"},
            "counters": {
                "url": "rediss://counters.internal:6379",
                "cluster": true,
                "username": "edge",
                "password": "file:/etc/tollgate/counters-password",
                "ca": "file:/etc/tollgate/counters-ca.pem",
                "timeout": "50ms",
                "prefix": "tollgate:prod:",
            },
            "rate_limit_headers": "legacy",
            "resource_metadata": {
                "resource": "https://api.example.com",
                "authorization_servers": ["https://login.example.com"],
                "scopes": ["orders:read"],
            },
            "jwks_path": "/.well-known/jwks.json",
            "force_destroy": false,
        }),
        change: ("description", json!("From everywhere.")),
        without: &[],
        needs: &[],
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
