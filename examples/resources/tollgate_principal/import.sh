terraform import tollgate_principal.acme acme
