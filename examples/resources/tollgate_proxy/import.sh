terraform import tollgate_proxy.edge edge
