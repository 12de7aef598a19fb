resource "tollgate_scope" "telemetry" {
  name   = "telemetry"
  grants = [{ methods = ["POST"], path = "/v1/telemetry" }]
}

resource "tollgate_quota" "device" {
  name   = "device"
  limits = [{ requests = 60, per = "1m" }]
  each   = "key"
}

# One resource for thousands of keys, in a few secrets: the state and the plan stay small, and so does the bill.
resource "tollgate_key_set" "devices" {
  name        = "devices"
  description = "Every device that reports from the field."
  scopes      = [tollgate_scope.telemetry.name]
  quotas      = [tollgate_quota.device.name]

  keys = {
    "device-0001" = {}

    # Raising `token_version` makes a new token.
    "device-0002" = { token_version = 2, expires_at = "2046-06-30T00:00:00Z" }

    # Its token was stolen.
    "device-0003" = { enabled = false }

    # It goes on with the token that it has; only the SHA-256 of that is known here.
    "device-0004" = { token_sha256 = "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c" }
  }
}
