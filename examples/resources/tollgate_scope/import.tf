import {
  to = tollgate_scope.orders_read
  id = "orders:read"
}
