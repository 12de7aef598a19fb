import {
  to = tollgate_upstream.orders
  id = "orders"
}
