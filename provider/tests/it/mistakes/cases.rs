//! Wrong values of attributes, by resource.

use serde_json::{Value as Json, json};

use crate::samples::{self, Sample};

/// Every resource, as it is right, and what is wrong with one attribute each.
pub(super) fn all() -> impl Iterator<Item = (Sample, Vec<(&'static str, Json)>)> {
    let resources = [scopes(), quotas(), keys(), key_sets(), roles()];
    resources.into_iter().chain(others())
}

fn many(text: impl Fn(usize) -> String, count: usize) -> Json {
    (0..count).map(text).collect()
}

fn scopes() -> (Sample, Vec<(&'static str, Json)>) {
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

fn quotas() -> (Sample, Vec<(&'static str, Json)>) {
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

fn keys() -> (Sample, Vec<(&'static str, Json)>) {
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

fn key_sets() -> (Sample, Vec<(&'static str, Json)>) {
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

fn upstreams() -> (Sample, Vec<(&'static str, Json)>) {
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
    let shown = shown().into_iter();
    (
        samples::upstream(),
        mistakes.into_iter().chain(shown).collect(),
    )
}

/// What upstreams are told and shown.
fn shown() -> Vec<(&'static str, Json)> {
    let shown = secrets().into_iter().chain(tokens_and_signatures());
    let forwarded = ("forward_credential", json!(true));
    told().into_iter().chain(shown).chain([forwarded]).collect()
}

/// What they are told of who asks.
fn told() -> Vec<(&'static str, Json)> {
    vec![
        ("identity", json!({})),
        (
            "identity",
            json!({"principal": "X-User", "key": "host", "scopes": "x-forwarded-for"}),
        ),
        ("identity", json!({"principal": "x-user", "key": "x-user"})),
        ("identity", json!({"principal": "authorization"})),
        (
            "identity",
            json!({"principal": "cookie", "key": "dpop", "subject": "proxy-authorization", "issuer": "transfer-encoding"}),
        ),
        (
            "identity",
            json!({"jwt": {"header": "x-api-key", "issuer": "a", "audience": "b", "key": "file:/k"}}),
        ),
        (
            "identity",
            json!({"subject": "x-caller", "issuer": "x-caller"}),
        ),
        (
            "identity",
            json!({"jwt": {"header": "x-caller", "issuer": "", "audience": "a b", "key": "hush"}}),
        ),
        (
            "identity",
            json!({"jwt": {"header": "x-caller", "issuer": "a", "audience": "b", "ttl": "6m", "key": "file:/k"}}),
        ),
    ]
}

/// Secrets that they are shown.
fn secrets() -> Vec<(&'static str, Json)> {
    vec![
        ("credential", json!({})),
        (
            "credential",
            json!({
                "header": {"name": "x-key", "value": "file:/k"},
                "basic": {"username": "a", "password": "file:/k"},
            }),
        ),
        (
            "credential",
            json!({"header": {"name": "Cookie", "value": "Bearer hush"}}),
        ),
        (
            "credential",
            json!({"header": {"name": "proxy-authorization", "value": "file:/k"}, "plaintext": true}),
        ),
        (
            "credential",
            json!({"header": {"name": "x-key", "value": "file:/k"}}),
        ),
        (
            "credential",
            json!({"basic": {"username": "a", "password": "file:/k"}, "plaintext": false}),
        ),
        (
            "credential",
            json!({"token_exchange": {
                "token_url": "https://login.internal/token", "client_id": "a", "client_secret": "file:/k",
                "issuers": ["log in"],
            }}),
        ),
        (
            "credential",
            json!({"token_exchange": {
                "token_url": "https://login.internal/token", "client_id": "a", "client_secret": "file:/k",
                "issuers": [],
            }}),
        ),
        (
            "credential",
            json!({"basic": {"username": "a:b", "password": "file:/k"}}),
        ),
    ]
}

/// Tokens and signatures that they are shown.
fn tokens_and_signatures() -> Vec<(&'static str, Json)> {
    vec![
        (
            "credential",
            json!({"oauth2_client_credentials": {
                "token_url": "http://login.internal/token", "client_id": "a", "client_secret": "hush", "scopes": [],
            }}),
        ),
        (
            "credential",
            json!({"oauth2_client_credentials": {
                "token_url": "https://a:hush@login.internal", "client_id": "a", "client_secret": "file:/k",
            }}),
        ),
        (
            "credential",
            json!({"oauth2_client_credentials": {
                "token_url": "https://login.internal", "client_id": "a", "client_secret": "file:/k", "ca": "ca.pem",
            }}),
        ),
        (
            "credential",
            json!({"token_exchange": {
                "token_url": "http://login.internal/token", "client_id": "", "client_secret": "hush", "scopes": [],
            }}),
        ),
        (
            "credential",
            json!({"aws_sigv4": {"service": "Execute API", "region": "", "payload": "none", "body_bytes_max": 0}}),
        ),
        (
            "credential",
            json!({"aws_sigv4": {"service": "s3", "region": "eu-west-1", "payload": "unsigned"}}),
        ),
        (
            "credential",
            json!({"aws_sigv4": {
                "service": "s3", "region": "eu-west-1", "payload": "unsigned", "body_bytes_max": 1,
            }}),
        ),
    ]
}

/// What a proxy says of itself.
fn metadata() -> [(&'static str, Json); 3] {
    [
        (
            "resource_metadata",
            json!({"resource": "https://api.example.com?x=1", "authorization_servers": ["https://a"]}),
        ),
        (
            "resource_metadata",
            json!({"resource": "http://api.example.com", "authorization_servers": []}),
        ),
        (
            "resource_metadata",
            json!({"resource": "https://a", "authorization_servers": ["https://a#b"], "scopes": ["a b"]}),
        ),
    ]
}

/// Of where a fleet counts.
fn counters() -> Vec<(&'static str, Json)> {
    vec![
        ("counters", json!({"url": "counters.internal:6379"})),
        (
            "counters",
            json!({"url": "rediss://edge:word@counters.internal"}),
        ),
        (
            "counters",
            json!({"url": "redis://counters.internal", "password": "file:/etc/tollgate/word"}),
        ),
        (
            "counters",
            json!({"url": "redis://counters.internal", "ca": "file:/etc/tollgate/ca.pem"}),
        ),
        (
            "counters",
            json!({"url": "rediss://counters.internal", "username": "edge"}),
        ),
        (
            "counters",
            json!({"url": "rediss://counters.internal", "password": "hush", "username": "edge"}),
        ),
        (
            "counters",
            json!({"url": "rediss://counters.internal", "timeout": "2s", "prefix": "{a}"}),
        ),
    ]
}

fn proxies() -> (Sample, Vec<(&'static str, Json)>) {
    let mistakes = vec![
        ("listen", json!([])),
        ("listen", json!([{"address": "8080"}])),
        (
            "listen",
            json!([{"address": "0.0.0.0:80"}, {"address": "0.0.0.0:80"}]),
        ),
        (
            "listen",
            (0..17)
                .map(|n| json!({"address": format!("0.0.0.0:{}", 8000 + n)}))
                .collect(),
        ),
        ("trusted_proxies", json!(["10.0.0.0/33"])),
        ("fleet", json!({})),
        ("fleet", json!({"size": 0})),
        ("fleet", json!({"size": 1_001})),
        ("fleet", json!({"dns": "edge.internal:8080"})),
        ("rate_limit_headers", json!("all")),
        ("jwks_path", json!("keys")),
        ("jwks_path", json!("/keys/**")),
        ("jwks_path", json!("/.well-known/oauth-protected-resource")),
        (
            "listen",
            json!([{"address": "0.0.0.0:80", "proxy_protocol": ["10.0.0.1/8"]}]),
        ),
        (
            "listen",
            json!([{"address": "0.0.0.0:80", "proxy_protocol": []}]),
        ),
        (
            "listen",
            json!([{"address": "0.0.0.0:80", "proxy_protocol": ["unix"]}]),
        ),
        (
            "listen",
            json!([{"address": "unix:/run/a.sock", "proxy_protocol": ["10.0.0.0/8"]}]),
        ),
        ("listen", json!([{"address": "unix:a.sock"}])),
        ("listen", tls(&json!({"certificates": []}))),
        ("listen", tls(&json!({"certificates": ["/etc/edge.pem"]}))),
        (
            "listen",
            tls(&json!({"certificates": ["-----BEGIN PRIVATE KEY-----\nMIG"]})),
        ),
        (
            "listen",
            tls(&json!({"certificates": ["file:/a.pem", "file:/a.pem"]})),
        ),
        (
            "listen",
            tls(&json!({"certificates": ["file:/a.pem"], "min_version": "1.1"})),
        ),
        (
            "listen",
            tls(&json!({"certificates": ["file:/a.pem"], "client_certificates": "optional"})),
        ),
        (
            "listen",
            tls(&json!({
                "certificates": ["file:/a.pem"],
                "client_ca": "file:clients.pem",
                "client_certificates": "always",
            })),
        ),
        (
            "listen",
            tls(&json!({"certificates": ["file:/a.pem"], "client_crl": "file:/crl.pem"})),
        ),
    ];
    let all = mistakes.into_iter().chain(metadata()).chain(counters());
    (samples::proxy(), all.collect())
}

/// How an issuer is asked, with what is wrong about it.
fn asked(wrong: &Json) -> Json {
    let mut asked = json!({
        "url": "https://login.example.com/introspect",
        "client_id": "tollgate",
        "client_secret": "file:/etc/tollgate/introspection",
    });
    let wrong = wrong.as_object().unwrap().clone();
    asked.as_object_mut().unwrap().extend(wrong);
    asked
}

fn issuers() -> (Sample, Vec<(&'static str, Json)>) {
    let mistakes = vec![
        ("url", json!("login.example.com")),
        ("url", json!("http://login.example.com/")),
        ("url", json!("https://169.254.169.254/")),
        ("url", json!("https://me@login.example.com/")),
        ("url", json!("https://login.example.com/?tenant=1")),
        ("jwks_url", json!("http://keys.example.com/")),
        ("jwks_url", json!("ldap://keys.example.com/")),
        ("jwks", json!("https://login.example.com/keys")),
        ("jwks", json!("{\"keys\": []}")),
        (
            "jwks",
            json!("{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}"),
        ),
        ("jwks", json!("{\"keys\": [{\"kty\": \"RSA\"}]}")),
        ("audiences", json!([])),
        ("audiences", json!(["the orders"])),
        ("algorithms", json!(["none"])),
        ("algorithms", json!(["HS256"])),
        ("algorithms", json!(["rs256"])),
        ("clock_skew", json!("6m")),
        ("clock_skew", json!("30")),
        ("token_types", json!([])),
        ("token_types", json!(["access token"])),
        ("scope_claim", json!("")),
        ("roles_claim", json!("the roles")),
        ("subject_claim", json!("x".repeat(201))),
        ("principal_claim", json!("")),
        ("ca", json!("/etc/ca.pem")),
        (
            "ca",
            json!("arn:aws:acm:eu-west-1:123456789012:certificate/1"),
        ),
        (
            "introspection",
            asked(&json!({"url": "http://login.example.com/introspect"})),
        ),
        ("introspection", asked(&json!({"client_secret": "hush"}))),
        (
            "introspection",
            asked(&json!({"method": "private_key_jwt"})),
        ),
        ("introspection", asked(&json!({"token_prefix": ""}))),
        ("introspection", asked(&json!({"cache": "2m"}))),
        ("introspection", asked(&json!({"timeout": "6s"}))),
        ("introspection", asked(&json!({"calls_per_second": 0}))),
        ("scopes", json!({"api/read": "orders read"})),
        ("roles", json!({})),
        ("quotas", many(|n| format!("q{n}"), 9)),
    ];
    (samples::issuer(), mistakes)
}

fn roles() -> (Sample, Vec<(&'static str, Json)>) {
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

fn others() -> [(Sample, Vec<(&'static str, Json)>); 5] {
    let principal = vec![
        ("kind", json!("robot")),
        ("roles", json!([])),
        ("roles", many(|n| format!("r{n}"), 33)),
        ("quotas", many(|n| format!("q{n}"), 9)),
        ("priority", json!("Critical")),
        ("metadata", json!({"owner": "x".repeat(257)})),
        ("subjects", json!([])),
        ("subjects", json!([{"issuer": "log in", "value": "acme"}])),
        ("subjects", json!([{"issuer": "base", "value": "a\nb"}])),
        (
            "subjects",
            json!([{"issuer": "base", "claim": "", "value": "acme"}]),
        ),
        ("subjects", json!([{}])),
        ("subjects", json!([{"issuer": "base"}])),
        ("subjects", json!([{"value": "acme"}])),
        (
            "subjects",
            json!([{"san_uri": "urn:acme", "san_dns": "acme.internal"}]),
        ),
        ("subjects", json!([{"san_uri": "acme"}])),
        (
            "subjects",
            json!([{"san_uri": "spiffe://Example.com/acme"}]),
        ),
        ("subjects", json!([{"san_dns": "*.internal"}])),
        ("subjects", json!([{"subject": "CN=acme, O=Example"}])),
        ("subjects", json!([{"public_key_sha256": "abc"}])),
        ("allowed_cidrs", json!([])),
        ("allowed_cidrs", json!(["10.0.0.0/33"])),
        ("allowed_cidrs", many(|n| format!("10.0.0.{n}"), 33)),
    ];
    let route = vec![
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
    [
        issuers(),
        (samples::principal(), principal),
        upstreams(),
        (samples::route(), route),
        proxies(),
    ]
}

/// One address with that TLS.
fn tls(tls: &Json) -> Json {
    json!([{"address": "0.0.0.0:443", "tls": tls}])
}
