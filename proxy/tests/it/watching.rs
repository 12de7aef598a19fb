//! What the store says, and what happens when it says nothing.

use std::fs;

use serde_json::{Value, json};
use tollgate_store::document::Kind;

use crate::support::{Client, Process, Stage, Store, Upstream, until};

#[tokio::test]
async fn a_revoked_key_is_refused_on_an_open_connection_too() {
    let stage = Stage::new().await;
    assert_eq!(stage.client.get("/v1/orders").await.status, 200);
    stage.store.remove(Kind::Key, "acme").await;

    until("the key is refused", async || {
        stage.client.get("/v1/orders").await.status == 401
    })
    .await;
    assert_eq!(stage.proxy.metric("tollgate_connections").await, Some(1.0));
}

#[tokio::test]
async fn a_store_that_breaks_leaves_the_last_good_snapshot() {
    let stage = Stage::new().await;
    let folder = stage.store.path();
    let aside = folder.with_extension("aside");
    fs::rename(&folder, &aside).unwrap();
    fs::write(&folder, "no folder").unwrap();

    stage
        .proxy
        .logged(|line| {
            line["message"]
                .as_str()
                .unwrap()
                .starts_with("a poll of the store failed")
        })
        .await;
    assert_eq!(stage.client.get("/v1/orders").await.status, 200);
    assert_eq!(stage.proxy.get("/readyz").await.0, 200);
    assert!(
        stage
            .proxy
            .metric("tollgate_polls_total{result=\"failed\"}")
            .await
            >= Some(1.0)
    );

    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    stage
        .proxy
        .logged(|line| line["message"] == "the store answers again")
        .await;
}

#[tokio::test]
async fn a_broken_document_is_named_and_freezes_nothing() {
    let stage = Stage::new().await;
    let other = crate::support::token("other");
    stage.store.put_key("other", &other, json!({})).await;
    let file = stage.store.path().join("key").join("acme.json");
    let text = fs::read_to_string(&file)
        .unwrap()
        .replace("versions", "versoins");
    fs::write(&file, text).unwrap();
    stage.proxy.signal("HUP");

    let is_it =
        |line: &Value| line["message"] == "a document is left out" && line["name"] == "acme";
    let line = stage.proxy.logged(is_it).await;
    assert!(
        line["reason"].as_str().unwrap().contains("versoins"),
        "{line}"
    );
    assert_eq!(stage.client.get("/v1/orders").await.status, 401);
    let client = Client::new(&stage.proxy).bearing(&other);
    assert_eq!(client.get("/v1/orders").await.status, 200);
    let series = "tollgate_documents_rejected{kind=\"key\",name=\"acme\"}";
    assert_eq!(stage.proxy.metric(series).await, Some(1.0));
    let (_, page) = stage.proxy.get("/documents").await;
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["rejected"][0]["name"], "acme");
    assert_eq!(stage.proxy.get("/readyz").await.0, 200);
}

#[tokio::test]
async fn an_empty_namespace_is_waited_for() {
    let store = Store::new();
    let mut proxy = Process::start_unready(&store, &["--listen", "127.0.0.1:0"]).await;
    proxy.address = proxy.listening("listening").await;
    let client = Client::new(&proxy).bearing(&store.token);

    until("the log and the page say so", async || {
        proxy.get("/readyz").await.1.contains("holds nothing")
    })
    .await;
    assert_eq!(proxy.get("/readyz").await.0, 503);
    assert_eq!(proxy.get("/healthz").await.0, 200);
    let reply = client.get("/v1/orders").await;
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());

    let upstream = Upstream::start().await;
    store.fill(&upstream.url()).await;
    until("it serves", async || {
        client.get("/v1/orders").await.status == 200
    })
    .await;
    assert_eq!(proxy.get("/readyz").await.0, 200);
}

#[tokio::test]
async fn an_unknown_proxy_is_not_ready_and_named() {
    let upstream = Upstream::start().await;
    let store = Store::new();
    store.fill(&upstream.url()).await;
    let proxy = Process::start_unready(&store, &["--proxy", "egde"]).await;

    until("the page says so", async || {
        proxy
            .get("/readyz")
            .await
            .1
            .contains("there is no proxy \\\"egde\\\"")
    })
    .await;
}

#[tokio::test]
async fn listeners_follow_the_document() {
    let stage = Stage::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listen = json!({"listen": [{"address": "127.0.0.1:0"}, {"address": address.to_string()}]});
    stage.store.put(Kind::Proxy, "edge", listen).await;

    until("the failure shows", async || {
        stage.proxy.metric("tollgate_listeners_failed").await == Some(1.0)
    })
    .await;
    assert_eq!(stage.client.get("/v1/orders").await.status, 200);
    drop(taken);
    let client = Client::to(address).bearing(&stage.store.token);
    until("it is tried again", async || {
        stage.proxy.metric("tollgate_listeners").await == Some(2.0)
    })
    .await;
    assert_eq!(client.get("/v1/orders").await.status, 200);

    let only = json!({"listen": [{"address": address.to_string()}]});
    stage.store.put(Kind::Proxy, "edge", only).await;
    until("the first one is closed", async || {
        tokio::net::TcpStream::connect(stage.proxy.address)
            .await
            .is_err()
    })
    .await;
    assert_eq!(client.get("/v1/orders").await.status, 200);
}
