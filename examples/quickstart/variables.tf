variable "namespace" {
  description = "What belongs together: one fleet of proxies serves one namespace."
  type        = string
  default     = "demo"
}

variable "listen" {
  description = "Where the proxy listens."
  type        = string
  default     = "127.0.0.1:8080"
}

variable "orders_url" {
  description = "Where the orders API answers."
  type        = string
  default     = "http://127.0.0.1:9000"
}

variable "revoked" {
  description = "Whether the client has lost its access."
  type        = bool
  default     = false
}

variable "client" {
  description = "Who may read the orders."
  type        = string
  default     = "acme-ci"
}
