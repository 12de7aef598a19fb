//! Which target gets a request, and which gets none.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::{Client, Process, Store, Upstream, key_id, token, until};

/// A proxy in front of several targets.
struct Targets {
    store: Store,
    proxy: Process,
    client: Client,
}

impl Targets {
    async fn new(targets: &[String], more: Value) -> Self {
        let store = Store::new();
        store.fill_targets(targets, more).await;
        let proxy = Process::start(&store, &[]).await;
        let client = Client::new(&proxy).bearing(&store.token);
        Self {
            store,
            proxy,
            client,
        }
    }

    async fn is_up(&self, url: &str) -> bool {
        let series =
            format!("tollgate_upstream_target_up{{upstream=\"backend\",target=\"{url}\"}}");
        self.proxy.metric(&series).await == Some(1.0)
    }
}

/// An address where nobody listens.
fn nowhere() -> SocketAddr {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap()
}

fn requests(upstream: &Upstream) -> usize {
    upstream.gate.requests.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_target_that_refuses_costs_no_request_and_returns_when_it_listens() {
    let sound = Upstream::start().await;
    let address = nowhere();
    let dead = format!("http://{address}");
    let targets = Targets::new(&[dead.clone(), sound.url()], json!({})).await;
    for _ in 0..20 {
        assert_eq!(targets.client.get("/v1/orders").await.status, 200);
    }
    assert!(!targets.is_up(&dead).await);
    assert!(targets.is_up(&sound.url()).await);
    let told = targets
        .proxy
        .logged(|line| line["target_url"] == dead.as_str())
        .await;
    assert_eq!(told["level"], "WARN");
    assert!(
        told["cause"].as_str().unwrap().contains("refused"),
        "{told}"
    );

    let risen = Upstream::start_at(address).await;
    until("it gets requests again", async || {
        assert_eq!(targets.client.get("/v1/orders").await.status, 200);
        requests(&risen) > 0
    })
    .await;
    assert!(targets.is_up(&dead).await);
}

#[tokio::test]
async fn a_body_that_nobody_took_reaches_the_next_target() {
    let sound = Upstream::start().await;
    let dead = format!("http://{}", nowhere());
    let targets = Targets::new(&[dead, sound.url()], json!({})).await;
    for client in [
        Client::new(&targets.proxy),
        Client::new(&targets.proxy).by_http2(),
    ] {
        let client = client.bearing(&targets.store.token);
        for _ in 0..4 {
            let answer = client.post("/v1/mirror", "a body").await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "a body"));
        }
    }
}

#[tokio::test]
async fn where_every_target_is_dead_it_is_still_a_bad_gateway() {
    let dead = [nowhere(), nowhere(), nowhere()].map(|address| format!("http://{address}"));
    let targets = Targets::new(&dead, json!({})).await;
    for _ in 0..20 {
        assert_eq!(targets.client.get("/v1/orders").await.status, 502);
    }

    let mut up = 0;
    for url in &dead {
        up += usize::from(targets.is_up(url).await);
    }
    assert_eq!(up, 2, "at least half stay");
}

#[tokio::test]
async fn a_target_that_fails_its_checks_gets_nothing_until_it_is_well() {
    let (one, other) = (Upstream::start().await, Upstream::start().await);
    one.gate.is_ill.store(true, Ordering::SeqCst);
    let health = json!({"health": {"path": "/healthz?deep=1", "interval": "100ms"}});
    let targets = Targets::new(&[one.url(), other.url()], health).await;
    until("it is taken for ill", async || {
        !targets.is_up(&one.url()).await
    })
    .await;
    let told = targets
        .proxy
        .logged(|line| line["target_url"] == one.url().as_str())
        .await;
    assert_eq!(told["cause"], "it answers 503");
    let before = requests(&one);
    for _ in 0..10 {
        assert_eq!(targets.client.get("/v1/orders").await.status, 200);
    }
    assert_eq!(requests(&one), before);

    one.gate.is_ill.store(false, Ordering::SeqCst);
    until("it is well", async || targets.is_up(&one.url()).await).await;
    for _ in 0..2 {
        targets.client.get("/v1/orders").await;
    }
    assert!(requests(&one) > before);
}

