# For the role that runs Terraform.
data "tollgate_iam_policy" "terraform" {
  role = "administer"
}

# For the role of the proxies: it reads no token.
data "tollgate_iam_policy" "proxies" {
  role = "enforce"

  # Only where certificates are in secrets.
  certificates = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:edge-AbCdEf"]

  # Only where upstreams name secrets.
  upstream_secrets = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:billing-client-secret-AbCdEf"]
}

# For the role of one client: it reads its own token, and nothing else.
data "tollgate_iam_policy" "acme" {
  role = "client"
  key  = "acme-ci"
}

# Give each to the `policy` of an `aws_iam_role_policy`.
output "policies" {
  value = {
    terraform = data.tollgate_iam_policy.terraform.json
    proxies   = data.tollgate_iam_policy.proxies.json
    acme      = data.tollgate_iam_policy.acme.json
  }
}
