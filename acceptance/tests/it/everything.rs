//! One configuration that declares every resource with every attribute, and how each is changed.

use tollgate_store::Name;
use tollgate_store::document::{DocumentKey, Kind};

/// A resource of the configuration, and what a test does to it.
pub(crate) struct Resource {
    /// Its type.
    pub(crate) kind: &'static str,
    /// Its name in the store, by which it is imported.
    pub(crate) name: &'static str,
    /// Its configuration.
    pub(crate) declared: &'static str,
    /// The same with something changed that is updated in place.
    pub(crate) changed: &'static str,
}

impl Resource {
    /// Its document's key.
    pub(crate) fn key(&self) -> DocumentKey {
        let kind = self.kind.strip_prefix("tollgate_").unwrap();
        DocumentKey {
            kind: Kind::parse(kind).unwrap(),
            name: Name::parse(self.name).unwrap(),
        }
    }

    /// Its address in the configuration.
    pub(crate) fn address(&self) -> String {
        format!("{}.it", self.kind)
    }
}

/// Every resource, in an order in which each comes after what it refers to.
pub(crate) const RESOURCES: [Resource; 10] = [
    Resource {
        kind: "tollgate_scope",
        name: "orders:read",
        declared: r#"
resource "tollgate_scope" "it" {
  name        = "orders:read"
  description = "Read orders."
  grants = [
    { methods = ["HEAD", "GET"], path = "/v1/orders/**", hosts = ["*.example.com", "api.example.com"] },
    { path = "/v1/health" },
  ]
}
"#,
        changed: r#"
resource "tollgate_scope" "it" {
  name   = "orders:read"
  grants = [{ methods = ["GET"], path = "/v2/orders/*" }]
}
"#,
    },
    Resource {
        kind: "tollgate_quota",
        name: "free",
        declared: r#"
resource "tollgate_quota" "it" {
  name        = "free"
  description = "The free plan."
  limits = [
    { requests = 10, per = "1m" },
    { requests = 60, per = "1m", window = "smooth", burst = 50 },
    { requests = 5000, per = "day" },
    { concurrent = 50 },
  ]
  across    = "process"
  time_zone = "Europe/Berlin"
  overrides = {
    "acme" = { limits = [{ requests = 100, per = "1m" }] }
  }
}
"#,
        changed: r#"
resource "tollgate_quota" "it" {
  name   = "free"
  limits = [{ requests = 20, per = "60s" }]
  each   = "address"
  shadow = true

  on_counter_failure = "deny"
}
"#,
    },
    Resource {
        kind: "tollgate_role",
        name: "partner",
        declared: r#"
resource "tollgate_role" "it" {
  name        = "partner"
  description = "Partners."
  scopes      = [tollgate_scope.it.name]
  condition   = "context.hour >= 0 && !(context.headers has \"x-blocked\")"
  time_zone   = "Europe/Berlin"
}
"#,
        changed: r#"
resource "tollgate_role" "it" {
  name   = "partner"
  scopes = [tollgate_scope.it.name]
}
"#,
    },
    Resource {
        kind: "tollgate_issuer",
        name: "login",
        declared: r#"
resource "tollgate_issuer" "it" {
  name          = "login"
  description   = "Everybody who works here."
  url           = "https://login.example.com/realms/staff"
  jwks_url      = "https://login.example.com/keys"
  audiences     = ["https://api.example.com"]
  algorithms    = ["ES256", "EdDSA"]
  clock_skew    = "10s"
  token_types   = ["JWT"]
  scope_claim   = "scp"
  roles_claim   = "realm_access.roles"
  subject_claim = "client_id"
  principal_claim = "tollgate_principal"
  require_binding = true
  ca              = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:login-ca-AbCdEf"
  introspection = {
    url              = "https://login.example.com/introspect"
    client_id        = "tollgate"
    client_secret    = "file:/etc/tollgate/introspection"
    method           = "client_secret_post"
    token_prefix     = "opaque_"
    any_audience     = true
    cache            = "30s"
    timeout          = "500ms"
    calls_per_second = 20
  }
  scopes        = { "api/read" = tollgate_scope.it.name }
  roles         = { purchasing = tollgate_role.it.name }
  any_subject   = true
  narrow        = true
  quotas        = [tollgate_quota.it.name]
}
"#,
        changed: r#"
resource "tollgate_issuer" "it" {
  name      = "login"
  url       = "https://login.example.com/"
  jwks      = jsonencode({ keys = [{ kty = "OKP", crv = "Ed25519", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] })
  audiences = ["orders"]
  enabled   = false
}
"#,
    },
    Resource {
        kind: "tollgate_principal",
        name: "acme",
        declared: r#"
resource "tollgate_principal" "it" {
  name        = "acme"
  description = "The acme corporation."
  kind        = "user"
  priority    = "critical"
  roles       = [tollgate_role.it.name]
  quotas      = [tollgate_quota.it.name]
  subjects = [
    { issuer = tollgate_issuer.it.name, claim = "client_id", value = "acme" },
    { san_uri = "spiffe://example.com/acme" },
    { san_dns = "acme.internal" },
    { subject = "CN=acme,O=Example" },
    { public_key_sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
  ]
  allowed_cidrs = ["10.0.0.0/8", "127.0.0.1"]
  metadata    = { owner = "acme" }
}
"#,
        changed: r#"
resource "tollgate_principal" "it" {
  name    = "acme"
  roles   = [tollgate_role.it.name]
  enabled = false
}
"#,
    },
    Resource {
        kind: "tollgate_key_set",
        name: "partners",
        declared: r#"
resource "tollgate_key_set" "it" {
  name        = "partners"
  description = "Everybody else."
  scopes      = [tollgate_scope.it.name]
  quotas      = [tollgate_quota.it.name]
  keys = {
    a = { expires_at = "2046-06-30T02:00:00+02:00", allowed_cidrs = ["10.0.0.0/8"] }
    b = { metadata = { owner = "b" }, enabled = false }
    c = { token_sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }
  }
}
"#,
        changed: r#"
resource "tollgate_key_set" "it" {
  name      = "partners"
  principal = tollgate_principal.it.name
  keys = {
    a = {}
    b = { token_version = 2 }
    d = { scopes = [tollgate_scope.it.name] }
  }
}
"#,
    },
    Resource {
        kind: "tollgate_key",
        name: "acme-ci",
        declared: r#"
resource "tollgate_key" "it" {
  name          = "acme-ci"
  scopes        = [tollgate_scope.it.name]
  roles         = [tollgate_role.it.name]
  quotas        = [tollgate_quota.it.name]
  rotation      = { every = "30d", overlap = "24h" }
  environment   = "test"
  not_before    = "2026-01-01T00:00:00Z"
  expires_at    = "2046-06-30T02:00:00+02:00"
  allowed_cidrs = ["10.0.0.0/8", "127.0.0.1"]
  metadata      = { owner = "acme", ticket = "42" }
}
"#,
        changed: r#"
resource "tollgate_key" "it" {
  name        = "acme-ci"
  principal   = tollgate_principal.it.name
  environment = "test"
  enabled     = false
  rotation    = { overlap = "24h", trigger = "autumn" }
}
"#,
    },
    Resource {
        kind: "tollgate_upstream",
        name: "orders",
        declared: r#"
resource "tollgate_upstream" "it" {
  name        = "orders"
  description = "The orders API."
  targets     = ["http://orders-1.internal:8080", "https://orders-2.internal"]
  target_weights  = { "https://orders-2.internal" = 3 }
  connections_max = 100
  protocol    = "http/1.1"
  tls = {
    ca          = "file:/etc/tollgate/ca.pem"
    server_name = "orders.internal"
    certificate = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:client-AbCdEf"
  }
  balance = "hash"
  health = {
    path            = "/healthz"
    interval        = "10s"
    timeout         = "1s"
    healthy_after   = 1
    unhealthy_after = 2
    status          = 204
  }
  slow_start = "30s"
  timeouts   = { connect = "500ms", response = "10s", idle = "5m", request = "1h" }
  retries    = { attempts = 2, per_try_timeout = "3s", on = ["timeout", "503", "reset"] }
  throttle = {
    limit_min  = 10
    limit_max  = 500
    wait       = "20ms"
    percentile = 75
    shadow     = true
  }
  identity = {
    principal = "x-user"
    key       = "x-client"
    key_id    = "x-client-id"
    scopes    = "x-roles"
    subject   = "x-subject"
    issuer    = "x-issuer"
    jwt = {
      header   = "x-caller"
      issuer   = "edge"
      audience = "orders"
      ttl      = "30s"
      key      = "file:/etc/tollgate/jwt.pem"
    }
  }
  credential = {
    oauth2_client_credentials = {
      token_url     = "https://login.internal/token"
      client_id     = "edge"
      client_secret = "file:/etc/tollgate/secret"
      scopes        = ["orders:write", "orders:read"]
      audience      = "orders"
      ca            = "file:/etc/tollgate/login-ca.pem"
    }
    plaintext = true
  }
}
"#,
        changed: r#"
resource "tollgate_upstream" "it" {
  name    = "orders"
  targets = ["https://orders-2.internal:8080"]
  tls = {
    ca = <<-PEM
      -----BEGIN CERTIFICATE-----
      MIIB
      -----END CERTIFICATE-----
    PEM
  }
  credential         = { aws_sigv4 = { service = "s3", region = "eu-west-1", payload = "unsigned" } }

  health   = { path = "/" }
  timeouts = { connect = "1s" }
  retries  = {}
  throttle = {}
}
"#,
    },
    Resource {
        kind: "tollgate_proxy",
        name: "edge",
        declared: r#"
resource "tollgate_proxy" "it" {
  name            = "edge"
  description     = "The edge."
  trusted_proxies = ["10.0.0.0/8"]
  fleet              = { size = 2, dns = "edge.internal" }
  rate_limit_headers = "legacy"
  jwks_path          = "/.well-known/jwks.json"
  counters = {
    url      = "rediss://counters.internal:6379"
    cluster  = true
    username = "edge"
    password = "file:/etc/tollgate/counters-password"
    ca       = "file:/etc/tollgate/counters-ca.pem"
    timeout  = "50ms"
    prefix   = "tollgate:prod:"
  }
  resource_metadata = {
    resource              = "https://api.example.com"
    authorization_servers = ["https://login.example.com"]
    scopes                = ["orders:read"]
  }
  listen = [
    { address = "127.0.0.1:8080" },
    { address = "unix:/run/tollgate.sock", proxy_protocol = ["unix"] },
    {
      address        = "[::1]:8443"
      proxy_protocol = ["10.0.0.0/8", "fd00::/8"]
      tls = {
        certificates        = ["file:/etc/tollgate/edge.pem"]
        client_ca           = "file:/etc/tollgate/clients.pem"
        client_certificates = "optional"
        client_crl          = "file:/etc/tollgate/revoked.pem"
        min_version         = "1.3"
      }
    },
  ]
}
"#,
        changed: r#"
resource "tollgate_proxy" "it" {
  name   = "edge"
  listen = [{ address = "127.0.0.1:8081" }]
}
"#,
    },
    Resource {
        kind: "tollgate_route",
        name: "orders",
        declared: r#"
resource "tollgate_route" "it" {
  name        = "orders"
  description = "Orders."
  proxy       = tollgate_proxy.it.name
  hosts       = ["api.example.com"]
  methods     = ["GET", "POST"]
  path        = "/v1/orders/**"
  upstream    = tollgate_upstream.it.name
  upgrades    = ["websocket"]
  cost        = 5
  priority    = "batch"
  anonymous        = true
  anonymous_quotas = [tollgate_quota.it.name]
  credentials      = ["key", "token", "certificate"]
  body_bytes_max   = 1048576
}
"#,
        changed: r#"
resource "tollgate_route" "it" {
  name     = "orders"
  proxy    = tollgate_proxy.it.name
  path     = "/v2/orders/**"
  upstream = tollgate_upstream.it.name
}
"#,
    },
];

/// The configuration with every resource as it is declared first.
pub(crate) fn declared() -> String {
    RESOURCES.iter().map(|resource| resource.declared).collect()
}

/// The configuration with every resource changed.
pub(crate) fn changed() -> String {
    RESOURCES.iter().map(|resource| resource.changed).collect()
}
