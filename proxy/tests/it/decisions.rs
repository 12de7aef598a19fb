//! Who is let through, and what the others are told.

use serde_json::json;
use tollgate_store::document::Kind;

use crate::support::{Client, Stage, until};

#[tokio::test]
async fn a_key_in_scope_is_let_through_and_others_are_told_why_not() {
    let stage = Stage::new().await;
    let narrow = json!({"grants": [{"path": "/v1/orders/**", "methods": ["GET"]}]});
    stage.store.put(Kind::Scope, "everything", narrow).await;
    until("the narrower scope holds", async || {
        stage.client.get("/v1/items").await.status == 403
    })
    .await;
    let stranger = Client::new(&stage.proxy);

    assert_eq!(stage.client.get("/v1/orders/1").await.status, 200);
    assert_eq!(stranger.get("/v1/orders/1").await.status, 401);
    assert_eq!(stranger.get("/nowhere").await.status, 401);
    let post = stage
        .client
        .send(stage.client.request("POST", "/v1/orders/1"))
        .await;
    assert_eq!(post.status, 403);
    assert_eq!(
        post.header("www-authenticate"),
        Some("Bearer realm=\"tollgate\", error=\"insufficient_scope\"")
    );
}

#[tokio::test]
async fn a_request_in_scope_without_a_route_is_not_found() {
    let stage = Stage::new().await;
    stage
        .store
        .put(
            Kind::Scope,
            "everything",
            json!({"grants": [{"path": "/**"}]}),
        )
        .await;

    until("the wider scope holds", async || {
        stage.client.get("/v2/orders").await.status == 404
    })
    .await;
    let reply = stage.client.get("/v2/orders").await;
    assert_eq!(reply.json()["type"], "urn:tollgate:problem:no-route");
}

#[tokio::test]
async fn a_refusal_is_a_problem_with_the_requests_id() {
    let stage = Stage::new().await;
    let reply = Client::new(&stage.proxy).get("/v1/orders?secret=1").await;

    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    let request_id = reply.header("x-request-id").unwrap().to_owned();
    assert_eq!(
        reply.json(),
        json!({
            "type": "urn:tollgate:problem:unauthenticated",
            "title": "Unauthenticated",
            "status": 401,
            "detail": "send a token as \"Authorization: Bearer\" or \"X-API-Key\"",
            "instance": "/v1/orders",
            "request_id": request_id,
        })
    );
    let line = stage
        .proxy
        .accessed(|line| line["request_id"] == request_id.as_str())
        .await;
    assert_eq!(line["reason"], "credential_missing");
    assert_eq!(line["status"], 401);
}

#[tokio::test]
async fn a_refused_head_request_has_no_body() {
    let stage = Stage::new().await;
    let stranger = Client::new(&stage.proxy);
    let reply = stranger.send(stranger.request("HEAD", "/v1/orders")).await;

    assert_eq!((reply.status, reply.body.len()), (401, 0));
}

#[tokio::test]
async fn the_eleventh_request_of_ten_is_over_quota() {
    let stage = Stage::new().await;
    let quota = json!({"limits": [{"requests": 10, "per": "1h"}]});
    stage.store.put(Kind::Quota, "free", quota).await;
    let counted = crate::support::token("counted");
    stage
        .store
        .put_key("counted", &counted, json!({"quotas": ["free"]}))
        .await;
    let client = Client::new(&stage.proxy).bearing(&counted);
    until("the key is known", async || {
        client.get("/v2").await.status == 403
    })
    .await;

    for _ in 0..10 {
        assert_eq!(client.get("/v1/orders").await.status, 200);
    }
    let reply = client.get("/v1/orders").await;
    assert_eq!(reply.status, 429);
    assert_eq!(
        reply.header("ratelimit-policy"),
        Some("\"free\";q=10;w=3600")
    );
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!(wait >= 1);
    assert_eq!(
        reply.header("ratelimit").unwrap(),
        format!("\"free\";r=0;t={wait}")
    );
}

#[tokio::test]
async fn what_two_servers_could_read_differently_reaches_no_upstream() {
    let stage = Stage::new().await;
    let sent = |request: http::request::Builder| stage.client.send(request);
    for (name, value) in [("host", "a,b"), ("host", "user@a"), ("host", "a/b")] {
        let request = stage
            .client
            .request("GET", "/v1/orders")
            .header(name, value);
        assert_eq!(sent(request).await.status, 400, "{value}");
    }
    for path in ["/v1/%2e%2e/x", "/v1//x", "/v1/..;/x", "/v1/%00"] {
        assert_eq!(stage.client.get(path).await.status, 400, "{path}");
    }
    let trace = sent(stage.client.request("TRACE", "/v1/orders")).await;
    assert_eq!(trace.status, 405);
    assert!(trace.header("allow").is_some());

    let requests = &stage.upstream.gate.requests;
    assert_eq!(requests.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_nobody_knows_how_to_meet_may_not_be_expected() {
    let stage = Stage::new().await;
    for client in stage.clients() {
        let request = client.request("POST", "/v1/orders");
        let reply = client.send(request.header("expect", "x-magic=1")).await;
        assert_eq!(reply.status, 417, "{:?}", reply.version);
        assert!(reply.text().contains("expectation-unknown"));
    }
    let metric = r#"tollgate_requests_total{class="4xx",reason="expectation_unknown",route=""}"#;
    until("both are counted", async || {
        stage.proxy.metric(metric).await == Some(2.0)
    })
    .await;
    let requests = &stage.upstream.gate.requests;
    assert_eq!(requests.load(std::sync::atomic::Ordering::SeqCst), 0);
}
