//! Tokens that the proxy fetches for itself (RFC 6749, section 4.4).

use std::sync::atomic::Ordering;

use serde_json::json;

use super::Scene;
use crate::support::{Authority, TokenServer, until};

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
