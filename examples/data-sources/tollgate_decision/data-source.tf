# What a proxy would answer, decided by the engine that the proxies run.
data "tollgate_decision" "acme_deletes" {
  proxy  = "edge"
  key    = "acme-ci"
  method = "DELETE"
  host   = "api.example.com"
  path   = "/v1/orders/1"
}

output "acme_deletes" {
  value = "${data.tollgate_decision.acme_deletes.code}: ${data.tollgate_decision.acme_deletes.reason}"
}

# Asked in a check, at every plan and apply.
check "quota" {
  data "tollgate_decision" "eleven_requests" {
    proxy    = "edge"
    key      = "acme-ci"
    method   = "GET"
    host     = "api.example.com"
    path     = "/v1/orders/1"
    requests = 11
  }

  assert {
    condition     = data.tollgate_decision.eleven_requests.code == "quota_exceeded"
    error_message = "Eleven requests pass, where ten should: ${data.tollgate_decision.eleven_requests.reason}"
  }
}

# Whoever logs in with that scope, without a token.
check "login" {
  data "tollgate_decision" "alice" {
    proxy  = "edge"
    issuer = "login"
    claims = jsonencode({ aud = "https://api.example.com", sub = "alice", scope = "orders:read" })
    method = "GET"
    host   = "api.example.com"
    path   = "/v1/orders/1"
  }

  assert {
    condition     = data.tollgate_decision.alice.allowed
    error_message = data.tollgate_decision.alice.reason
  }
}
