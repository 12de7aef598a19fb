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
/// What a page on which people log in proves itself by (RFC 7636, appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http%3A%2F%2F127.0.0.1%2Fcallback";
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
        self.exchanged(&format!("grant_type=client_credentials&scope={scope}"))
    }

    /// A new token of Alice, who logs in by her browser: an authorization code with PKCE.
    fn login(&self, scope: &str) -> Secret {
        let agent = ureq::Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build();
        let url = format!(
            "{}/authorize?response_type=code&client_id=importer&redirect_uri={CALLBACK}&scope={scope}\
             &code_challenge={CHALLENGE}&code_challenge_method=S256",
            self.url
        );
        let answer = ureq::Agent::from(agent).get(&url).call().unwrap();
        let location = answer.headers().get("location").unwrap();
        let code = location.to_str().unwrap().split("code=").nth(1).unwrap();
        self.exchanged(&format!(
            "grant_type=authorization_code&code={code}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}"
        ))
    }

    fn exchanged(&self, form: &str) -> Secret {
        let answer = self.post("token", form);
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        Secret::new(answer["access_token"].as_str().unwrap().to_owned())
    }

    fn revoke(&self, token: &Secret) {
        self.post("revoke", &format!("token={}", token.expose()));
    }

    /// Sends a form as the client, and reads the answer.
    fn post(&self, path: &str, form: &str) -> String {
        let headers = [("Authorization", BASIC), ("Content-Type", FORM)];
        let url = format!("{}/{path}", self.url);
        let answer = self.browser.send(&url, &headers, form).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
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

#[test]
fn a_token_that_the_server_takes_back_opens_nothing_more_and_the_others_do() {
    let run = directory("oauth");
    let (server, upstream) = (Server::start(), SampleUpstream::start().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("introspection");
    std::fs::write(&secret, "secret-of-the-importer\n").unwrap();
    let asked = format!(
        r#"
  jwks_url      = "{url}/keys"
  introspection = {{
    url           = "{url}/introspect"
    client_id     = "importer"
    client_secret = "file:{secret}"
    token_prefix  = "opaque_"
    cache         = "1s"
  }}"#,
        url = server.url,
        secret = secret.display()
    );
    let listen = format!("127.0.0.1:{}", free_port().unwrap());
    let mut proxy = Proxy::start(&run.binaries, &run.place, &run.namespace).unwrap();
    let declared = configuration(&server, &upstream, &listen, &asked);
    apply(&run, &mut proxy, &declared);
    let status = |token: &Secret, path: &str| {
        let url = format!("http://{listen}{path}");
        Browser::new().fetch(&url, Some(token)).unwrap().status
    };

    let (first, second) = (server.login("read"), server.login("read"));
    let machine = server.token("read");
    for token in [&first, &second, &machine] {
        assert_eq!(status(token, ORDERS), 200);
        assert_eq!(status(token, "/v1/invoices"), 403);
    }
    assert_eq!(status(&server.login("write"), ORDERS), 403);
    assert_eq!(
        status(&Secret::new("opaque_made-up".to_owned()), ORDERS),
        401
    );

    server.revoke(&first);
    let revoked = || Ok(status(&first, ORDERS) == 401);
    proxy
        .process()
        .await_that("the token opens nothing more", 30, revoked)
        .unwrap();
    assert_eq!(status(&second, ORDERS), 200);
    assert_eq!(status(&machine, ORDERS), 200);

    run.terraform.destroy(&[]).unwrap();
}
