import {
  to = tollgate_quota.free
  id = "free"
}
