//! Callers' tokens that a real authorization server exchanges, from terraform to what the upstream gets.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde_json::Value;
use tollgate_acceptance::{Browser, Proxy, SampleUpstream, free_port};

use crate::authorization::Server;
use crate::stores::directory;

fn configuration(server: &Server, upstream: &SampleUpstream, listen: &str, secret: &str) -> String {
    let (url, target) = (&server.url, upstream.url());
    format!(
        r#"
resource "tollgate_scope" "it" {{
  name   = "orders:read"
  grants = [{{ methods = ["GET"], path = "/v1/orders/**" }}]
}}
resource "tollgate_issuer" "it" {{
  name        = "login"
  url         = "{url}"
  audiences   = ["https://orders.example.com"]
  any_subject = true
  scopes      = {{ "read" = tollgate_scope.it.name }}
}}
resource "tollgate_upstream" "it" {{
  name    = "orders"
  targets = ["{target}"]
  credential = {{
    token_exchange = {{
      token_url     = "{url}/token"
      client_id     = "edge"
      client_secret = "file:{secret}"
      scopes        = ["profiles"]
      audience      = "https://profiles.example.com"
      issuers       = [tollgate_issuer.it.name]
    }}
  }}
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

#[test]
fn an_upstream_gets_the_token_that_a_real_server_exchanged_and_never_the_callers() {
    let run = directory("exchange");
    let (server, upstream) = (Server::start(), SampleUpstream::start().unwrap());
    let listen = format!("127.0.0.1:{}", free_port().unwrap());
    let secret = run.terraform.folder().join("edge-secret");
    std::fs::write(&secret, "secret-of-the-edge\n").unwrap();
    let mut proxy = Proxy::start(&run.binaries, &run.place, &run.namespace).unwrap();
    let secret = secret.display().to_string();
    run.declare(&configuration(&server, &upstream, &listen, &secret));
    run.terraform.apply(&[]).unwrap();
    proxy.await_poll().unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();

    let caller = server.token("read");
    let url = format!("http://{listen}/v1/orders/1");
    let shown = || {
        let answer = Browser::new().fetch(&url, Some(&caller)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(!answer.body.contains(caller.expose()));
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        let shown = answer["asked"]["headers"]["authorization"].as_str();
        shown.unwrap().strip_prefix("Bearer ").unwrap().to_owned()
    };
    let token = shown();
    let claims = BASE64.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["aud"], "https://profiles.example.com");
    assert_eq!(claims["sub"], "importer");
    assert_eq!(claims["scope"], "profiles");
    assert_eq!(claims["act"]["sub"], "edge");
    assert_eq!(shown(), token, "what was exchanged is kept");

    run.terraform.destroy(&[]).unwrap();
    drop(proxy);
    run.assert_nothing_is_left();
}
