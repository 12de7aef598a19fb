import {
  to = tollgate_key_set.devices
  id = "devices"
}
