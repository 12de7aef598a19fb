resource "tollgate_proxy" "edge" {
  name   = "edge"
  listen = [{ address = "0.0.0.0:8080" }]
}

resource "tollgate_upstream" "orders" {
  name    = "orders"
  targets = ["http://orders.internal:8080"]
}

resource "tollgate_route" "orders" {
  name        = "orders"
  description = "Orders go to the orders API."
  proxy       = tollgate_proxy.edge.name
  hosts       = ["api.example.com", "*.partner.example.com"]
  methods     = ["GET", "POST"]
  path        = "/v1/orders/**"
  upstream    = tollgate_upstream.orders.name
}

# Clients may keep a WebSocket open here.
resource "tollgate_route" "order_events" {
  name     = "order-events"
  proxy    = tollgate_proxy.edge.name
  path     = "/v1/orders/events"
  upstream = tollgate_upstream.orders.name
  upgrades = ["websocket"]
}

# A report is as much work as twenty orders: quotas count it for as many.
resource "tollgate_route" "reports" {
  name     = "reports"
  proxy    = tollgate_proxy.edge.name
  path     = "/v1/reports/**"
  upstream = tollgate_upstream.orders.name
  cost     = 20
}

# The first to be shed where the upstream has too much to do and a throttle.
resource "tollgate_route" "order_reports" {
  name     = "order-reports"
  proxy    = tollgate_proxy.edge.name
  path     = "/v1/orders/reports/**"
  upstream = tollgate_upstream.orders.name
  priority = "batch"
}

resource "tollgate_quota" "strangers" {
  name   = "strangers"
  limits = [{ requests = 60, per = "1m" }]
  each   = "address"
}

# Open to everybody, also without a credential; each address has 60 requests a minute.
resource "tollgate_route" "catalogue" {
  name             = "catalogue"
  proxy            = tollgate_proxy.edge.name
  methods          = ["GET", "HEAD"]
  path             = "/v1/catalogue/**"
  upstream         = tollgate_upstream.orders.name
  anonymous        = true
  anonymous_quotas = [tollgate_quota.strangers.name]
}

# Keys do not do here, whatever their scopes.
resource "tollgate_route" "settlements" {
  name        = "settlements"
  proxy       = tollgate_proxy.edge.name
  path        = "/v1/settlements/**"
  upstream    = tollgate_upstream.orders.name
  credentials = ["certificate", "token"]
}
