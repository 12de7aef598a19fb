//! Targets of which some weigh more, answer nothing, or come back slowly.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::{Client, Process, Store, Upstream, until};

struct Scene {
    _store: Store,
    proxy: Process,
    client: Client,
}

impl Scene {
    async fn new(targets: &[String], more: Value) -> Self {
        let store = Store::new();
        store.fill_targets(targets, more).await;
        let proxy = Process::start(&store, &[]).await;
        let client = Client::new(&proxy).bearing(&store.token);
        Self {
            _store: store,
            proxy,
            client,
        }
    }

    async fn get(&self, times: usize, status: u16) {
        for _ in 0..times {
            assert_eq!(self.client.get("/v1/orders").await.status, status);
        }
    }

    async fn is_up(&self, url: &str) -> bool {
        let series =
            format!("tollgate_upstream_target_up{{upstream=\"backend\",target=\"{url}\"}}");
        self.proxy.metric(&series).await == Some(1.0)
    }
}

fn requests(upstream: &Upstream) -> usize {
    upstream.gate.requests.load(Ordering::SeqCst)
}

/// A listener whose line is full: the system drops what asks for more, as a firewall would.
struct BlackHole {
    address: SocketAddr,
    _listener: Socket,
    _line: Vec<Socket>,
}

impl BlackHole {
    fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut line = Vec::new();
        let is_full = (0..64).any(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            let reached = socket.connect_timeout(&address, Duration::from_millis(200));
            line.push(socket);
            reached.is_err()
        });
        assert!(is_full, "the system keeps no line as short as it is told");
        Self {
            address: address.as_socket().unwrap(),
            _listener: listener,
            _line: line,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

#[tokio::test]
async fn targets_get_what_they_weigh_and_the_light_one_all_when_the_heavy_one_dies() {
    let (light, heavy) = (Upstream::start().await, Upstream::start().await);
    let weights = json!({"target_weights": {heavy.url(): 3}, "retries": {}});
    let scene = Scene::new(&[light.url(), heavy.url()], weights).await;
    scene.get(40, 200).await;
    assert_eq!((requests(&light), requests(&heavy)), (10, 30));

    heavy.stop();
    scene.get(40, 200).await;
    assert_eq!(requests(&light), 50);
}

#[tokio::test]
async fn a_target_that_swallows_connections_costs_no_request_while_another_answers() {
    let (hole, sound) = (BlackHole::new(), Upstream::start().await);
    let timeouts = json!({"timeouts": {"connect": "300ms"}});
    let scene = Scene::new(&[hole.url(), sound.url()], timeouts).await;
    scene.get(12, 200).await;
    assert!(
        !scene.is_up(&hole.url()).await,
        "it gets nothing for a while"
    );
    assert_eq!(requests(&sound), 12);
}

#[tokio::test]
async fn a_target_that_swallows_connections_alone_is_a_gateway_timeout() {
    let hole = BlackHole::new();
    let timeouts = json!({"timeouts": {"connect": "300ms"}});
    let scene = Scene::new(&[hole.url()], timeouts).await;
    scene.get(1, 504).await;
    let about = |line: &Value| line["reason"] == "upstream_connect_timeout";
    scene.proxy.accessed(about).await;
}

#[tokio::test]
async fn a_target_that_is_well_again_gets_little_at_first() {
    let (one, other) = (Upstream::start().await, Upstream::start().await);
    one.gate.is_ill.store(true, Ordering::SeqCst);
    let more = json!({
        "health": {"path": "/healthz", "interval": "100ms", "healthy_after": 1},
        "slow_start": "1h",
    });
    let scene = Scene::new(&[one.url(), other.url()], more).await;
    until("it is taken for ill", async || {
        !scene.is_up(&one.url()).await
    })
    .await;
    one.gate.is_ill.store(false, Ordering::SeqCst);
    until("it is well", async || scene.is_up(&one.url()).await).await;
    let before = requests(&one);
    scene.get(300, 200).await;

    // A hundredth of each second request: 30 come once in many lifetimes.
    assert!(requests(&one) - before < 30, "{}", requests(&one) - before);
}

#[tokio::test]
async fn at_most_a_fifth_is_sent_again_and_ten_in_any_case() {
    const REQUESTS: u32 = 200;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // It cuts every connection.
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let retries = json!({"retries": {"attempts": 5}});
    let scene = Scene::new(&[url], retries).await;
    let began = Instant::now();
    scene.get(REQUESTS as usize, 502).await;

    let windows = began.elapsed().as_secs() / 10 + 2;
    let most = f64::from(REQUESTS) / 5.0 + 10.0 * f64::from(u32::try_from(windows).unwrap());
    let series = "tollgate_upstream_retries_total{upstream=\"backend\",reason=\"reset\"}";
    let sent_again = scene.proxy.metric(series).await.unwrap();
    assert!((10.0..=most).contains(&sent_again), "{sent_again}");
    let series = "tollgate_upstream_retries_refused_total{upstream=\"backend\"}";
    assert!(scene.proxy.metric(series).await.unwrap() > 0.0);
}
