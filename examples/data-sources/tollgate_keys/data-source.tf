# Whatever expires before the summer: a list to send to the owners.
data "tollgate_keys" "expiring" {
  enabled        = true
  environment    = "live"
  expires_before = "2027-06-30T00:00:00Z"
}

data "tollgate_keys" "of_acme" {
  principal = "acme"
  metadata  = { owner = "acme" }
}

output "expiring" {
  value = { for key in data.tollgate_keys.expiring.keys : key.name => key.expires_at }
}

output "of_acme" {
  value = data.tollgate_keys.of_acme.names
}
