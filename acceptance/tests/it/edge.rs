//! What stands between a client and an upstream in every configuration that a request is sent through.

use tollgate_acceptance::SampleUpstream;

/// The scope `orders:read`, and a proxy that listens there and carries everything to the upstream.
pub(crate) fn edge(upstream: &SampleUpstream, listen: &str) -> String {
    let target = upstream.url();
    format!(
        r#"
resource "tollgate_scope" "it" {{
  name   = "orders:read"
  grants = [{{ methods = ["GET"], path = "/v1/orders/**" }}]
}}
resource "tollgate_upstream" "it" {{
  name    = "orders"
  targets = ["{target}"]
}}
resource "tollgate_proxy" "it" {{
  name   = "edge"
  listen = [{{ address = "{listen}" }}]
}}
resource "tollgate_route" "it" {{
  name     = "orders"
  proxy    = tollgate_proxy.it.name
  path     = "/**"
  upstream = tollgate_upstream.it.name
}}
"#
    )
}
