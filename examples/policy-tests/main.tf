# Who may do what, and tests of it: `terraform test` asks what a proxy would answer, by the engine that the proxies run.

terraform {
  required_version = ">= 1.11"
  required_providers {
    tollgate = { source = "tollgate/tollgate" }
  }
}

variable "request" {
  description = "The request that is asked about; with an empty key, it comes without one."
  type = object({
    method   = optional(string, "GET")
    path     = optional(string, "/v1/orders/1")
    key      = optional(string, "acme-ci")
    address  = optional(string, "192.0.2.1")
    at       = optional(string)
    requests = optional(number, 1)
  })
  default = {}
}

resource "tollgate_proxy" "edge" {
  name   = "edge"
  listen = [{ address = "127.0.0.1:8080" }]
}

resource "tollgate_upstream" "orders" {
  name    = "orders"
  targets = ["http://orders.internal:8080"]
}

resource "tollgate_route" "orders" {
  name     = "orders"
  proxy    = tollgate_proxy.edge.name
  path     = "/v1/**"
  upstream = tollgate_upstream.orders.name
}

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

resource "tollgate_key" "acme_ci" {
  name       = "acme-ci"
  principal  = tollgate_principal.acme.name
  expires_at = "2046-06-30T00:00:00Z"
}

# Reads the store after everything that decides about the request was written.
data "tollgate_decision" "asked" {
  proxy    = tollgate_proxy.edge.name
  method   = var.request.method
  host     = "api.example.com"
  path     = var.request.path
  key      = var.request.key == "" ? null : var.request.key
  address  = var.request.address
  at       = var.request.at
  requests = var.request.requests

  depends_on = [tollgate_route.orders, tollgate_key.acme_ci]
}

# Holds at every apply, also where nobody runs the tests.
check "partners_are_served" {
  data "tollgate_decision" "partner" {
    proxy  = tollgate_proxy.edge.name
    method = "GET"
    host   = "api.example.com"
    path   = "/v1/orders/1"
    key    = tollgate_key.acme_ci.name

    depends_on = [tollgate_route.orders]
  }

  assert {
    condition     = data.tollgate_decision.partner.allowed
    error_message = "A partner can't read orders: ${data.tollgate_decision.partner.reason}"
  }
}
