//! What the upstream and the client get of each other.

use std::sync::atomic::Ordering;

use http::Version;
use serde_json::json;
use tollgate_store::document::Kind;

use crate::support::{Client, Stage, key_id, until};

#[tokio::test]
async fn the_upstream_learns_who_asks_and_never_sees_the_credential() {
    let stage = Stage::new().await;
    let request = stage
        .client
        .request("GET", "/v1/%7Eorders?a=%2F")
        .header("x-tollgate-key", "root")
        .header("x_tollgate_key_id", "root")
        .header("x-forwarded-for", "10.0.0.1")
        .header("connection", "x-tollgate-key, x-hop")
        .header("x-hop", "1");
    let reply = stage.client.send(request).await;

    assert_eq!(reply.json()["target"], "/v1/~orders?a=%2F");
    assert_eq!(reply.echoed("x-tollgate-key"), ["acme"]);
    assert_eq!(reply.echoed("x-tollgate-key-id"), [key_id("acme").as_str()]);
    assert_eq!(reply.echoed("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(reply.echoed("x-forwarded-proto"), ["http"]);
    assert_eq!(
        reply.echoed("x-forwarded-host"),
        [stage.proxy.address.to_string()]
    );
    assert_eq!(reply.echoed("host"), [stage.upstream.address().to_string()]);
    for name in ["authorization", "x-hop", "x_tollgate_key_id", "connection"] {
        assert!(reply.echoed(name).is_empty(), "{name}");
    }
    assert_eq!(reply.header("x-private"), None);
}

#[tokio::test]
async fn one_id_names_the_request_everywhere() {
    let stage = Stage::new().await;
    let request = stage
        .client
        .request("GET", "/v1/orders")
        .header("x-request-id", "mine");
    let reply = stage.client.send(request).await;
    let id = reply.header("x-request-id").unwrap();

    assert_ne!(id, "mine");
    assert_ne!(id, "forged");
    assert_eq!(reply.echoed("x-request-id"), [id]);
    let line = stage.proxy.accessed(|line| line["request_id"] == id).await;
    assert_eq!(line["key"], "acme");
    assert_eq!(line["key_id"], key_id("acme").as_str());
    assert_eq!(line["scope"], "everything");
    assert_eq!(line["route"], "all");
    assert_eq!(line["upstream"], "backend");
    assert_eq!(line["path"], "/v1/orders");
    assert_eq!(line["protocol"], "HTTP/1.1");
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["reason"], json!(null));
    assert_eq!(line["bytes_out"], reply.body.len());
}

#[tokio::test]
async fn a_trusted_proxys_word_is_taken() {
    let stage = Stage::new().await;
    let proxy = json!({"listen": [{"address": "127.0.0.1:0"}], "trusted_proxies": ["127.0.0.0/8"]});
    stage.store.put(Kind::Proxy, "edge", proxy).await;
    let ask = || {
        let request = stage.client.request("GET", "/v1/orders");
        let request = request.header("x-request-id", "mine");
        stage
            .client
            .send(request.header("x-forwarded-for", "192.0.2.7"))
    };

    until("the proxy trusts", async || {
        ask().await.header("x-request-id") == Some("mine")
    })
    .await;
    assert_eq!(
        ask().await.echoed("x-forwarded-for"),
        ["192.0.2.7, 127.0.0.1"]
    );
    let is_it = |line: &serde_json::Value| line["client"] == "192.0.2.7";
    stage.proxy.accessed(is_it).await;
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_spoken() {
    let stage = Stage::new().await;
    let client = Client::new(&stage.proxy)
        .by_http2()
        .bearing(&stage.store.token);
    let reply = client.get("/v1/orders").await;

    assert_eq!((reply.status, reply.version), (200, Version::HTTP_2));
    assert_eq!(reply.echoed("x-tollgate-key"), ["acme"]);
    stage
        .proxy
        .accessed(|line| line["protocol"] == "HTTP/2")
        .await;
}

#[tokio::test]
async fn connections_to_the_upstream_are_used_again() {
    let stage = Stage::new().await;
    for _ in 0..5 {
        assert_eq!(stage.client.get("/v1/orders").await.status, 200);
    }

    assert_eq!(stage.upstream.gate.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_token_in_an_api_key_header_opens_too_and_two_tokens_do_not() {
    let stage = Stage::new().await;
    let token = stage.store.token.expose();
    let other = Client::new(&stage.proxy);
    let request = other
        .request("GET", "/v1/orders")
        .header("x-api-key", token);
    let reply = other.send(request).await;
    assert_eq!(reply.status, 200);
    assert!(reply.echoed("x-api-key").is_empty());

    let request = stage
        .client
        .request("GET", "/v1/orders")
        .header("x-api-key", token);
    assert_eq!(stage.client.send(request).await.status, 401);
}

#[tokio::test]
async fn no_output_holds_a_token() {
    let stage = Stage::new().await;
    let canary = stage.store.token.expose();
    let client = &stage.client;
    client.get("/v1/orders").await;
    let wrong = Client::new(&stage.proxy).bearing(&crate::support::token("nobody"));
    wrong.get("/v1/orders").await;
    let respelled = canary.replace('_', "%5F");
    for target in [
        format!("/v1/orders?key={canary}"),
        format!("/v1/orders?key=Bearer%20{canary}"),
        format!("/v1/orders?key=a,{canary}"),
        format!("/v1/orders?key={respelled}"),
        format!("/v1/{canary}"),
        format!("/v1/{respelled}"),
    ] {
        let reply = client.get(&target).await;
        assert_eq!(reply.status, 400);
        assert!(!reply.text().contains("tg"));
    }
    let agent = client
        .request("GET", "/v1/orders")
        .header("user-agent", format!("agent {canary}"));
    assert_eq!(client.send(agent).await.status, 200);
    let twice = client
        .request("GET", "/v1/orders")
        .header("x-api-key", canary);
    client.send(twice).await;
    stage
        .proxy
        .accessed(|line| line["reason"] == "credentials_several")
        .await;

    let (_, metrics) = stage.proxy.get("/metrics").await;
    let (_, documents) = stage.proxy.get("/documents").await;
    let everything = [stage.proxy.output(), metrics, documents].concat();
    assert!(!everything.contains(canary));
    assert!(!everything.contains("tg_live_"));
    assert!(!everything.contains(&respelled));
    assert!(everything.contains("credential_unknown"));
}
