//! Many keys in one resource.

use tollgate_acceptance::Failure;

use crate::keys::SHARED;
use crate::measure::{Bench, Run, client, print};
use crate::mirror::Mirror;

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

/// A set of keys.
pub(crate) fn measure(bench: &Bench, mirror: &Mirror, keys: u32) -> Result<SetLife, Failure> {
    print(&format!("\ntollgate_key_set of {keys} keys"));
    let configuration = [SHARED, SET].concat();
    let (terraform, namespace) = bench.terraform(mirror, &configuration, keys)?;
    let create = bench.apply(&terraform, "create", &[])?;
    let disabled = format!("disabled={}", client(0));
    let after = [disabled.as_str()];
    let change = bench.apply(&terraform, "change one", &after)?;
    let secrets = bench.secrets(&namespace)?;
    let plan = bench.plan(&terraform, "plan without changes", &after)?;
    let destroy = bench.destroy(&terraform, "destroy", &after)?;
    Ok(SetLife {
        create,
        change,
        plan,
        destroy,
        secrets,
    })
}

const SET: &str = r#"
variable "disabled" {
  type    = string
  default = ""
}

resource "tollgate_key_set" "clients" {
  name   = "clients"
  scopes = [tollgate_scope.read.name]
  quotas = [tollgate_quota.free.name]
  keys   = { for client in var.clients : client => { enabled = client != var.disabled } }
}
"#;
