//! Many keys in one resource.

use tollgate_acceptance::{Failure, Terraform};

use crate::measure::{Bench, Run, client, print};
use crate::mirror::Mirror;

const RESOURCE: &str = "tollgate_key_set";

/// What a set costs from its making to its end.
pub(crate) struct SetLife {
    /// Everything is made.
    pub(crate) create: Run,
    /// One key is disabled.
    pub(crate) change: Run,
    /// Nothing is to do.
    pub(crate) plan: Run,
    /// Everything is removed.
    pub(crate) destroy: Run,
    /// How many secrets there were.
    pub(crate) secrets: usize,
}

/// A set of keys; `None` where the provider has no such resource.
pub(crate) fn measure(
    bench: &Bench,
    mirror: &Mirror,
    keys: u32,
) -> Result<Option<SetLife>, Failure> {
    print(&format!("\n{RESOURCE} of {keys} keys"));
    let (terraform, namespace) = bench.terraform(mirror, SET, keys)?;
    if !has_resource(&terraform)? {
        print(&format!("  not measured: the provider has no {RESOURCE}"));
        return Ok(None);
    }
    let create = bench.apply(&terraform, "create", &[])?;
    let disabled = format!("disabled={}", client(0));
    let after = [disabled.as_str()];
    let change = bench.apply(&terraform, "change one", &after)?;
    let secrets = bench.secrets(&namespace)?;
    let plan = bench.plan(&terraform, "plan without changes", &after)?;
    let destroy = bench.destroy(&terraform, "destroy", &after)?;
    Ok(Some(SetLife {
        create,
        change,
        plan,
        destroy,
        secrets,
    }))
}

fn has_resource(terraform: &Terraform) -> Result<bool, Failure> {
    let shown = terraform
        .run(&["providers", "schema", "-json"])?
        .expect_success()?;
    let schemas: serde_json::Value = serde_json::from_str(&shown.output).unwrap_or_default();
    let providers = schemas
        .get("provider_schemas")
        .and_then(|providers| providers.as_object());
    let names_it = |provider: &serde_json::Value| {
        let resources = provider.get("resource_schemas");
        resources.is_some_and(|resources| resources.get(RESOURCE).is_some())
    };
    Ok(providers.is_some_and(|providers| providers.values().any(names_it)))
}

const SET: &str = r#"
terraform {
  required_providers {
    tollgate = { source = "mirror.example/tollgate/tollgate" }
  }
}

variable "clients" { type = set(string) }

variable "disabled" {
  type    = string
  default = ""
}

provider "tollgate" {}

resource "tollgate_scope" "read" {
  name   = "orders:read"
  grants = [{ methods = ["GET", "HEAD"], path = "/v1/orders/**" }]
}

resource "tollgate_quota" "free" {
  name   = "free"
  limits = [{ requests = 10, per = "1m" }]
}

resource "tollgate_key_set" "clients" {
  name   = "clients"
  scopes = [tollgate_scope.read.name]
  quotas = [tollgate_quota.free.name]
  keys   = { for client in var.clients : client => { enabled = client != var.disabled } }
}
"#;
