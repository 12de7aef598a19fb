//! How many connections an upstream gets, and who waits for one.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, Process, Store, Upstream, until};

struct Scene {
    store: Store,
    upstream: Upstream,
    proxy: Process,
}

impl Scene {
    async fn new(more: Value) -> Self {
        let upstream = Upstream::start().await;
        let store = Store::new();
        store.fill_targets(&[upstream.url()], more).await;
        let proxy = Process::start(&store, &[]).await;
        Self {
            store,
            upstream,
            proxy,
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.proxy).bearing(&self.store.token)
    }

    fn connections(&self) -> usize {
        self.upstream.gate.connections.load(Ordering::SeqCst)
    }

    fn requests(&self) -> usize {
        self.upstream.gate.requests.load(Ordering::SeqCst)
    }

    async fn shown(&self) -> Option<f64> {
        let url = self.upstream.url();
        let series = format!(
            "tollgate_upstream_target_connections{{upstream=\"backend\",target=\"{url}\"}}"
        );
        self.proxy.metric(&series).await
    }
}

#[tokio::test]
async fn who_finds_no_connection_in_time_is_told_to_come_back_and_no_target_is_blamed() {
    let scene = Scene::new(json!({"connections_max": 2, "timeouts": {"connect": "200ms"}})).await;
    let held: Vec<_> = (0..2)
        .map(|_| {
            let client = scene.client();
            tokio::spawn(async move { client.get("/v1/held").await.status })
        })
        .collect();
    until("both are there", async || scene.requests() == 2).await;
    assert_eq!(scene.shown().await, Some(2.0));

    for _ in 0..6 {
        let reply = scene.client().get("/v1/orders").await;
        assert_eq!(reply.status, 503);
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert!(reply.text().contains("upstream-busy"));
    }
    let busy = |line: &Value| line["reason"] == "upstream_connections" && line["status"] == 503;
    scene.proxy.accessed(busy).await;
    let url = scene.upstream.url();
    let series = format!("tollgate_upstream_target_up{{upstream=\"backend\",target=\"{url}\"}}");
    assert_eq!(scene.proxy.metric(&series).await, Some(1.0));
    assert_eq!(scene.requests(), 2);

    for _ in 0..2 {
        scene.upstream.gate.open.notify_one();
    }
    for answer in join_all(held).await {
        assert_eq!(answer.unwrap(), 200);
    }
    // What is idle now serves every thread.
    for _ in 0..6 {
        assert_eq!(scene.client().get("/v1/orders").await.status, 200);
    }
    assert_eq!(scene.connections(), 2);
}

#[tokio::test]
async fn many_requests_share_the_few_connections_that_may_be() {
    let scene = Scene::new(json!({"connections_max": 3})).await;
    for _ in 0..4 {
        let clients: Vec<_> = (0..50).map(|_| scene.client()).collect();
        let requests = clients.iter().map(|client| client.get("/v1/orders"));
        for reply in join_all(requests).await {
            assert_eq!(reply.status, 200);
        }
    }

    assert!(scene.connections() <= 3, "{}", scene.connections());
}

#[tokio::test]
async fn requests_share_a_connection_by_http2_whatever_the_limit() {
    let scene = Scene::new(json!({"connections_max": 1, "protocol": "h2"})).await;
    let clients: Vec<_> = (0..40).map(|_| scene.client()).collect();
    let requests = clients.iter().map(|client| client.get("/v1/orders"));
    for reply in join_all(requests).await {
        assert_eq!(reply.status, 200);
    }

    assert_eq!(scene.connections(), 1);
}

#[tokio::test]
async fn a_target_without_room_passes_its_turn_to_one_with() {
    let (one, other) = (Upstream::start().await, Upstream::start().await);
    let store = Store::new();
    let targets = [one.url(), other.url()];
    store
        .fill_targets(&targets, json!({"connections_max": 1}))
        .await;
    let proxy = Process::start(&store, &[]).await;
    let client = || Client::new(&proxy).bearing(&store.token);
    let holder = client();
    let held = tokio::spawn(async move { holder.get("/v1/held").await.status });
    let requests = |upstream: &Upstream| upstream.gate.requests.load(Ordering::SeqCst);
    until("one is busy", async || {
        requests(&one) + requests(&other) == 1
    })
    .await;
    for _ in 0..6 {
        assert_eq!(client().get("/v1/orders").await.status, 200);
    }

    let (busy, free) = if requests(&one) == 1 {
        (&one, &other)
    } else {
        (&other, &one)
    };
    assert_eq!((requests(busy), requests(free)), (1, 6));
    busy.gate.open.notify_one();
    assert_eq!(held.await.unwrap(), 200);
}
