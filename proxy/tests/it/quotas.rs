//! Quotas as clients and operators meet them.

use std::sync::atomic::Ordering;

use http_body_util::BodyExt;
use serde_json::{Value, json};
use tollgate_store::Secret;
use tollgate_store::document::Kind;

use crate::support::{Body, Client, Stage, token, until};

/// A stage on which the key `counted` is counted by the quota `free`, and the proxy says `proxy` beside where it
/// listens.
async fn stage(quota: Value, proxy: Value) -> (Stage, Client) {
    let (stage, client, _) = stage_and_token(quota, proxy).await;
    (stage, client)
}

async fn stage_and_token(quota: Value, proxy: Value) -> (Stage, Client, Secret) {
    let stage = Stage::new().await;
    let mut document = json!({"listen": [{"address": "127.0.0.1:0"}]});
    let Value::Object(more) = proxy else {
        panic!("the fields of a proxy are an object")
    };
    document.as_object_mut().unwrap().extend(more);
    stage.store.put(Kind::Proxy, "edge", document).await;
    stage.store.put(Kind::Quota, "free", quota).await;
    let counted = token("counted");
    let key = json!({"quotas": ["free"]});
    stage.store.put_key("counted", &counted, key).await;
    let client = Client::new(&stage.proxy).bearing(&counted);
    until("the key is known", async || {
        client.get("/v2").await.status == 403
    })
    .await;
    (stage, client, counted)
}

fn number(text: Option<&str>) -> u64 {
    text.unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_answer_says_how_its_client_stands() {
    let quota = json!({"limits": [{"requests": 3, "per": "1h"}, {"requests": 100, "per": "day"}]});
    let (_stage, client) = stage(quota, json!({})).await;

    for remaining in [2, 1, 0] {
        let reply = client.get("/v1/orders").await;
        assert_eq!(reply.status, 200);
        let policies: Vec<_> = reply.headers.get_all("ratelimit-policy").iter().collect();
        assert_eq!(
            policies,
            ["\"free:1h\";q=3;w=3600", "\"free:day\";q=100;w=86400"]
        );
        let limit = reply.header("ratelimit").unwrap();
        let seconds = limit
            .strip_prefix(&format!("\"free:1h\";r={remaining};t="))
            .unwrap();
        assert!((1..=3_660).contains(&number(Some(seconds))), "{limit}");
        assert!(reply.header("x-ratelimit-limit").is_none());
    }
    let reply = client.get("/v1/orders").await;
    let wait = number(reply.header("retry-after"));
    assert_eq!(reply.status, 429);
    assert_eq!(
        reply.header("ratelimit").unwrap(),
        format!("\"free:1h\";r=0;t={wait}")
    );
    assert_eq!(
        reply.header("ratelimit-policy"),
        Some("\"free:1h\";q=3;w=3600")
    );
    let detail = "quota \"free\" allows 3 requests in 3600 seconds";
    assert_eq!(reply.json()["detail"], detail);
}

#[tokio::test]
async fn a_client_that_no_quota_counts_is_told_nothing() {
    let quota = json!({"limits": [{"requests": 3, "per": "1h"}]});
    let (stage, _) = stage(quota, json!({})).await;

    let reply = stage.client.get("/v1/orders").await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("ratelimit").is_none() && reply.header("ratelimit-policy").is_none());
}

#[tokio::test]
async fn what_was_usual_before_is_told_where_that_is_declared() {
    let quota = json!({"limits": [{"requests": 1, "per": "1h"}]});
    let (_stage, client) = stage(quota, json!({"rate_limit_headers": "legacy"})).await;

    for status in [200, 429] {
        let reply = client.get("/v1/orders").await;
        assert_eq!(reply.status, status);
        assert_eq!(number(reply.header("x-ratelimit-limit")), 1);
        assert_eq!(number(reply.header("x-ratelimit-remaining")), 0);
        let reset = number(reply.header("x-ratelimit-reset"));
        assert!((3_590..=3_660).contains(&reset), "{reset}");
        assert!(reply.header("ratelimit").is_some());
    }
}

#[tokio::test]
async fn nothing_but_when_to_come_back_is_told_where_that_is_declared() {
    let quota = json!({"limits": [{"requests": 1, "per": "1h"}]});
    let (_stage, client) = stage(quota, json!({"rate_limit_headers": "none"})).await;

    for status in [200, 429] {
        let reply = client.get("/v1/orders").await;
        assert_eq!(reply.status, status);
        assert!(reply.header("ratelimit").is_none() && reply.header("ratelimit-policy").is_none());
        assert_eq!(reply.header("retry-after").is_some(), status == 429);
    }
}

