import {
  to = tollgate_role.partner
  id = "partner"
}
