import {
  to = tollgate_issuer.login
  id = "login"
}
