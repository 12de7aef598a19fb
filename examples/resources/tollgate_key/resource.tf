resource "tollgate_scope" "orders_read" {
  name   = "orders:read"
  grants = [{ methods = ["GET", "HEAD"], path = "/v1/orders/**" }]
}

resource "tollgate_role" "partner" {
  name   = "partner"
  scopes = [tollgate_scope.orders_read.name]
}

resource "tollgate_quota" "free" {
  name   = "free"
  limits = [{ requests = 10, per = "1m" }]
}

resource "tollgate_principal" "acme" {
  name   = "acme"
  roles  = [tollgate_role.partner.name]
  quotas = [tollgate_quota.free.name]
}

# A key of a principal may do what the principal may. The token is renewed every 30 days, at the first apply after that,
# and the old one is good for another day.
resource "tollgate_key" "acme_ci" {
  name          = "acme-ci"
  principal     = tollgate_principal.acme.name
  rotation      = { every = "30d", overlap = "24h" }
  allowed_cidrs = ["127.0.0.0/8", "2001:db8::/32"]
  metadata      = { owner = "acme", contact = "api@example.com" }
}

# A key that stands alone has scopes, or roles, and quotas of its own.
resource "tollgate_key" "report" {
  name        = "report"
  scopes      = [tollgate_scope.orders_read.name]
  quotas      = [tollgate_quota.free.name]
  environment = "test"
  not_before  = "2026-01-01T00:00:00Z"
  expires_at  = "2046-06-30T00:00:00Z"
}

# A client that goes on with the token that it has: only the SHA-256 of that is known here.
resource "tollgate_key" "migrated" {
  name         = "migrated"
  principal    = tollgate_principal.acme.name
  token_sha256 = "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c"
}
