//! Principals, keys of sets and tokens from elsewhere, as clients and operators meet them.

use serde_json::json;
use tollgate_store::Secret;
use tollgate_store::document::Kind;
use tollgate_store::token::Verifier;

use crate::support::{Client, Stage, until};

const FOREIGN: &str = "partner-token-of-another-gateway";

/// A stage on which the key `acme-ci` of the set `partners` acts as `acme`, and brought its token along.
async fn stage() -> (Stage, Client) {
    let stage = Stage::new().await;
    let store = &stage.store;
    let role = json!({"scopes": ["everything"]});
    store.put(Kind::Role, "partner", role).await;
    let principal = json!({"roles": ["partner"]});
    store.put(Kind::Principal, "acme", principal).await;
    let version = json!({
        "version": 1,
        "sha256": Verifier::of(FOREIGN),
        "created_at": "2026-01-01T00:00:00Z",
        "imported": true,
    });
    let keys = json!({"keys": {"acme-ci": {"principal": "acme", "versions": [version]}}});
    store.put(Kind::KeySetPart, "partners/1/1", keys).await;
    let set = json!({"namespace": "test", "generation": 1, "parts": 1, "pages": 1});
    store.put(Kind::KeySet, "partners", set).await;
    let client = Client::new(&stage.proxy).bearing(&Secret::new(FOREIGN.to_owned()));
    until("the set is served", async || {
        client.get("/v1/orders").await.status == 200
    })
    .await;
    (stage, client)
}

#[tokio::test]
async fn the_upstream_and_the_log_learn_the_principal_and_the_key() {
    let (stage, client) = stage().await;

    let reply = client.get("/v1/orders").await;

    assert_eq!(reply.echoed("x-tollgate-principal"), ["acme"]);
    assert_eq!(reply.echoed("x-tollgate-key"), ["partners/acme-ci"]);
    let id = reply.header("x-request-id").unwrap();
    let line = stage.proxy.accessed(|line| line["request_id"] == id).await;
    assert_eq!(line["principal"], "acme");
    assert_eq!(line["key"], "partners/acme-ci");
    assert!(!line.to_string().contains(FOREIGN));
}

#[tokio::test]
async fn a_disabled_principal_reads_like_an_unknown_key_and_is_told_apart_in_the_log() {
    let (stage, client) = stage().await;
    let disabled = json!({"roles": ["partner"], "enabled": false});
    stage.store.put(Kind::Principal, "acme", disabled).await;
    until("the principal is disabled", async || {
        client.get("/v1/orders").await.status == 401
    })
    .await;
    let stranger = Client::new(&stage.proxy).bearing(&crate::support::token("nobody"));

    let (refused, unknown) = (client.get("/v1/a").await, stranger.get("/v1/a").await);

    let shown = |reply: &crate::support::Reply| {
        let mut body = reply.json();
        body["request_id"] = json!(null);
        (body, reply.header("www-authenticate").map(str::to_owned))
    };
    assert_eq!(shown(&refused), shown(&unknown));
    let id = refused.header("x-request-id").unwrap();
    let line = stage.proxy.accessed(|line| line["request_id"] == id).await;
    assert_eq!(line["reason"], "principal_disabled");
}
