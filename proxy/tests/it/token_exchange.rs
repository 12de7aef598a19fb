//! Callers' tokens that are exchanged for those that an upstream takes.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tollgate_store::document::Kind;

use crate::support::{Client, Issuer, Process, Store, TokenServer, Upstream, until};

struct Scene {
    _folder: tempfile::TempDir,
    store: Store,
    issuer: Issuer,
    upstream: Upstream,
    proxy: Process,
}

impl Scene {
    async fn new(server: &TokenServer) -> Self {
        Self::with(server, json!({})).await
    }

    /// `more` is added to what is declared of the exchange.
    async fn with(server: &TokenServer, more: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "its secret").unwrap();
        let (store, issuer) = (Store::new(), Issuer::start().await);
        let upstream = Upstream::start().await;
        let mut exchange = json!({
            "token_url": format!("{}/token", server.url),
            "client_id": "the_proxy",
            "client_secret": format!("file:{}", secret.display()),
            "scopes": ["profiles:read"],
            "audience": "profiles",
        });
        let fields = exchange.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let credential = json!({"credential": {"token_exchange": exchange}});
        store.fill_targets(&[upstream.url()], credential).await;
        let document = issuer.document(&json!({}));
        store.put(Kind::Issuer, "login", document).await;
        let proxy = Process::start(&store, &[]).await;
        Self {
            _folder: folder,
            store,
            issuer,
            upstream,
            proxy,
        }
    }

    fn client(&self, subject: &str) -> Client {
        let token = self.issuer.token("k1", subject);
        Client::new(&self.proxy).bearing(&token)
    }

    /// Waits until tokens of the issuer are taken, with one that is used for nothing else.
    async fn known(&self) {
        let client = self.client("somebody");
        until("the issuer's tokens are taken", async || {
            client.get("/v1/orders").await.status != 503
        })
        .await;
    }

    async fn reason(&self, request_id: &str) -> Value {
        let is_it = |line: &Value| line["request_id"] == request_id;
        self.proxy.accessed(is_it).await["reason"].clone()
    }
}

#[tokio::test]
async fn a_callers_token_is_exchanged_once_and_never_for_another_caller() {
    let server = TokenServer::start().await;
    let scene = Scene::new(&server).await;
    scene.known().await;
    let before = server.asked().len();
    let alice = scene.issuer.token("k1", "alice");
    let clients: Vec<_> = (0..16)
        .map(|_| Client::new(&scene.proxy).bearing(&alice))
        .collect();
    let requests = clients.iter().map(|client| client.get("/v1/orders"));
    let shown = format!("Bearer token-{}", before + 1);
    for reply in join_all(requests).await {
        assert_eq!(reply.echoed("authorization"), [shown.as_str()]);
    }
    assert_eq!(server.asked().len(), before + 1, "one exchange for all");

    let asked = server.asked().pop().unwrap();
    // The name and the secret, each encoded as in a form (RFC 6749, section 2.3.1).
    let authorization = "authorization: basic dghljtvgchjvehk6axrzjtiwc2vjcmv0";
    assert!(asked.contains(authorization), "{asked}");
    let subject = alice.expose().to_ascii_lowercase();
    let subject: String = subject
        .chars()
        .map(|c| match c {
            '.' => "%2e".to_owned(),
            '-' => "%2d".to_owned(),
            '_' => "%5f".to_owned(),
            c => c.to_string(),
        })
        .collect();
    for part in [
        "grant_type=urn%3aietf%3aparams%3aoauth%3agrant-type%3atoken-exchange&",
        "&scope=profiles%3aread&audience=profiles&",
        &format!("&subject_token={subject}&"),
        "&subject_token_type=urn%3aietf%3aparams%3aoauth%3atoken-type%3aaccess_token",
    ] {
        assert!(asked.contains(part), "{part}\n{asked}");
    }

    let reply = scene.client("bob").get("/v1/orders").await;
    let shown = format!("Bearer token-{}", before + 2);
    assert_eq!(reply.echoed("authorization"), [shown.as_str()]);
    let output = scene.proxy.output();
    assert!(!output.contains("token-") && !output.contains("its secret"));
    assert!(!output.contains(alice.expose()));
}

#[tokio::test]
async fn what_cant_be_exchanged_is_a_bad_gateway_with_a_reason_of_its_own() {
    let server = TokenServer::start().await;
    let scene = Scene::new(&server).await;
    scene.known().await;
    let alice = scene.client("alice");
    assert_eq!(alice.get("/v1/orders").await.status, 200);

    let before = scene.upstream.gate.requests.load(Ordering::SeqCst);
    server.is_failing.store(true, Ordering::SeqCst);
    let reply = scene.client("bob").get("/v1/orders").await;
    assert_eq!(reply.status, 502);
    let id = reply.header("x-request-id").unwrap();
    assert_eq!(scene.reason(id).await, "upstream_token_exchange");
    assert_eq!(scene.upstream.gate.requests.load(Ordering::SeqCst), before);
    let about = |line: &Value| line["message"] == "a caller's token could not be exchanged";
    scene.proxy.logged(about).await;

    // Who has one goes on.
    assert_eq!(alice.get("/v1/orders").await.status, 200);
}

#[tokio::test]
async fn who_has_no_token_that_is_exchanged_is_told_what_to_use_and_nobody_is_asked() {
    let server = TokenServer::start().await;
    let scene = Scene::with(&server, json!({"issuers": ["login"]})).await;
    scene.known().await;
    let other = Issuer::start().await;
    let document = other.document(&json!({}));
    scene.store.put(Kind::Issuer, "other", document).await;
    let token = other.token("k1", "alice");
    let stranger = Client::new(&scene.proxy).bearing(&token);
    until("the other issuer's tokens are known", async || {
        let status = stranger.get("/v1/orders").await.status;
        status != 503 && status != 401
    })
    .await;
    let before = server.asked().len();

    // A key's token is none that the server could know.
    let key = Client::new(&scene.proxy).bearing(&scene.store.token);
    for client in [key, stranger] {
        let reply = client.get("/v1/orders").await;
        assert_eq!(reply.status, 403);
        let challenge = reply.header("www-authenticate");
        assert_eq!(challenge, Some("Bearer realm=\"tollgate\""));
        let id = reply.header("x-request-id").unwrap();
        assert_eq!(scene.reason(id).await, "credential_not_exchanged");
    }
    assert_eq!(server.asked().len(), before);
    assert_eq!(scene.client("bob").get("/v1/orders").await.status, 200);
}
