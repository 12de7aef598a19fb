//! Certificates that are taken back by a list (RFC 5280, section 5).

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollgate_store::document::Kind;

use super::{Scene, is_answered};
use crate::support::{Echo, GRANTED, PATIENCE, Process, TlsClient, read_head, until};

/// A proxy that knows a list of revoked certificates, which names none.
async fn proxy_with_empty_list(scene: &Scene) -> Process {
    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[], 2090));
    let crl = json!({"client_crl": scene.files.place("crl.pem")});
    scene.declare(crl).await;
    scene.proxy().await
}

#[tokio::test]
async fn a_websocket_of_a_revoked_certificate_ends_within_a_poll() {
    let scene = Scene::new(json!({})).await;
    let echo = Echo::start(GRANTED).await;
    let backend = json!({"targets": [echo.url]});
    scene.store.put(Kind::Upstream, "backend", backend).await;
    let route = json!({
        "proxy": "edge", "path": "/v1/**", "upstream": "backend", "upgrades": ["websocket"],
    });
    scene.store.put(Kind::Route, "all", route).await;
    let proxy = proxy_with_empty_list(&scene).await;
    let pair = scene.clients.client();
    let client = TlsClient::with(&scene.servers, &pair);
    let mut stream = client.connect(proxy.address, "localhost").await.unwrap();
    let request = format!(
        "GET /v1/chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: y\r\nAuthorization: Bearer {}\r\n\r\n",
        scene.store.token.expose()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");

    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[&pair], 2090));

    let mut rest = Vec::new();
    // An end without a farewell is an end.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .unwrap();
    let line = proxy.accessed(|line| line["path"] == "/v1/chat").await;
    assert_eq!(line["reason"], "client_withdrawn");
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_within_a_poll_and_a_bad_list_changes_nothing() {
    let scene = Scene::new(json!({})).await;
    let (good, bad) = (scene.clients.client(), scene.clients.client());
    let proxy = proxy_with_empty_list(&scene).await;
    for pair in [&good, &bad] {
        assert!(is_answered(&scene.ask(&proxy, Some(pair)).await));
    }

    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[&bad], 2090));
    until("the revoked one is refused", async || {
        scene.ask(&proxy, Some(&bad)).await.is_err()
    })
    .await;
    assert!(is_answered(&scene.ask(&proxy, Some(&good)).await));

    scene.files.put("crl.pem", "no list");
    proxy
        .logged(|line| {
            line["problem"]
                .as_str()
                .is_some_and(|text| text.starts_with("holds no list"))
        })
        .await;
    assert!(scene.ask(&proxy, Some(&bad)).await.is_err());
    assert!(is_answered(&scene.ask(&proxy, Some(&good)).await));
}

#[tokio::test]
async fn an_open_connection_is_finished_when_others_are_let_in() {
    let scene = Scene::new(json!({})).await;
    let proxy = scene.proxy().await;
    let pair = scene.clients.client();
    let client = TlsClient::with(&scene.servers, &pair);
    let mut idle = client.connect(proxy.address, "localhost").await.unwrap();
    // With the handshake's last message the client believes to be let in.
    assert!(is_answered(&scene.ask(&proxy, Some(&pair)).await));

    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[&pair], 2090));
    scene
        .declare(json!({"client_crl": scene.files.place("crl.pem")}))
        .await;
    let mut byte = [0; 1];
    let ended = idle.read(&mut byte);
    let ended = tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}

#[tokio::test]
async fn a_list_that_is_out_of_date_lets_nobody_in() {
    let scene = Scene::new(json!({})).await;
    let pair = scene.clients.client();
    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[], 2021));
    scene
        .declare(json!({"client_crl": scene.files.place("crl.pem")}))
        .await;
    let proxy = scene.proxy().await;

    assert!(scene.ask(&proxy, Some(&pair)).await.is_err());
    let line = proxy.logged(|line| line["what"] == "revocation_list").await;
    assert_eq!(line["level"], "ERROR");

    scene
        .files
        .put("crl.pem", &scene.clients.revoked(&[], 2090));
    until("a new list lets them in again", async || {
        is_answered(&scene.ask(&proxy, Some(&pair)).await)
    })
    .await;
}
