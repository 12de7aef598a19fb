resource "tollgate_proxy" "edge" {
  name            = "edge"
  description     = "Everything that enters from outside."
  listen          = [{ address = "0.0.0.0:8080" }, { address = "[::1]:8081" }]
  trusted_proxies = ["10.0.0.0/8"]
}
