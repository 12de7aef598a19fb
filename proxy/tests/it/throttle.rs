//! Upstreams that are given no more than they can take.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};
use tollgate_store::document::Kind;

use crate::support::{Client, Process, Reply, Store, Upstream, token, until};

/// Five at once, of which four may be of the usual priority and three batch.
const FIVE: [u32; 2] = [5, 5];

struct Stage {
    store: Store,
    upstream: Upstream,
    proxy: Process,
    client: Arc<Client>,
}

impl Stage {
    async fn start([limit_min, limit_max]: [u32; 2], wait: &str, is_shadow: bool) -> Self {
        let (store, upstream) = (Store::new(), Upstream::start().await);
        let throttle = json!({
            "limit_min": limit_min, "limit_max": limit_max, "wait": wait, "shadow": is_shadow,
        });
        let url = upstream.url();
        store
            .fill_targets(&[url], json!({"throttle": throttle}))
            .await;
        for priority in ["critical", "batch"] {
            let route = json!({
                "proxy": "edge", "path": format!("/v1/{priority}/**"), "upstream": "backend",
                "priority": priority,
            });
            store.put(Kind::Route, priority, route).await;
        }
        let proxy = Process::start(&store, &[]).await;
        let client = Arc::new(Client::new(&proxy).bearing(&store.token));
        Self {
            store,
            upstream,
            proxy,
            client,
        }
    }

    /// Sends a request, which the upstream holds.
    fn ask(&self, path: &'static str) -> JoinHandle<Reply> {
        let client = Arc::clone(&self.client);
        tokio::spawn(async move { client.get(path).await })
    }

    async fn holds(&self, count: usize) {
        let requests = &self.upstream.gate.requests;
        until("the upstream has them all", || async {
            requests.load(Ordering::SeqCst) == count
        })
        .await;
    }

    async fn hold(&self, count: usize) -> Vec<JoinHandle<Reply>> {
        let held = (0..count).map(|_| self.ask("/v1/held")).collect();
        self.holds(count).await;
        held
    }

    async fn shed(&self, priority: &str, is_shadow: bool) -> f64 {
        let labels =
            format!("{{upstream=\"backend\",priority=\"{priority}\",shadow=\"{is_shadow}\"}}");
        let series = format!("tollgate_throttle_shed_total{labels}");
        self.proxy.metric(&series).await.unwrap_or_default()
    }

    async fn shown(&self, name: &str) -> f64 {
        let series = format!("tollgate_throttle_{name}{{upstream=\"backend\"}}");
        self.proxy.metric(&series).await.unwrap_or_default()
    }
}

fn is(shown: f64, expected: u32) -> bool {
    (shown - f64::from(expected)).abs() < 0.5
}

#[tokio::test]
async fn what_is_too_much_is_shed_the_lowest_first() {
    let stage = Stage::start(FIVE, "0ms", false).await;
    let held = stage.hold(4).await;

    assert_eq!(stage.client.get("/v1/batch/held").await.status, 503);
    let shed = stage.client.get("/v1/orders").await;
    assert_eq!(shed.status, 503);
    assert_eq!(shed.header("retry-after"), Some("1"));
    assert_eq!(shed.json()["type"], "urn:tollgate:problem:upstream-busy");
    let line = stage
        .proxy
        .accessed(|line| line["path"] == "/v1/orders")
        .await;
    assert_eq!(line["reason"], "throttled");
    assert_eq!(line["upstream"], "backend");
    // A higher one finds room, until there is none for anybody.
    let critical = stage.ask("/v1/critical/held");
    stage.holds(5).await;
    assert_eq!(stage.client.get("/v1/critical/held").await.status, 503);

    assert!(is(stage.shown("limit").await, 5));
    assert!(is(stage.shown("in_flight").await, 5));
    for priority in ["batch", "default", "critical"] {
        assert!(is(stage.shed(priority, false).await, 1), "{priority}");
    }
    // All before any is awaited: whose turn it is depends on which came to the upstream first.
    for _ in 0..5 {
        stage.upstream.gate.open.notify_one();
    }
    for held in held.into_iter().chain([critical]) {
        assert_eq!(held.await.unwrap().status, 200);
    }
    assert_eq!(stage.client.get("/v1/orders").await.status, 200);
    assert!(is(stage.shown("in_flight").await, 0));
}

#[tokio::test]
async fn what_is_shed_is_charged_to_no_quota() {
    let stage = Stage::start(FIVE, "0ms", false).await;
    let limits = json!({"limits": [{"requests": 10, "per": "1h"}]});
    stage.store.put(Kind::Quota, "free", limits).await;
    let counted = token("counted");
    let key = json!({"quotas": ["free"]});
    stage.store.put_key("counted", &counted, key).await;
    let client = Client::new(&stage.proxy).bearing(&counted);
    until("the key is known", async || {
        client.get("/v2").await.status == 403
    })
    .await;
    let held = stage.hold(4).await;
    for _ in 0..3 {
        assert_eq!(client.get("/v1/orders").await.status, 503);
    }
    for _ in 0..4 {
        stage.upstream.gate.open.notify_one();
    }
    for held in held {
        held.await.unwrap();
    }

    let reply = client.get("/v1/orders").await;
    assert_eq!(reply.status, 200);
    let told = reply.header("ratelimit").unwrap();
    assert!(told.starts_with("\"free\";r=9;"), "{told}");
}

