//! A real authorization server's tokens, from terraform to the request that they open.

use std::path::Path;
use std::process::Command;

use tollgate_acceptance::{Browser, Process, Proxy, SampleUpstream, free_port};
use tollgate_store::Secret;

use crate::edge::edge;
use crate::stores::{Run, directory};

/// `importer:secret-of-the-importer`.
const BASIC: &str = "Basic aW1wb3J0ZXI6c2VjcmV0LW9mLXRoZS1pbXBvcnRlcg==";
const FORM: &str = "application/x-www-form-urlencoded";
/// The first start installs it.
const START_SECONDS_MAX: u64 = 120;
const ORDERS: &str = "/v1/orders/1";

pub(crate) struct Server {
    pub(crate) url: String,
    browser: Browser,
    _process: Process,
}

impl Server {
    pub(crate) fn start() -> Self {
        let port = free_port().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("authorization/run.sh");
        let mut process = Process::start(Command::new(script).arg(port.to_string())).unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let browser = Browser::new();
        let keys = format!("{url}/keys");
        let answers = || {
            Ok(browser
                .fetch(&keys, None)
                .is_ok_and(|answer| answer.status == 200))
        };
        process
            .await_that(
                "the authorization server answers",
                START_SECONDS_MAX,
                answers,
            )
            .unwrap();
        Self {
            url,
            browser,
            _process: process,
        }
    }

    /// A new token with that scope, by client credentials.
    pub(crate) fn token(&self, scope: &str) -> Secret {
        let headers = [("Authorization", BASIC), ("Content-Type", FORM)];
        let body = format!("grant_type=client_credentials&scope={scope}");
        let answer = self
            .browser
            .send(&format!("{}/token", self.url), &headers, &body);
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        Secret::new(answer["access_token"].as_str().unwrap().to_owned())
    }

    fn tell(&self, what: &str) {
        let answer = self
            .browser
            .send(&format!("{}/test/{what}", self.url), &[], "");
        assert_eq!(answer.unwrap().status, 200);
    }
}

fn configuration(server: &Server, upstream: &SampleUpstream, listen: &str, more: &str) -> String {
    let edge = edge(upstream, listen);
    format!(
        r#"
resource "tollgate_issuer" "it" {{
  name        = "login"
  url         = "{}"
  audiences   = ["https://orders.example.com"]
  any_subject = true
  scopes      = {{ "read" = tollgate_scope.it.name }}
  {more}
}}
{edge}"#,
        server.url
    )
}

fn apply(run: &Run, proxy: &mut Proxy, configuration: &str) {
    run.declare(configuration);
    run.terraform.apply(&[]).unwrap();
    proxy.await_poll().unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
}

#[test]
fn tokens_of_a_real_authorization_server_open_what_their_scopes_say_through_a_rotation_of_keys() {
    let run = directory("oauth");
    let (server, upstream) = (Server::start(), SampleUpstream::start().unwrap());
    let listen = format!("127.0.0.1:{}", free_port().unwrap());
    let mut proxy = Proxy::start(&run.binaries, &run.place, &run.namespace).unwrap();
    apply(
        &run,
        &mut proxy,
        &configuration(&server, &upstream, &listen, ""),
    );
    let status = |token: &Secret, path: &str| {
        let url = format!("http://{listen}{path}");
        Browser::new().fetch(&url, Some(token)).unwrap().status
    };

    let (reader, other) = (server.token("read"), server.token("write"));
    assert_eq!(status(&reader, ORDERS), 200);
    assert_eq!(status(&reader, "/v1/invoices"), 403);
    assert_eq!(status(&other, ORDERS), 403);

    // A new key, and then the old one is gone: the proxy follows with the first token that names what it lacks.
    server.tell("rotate");
    let renewed = server.token("read");
    assert_eq!(status(&renewed, ORDERS), 200);
    assert_eq!(status(&reader, ORDERS), 200);

    // What is switched off opens nothing from the next poll on.
    let off = configuration(&server, &upstream, &listen, "enabled = false");
    apply(&run, &mut proxy, &off);
    assert_eq!(status(&renewed, ORDERS), 401);

    run.terraform.destroy(&[]).unwrap();
    drop(proxy);
    run.assert_nothing_is_left();
}

#[test]
fn a_proxy_that_starts_knows_no_key_that_was_retired_before() {
    let run = directory("oauth");
    let (server, upstream) = (Server::start(), SampleUpstream::start().unwrap());
    let old = server.token("read");
    server.tell("rotate");
    server.tell("retire");
    let listen = format!("127.0.0.1:{}", free_port().unwrap());
    let mut proxy = Proxy::start(&run.binaries, &run.place, &run.namespace).unwrap();
    apply(
        &run,
        &mut proxy,
        &configuration(&server, &upstream, &listen, ""),
    );
    let status = |token: &Secret| {
        let url = format!("http://{listen}{ORDERS}");
        Browser::new().fetch(&url, Some(token)).unwrap().status
    };

    assert_eq!(status(&server.token("read")), 200);
    assert_eq!(status(&old), 401);

    run.terraform.destroy(&[]).unwrap();
}
