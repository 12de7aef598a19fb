resource "tollgate_upstream" "orders" {
  name        = "orders"
  description = "The orders API."
  targets     = ["http://orders-1.internal:8080", "http://orders-2.internal:8080"]
  timeouts    = { connect = "1s", response = "10s" }
}
