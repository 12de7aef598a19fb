resource "tollgate_scope" "orders_read" {
  name   = "orders:read"
  grants = [{ methods = ["GET", "HEAD"], path = "/v1/orders/**" }]
}

resource "tollgate_role" "buyer" {
  name   = "buyer"
  scopes = [tollgate_scope.orders_read.name]
}

resource "tollgate_quota" "each" {
  name   = "each"
  limits = [{ requests = 100, per = "1m" }]
}

# Whoever logs in there may do what the token says: a scope "orders:read", or a role in the group "purchasing".
resource "tollgate_issuer" "login" {
  name        = "login"
  description = "Everybody who works here."
  url         = "https://login.example.com/realms/staff"
  audiences   = ["https://api.example.com"]
  token_types = ["JWT"]
  roles_claim = "realm_access.roles"
  roles       = { purchasing = tollgate_role.buyer.name }
  any_subject = true
  quotas      = [tollgate_quota.each.name]
}

# One client of that server is a system with roles of its own.
resource "tollgate_principal" "importer" {
  name     = "importer"
  roles    = [tollgate_role.buyer.name]
  subjects = [{ issuer = tollgate_issuer.login.name, claim = "client_id", value = "order-importer" }]
}

# An authorization server whose tokens only it can read: it is asked about each, so that what it revokes is closed within
# half a minute. They must be bound to a key or a certificate of whoever bears them.
resource "tollgate_issuer" "partners" {
  name          = "partners"
  url           = "https://partners.example.com"
  audiences     = ["https://api.example.com"]
  subject_claim = "client_id"
  any_subject   = true

  introspection = {
    url           = "https://partners.example.com/oauth2/introspect"
    client_id     = "tollgate"
    client_secret = "file:/etc/tollgate/introspection"
    cache         = "30s"
  }
  require_binding = true
}
