terraform import tollgate_scope.orders_read orders:read