#[tokio::test]
async fn a_principals_priority_is_above_its_routes() {
    let stage = Stage::start(FIVE, "0ms", false).await;
    let role = json!({"scopes": ["everything"]});
    stage.store.put(Kind::Role, "all", role).await;
    let principal = json!({"roles": ["all"], "priority": "critical"});
    stage.store.put(Kind::Principal, "shop", principal).await;
    let token = crate::support::token("shop-1");
    let key = json!({"principal": "shop"});
    stage.store.put_key("shop-1", &token, key).await;
    stage.proxy.signal("HUP");
    let shop = Arc::new(Client::new(&stage.proxy).bearing(&token));
    until("the principal is known", || async {
        shop.get("/v1/batch/orders").await.status == 200
    })
    .await;
    let before = stage.upstream.gate.requests.load(Ordering::SeqCst);
    let held: Vec<_> = (0..4).map(|_| stage.ask("/v1/held")).collect();
    stage.holds(before + 4).await;

    assert_eq!(stage.client.get("/v1/batch/orders").await.status, 503);
    assert_eq!(shop.get("/v1/batch/orders").await.status, 200);
    drop(held);
}

#[tokio::test]
async fn who_waits_gets_the_room_that_comes() {
    let stage = Stage::start(FIVE, "5s", false).await;
    let held = stage.hold(4).await;
    let waiting = stage.ask("/v1/held");
    until("it waits", || async { is(stage.shown("waiting").await, 1) }).await;
    assert_eq!(stage.upstream.gate.requests.load(Ordering::SeqCst), 4);

    // The first answer makes room, which the second wakes from.
    stage.upstream.gate.open.notify_one();
    stage.holds(5).await;
    assert!(is(stage.shown("waits_total").await, 1));
    stage.upstream.gate.open.notify_waiters();
    for held in held.into_iter().chain([waiting]) {
        stage.upstream.gate.open.notify_one();
        assert_eq!(held.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn room_comes_back_from_who_left() {
    let stage = Stage::start(FIVE, "5s", false).await;
    let held = stage.hold(4).await;
    let waiting = stage.ask("/v1/held");
    until("it waits", || async { is(stage.shown("waiting").await, 1) }).await;

    waiting.abort();
    until("nobody waits", || async {
        is(stage.shown("waiting").await, 0)
    })
    .await;
    held.iter().for_each(JoinHandle::abort);
    until("nobody is there", || async {
        is(stage.shown("in_flight").await, 0)
    })
    .await;
}

#[tokio::test]
async fn a_shadow_sheds_nobody_and_says_whom_it_would() {
    let stage = Stage::start(FIVE, "0ms", true).await;
    let held = stage.hold(4).await;

    assert_eq!(stage.client.get("/v1/orders").await.status, 200);
    assert!(is(stage.shed("default", true).await, 1));
    assert!(is(stage.shed("default", false).await, 0));
    drop(held);
}

#[tokio::test]
async fn what_a_throttle_learned_outlasts_a_change_of_its_upstream() {
    let stage = Stage::start(FIVE, "0ms", false).await;
    let held = stage.hold(4).await;
    let limits = json!({"limit_min": 5, "limit_max": 5, "wait": "0ms"});
    let more = json!({"throttle": limits, "description": "another"});
    let mut changed = json!({"targets": [stage.upstream.url()]});
    let fields = changed.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    stage.store.put(Kind::Upstream, "backend", changed).await;
    stage.proxy.signal("HUP");
    until("the change is served", || async {
        stage.proxy.metric("tollgate_snapshot_generation").await > Some(1.0)
    })
    .await;

    assert_eq!(stage.client.get("/v1/orders").await.status, 503);
    drop(held);
}

/// An upstream that answers at once, or one request after the other.
async fn narrow(is_narrow: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let door: Arc<Mutex<()>> = Arc::default();
    let answer = move |_: Request<Incoming>| {
        let (door, is_narrow) = (Arc::clone(&door), Arc::clone(&is_narrow));
        async move {
            if is_narrow.load(Ordering::SeqCst) {
                let _turn = door.lock().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            } else {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let body = Full::new(Bytes::new());
            Ok::<_, Infallible>(Response::new(body.map_err(|never| match never {})))
        }
    };
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer.clone()));
            tokio::spawn(served);
        }
    });
    url
}

#[tokio::test]
async fn an_upstream_that_slows_down_is_given_less_and_then_more_again() {
    let is_narrow = Arc::new(AtomicBool::new(false));
    let store = Store::new();
    let url = narrow(Arc::clone(&is_narrow)).await;
    let throttle: Value = json!({"throttle": {"limit_max": 200}});
    store.fill_targets(&[url], throttle).await;
    let proxy = Process::start(&store, &[]).await;
    let client = Arc::new(Client::new(&proxy).bearing(&store.token));
    let mut clients = JoinSet::new();
    for _ in 0..40 {
        let client = Arc::clone(&client);
        clients.spawn(async move {
            loop {
                let status = client.get("/v1/orders").await.status;
                assert!(matches!(status, 200 | 503), "{status}");
                if status == 503 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }
    let limit = || async {
        let series = "tollgate_throttle_limit{upstream=\"backend\"}";
        proxy.metric(series).await.unwrap_or_default()
    };

    until("all of them fit", || async { limit().await > 44.0 }).await;
    is_narrow.store(true, Ordering::SeqCst);
    until("few of them fit", || async { limit().await < 15.0 }).await;
    proxy.accessed(|line| line["reason"] == "throttled").await;
    is_narrow.store(false, Ordering::SeqCst);
    until("all of them fit again", || async { limit().await > 44.0 }).await;
    assert!(clients.try_join_next().is_none());
}
