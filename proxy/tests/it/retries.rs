//! What is sent again after it failed, and how long anything may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tollgate_store::document::Kind;

use crate::support::{Client, Process, Store, Upstream, until};

/// An upstream that reads each head, answers it by the same bytes, and closes.
struct Brusque {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Brusque {
    async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    if read_head(&mut stream).await {
                        counted.fetch_add(1, Ordering::SeqCst);
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

async fn stage(targets: &[&str], more: Value) -> (Store, Process, Client) {
    let store = Store::new();
    store.fill_targets(targets, more).await;
    let proxy = Process::start(&store, &[]).await;
    let client = Client::new(&proxy).bearing(&store.token);
    (store, proxy, client)
}

async fn retries(proxy: &Process, reason: &str) -> f64 {
    let series =
        format!("tollgate_upstream_retries_total{{upstream=\"backend\",reason=\"{reason}\"}}");
    proxy.metric(&series).await.unwrap_or_default()
}

#[tokio::test]
async fn what_was_cut_is_sent_again_to_another_target_where_that_is_declared() {
    let (cutting, sound) = (Brusque::start("").await, Upstream::start().await);
    let targets = [cutting.url.as_str(), &sound.url()];
    let (_store, proxy, client) = stage(&targets, json!({"retries": {}})).await;
    for _ in 0..4 {
        assert_eq!(client.get("/v1/orders").await.status, 200);
    }
    assert_eq!(cutting.requests(), 2);
    assert!((retries(&proxy, "reset").await - 2.0).abs() < 0.1);

    // What may have been done is not done twice.
    let statuses = [
        client.post("/v1/orders", "a body").await.status,
        client.post("/v1/orders", "a body").await.status,
    ];
    assert!(
        statuses.contains(&502) && statuses.contains(&200),
        "{statuses:?}"
    );
    proxy
        .accessed(|line| line["reason"] == "upstream_reset")
        .await;
}

#[tokio::test]
async fn nothing_is_sent_again_where_nothing_is_declared() {
    let (cutting, sound) = (Brusque::start("").await, Upstream::start().await);
    let targets = [cutting.url.as_str(), &sound.url()];
    let (_store, _proxy, client) = stage(&targets, json!({})).await;

    let statuses = [
        client.get("/v1/orders").await.status,
        client.get("/v1/orders").await.status,
    ];
    assert!(
        statuses.contains(&502) && statuses.contains(&200),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn an_answer_of_a_declared_status_is_asked_for_again_and_the_last_is_passed_on() {
    let busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";
    let (ill, sound) = (Brusque::start(busy).await, Upstream::start().await);
    let both = [ill.url.as_str(), &sound.url()];
    let rules = json!({"retries": {"on": ["503"], "attempts": 2}});
    let (store, proxy, client) = stage(&both, rules.clone()).await;
    for _ in 0..4 {
        assert_eq!(client.get("/v1/orders").await.status, 200);
    }
    assert!(retries(&proxy, "503").await >= 1.0);

    let before = ill.requests();
    let mut alone = rules;
    alone["targets"] = json!([ill.url]);
    store.put(Kind::Upstream, "backend", alone).await;
    until("there is no other target", async || {
        client.get("/v1/orders").await.status == 503
    })
    .await;
    assert_eq!(client.get("/v1/orders").await.text(), "busy");
    assert!(ill.requests() >= before + 6, "each was tried three times");
}

#[tokio::test]
async fn a_try_that_takes_too_long_is_given_up_for_another() {
    let sound = Upstream::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let rules = json!({"retries": {"on": ["timeout"], "per_try_timeout": "200ms"}});
    let (_store, proxy, client) = stage(&[&url, &sound.url()], rules).await;
    for _ in 0..2 {
        assert_eq!(client.get("/v1/orders").await.status, 200);
    }

    assert!(retries(&proxy, "timeout").await >= 1.0);
}

#[tokio::test]
async fn no_more_than_a_part_is_sent_again() {
    let cutting = Brusque::start("").await;
    let rules = json!({"retries": {"attempts": 5}});
    let (_store, proxy, client) = stage(&[&cutting.url], rules).await;
    for _ in 0..50 {
        assert_eq!(client.get("/v1/orders").await.status, 502);
    }

    // Fifty, ten in any case, and a fifth of fifty; more windows than one on a slow machine.
    assert!(cutting.requests() < 150, "{}", cutting.requests());
    let refused = "tollgate_upstream_retries_refused_total{upstream=\"backend\"}";
    assert!(proxy.metric(refused).await.unwrap() > 0.0);
}

#[tokio::test]
async fn a_request_ends_by_its_deadline_wherever_it_is() {
    let upstream = Upstream::start().await;
    let limits = json!({"timeouts": {"request": "300ms"}});
    let (_store, proxy, client) = stage(&[&upstream.url()], limits).await;
    assert_eq!(client.get("/v1/orders").await.status, 200);

    assert_eq!(client.get("/v1/held").await.status, 504);
    proxy
        .accessed(|line| line["reason"] == "upstream_deadline" && line["status"] == 504)
        .await;
    let answer = client.open(client.request("GET", "/v1/broken").body(nothing()).unwrap());
    let answer = answer.await;
    assert_eq!(answer.status(), 200);
    assert!(answer.into_body().collect().await.is_err());
    proxy
        .accessed(|line| line["reason"] == "upstream_deadline" && line["status"] == 200)
        .await;
}

#[tokio::test]
async fn a_body_that_stands_still_for_longer_than_declared_is_cut() {
    let upstream = Upstream::start().await;
    let limits = json!({"timeouts": {"idle": "200ms"}});
    let (_store, proxy, client) = stage(&[&upstream.url()], limits).await;
    let answer = client.open(client.request("GET", "/v1/broken").body(nothing()).unwrap());

    assert!(answer.await.into_body().collect().await.is_err());
    proxy
        .accessed(|line| line["reason"] == "upstream_idle")
        .await;
}

fn nothing() -> crate::support::Body {
    http_body_util::Empty::new()
        .map_err(|never| match never {})
        .boxed()
}

#[tokio::test]
async fn what_an_upstream_says_it_did_not_look_at_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut connection = h2::server::Builder::new()
                    .handshake::<_, Bytes>(stream)
                    .await
                    .unwrap();
                while let Some(Ok((_, mut answer))) = connection.accept().await {
                    // Each other one.
                    if counted.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
                        answer.send_reset(h2::Reason::REFUSED_STREAM);
                    } else {
                        answer.send_response(Response::new(()), true).unwrap();
                    }
                }
            });
        }
    });
    let (_store, proxy, client) = stage(&[&url], json!({"protocol": "h2"})).await;
    for method in ["GET", "POST"] {
        let reply = client.send(client.request(method, "/v1/orders")).await;
        assert_eq!(reply.status, 200, "{method}");
    }

    assert_eq!(refused.load(Ordering::SeqCst), 4);
    assert!((retries(&proxy, "refused").await - 2.0).abs() < 0.1);
}

#[tokio::test]
async fn a_silent_websocket_ends() {
    let granted =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(read_head(&mut stream).await);
        stream.write_all(granted.as_bytes()).await.unwrap();
        let _ = stream.read_u8().await;
    });
    let limits = json!({"timeouts": {"idle": "200ms"}});
    let (store, proxy, _client) = stage(&[&url], limits).await;
    let route = json!({"proxy": "edge", "path": "/v1/**", "upstream": "backend", "upgrades": ["websocket"]});
    store.put(Kind::Route, "all", route).await;
    until("the route changed", async || {
        proxy.metric("tollgate_snapshot_generation").await >= Some(2.0)
    })
    .await;
    let token = store.token.expose();
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let request = format!(
        "GET /v1/chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(30), end)
        .await
        .unwrap();

    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    proxy
        .accessed(|line| line["reason"] == "upgrade_idle")
        .await;
}
