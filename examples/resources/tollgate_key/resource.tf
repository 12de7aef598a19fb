resource "tollgate_scope" "orders_read" {
  name   = "orders:read"
  grants = [{ methods = ["GET", "HEAD"], path = "/v1/orders/**" }]
}

resource "tollgate_quota" "free" {
  name   = "free"
  limits = [{ requests = 10, per = "1m" }]
}

resource "tollgate_key" "acme" {
  name          = "acme-ci"
  scopes        = [tollgate_scope.orders_read.name]
  quotas        = [tollgate_quota.free.name]
  environment   = "live"
  not_before    = "2026-01-01T00:00:00Z"
  expires_at    = "2046-06-30T00:00:00Z"
  allowed_cidrs = ["127.0.0.0/8", "2001:db8::/32"]
  metadata      = { owner = "acme", contact = "api@example.com" }
}
