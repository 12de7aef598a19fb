import {
  to = tollgate_key.acme_ci
  id = "acme-ci"
}
