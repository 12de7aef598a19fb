//! Many keys, each a resource of its own, beside as many secrets of hashicorp/aws.

use tollgate_acceptance::{Failure, Terraform};
use tollgate_store::Namespace;

use crate::measure::{Bench, Run, prefix, print};
use crate::mirror::{AWS_VERSION, Mirror};

/// What a configuration costs from its making to its end.
pub(crate) struct Life {
    /// Everything is made.
    pub(crate) apply: Run,
    /// Nothing is to do.
    pub(crate) plan: Run,
    /// Everything is removed.
    pub(crate) destroy: Run,
    /// How many secrets there were.
    pub(crate) secrets: usize,
}

/// Keys with a scope and a quota, by this provider.
pub(crate) fn measure_tollgate(bench: &Bench, mirror: &Mirror, keys: u32) -> Result<Life, Failure> {
    print(&format!("\ntollgate_key x {keys}"));
    let (terraform, namespace) = bench.terraform(mirror, &[SHARED, KEYS].concat(), keys)?;
    live(bench, &terraform, &namespace, &[])
}

/// Secrets with one version each, by hashicorp/aws.
pub(crate) fn measure_aws(bench: &Bench, mirror: &Mirror, keys: u32) -> Result<Life, Failure> {
    print(&format!("\naws_secretsmanager_secret x {keys}"));
    let configuration = AWS.replace("AWS_VERSION", AWS_VERSION);
    let (terraform, namespace) = bench.terraform(mirror, &configuration, keys)?;
    let prefix = format!("prefix={}", prefix(namespace.as_str()));
    live(bench, &terraform, &namespace, &[&prefix])
}

fn live(
    bench: &Bench,
    terraform: &Terraform,
    namespace: &Namespace,
    variables: &[&str],
) -> Result<Life, Failure> {
    let apply = bench.apply(terraform, "apply", variables)?;
    let secrets = bench.secrets(namespace)?;
    let plan = bench.plan(terraform, "plan without changes", variables)?;
    let destroy = bench.destroy(terraform, "destroy", variables)?;
    Ok(Life {
        apply,
        plan,
        destroy,
        secrets,
    })
}

/// What keys of this provider need: clients, a scope and a quota.
pub(crate) const SHARED: &str = r#"
terraform {
  required_providers {
    tollgate = { source = "mirror.example/tollgate/tollgate" }
  }
}

variable "clients" { type = set(string) }

provider "tollgate" {}

resource "tollgate_scope" "read" {
  name   = "orders:read"
  grants = [{ methods = ["GET", "HEAD"], path = "/v1/orders/**" }]
}

resource "tollgate_quota" "free" {
  name   = "free"
  limits = [{ requests = 10, per = "1m" }]
}
"#;

const KEYS: &str = r#"
resource "tollgate_key" "client" {
  for_each = var.clients
  name     = each.key
  scopes   = [tollgate_scope.read.name]
  quotas   = [tollgate_quota.free.name]
}
"#;

/// Without the calls that only check credentials, and with secrets that are removed at once.
const AWS: &str = r#"
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "AWS_VERSION" }
  }
}

variable "clients" { type = set(string) }
variable "prefix" { type = string }

provider "aws" {
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

resource "aws_secretsmanager_secret" "client" {
  for_each                = var.clients
  name                    = "${var.prefix}${each.key}"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "client" {
  for_each      = aws_secretsmanager_secret.client
  secret_id     = each.value.id
  secret_string = sha256(each.key)
}
"#;
