resource "tollgate_proxy" "edge" {
  name            = "edge"
  description     = "Everything that enters from outside."
  trusted_proxies = ["10.0.0.0/8"]

  # All processes count together; each enforces its share of what quotas allow while that can't be.
  fleet = { size = 3, dns = "edge.internal" }
  counters = {
    url      = "rediss://counters.internal:6379"
    username = "edge"
    password = "file:/etc/tollgate/counters-password"
  }

  # Refusals tell clients of OAuth 2.0 where to get a token.
  resource_metadata = {
    resource              = "https://api.example.com"
    authorization_servers = ["https://login.example.com"]
    scopes                = ["orders:read"]
  }

  listen = [
    { address = "0.0.0.0:8080" },
    { address = "unix:/run/tollgate/edge.sock" },
    {
      address        = "0.0.0.0:8443"
      proxy_protocol = ["10.0.0.0/8"]
      tls = {
        certificates = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:edge-AbCdEf"]
      }
    },
    {
      address = "[::1]:8444"
      tls = {
        certificates        = ["file:/etc/tollgate/partners.pem", "file:/etc/tollgate/edge.pem"]
        client_ca           = "file:/etc/tollgate/clients.pem"
        client_certificates = "optional"
        client_crl          = "file:/etc/tollgate/revoked.pem"
        min_version         = "1.3"
      }
    },
  ]
}
