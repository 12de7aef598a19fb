output "key_id" {
  description = "The public part of the client's key, as logs show it."
  value       = tollgate_key.acme.id
}

output "token_place" {
  description = "Where the client reads its token: a file, or a secret's name. The token itself is in no state."
  value       = tollgate_key.acme.secret_id
}
