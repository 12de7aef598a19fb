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

# However many keys it has, they share ten requests a minute.
resource "tollgate_principal" "acme" {
  name        = "acme"
  description = "The order importer of a partner."
  kind        = "system"
  roles       = [tollgate_role.partner.name]
  quotas      = [tollgate_quota.free.name]
  metadata    = { owner = "acme", contact = "api@example.com" }

  # What takes its place is made first, and what names it changes over: a principal that is still named can't go.
  lifecycle {
    create_before_destroy = true
  }
}

# Known by its certificate (a SPIFFE ID) where it sends no token, and let in from its own network only.
resource "tollgate_principal" "importer" {
  name          = "importer"
  roles         = [tollgate_role.partner.name]
  subjects      = [{ san_uri = "spiffe://example.com/importer" }]
  allowed_cidrs = ["10.20.0.0/16"]
}
