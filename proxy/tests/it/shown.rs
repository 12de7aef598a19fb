//! What upstreams are told of who asks, and shown of the proxy itself.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tollgate_store::document::Kind;

use crate::support::{
    Authority, Client, Issuer, Process, Store, TokenServer, Upstream, key_id, token, until,
};

/// A proxy whose upstream declares more, and the folder of its secrets.
struct Scene {
    folder: tempfile::TempDir,
    store: Store,
    upstream: Upstream,
    proxy: Process,
    client: Client,
}

impl Scene {
    /// `secrets` are written before the proxy starts; `more` gets the place of a secret by its name.
    async fn new(
        secrets: &[(&str, &str)],
        more: impl Fn(&dyn Fn(&str) -> String) -> Value,
    ) -> Self {
        Self::start(secrets, &[], more).await
    }

    /// The same with environment variables.
    async fn start(
        secrets: &[(&str, &str)],
        variables: &[(&str, &str)],
        more: impl Fn(&dyn Fn(&str) -> String) -> Value,
    ) -> Self {
        let start = async |store: &Store| Process::start_in(store, &[], variables).await;
        Self::around(secrets, more, start).await
    }

    /// The same where a secret is missing.
    async fn lacking(more: impl Fn(&dyn Fn(&str) -> String) -> Value) -> Self {
        let start = async |store: &Store| Process::start_lacking(store, &[]).await;
        Self::around(&[], more, start).await
    }

