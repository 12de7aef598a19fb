resource "tollgate_scope" "orders_read" {
  name        = "orders:read"
  description = "Read orders, never write them."

  grants = [
    { methods = ["GET", "HEAD"], path = "/v1/orders/**" },
    { methods = ["GET"], path = "/v1/customers/*/orders", hosts = ["api.example.com"] },
  ]

  # What takes its place is made first, and what names it changes over: a scope that is still named can't go.
  lifecycle {
    create_before_destroy = true
  }
}
