import {
  to = tollgate_proxy.edge
  id = "edge"
}
