import {
  to = tollgate_principal.acme
  id = "acme"
}
