//! What refusals tell clients of OAuth 2.0.

use serde_json::json;
use tollgate_store::document::Kind;

use crate::support::{Client, Stage, until};

async fn declared() -> Stage {
    let stage = Stage::new().await;
    let narrow = json!({"grants": [{"path": "/v1/orders/**", "methods": ["GET"]}]});
    stage.store.put(Kind::Scope, "everything", narrow).await;
    for (name, method) in [("orders:write", "POST"), ("orders:admin", "DELETE")] {
        let grants = json!({"grants": [{"path": "/v1/orders/**", "methods": [method]}]});
        stage.store.put(Kind::Scope, name, grants).await;
    }
    let proxy = json!({
        "listen": [{"address": "127.0.0.1:0"}],
        "resource_metadata": {
            "resource": "https://api.test/v1",
            "authorization_servers": ["https://login.test"],
            "scopes": ["orders:write"],
        },
    });
    stage.store.put(Kind::Proxy, "edge", proxy).await;
    until("the metadata is served", async || {
        let client = Client::to(stage.proxy.address);
        client.get(PATH).await.status == 200
    })
    .await;
    stage
}

const PATH: &str = "/.well-known/oauth-protected-resource/v1";
const URL: &str = "https://api.test/.well-known/oauth-protected-resource/v1";

#[tokio::test]
async fn the_metadata_of_the_resource_is_served_to_whoever_asks() {
    let stage = declared().await;
    let stranger = Client::new(&stage.proxy);

    let reply = stranger.get(PATH).await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(
        reply.json(),
        json!({
            "resource": "https://api.test/v1",
            "authorization_servers": ["https://login.test"],
            "scopes_supported": ["orders:write"],
            "bearer_methods_supported": ["header"],
        })
    );
    let head = stranger.send(stranger.request("HEAD", PATH)).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let post = stranger.send(stranger.request("POST", PATH)).await;
    assert_eq!(post.status, 401);
    let other = stranger.get("/.well-known/oauth-protected-resource").await;
    assert_eq!(other.status, 401);
}

#[tokio::test]
async fn a_refusal_names_the_metadata_and_the_scope_that_is_needed() {
    let stage = declared().await;
    let stranger = Client::new(&stage.proxy);
    let challenge =
        |reply: &crate::support::Reply| reply.header("www-authenticate").unwrap().to_owned();

    assert_eq!(
        challenge(&stranger.get("/v1/orders").await),
        format!("Bearer realm=\"tollgate\", resource_metadata=\"{URL}\"")
    );
    let send = |method| {
        stage
            .client
            .send(stage.client.request(method, "/v1/orders/1"))
    };
    assert_eq!(
        challenge(&send("POST").await),
        format!(
            "Bearer realm=\"tollgate\", error=\"insufficient_scope\", scope=\"orders:write\", \
             resource_metadata=\"{URL}\""
        )
    );
    assert_eq!(
        challenge(&send("PUT").await),
        format!(
            "Bearer realm=\"tollgate\", error=\"insufficient_scope\", resource_metadata=\"{URL}\""
        ),
        "no scope allows it"
    );
}
