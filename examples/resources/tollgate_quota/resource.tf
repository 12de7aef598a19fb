resource "tollgate_quota" "free" {
  name        = "free"
  description = "The free plan."
  each        = "principal"

  limits = [
    { requests = 10, per = "1m" },
    { requests = 5000, per = "1d" },
  ]

  # What takes its place is made first, and what names it changes over: a quota that is still named can't go.
  lifecycle {
    create_before_destroy = true
  }
}
