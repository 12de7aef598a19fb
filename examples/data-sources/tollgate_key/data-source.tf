data "tollgate_key" "acme" {
  name = "acme-ci"
}

# A key of a key set.
data "tollgate_key" "device" {
  name    = "device-0001"
  key_set = "devices"
}

output "acme" {
  description = "The key's id, as logs show it, and where its client reads the token."
  value       = { id = data.tollgate_key.acme.id, secret_arn = data.tollgate_key.acme.secret_arn }
}
