//! A role with a condition, from terraform to the requests that it lets through.

use tollgate_acceptance::{Browser, Proxy, SampleUpstream, free_port};

use crate::edge::edge;
use crate::stores::{Run, on_both_stores};

on_both_stores! {
    a_condition_decides_until_an_apply_says_otherwise => super::a_condition_decides;
}

fn resources(edge: &str, condition: &str) -> String {
    format!(
        r#"{edge}
resource "tollgate_role" "it" {{
  name      = "tester"
  scopes    = [tollgate_scope.it.name]
  time_zone = "Europe/Berlin"
  condition = <<-EOT
    {condition}
  EOT
}}
resource "tollgate_principal" "it" {{
  name  = "acme"
  roles = [tollgate_role.it.name]
}}
resource "tollgate_key" "it" {{
  name      = "acme-ci"
  principal = tollgate_principal.it.name
}}
output "place" {{
  value = tollgate_key.it.secret_id
}}
data "tollgate_decision" "it" {{
  proxy      = tollgate_proxy.it.name
  key        = tollgate_key.it.name
  method     = "GET"
  host       = "localhost"
  path       = "/v1/orders/1"
  at         = "2027-06-30T08:30:00Z"
  headers    = {{ "x-env" = "prod" }}
  depends_on = [tollgate_role.it, tollgate_key.it, tollgate_route.it]
}}
output "code" {{
  value = data.tollgate_decision.it.code
}}
output "because" {{
  value = join("; ", flatten(data.tollgate_decision.it.conditions[*].because))
}}
"#
    )
}

fn a_condition_decides(run: &Run) {
    let upstream = SampleUpstream::start().unwrap();
    let listen = format!("127.0.0.1:{}", free_port().unwrap());
    let edge = edge(&upstream, &listen);
    let testing = "context.headers has \"x-env\" && context.headers[\"x-env\"] == \"test\"";
    let mut proxy = Proxy::start(&run.binaries, &run.place, &run.namespace).unwrap();
    run.declare(&resources(&edge, testing));
    run.terraform.apply(&[]).unwrap();
    proxy.await_poll().unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
    let token = run
        .place
        .token(&run.terraform.output("place").unwrap())
        .unwrap();
    let bearer = format!("Bearer {}", token.expose());
    let status = |environment: &str| {
        let headers = [("Authorization", bearer.as_str()), ("X-Env", environment)];
        let url = format!("http://{listen}/v1/orders/1");
        Browser::new().ask(&url, &headers).unwrap().status
    };

    assert_eq!((status("test"), status("prod")), (200, 403));
    assert_eq!(run.terraform.output("code").unwrap(), "condition_unmet");
    let because = run.terraform.output("because").unwrap();
    assert_eq!(because, "context.headers[\"x-env\"] is \"prod\"");

    // Half past eight is half past ten in Berlin's summer.
    run.declare(&resources(
        &edge,
        "context.hour == 10 || context.headers has \"x-env\"",
    ));
    run.terraform.apply(&[]).unwrap();
    proxy.await_poll().unwrap();
    assert_eq!((status("test"), status("prod")), (200, 200));
    assert_eq!(run.terraform.output("code").unwrap(), "allowed");

    run.declare(&resources(
        &edge,
        "context.headers has \"x-env\"\n    && context.haeders == 1",
    ));
    let refused = run.terraform.plan(&[]).unwrap().expect_error().unwrap();
    assert!(
        refused.flowing().contains("Line 2, column 4: "),
        "{}",
        refused.output
    );
    assert!(refused.flowing().contains("haeders"), "{}", refused.output);
    // What was there is served.
    assert_eq!(status("prod"), 200);

    run.declare(&resources(&edge, testing));
    run.terraform.destroy(&[]).unwrap();
    drop(proxy);
    run.assert_nothing_is_left();
}
