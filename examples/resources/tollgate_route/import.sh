terraform import tollgate_route.orders orders
