//! Who asks, and what upstreams are told and shown of it: what is wrong is said at plan time.

use crate::stores::directory;

/// What tells who asks, with something wrong in each attribute.
const IDENTITIES: &str = r#"
resource "tollgate_issuer" "it" {
  name          = "login"
  url           = "http://login.example.com/"
  jwks_url      = "https://169.254.169.254/keys"
  audiences     = []
  algorithms    = ["HS256"]
  clock_skew    = "1h"
  token_types   = [""]
  scope_claim   = ""
  roles         = { buyers = "not a name" }
  ca            = "ca.pem"
  introspection = {
    url              = "https://a:hush@login.example.com"
    client_id        = "two words"
    client_secret    = "hush"
    method           = "private_key_jwt"
    cache            = "1h"
    timeout          = "1m"
    calls_per_second = 0
  }
}

resource "tollgate_principal" "it" {
  name          = "acme"
  roles         = ["no role!"]
  allowed_cidrs = ["10.0.0.1/8"]
  subjects      = [{ san_uri = "example.com" }, { public_key_sha256 = "xyz" }]
}

resource "tollgate_route" "it" {
  name        = "orders"
  proxy       = "edge"
  path        = "/**"
  upstream    = "orders"
  credentials = ["password"]
}

resource "tollgate_proxy" "it" {
  name   = "edge"
  listen = [{ address = "127.0.0.1:8080" }]
  jwks_path = "keys"
  resource_metadata = {
    resource              = "http://api.example.com"
    authorization_servers = []
  }
}
"#;

#[test]
fn every_wrong_attribute_of_who_asks_is_told_at_plan_time() {
    expect_refusals(
        IDENTITIES,
        &[
            "must be https",
            "link-local",
            r#""HS256" can't be taken"#,
            r#""not a name" is not a name"#,
            "ca.pem",
            "must not hold credentials",
            r#""two words" must be 1 to 256 visible"#,
            "no place to read a secret from",
            r#""private_key_jwt" is no way"#,
            "10.0.0.0/8",
            r#""password" is no kind of credential"#,
            "calls_per_second",
            "authorization_servers",
            "jwks_path",
        ],
    );
}

/// What upstreams are told and shown, with something wrong in each.
const SHOWN: &str = r#"
resource "tollgate_upstream" "names" {
  name     = "names"
  targets  = ["https://orders.internal"]
  identity = {
    principal = "authorization"
    key       = "cookie"
    key_id    = "transfer-encoding"
    subject   = "proxy-authorization"
    issuer    = "dpop"
    jwt       = { header = "x-api-key", issuer = "a b", audience = "", ttl = "1h", key = "hush" }
  }
}

resource "tollgate_upstream" "plain" {
  name       = "plain"
  targets    = ["http://orders.internal"]
  credential = { basic = { username = "edge", password = "file:/etc/password" } }
}

resource "tollgate_upstream" "header" {
  name       = "header"
  targets    = ["https://orders.internal"]
  credential = { header = { name = "proxy-authorization", value = "Bearer hush" } }
}

resource "tollgate_upstream" "exchange" {
  name       = "exchange"
  targets    = ["https://orders.internal"]
  credential = {
    token_exchange = {
      token_url = "http://login.internal/token", client_id = "", client_secret = "hush", issuers = ["log in"], ca = "login.pem"
    }
  }
}

resource "tollgate_upstream" "signed" {
  name       = "signed"
  targets    = ["http://orders.internal"]
  credential = { aws_sigv4 = { service = "S3", region = "eu-west-1", payload = "none" } }
}

resource "tollgate_upstream" "both" {
  name               = "both"
  targets            = ["https://orders.internal"]
  credential         = { basic = { username = "edge", password = "file:/etc/password" } }
  forward_credential = true
}
"#;

#[test]
fn every_wrong_attribute_of_what_upstreams_are_shown_is_told_at_plan_time() {
    expect_refusals(
        SHOWN,
        &[
            r#""authorization" is where a credential stands"#,
            r#""cookie" is where a credential stands"#,
            r#""transfer-encoding" is written by the proxy itself, or by nobody"#,
            r#""proxy-authorization" is written by the proxy itself, or by nobody"#,
            r#""dpop" is written by the proxy itself, or by nobody"#,
            r#""x-api-key" is where a credential stands"#,
            r#""http://orders.internal" must be https"#,
            "declare plaintext = true",
            "no place to read a secret from",
            r#""log in" is not a name"#,
            r#""none" is neither "signed" nor "unsigned""#,
            "shows a credential of its own in a header that a client's stands in",
        ],
    );
}

fn expect_refusals(configuration: &str, expected: &[&str]) {
    let run = directory("bad");
    run.declare(configuration);

    let refused = run.terraform.plan(&[]).unwrap().expect_error().unwrap();

    let text = refused.flowing();
    for expected in expected {
        assert!(
            text.contains(expected),
            "no {expected:?} in\n{}",
            refused.output
        );
    }
}
