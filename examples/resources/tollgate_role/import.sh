terraform import tollgate_role.partner partner
