variable "token" {
  description = "A token as somebody typed it."
  type        = string
  sensitive   = true
}

# Whether it has the shape and the checksum of a token. Whether it opens anything is for a proxy to say.
output "typed_correctly" {
  value = nonsensitive(provider::tollgate::key_valid(var.token))
}
