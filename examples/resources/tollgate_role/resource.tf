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

  # What takes its place is made first, and what names it changes over: a role that is still named can't go.
  lifecycle {
    create_before_destroy = true
  }
}

# What it gives, it gives in working hours only, and to who asks from the office.
resource "tollgate_role" "refunds" {
  name      = "refunds"
  scopes    = [tollgate_scope.orders_write.name]
  time_zone = "Europe/Berlin"
  condition = <<-EOT
    context.weekday <= 5 && context.hour >= 9 && context.hour < 17
    && context has address && context.address.isInRange(ip("10.20.0.0/16"))
  EOT
}
