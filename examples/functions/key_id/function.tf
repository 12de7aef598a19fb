variable "token" {
  description = "A token that was found somewhere."
  type        = string
  sensitive   = true
}

# The id is public: with it, the key is found in logs and by `tollgate_keys`. No store is asked.
output "key_id" {
  value = nonsensitive(provider::tollgate::key_id(var.token))
}
