# 86400
output "seconds" {
  value = provider::tollgate::duration_seconds("24h")
}