#[tokio::test]
async fn a_check_may_demand_a_status_and_where_all_are_ill_all_are_used() {
    let upstreams = [Upstream::start().await, Upstream::start().await];
    let urls = upstreams.each_ref().map(Upstream::url);
    let health = json!({"health": {"path": "/healthz", "interval": "100ms", "status": 204}});
    let targets = Targets::new(&urls, health).await;
    for url in &urls {
        until("it is taken for ill", async || !targets.is_up(url).await).await;
    }
    for _ in 0..4 {
        assert_eq!(targets.client.get("/v1/orders").await.status, 200);
    }

    assert!(upstreams.iter().all(|upstream| requests(upstream) > 0));
}

#[tokio::test]
async fn the_least_busy_target_gets_the_next_request() {
    let upstreams = [Upstream::start().await, Upstream::start().await];
    let urls = upstreams.each_ref().map(Upstream::url);
    let targets = Targets::new(&urls, json!({"balance": "least_requests"})).await;
    let client = Client::new(&targets.proxy).bearing(&targets.store.token);
    let held = tokio::spawn(async move { client.get("/v1/held").await });
    until("one is busy", async || {
        upstreams.iter().map(requests).sum::<usize>() == 1
    })
    .await;
    let busy = upstreams
        .iter()
        .find(|upstream| requests(upstream) == 1)
        .unwrap();
    let series = format!(
        "tollgate_upstream_target_requests_in_flight{{upstream=\"backend\",target=\"{}\"}}",
        busy.url()
    );
    assert_eq!(targets.proxy.metric(&series).await, Some(1.0));
    for _ in 0..6 {
        assert_eq!(targets.client.get("/v1/orders").await.status, 200);
    }
    assert_eq!(requests(busy), 1);

    busy.gate.open.notify_one();
    assert_eq!(held.await.unwrap().status, 200);
    until("none is busy", async || {
        targets.proxy.metric(&series).await == Some(0.0)
    })
    .await;
}

#[tokio::test]
async fn a_key_stays_with_its_target() {
    let upstreams = [(); 4].map(|()| Upstream::start());
    let mut started = Vec::new();
    for upstream in upstreams {
        started.push(upstream.await);
    }
    let urls: Vec<_> = started.iter().map(Upstream::url).collect();
    let targets = Targets::new(&urls, json!({"balance": "hash"})).await;
    let names: Vec<_> = (0..12).map(|number| format!("client-{number}")).collect();
    let mut clients = Vec::new();
    for name in &names {
        let token = token(name);
        targets.store.put_key(name, &token, json!({})).await;
        clients.push((name, Client::new(&targets.proxy).bearing(&token)));
    }
    let mut hosts = std::collections::BTreeSet::new();
    for (name, client) in &clients {
        until("the key is known", async || {
            client.get("/v1/orders").await.status == 200
        })
        .await;
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..4 {
            let reply = client.get("/v1/orders").await;
            assert_eq!(reply.echoed("x-tollgate-key-id"), [key_id(name).as_str()]);
            seen.extend(reply.echoed("host"));
        }
        assert_eq!(seen.len(), 1, "{name}: {seen:?}");
        hosts.extend(seen);
    }

    assert!(
        hosts.len() > 1,
        "twelve keys of four targets' have one each"
    );
}

#[tokio::test]
async fn nothing_is_counted_as_in_flight_once_it_is_over() {
    let sound = Upstream::start().await;
    let dead = format!("http://{}", nowhere());
    let limits = json!({"timeouts": {"response": "200ms", "idle": "200ms"}});
    let targets = Targets::new(&[dead.clone(), sound.url()], limits).await;
    for client in [
        Client::new(&targets.proxy),
        Client::new(&targets.proxy).by_http2(),
    ] {
        let client = client.bearing(&targets.store.token);
        for path in ["/v1/orders", "/v1/held", "/v1/trailers"] {
            client.get(path).await;
        }
        client.post("/v1/mirror", "a body").await;
        let held = client.get("/v1/held");
        // A client that leaves.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), held).await;
        let broken = client.request("GET", "/v1/broken");
        let nothing = http_body_util::Empty::new().map_err(|never| match never {});
        let broken = broken
            .body(http_body_util::BodyExt::boxed(nothing))
            .unwrap();
        assert!(
            client
                .open(broken)
                .await
                .into_body()
                .collect()
                .await
                .is_err()
        );
    }

    for url in [&dead, &sound.url()] {
        let series = format!(
            "tollgate_upstream_target_requests_in_flight{{upstream=\"backend\",target=\"{url}\"}}"
        );
        until("nothing is in flight there", async || {
            targets.proxy.metric(&series).await == Some(0.0)
        })
        .await;
    }
    until("nothing is in flight", async || {
        targets.proxy.metric("tollgate_requests_in_flight").await == Some(0.0)
    })
    .await;
}
