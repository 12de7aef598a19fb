terraform import tollgate_key.acme_ci acme-ci