#[tokio::test]
async fn a_request_is_under_way_until_the_last_byte_of_its_answer() {
    let quota = json!({"limits": [{"concurrent": 1}]});
    let (stage, client, counted) = stage_and_token(quota, json!({})).await;
    let by_http2 = Client::new(&stage.proxy).bearing(&counted).by_http2();
    for client in [client, by_http2] {
        let request = client
            .request("GET", "/v1/broken")
            .body(Body::default())
            .unwrap();
        // Its head and half of its body are here, and the rest waits for the gate.
        let mut answer = client.open(request).await.into_body();
        let half = answer.frame().await;
        assert!(half.unwrap().unwrap().is_data());

        let reply = client.get("/v1/orders").await;
        assert_eq!(reply.status, 429);
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert_eq!(reply.header("ratelimit"), Some("\"free\";r=0"));
        let policy = "\"free\";q=1;qu=\"concurrent-requests\"";
        assert_eq!(reply.header("ratelimit-policy"), Some(policy));

        stage.upstream.gate.open.notify_one();
        assert!(answer.collect().await.is_err());
        until("the request is over", async || {
            client.get("/v1/orders").await.status == 200
        })
        .await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_no_longer_under_way() {
    let (_stage, client) = stage(json!({"limits": [{"concurrent": 1}]}), json!({})).await;
    let request = client
        .request("GET", "/v1/broken")
        .body(Body::default())
        .unwrap();
    let answer = client.open(request).await;
    assert_eq!(client.get("/v1/orders").await.status, 429);

    drop(answer);
    until("the request is over", async || {
        client.get("/v1/orders").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_quota_that_only_measures_shows_in_the_log_and_the_metrics() {
    let quota = json!({"limits": [{"requests": 1, "per": "1h"}], "shadow": true});
    let (stage, client) = stage(quota, json!({})).await;

    for _ in 0..3 {
        let reply = client.get("/v1/orders").await;
        assert_eq!(reply.status, 200);
        assert!(reply.header("ratelimit").is_none());
    }
    let line = stage
        .proxy
        .accessed(|line| line["quota_shadow"] == "free")
        .await;
    assert_eq!(
        (&line["status"], &line["reason"]),
        (&json!(200), &Value::Null)
    );
    let series = "tollgate_quota_refusals_total{quota=\"free\",mode=\"shadow\"}";
    until("both are counted", async || {
        stage.proxy.metric(series).await == Some(2.0)
    })
    .await;
    assert_eq!(stage.upstream.gate.requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn the_log_and_the_metrics_name_what_refused_a_request() {
    let limits = json!([{"requests": 2, "per": "1s"}, {"requests": 1, "per": "month"}]);
    let (stage, client) = stage(json!({"limits": limits}), json!({})).await;
    assert_eq!(client.get("/v1/orders").await.status, 200);

    assert_eq!(client.get("/v1/orders").await.status, 429);
    let line = stage.proxy.accessed(|line| line["status"] == 429).await;
    assert_eq!(line["quota"], "free:month");
    let series = "tollgate_quota_refusals_total{quota=\"free\",mode=\"enforced\"}";
    assert_eq!(stage.proxy.metric(series).await, Some(1.0));
}

#[tokio::test]
async fn a_route_counts_for_what_it_costs() {
    let (stage, client) = stage(
        json!({"limits": [{"requests": 10, "per": "1h"}]}),
        json!({}),
    )
    .await;
    let report = json!({"proxy": "edge", "path": "/v1/report", "upstream": "backend", "cost": 4});
    stage.store.put(Kind::Route, "report", report).await;
    until("the route is served", async || {
        let line = stage.client.get("/v1/report").await;
        let id = line.header("x-request-id").unwrap().to_owned();
        let line = stage
            .proxy
            .accessed(|line| line["request_id"] == id.as_str())
            .await;
        line["route"] == "report"
    })
    .await;

    let statuses = [
        client.get("/v1/report").await.status,
        client.get("/v1/report").await.status,
        client.get("/v1/report").await.status,
        client.get("/v1/orders").await.status,
        client.get("/v1/orders").await.status,
        client.get("/v1/orders").await.status,
    ];
    assert_eq!(statuses, [200, 200, 429, 200, 200, 429]);
}

#[tokio::test]
async fn a_proxy_of_a_fleet_enforces_its_share() {
    let quota = json!({"limits": [{"requests": 9, "per": "1h"}]});
    let fleet = json!({"fleet": {"size": 3, "dns": "no-such-host.invalid"}});
    let (stage, client) = stage(quota.clone(), fleet).await;
    assert_eq!(stage.proxy.metric("tollgate_fleet_size").await, Some(3.0));
    let mut admitted = 0;
    while client.get("/v1/orders").await.status == 200 {
        admitted += 1;
    }
    assert_eq!(admitted, 3);

    // What each proxy may count by itself is not shared.
    let mut alone = quota;
    alone["across"] = json!("process");
    stage.store.put(Kind::Quota, "free", alone).await;
    until("the quota is its own", async || {
        client.get("/v1/orders").await.status == 200
    })
    .await;
    for _ in 0..5 {
        assert_eq!(client.get("/v1/orders").await.status, 200);
    }
    assert_eq!(client.get("/v1/orders").await.status, 429);
}
