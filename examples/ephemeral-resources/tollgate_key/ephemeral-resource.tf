# The token, while Terraform runs: neither the plan nor the state keeps it.
#
# `ephemeral.tollgate_key.acme.token` may be given to what keeps nothing either: a write-only argument of a resource, or
# the configuration of another provider.
ephemeral "tollgate_key" "acme" {
  name = "acme-ci"
}

# Where the same configuration makes the key, give it the resource's fingerprint too, so that Terraform waits for the
# token: `fingerprint = tollgate_key.acme.fingerprint`.

# A key of a key set.
ephemeral "tollgate_key" "device" {
  name    = "device-0001"
  key_set = "devices"
}
