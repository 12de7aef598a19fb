resource "tollgate_quota" "free" {
  name        = "free"
  description = "The free plan."
  each        = "principal"

  limits = [
    { requests = 10, per = "1m" },
    { requests = 5000, per = "1d" },
  ]
}
