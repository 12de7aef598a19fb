terraform import tollgate_issuer.login login
