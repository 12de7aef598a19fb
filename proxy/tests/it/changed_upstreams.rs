//! What holds on for targets when their upstream's document changes.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tollgate_store::document::Kind;

use crate::support::{Client, Process, Store, Upstream, until};

struct Scene {
    store: Store,
    proxy: Process,
    client: Client,
}

impl Scene {
    async fn new(targets: &[&Upstream], more: Value) -> Self {
        let store = Store::new();
        let urls: Vec<_> = targets.iter().map(|target| target.url()).collect();
        store.fill_targets(&urls, more).await;
        let proxy = Process::start(&store, &[]).await;
        let client = Client::new(&proxy).bearing(&store.token);
        Self {
            store,
            proxy,
            client,
        }
    }

    /// Changes the document, and waits until it holds.
    async fn change(&self, targets: &[&Upstream], more: Value) {
        let urls: Vec<_> = targets.iter().map(|target| target.url()).collect();
        let mut spec = json!({"targets": urls, "timeouts": {"idle": "77s"}});
        let fields = spec.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let generation = async || self.proxy.metric("tollgate_snapshot_generation").await;
        let before = generation().await;
        self.store.put(Kind::Upstream, "backend", spec).await;
        until("the document holds", async || generation().await > before).await;
    }

    async fn get(&self, times: usize, status: u16) {
        for _ in 0..times {
            assert_eq!(self.client.get("/v1/orders").await.status, status);
        }
    }

    fn hold(&self) -> JoinHandle<u16> {
        let client = Client::new(&self.proxy).bearing(&self.store.token);
        tokio::spawn(async move { client.get("/v1/held").await.status })
    }

    async fn shown(&self, what: &str, target: &Upstream) -> Option<f64> {
        let url = target.url();
        let series =
            format!("tollgate_upstream_target_{what}{{upstream=\"backend\",target=\"{url}\"}}");
        self.proxy.metric(&series).await
    }
}

fn requests(upstream: &Upstream) -> usize {
    upstream.gate.requests.load(Ordering::SeqCst)
}

fn connections(upstream: &Upstream) -> usize {
    upstream.gate.connections.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_target_that_was_put_out_serves_its_time() {
    let (dead, sound) = (Upstream::start().await, Upstream::start().await);
    let scene = Scene::new(&[&dead, &sound], json!({})).await;
    dead.stop();
    scene.get(12, 200).await;
    assert_eq!(scene.shown("up", &dead).await, Some(0.0));
    scene.change(&[&dead, &sound], json!({})).await;

    let url = dead.url();
    let about = |line: &Value, says: &str| {
        line["target_url"] == url && line["message"].as_str().unwrap().contains(says)
    };
    let returns = |line: &Value| about(line, "gets requests again, to see how it is");
    scene.proxy.logged(returns).await;
    scene.get(4, 200).await;
    // Five failures in a row would take ten requests.
    let again = |line: &Value| about(line, "for a while") && line["length_s"] == 10;
    scene.proxy.logged(again).await;
}

#[tokio::test]
async fn a_target_whose_checks_failed_is_ill_until_they_are_good() {
    let (ill, sound) = (Upstream::start().await, Upstream::start().await);
    ill.gate.is_ill.store(true, Ordering::SeqCst);
    let checks = |interval: &str, after: u32| {
        let health = json!({"path": "/healthz", "interval": interval, "healthy_after": after});
        json!({"health": health})
    };
    let scene = Scene::new(&[&ill, &sound], checks("100ms", 10)).await;
    until("it is taken for ill", async || {
        scene.shown("up", &ill).await == Some(0.0)
    })
    .await;
    ill.gate.is_ill.store(false, Ordering::SeqCst);
    // Asked at once, it is not asked again.
    scene.change(&[&ill, &sound], checks("1h", 10)).await;
    let before = requests(&ill);
    scene.get(6, 200).await;
    assert_eq!(requests(&ill), before);

    scene.change(&[&ill, &sound], checks("100ms", 1)).await;
    until("it is well", async || {
        scene.shown("up", &ill).await == Some(1.0)
    })
    .await;
}

#[tokio::test]
async fn a_limit_of_connections_counts_those_that_are_open() {
    let upstream = Upstream::start().await;
    let limit = |most: u32, idle: &str| {
        let timeouts = json!({"connect": "200ms", "idle": idle});
        json!({"connections_max": most, "timeouts": timeouts})
    };
    let scene = Scene::new(&[&upstream], limit(2, "10s")).await;
    let held = [scene.hold(), scene.hold()];
    until("both are there", async || requests(&upstream) == 2).await;
    for (most, idle) in [(2, "20s"), (1, "20s")] {
        scene.change(&[&upstream], limit(most, idle)).await;
        assert_eq!(scene.shown("connections", &upstream).await, Some(2.0));
        scene.get(2, 503).await;
    }

    scene.change(&[&upstream], limit(3, "20s")).await;
    scene.get(2, 200).await;
    assert_eq!(connections(&upstream), 3);
    for _ in 0..2 {
        upstream.gate.open.notify_one();
    }
    for answer in held {
        assert_eq!(answer.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn connections_are_used_on_unless_others_would_be_made_now() {
    let upstream = Upstream::start().await;
    let only_one = json!({"connections_max": 1});
    let scene = Scene::new(&[&upstream], only_one.clone()).await;
    scene.get(1, 200).await;
    scene.change(&[&upstream], only_one).await;
    scene.get(3, 200).await;
    assert_eq!(connections(&upstream), 1);

    // The idle one of another protocol is in nobody's way.
    let another = json!({"connections_max": 1, "protocol": "h2"});
    scene.change(&[&upstream], another).await;
    let reply = scene.client.get("/v1/orders").await;
    assert_eq!(reply.json()["version"], "HTTP/2.0");
    assert_eq!(connections(&upstream), 2);
    until("the first is closed", async || {
        scene.shown("connections", &upstream).await == Some(1.0)
    })
    .await;
}

#[tokio::test]
async fn a_new_target_begins_slowly_and_the_old_ones_do_not() {
    let (one, other) = (Upstream::start().await, Upstream::start().await);
    let new = Upstream::start().await;
    let slow_start = json!({"slow_start": "1h"});
    let scene = Scene::new(&[&one, &other], slow_start.clone()).await;
    scene.get(2, 200).await;
    scene.change(&[&one, &other, &new], slow_start).await;
    scene.get(300, 200).await;

    // A hundredth of each third request: 30 come once in many lifetimes.
    assert!(requests(&new) < 30, "{}", requests(&new));
    assert!(requests(&one).abs_diff(requests(&other)) < 60);
}

#[tokio::test]
async fn requests_that_are_on_their_way_count_on() {
    let (busy, free) = (Upstream::start().await, Upstream::start().await);
    let least = json!({"balance": "least_requests"});
    let scene = Scene::new(&[&busy, &free], least.clone()).await;
    let held = scene.hold();
    until("it is there", async || {
        requests(&busy) + requests(&free) == 1
    })
    .await;
    let (busy, free) = if requests(&busy) == 1 {
        (&busy, &free)
    } else {
        (&free, &busy)
    };
    scene.change(&[busy, free], least).await;
    scene.get(6, 200).await;
    assert_eq!((requests(busy), requests(free)), (1, 6));
    assert_eq!(scene.shown("requests_in_flight", busy).await, Some(1.0));

    busy.gate.open.notify_one();
    assert_eq!(held.await.unwrap(), 200);
    until("nothing is on its way", async || {
        scene.shown("requests_in_flight", busy).await == Some(0.0)
    })
    .await;
}
