terraform import tollgate_quota.free free
