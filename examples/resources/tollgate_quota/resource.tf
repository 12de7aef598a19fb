resource "tollgate_quota" "free" {
  name        = "free"
  description = "The free plan."
  each        = "principal"

  limits = [
    { requests = 10, per = "1m" },
    { requests = 5000, per = "day" },
    { concurrent = 5 },
  ]
  time_zone = "Europe/Berlin"

  # What takes its place is made first, and what names it changes over: a quota that is still named can't go.
  lifecycle {
    create_before_destroy = true
  }
}

# Spread evenly, with short bursts; one principal has agreed on more.
resource "tollgate_quota" "steady" {
  name   = "steady"
  limits = [{ requests = 600, per = "1m", window = "smooth", burst = 20 }]

  overrides = {
    "acme" = { limits = [{ requests = 6000, per = "1m", window = "smooth", burst = 200 }] }
  }
}

# Measured before it is enforced: logs and metrics tell whom it would have refused.
resource "tollgate_quota" "planned" {
  name   = "planned"
  limits = [{ requests = 100, per = "1h" }]
  shadow = true
}
