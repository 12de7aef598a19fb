//! What upstreams are shown of the proxy itself: secrets from files.

use std::sync::atomic::Ordering;

use serde_json::json;
use tollgate_store::document::Kind;

use super::Scene;
use crate::support::until;

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
