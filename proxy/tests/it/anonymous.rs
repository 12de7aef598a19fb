//! Routes that are open to everybody, routes that take some credentials, and principals that are bound to addresses.

use serde_json::json;
use tollgate_store::document::Kind;

use crate::support::{Client, Stage, until};

const PUBLIC: &str = "/v1/public/a";

/// A stage whose `/v1/public/**` is open, twice a day from each address.
async fn stage() -> Stage {
    let stage = Stage::new().await;
    let quota = json!({"limits": [{"requests": 2, "per": "1h"}], "each": "address"});
    stage.store.put(Kind::Quota, "public", quota).await;
    let route = json!({
        "proxy": "edge", "path": "/v1/public/**", "upstream": "backend",
        "anonymous": true, "anonymous_quotas": ["public"],
    });
    stage.store.put(Kind::Route, "public", route).await;
    stage
}

#[tokio::test]
async fn an_open_route_serves_strangers_within_their_quota_and_tells_the_upstream_of_nobody() {
    let stage = stage().await;
    let nobody = Client::new(&stage.proxy);
    let mut first = None;
    until("the route is open", async || {
        let reply = nobody
            .send(
                nobody
                    .request("GET", PUBLIC)
                    .header("x-tollgate-principal", "root"),
            )
            .await;
        let is_open = reply.status == 200;
        if is_open {
            assert_eq!(reply.echoed("x-tollgate-principal"), [""; 0]);
        }
        is_open
    })
    .await;
    first.replace(nobody.get(PUBLIC).await);
    let refused = nobody.get(PUBLIC).await;

    assert_eq!(first.unwrap().status, 200);
    assert_eq!(refused.status, 429);
    assert_eq!(nobody.get("/v1/orders").await.status, 401);
    let bad = Client::new(&stage.proxy).bearing(&crate::support::token("nobody"));
    assert_eq!(bad.get(PUBLIC).await.status, 401);
    // Who is known is counted by what is its own.
    assert_eq!(stage.client.get(PUBLIC).await.status, 200);
    let line = stage
        .proxy
        .accessed(|line| line["path"] == PUBLIC && line["status"] == 200)
        .await;
    assert_eq!(
        (&line["route"], &line["principal"]),
        (&json!("public"), &json!(null))
    );
}

#[tokio::test]
async fn a_route_refuses_a_kind_of_credential_that_it_does_not_take() {
    let stage = Stage::new().await;
    let route = json!({
        "proxy": "edge", "path": "/v1/strict", "upstream": "backend", "credentials": ["certificate", "token"],
    });
    stage.store.put(Kind::Route, "strict", route).await;
    until("the route is strict", async || {
        stage.client.get("/v1/strict").await.status == 403
    })
    .await;

    let refused = stage.client.get("/v1/strict").await;
    let problem = refused.json();
    assert_eq!(problem["type"], "urn:tollgate:problem:credential-not-taken");
    assert_eq!(
        problem["detail"],
        "what answers here takes no key: use a token or a certificate"
    );
    let id = refused.header("x-request-id").unwrap();
    let line = stage.proxy.accessed(|line| line["request_id"] == id).await;
    assert_eq!(line["reason"], "credential_kind");
    assert_eq!(stage.client.get("/v1/orders").await.status, 200);
}

#[tokio::test]
async fn a_principals_addresses_are_read_behind_trusted_proxies_from_both_headers() {
    let stage = Stage::new().await;
    let store = &stage.store;
    let proxy = json!({"listen": [{"address": "127.0.0.1:0"}], "trusted_proxies": ["127.0.0.0/8"]});
    store.put(Kind::Proxy, "edge", proxy).await;
    let role = json!({"scopes": ["everything"]});
    store.put(Kind::Role, "all", role).await;
    let principal = json!({"roles": ["all"], "allowed_cidrs": ["192.0.2.0/24"]});
    store.put(Kind::Principal, "acme", principal).await;
    let more = json!({"scopes": null, "principal": "acme"});
    let token = crate::support::token("bound");
    store.put_key("bound", &token, more).await;
    let client = Client::new(&stage.proxy).bearing(&token);
    let status = async |headers: &[(&str, &str)]| {
        let request = headers.iter().fold(
            client.request("GET", "/v1/orders"),
            |request, (name, value)| request.header(*name, *value),
        );
        client.send(request).await.status
    };
    until("the principal is served", async || {
        status(&[("x-forwarded-for", "192.0.2.1")]).await == 200
    })
    .await;

    assert_eq!(status(&[("forwarded", "for=192.0.2.1")]).await, 200);
    assert_eq!(
        status(&[("forwarded", "for=192.0.2.1, for=198.51.100.1")]).await,
        401
    );
    assert_eq!(
        status(&[("x-forwarded-for", "192.0.2.1, 198.51.100.1")]).await,
        401
    );
    let both = [
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
    ];
    assert_eq!(status(&both).await, 200);
    // The client is unknown, and the principal is bound to addresses.
    let differing = [
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.2"),
    ];
    assert_eq!(status(&differing).await, 401);
    assert_eq!(status(&[]).await, 401);
}
