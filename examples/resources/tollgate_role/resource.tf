resource "tollgate_scope" "orders_read" {
  name   = "orders:read"
  grants = [{ methods = ["GET", "HEAD"], path = "/v1/orders/**" }]
}

resource "tollgate_scope" "orders_write" {
  name   = "orders:write"
  grants = [{ methods = ["POST", "PUT", "DELETE"], path = "/v1/orders/**" }]
}

resource "tollgate_role" "partner" {
  name        = "partner"
  description = "What every partner may do."
  scopes      = [tollgate_scope.orders_read.name, tollgate_scope.orders_write.name]
}