    async fn around(
        secrets: &[(&str, &str)],
        more: impl Fn(&dyn Fn(&str) -> String) -> Value,
        start: impl AsyncFnOnce(&Store) -> Process,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in secrets {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let place = |name: &str| format!("file:{}", folder.path().join(name).display());
        let upstream = Upstream::start().await;
        let store = Store::new();
        store.fill_targets(&[upstream.url()], more(&place)).await;
        let proxy = start(&store).await;
        let client = Client::new(&proxy).bearing(&store.token);
        Self {
            folder,
            store,
            upstream,
            proxy,
            client,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts another secret in a file's place, by a rename.
    fn replace(&self, name: &str, text: &str) {
        let new = self.path("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    /// What bears a key of the principal `acme`, which is called like the key that stands alone.
    async fn principal(&self) -> Client {
        let user = token("acme-ci");
        let role = json!({"scopes": ["everything"]});
        self.store.put(Kind::Role, "buyer", role).await;
        let principal = json!({"roles": ["buyer"]});
        self.store.put(Kind::Principal, "acme", principal).await;
        let more = json!({"principal": "acme"});
        self.store.put_key("acme-ci", &user, more).await;
        let client = Client::new(&self.proxy).bearing(&user);
        until("the key is known", async || {
            client.get("/v1/orders").await.status == 200
        })
        .await;
        client
    }

    /// A request's reason in the access log.
    async fn reason(&self, request_id: &str) -> Value {
        let is_it = |line: &Value| line["request_id"] == request_id;
        self.proxy.accessed(is_it).await["reason"].clone()
    }
}

#[tokio::test]
async fn an_upstream_is_told_who_asks_in_its_own_headers_and_clients_cant_write_them() {
    let scene = Scene::new(&[], |_| {
        json!({"identity": {
            "principal": "x-user", "key": "x-client", "key_id": "x-client-id", "scopes": "x-roles",
        }})
    })
    .await;
    let client = scene.principal().await;
    let forged = |client: &Client| {
        let mut request = client.request("GET", "/v1/orders");
        for name in ["x-user", "X_USER", "x-client", "x_client_id", "x-roles"] {
            request = request.header(name, "root");
        }
        request
    };
    let reply = client.send(forged(&client)).await;
    assert_eq!(reply.echoed("x-user"), ["acme"]);
    assert_eq!(reply.echoed("x-client"), ["acme-ci"]);
    assert_eq!(reply.echoed("x-client-id"), [key_id("acme-ci").to_string()]);
    assert_eq!(reply.echoed("x-roles"), ["everything"]);
    assert!(!reply.text().contains("root"), "{}", reply.text());

    // A key that stands alone has no principal, and nobody else may be one for it.
    let alone = scene.client.send(forged(&scene.client)).await;
    assert_eq!(alone.echoed("x-user"), Vec::<String>::new());
    assert!(!alone.text().contains("root"), "{}", alone.text());
}

#[tokio::test]
async fn a_signed_token_tells_who_asks_and_its_key_is_published() {
    let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
        .unwrap()
        .serialize_pem();
    let scene = Scene::new(&[("key.pem", &pem)], |place| {
        json!({"identity": {"jwt": {
            "header": "x-caller", "issuer": "edge", "audience": "orders", "ttl": "30s", "key": place("key.pem"),
        }}})
    })
    .await;

    let reply = scene.client.get("/v1/orders").await;
    let token = reply.echoed("x-caller").remove(0);
    let [head, claims] = [0, 1].map(|number| decoded(&token, number));
    assert_eq!(claims["aud"], "orders");
    assert_eq!(claims["sub"], "key:acme");
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(life, 30);
    let (status, jwks) = scene.proxy.get("/jwks").await;
    let jwks: Value = serde_json::from_str(&jwks).unwrap();
    assert_eq!(status, 200);
    assert_eq!(jwks["keys"][0]["kid"], head["kid"]);
    assert!(jwks["keys"][0].get("d").is_none(), "it is the public key");
    // Another request of the same caller's needs no other one.
    let again = scene.client.get("/v1/orders").await;
    assert_eq!(again.echoed("x-caller"), [token.as_str()]);

    // Whoever asks finds the same keys where clients connect, once that is declared.
    let path = "/.well-known/jwks.json";
    let stranger = Client::new(&scene.proxy);
    assert_eq!(stranger.get(path).await.status, 401);
    let listen = json!({"listen": [{"address": "127.0.0.1:0"}], "jwks_path": path});
    scene.store.put(Kind::Proxy, "edge", listen).await;
    until("the keys are public", async || {
        stranger.get(path).await.status == 200
    })
    .await;
    let page = stranger.get(path).await;
    assert_eq!(
        page.header("content-type"),
        Some("application/jwk-set+json")
    );
    assert_eq!(serde_json::from_str::<Value>(&page.text()).unwrap(), jwks);

    // Rotated without a restart.
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    scene.replace("key.pem", &other.serialize_pem());
    until("tokens are signed by the new key", async || {
        let reply = scene.client.get("/v1/orders").await;
        decoded(&reply.echoed("x-caller")[0], 0)["alg"] == "EdDSA"
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_called_like_a_principal_is_another_subject() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let scene = Scene::new(&[("key.pem", &key.serialize_pem())], |place| {
        json!({"identity": {"jwt": {
            "header": "x-caller", "issuer": "edge", "audience": "orders", "key": place("key.pem"),
        }}})
    })
    .await;
    let principal = scene.principal().await;

    for (client, subject) in [(&scene.client, "key:acme"), (&principal, "principal:acme")] {
        let reply = client.get("/v1/orders").await;
        let claims = decoded(&reply.echoed("x-caller")[0], 1);
        assert_eq!(claims["sub"], subject);
    }
}

#[tokio::test]
async fn without_its_key_no_request_is_sent_on() {
    let scene = Scene::lacking(|place| {
        json!({"identity": {"jwt": {
            "header": "x-caller", "issuer": "edge", "audience": "orders", "key": place("missing.pem"),
        }}})
    })
    .await;

    let reply = scene.client.get("/v1/orders").await;
    assert_eq!(reply.status, 502);
    let id = reply.header("x-request-id").unwrap();
    assert_eq!(scene.reason(id).await, "upstream_identity");
    assert_eq!(scene.upstream.gate.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_clients_credential_is_forwarded_only_where_that_is_declared() {
    let declared = Scene::new(&[], |_| json!({"forward_credential": true})).await;
    let plain = Scene::new(&[], |_| json!({})).await;

    let bearer = format!("Bearer {}", declared.store.token.expose());
    let reply = declared.client.get("/v1/orders").await;
    assert_eq!(reply.echoed("authorization"), [bearer]);
    let reply = plain.client.get("/v1/orders").await;
    assert_eq!(reply.echoed("authorization"), Vec::<String>::new());
}

#[tokio::test]
async fn an_upstream_is_shown_a_header_from_a_file_which_may_be_replaced() {
    let scene = Scene::new(&[("key", "s3cret-one\n")], |place| {
        json!({"credential": {"header": {"name": "x-upstream-key", "value": place("key")}}})
    })
    .await;

    let request = scene.client.request("GET", "/v1/orders");
    let request = request.header("x-upstream-key", "forged");
    let reply = scene.client.send(request).await;
    assert_eq!(reply.echoed("x-upstream-key"), ["s3cret-one"]);
    assert_eq!(reply.echoed("authorization"), Vec::<String>::new());

    scene.replace("key", "s3cret-two");
    until("the new secret is shown", async || {
        let reply = scene.client.get("/v1/orders").await;
        reply.echoed("x-upstream-key") == ["s3cret-two"]
    })
    .await;
    // What can't be used leaves what was read before.
    scene.replace("key", "two\nlines");
    scene
        .proxy
        .logged(|line| line["fault"] == "it must hold one line of text")
        .await;
    let reply = scene.client.get("/v1/orders").await;
    assert_eq!(reply.echoed("x-upstream-key"), ["s3cret-two"]);
    let output = scene.proxy.output();
    assert!(!output.contains("s3cret"), "a secret is in the log");
}

#[tokio::test]
async fn a_file_that_broke_is_used_on_also_when_the_document_changes() {
    let declared = |place: &dyn Fn(&str) -> String, description: &str| {
        json!({"description": description, "credential": {"header": {
            "name": "x-upstream-key", "value": place("secret"),
        }}})
    };
    let scene = Scene::new(&[("secret", "good")], |place| declared(place, "before")).await;
    let before = scene.client.get("/v1/orders").await;
    assert_eq!(before.echoed("x-upstream-key"), ["good"]);

    std::fs::remove_file(scene.path("secret")).unwrap();
    let place = |name: &str| format!("file:{}", scene.path(name).display());
    let mut document = declared(&place, "after");
    document["targets"] = json!([scene.upstream.url()]);
    document["timeouts"] = json!({"response": "7s"});
    let generation = async || scene.proxy.metric("tollgate_snapshot_generation").await;
    let before = generation().await.unwrap();
    scene.store.put(Kind::Upstream, "backend", document).await;
    until("the document decides", async || {
        generation().await.unwrap() > before
    })
    .await;

    let after = scene.client.get("/v1/orders").await;
    assert_eq!(after.status, 200, "{}", after.text());
    assert_eq!(after.echoed("x-upstream-key"), ["good"]);
}

#[tokio::test]
async fn an_upstream_is_shown_a_name_and_a_password() {
    let scene = Scene::new(&[("password", "open sesame")], |place| {
        json!({"credential": {"basic": {"username": "Aladdin", "password": place("password")}}})
    })
    .await;

    let reply = scene.client.get("/v1/orders").await;
    assert_eq!(
        reply.echoed("authorization"),
        ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]
    );
}

#[tokio::test]
async fn a_secret_that_is_missing_is_a_bad_gateway_until_it_is_there() {
    let scene = Scene::lacking(|place| {
        json!({"credential": {"header": {"name": "x-upstream-key", "value": place("late")}}})
    })
    .await;

    let reply = scene.client.get("/v1/orders").await;
    assert_eq!(reply.status, 502);
    let id = reply.header("x-request-id").unwrap();
    assert_eq!(scene.reason(id).await, "upstream_credential");
    assert_eq!(scene.upstream.gate.requests.load(Ordering::SeqCst), 0);

    scene.replace("late", "here");
    until("the secret is shown", async || {
        scene.client.get("/v1/orders").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_token_is_fetched_once_for_many_requests_and_refreshed_ahead() {
    let server = TokenServer::start().await;
    server.life_s.store(5, Ordering::SeqCst);
    let scene = oauth(&server).await;

    let requests = (0..16).map(|_| scene.client.get("/v1/orders"));
    for reply in futures_util::future::join_all(requests).await {
        assert_eq!(reply.echoed("authorization"), ["Bearer token-1"]);
    }
    assert_eq!(server.asked().len(), 1, "one fetch for all");
    let asked = server.asked().remove(0);
    assert!(asked.starts_with("post /token http/1.1\r\n"), "{asked}");
    // The name and the secret, each encoded as in a form (RFC 6749, section 2.3.1).
    let authorization = "authorization: basic dghljtvgchjvehk6axrzjtiwc2vjcmv0";
    assert!(asked.contains(authorization), "{asked}");
    let form = "grant_type=client_credentials&scope=orders%3aread%20orders%3awrite&audience=orders";
    assert!(asked.ends_with(form), "{asked}");

    // Refreshed by nobody's request, before the first is over.
    until("a second token was fetched", async || {
        server.asked().len() > 1
    })
    .await;
    until("the second token is used", async || {
        let reply = scene.client.get("/v1/orders").await;
        reply.echoed("authorization") != ["Bearer token-1"]
    })
    .await;
    let output = scene.proxy.output();
    assert!(!output.contains("token-1") && !output.contains("its secret"));
}

#[tokio::test]
async fn a_server_that_fails_is_a_bad_gateway_and_the_last_token_is_used_while_it_is_good() {
    let server = TokenServer::start().await;
    server.is_failing.store(true, Ordering::SeqCst);
    let scene = oauth(&server).await;

    let reply = scene.client.get("/v1/orders").await;
    assert_eq!(reply.status, 502);
    let id = reply.header("x-request-id").unwrap();
    assert_eq!(scene.reason(id).await, "upstream_credential");
    assert_eq!(scene.upstream.gate.requests.load(Ordering::SeqCst), 0);
    let output = scene.proxy.output();
    assert!(output.contains("temporarily_unavailable"), "{output}");
    assert!(!output.contains("described"), "{output}");

    server.is_failing.store(false, Ordering::SeqCst);
    until("there is a token", async || {
        scene.client.get("/v1/orders").await.status == 200
    })
    .await;
    // Another secret asks for another token: while the server fails, the one at hand goes on.
    server.is_failing.store(true, Ordering::SeqCst);
    let before = server.asked().len();
    scene.replace("secret", "another secret");
    until("the server was asked again", async || {
        server.asked().len() > before
    })
    .await;
    assert_eq!(scene.client.get("/v1/orders").await.status, 200);
    for result in ["fetched", "failed"] {
        let series = format!(
            r#"tollgate_upstream_credential_fetches_total{{upstream="backend",result="{result}"}}"#
        );
        until("it is counted", async || {
            let count = scene.proxy.metric(&series).await;
            count.is_some_and(|count| count >= 1.0)
        })
        .await;
    }
}

#[tokio::test]
async fn an_authorization_server_is_verified() {
    let authority = Authority::new("Authority");
    let server = TokenServer::start_encrypted(&authority.server(&["127.0.0.1"])).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorities.pem");
    for (known, status) in [(authority, 200), (Authority::new("Another"), 502)] {
        std::fs::write(&file, known.pem()).unwrap();
        let trust = [("SSL_CERT_FILE", file.to_str().unwrap())];
        let scene = oauth_in(&server, &trust).await;
        let reply = scene.client.get("/v1/orders").await;
        assert_eq!(reply.status, status);
    }
    assert_eq!(server.asked().len(), 1, "a stranger gets no secret");
}

#[tokio::test]
async fn an_authorization_server_may_have_an_authority_of_its_own() {
    let authority = Authority::new("Own");
    let server = TokenServer::start_encrypted(&authority.server(&["127.0.0.1"])).await;
    let stranger = Authority::new("Stranger").pem();
    let files = [("secret", "its secret"), ("ca.pem", stranger.as_str())];
    let scene = Scene::start(&files, &[], |place| {
        json!({"credential": {"oauth2_client_credentials": {
            "token_url": format!("{}/token", server.url),
            "client_id": "the_proxy",
            "client_secret": place("secret"),
            "ca": place("ca.pem"),
        }}})
    })
    .await;
    assert_eq!(scene.client.get("/v1/orders").await.status, 502);

    scene.replace("ca.pem", &authority.pem());
    until("the authority is read again", async || {
        scene.client.get("/v1/orders").await.status == 200
    })
    .await;
    scene.replace("ca.pem", "no authority");
    until("what is wrong with it is told", async || {
        scene.proxy.metric("tollgate_materials_failed").await == Some(1.0)
    })
    .await;
    assert_eq!(scene.client.get("/v1/orders").await.status, 200);
}

async fn oauth(server: &TokenServer) -> Scene {
    oauth_in(server, &[]).await
}

async fn oauth_in(server: &TokenServer, variables: &[(&str, &str)]) -> Scene {
    Scene::start(&[("secret", "its secret")], variables, |place| {
        json!({"credential": {"oauth2_client_credentials": {
            "token_url": format!("{}/token", server.url),
            "client_id": "the_proxy",
            "client_secret": place("secret"),
            "scopes": ["orders:read", "orders:write"],
            "audience": "orders",
        }}})
    })
    .await
}

/// A part of a token, as JSON.
fn decoded(token: &str, number: usize) -> Value {
    use base64::Engine as _;

    let part = token.split('.').nth(number).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part);
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}

#[tokio::test]
async fn an_upstream_is_told_the_subject_and_the_issuer_of_a_token_and_nobody_forges_them() {
    let scene = Scene::new(
        &[],
        |_| json!({"identity": {"subject": "x-subject", "issuer": "x-issuer"}}),
    )
    .await;
    let issuer = Issuer::start().await;
    let document = issuer.document(&json!({}));
    scene.store.put(Kind::Issuer, "login", document).await;
    let bearing = |subject: &str| Client::new(&scene.proxy).bearing(&issuer.token("k1", subject));
    let forged = |client: &Client| {
        let request = client.request("GET", "/v1/orders");
        request
            .header("x-subject", "root")
            .header("X_Issuer", "root")
    };
    let alice = bearing("alice");
    until("the issuer's tokens are taken", async || {
        alice.get("/v1/orders").await.status == 200
    })
    .await;
    let reply = alice.send(forged(&alice)).await;
    assert_eq!(reply.echoed("x-subject"), ["alice"]);
    assert_eq!(reply.echoed("x-issuer"), ["login"]);
    assert!(!reply.text().contains("root"), "{}", reply.text());

    // A key is no issuer's token.
    let reply = scene.client.send(forged(&scene.client)).await;
    assert_eq!(reply.echoed("x-subject"), Vec::<String>::new());
    assert!(!reply.text().contains("root"), "{}", reply.text());

    // What an upstream could read as somebody else is told as nobody.
    let before = scene.upstream.gate.requests.load(Ordering::SeqCst);
    for (subject, status, reason) in [
        (" alice", 502, "upstream_identity"),
        ("\u{e4}lice", 502, "upstream_identity"),
        ("alice\r\nx-user: root", 401, "token_claim"),
        ("alice\0", 401, "token_claim"),
    ] {
        let reply = bearing(subject).get("/v1/orders").await;
        assert_eq!(reply.status, status, "{subject:?}");
        let id = reply.header("x-request-id").unwrap();
        assert_eq!(scene.reason(id).await, reason, "{subject:?}");
    }
    assert_eq!(scene.upstream.gate.requests.load(Ordering::SeqCst), before);
}
