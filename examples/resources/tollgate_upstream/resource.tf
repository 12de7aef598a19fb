resource "tollgate_upstream" "orders" {
  name        = "orders"
  description = "The orders API."
  targets     = ["http://orders-1.internal:8080", "http://orders-2.internal:8080"]
  # The second is a larger machine.
  target_weights  = { "http://orders-2.internal:8080" = 3 }
  connections_max = 200
  balance         = "least_requests"
  health          = { path = "/healthz", interval = "5s", timeout = "1s" }
  slow_start      = "30s"
  timeouts        = { connect = "1s", response = "10s", request = "1m" }
  retries         = { attempts = 1, on = ["reset", "503"] }
  throttle        = { limit_max = 200 }

  # What takes its place is made first, and what names it changes over: an upstream that is still named can't go.
  lifecycle {
    create_before_destroy = true
  }
}

resource "tollgate_upstream" "billing" {
  name     = "billing"
  targets  = ["https://billing.internal"]
  protocol = "h2"

  # A file on each proxy, with an absolute path; a secret; or the certificates themselves: ca = file("ca.pem").
  tls = {
    ca          = "file:/etc/tollgate/internal-ca.pem"
    certificate = "file:/etc/tollgate/billing-client.pem"
  }

  # Who asks, as proof, and the proxy's own token: never the client's.
  identity = {
    principal = "x-user"
    jwt = {
      header   = "x-caller-token"
      issuer   = "https://edge.internal"
      audience = "billing"
      key      = "file:/etc/tollgate/edge-jwt.pem"
    }
  }
  credential = {
    oauth2_client_credentials = {
      token_url     = "https://login.internal/oauth2/token"
      client_id     = "edge"
      client_secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:billing-client-secret-AbCdEf"
      scopes        = ["billing:write"]
    }
  }
}

# An API of AWS that asks for signatures (IAM authorization), signed with the proxies' own role.
resource "tollgate_upstream" "ledger" {
  name    = "ledger"
  targets = ["https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"]

  credential = {
    aws_sigv4 = { service = "execute-api", region = "eu-west-1" }
  }
}

resource "tollgate_issuer" "staff" {
  name        = "staff"
  url         = "https://login.internal/"
  audiences   = ["https://api.example.com"]
  any_subject = true
}

# Each caller's own token is exchanged for one that this upstream takes; it is told whose it was.
resource "tollgate_upstream" "profiles" {
  name    = "profiles"
  targets = ["https://profiles.internal"]

  identity = {
    subject = "x-subject"
    issuer  = "x-issuer"
  }
  credential = {
    token_exchange = {
      token_url     = "https://login.internal/oauth2/token"
      client_id     = "edge"
      client_secret = "file:/etc/tollgate/edge-client-secret"
      audience      = "profiles"
      issuers       = [tollgate_issuer.staff.name]
    }
  }
}

# It speaks no TLS, and the way to it is safe.
resource "tollgate_upstream" "legacy" {
  name    = "legacy"
  targets = ["http://legacy.internal:8080"]

  credential = {
    basic     = { username = "edge", password = "file:/etc/tollgate/legacy-password" }
    plaintext = true
  }
}
