resource "tollgate_upstream" "orders" {
  name        = "orders"
  description = "The orders API."
  targets     = ["http://orders-1.internal:8080", "http://orders-2.internal:8080"]
  timeouts    = { connect = "1s", response = "10s" }

  # What takes its place is made first, and what names it changes over: an upstream that is still named can't go.
  lifecycle {
    create_before_destroy = true
  }
}
