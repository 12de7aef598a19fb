import {
  to = tollgate_route.orders
  id = "orders"
}
