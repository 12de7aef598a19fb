# One API behind one proxy, and one client that may read it ten times a minute.
#
# Where the documents are kept stands in TOLLGATE_STORE: "directory:./store" on a laptop, "secretsmanager" on AWS.

terraform {
  required_version = ">= 1.11"
  required_providers {
    tollgate = { source = "tollgate/tollgate" }
  }
}

provider "tollgate" {
  namespace = var.namespace
}

resource "tollgate_proxy" "edge" {
  name   = "edge"
  listen = [{ address = var.listen }]
}

resource "tollgate_upstream" "orders" {
  name    = "orders"
  targets = [var.orders_url]
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

resource "tollgate_quota" "free" {
  name   = "free"
  limits = [{ requests = 10, per = "1m" }]
}

resource "tollgate_key" "acme" {
  name    = var.client
  scopes  = [tollgate_scope.orders_read.name]
  quotas  = [tollgate_quota.free.name]
  enabled = !var.revoked
}
