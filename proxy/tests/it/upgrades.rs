//! Connections that turn into something else, like a `WebSocket`.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tollgate_store::document::Kind;

use crate::support::frames::{
    ACK, END_HEADERS, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, fields, first, frame,
};
use crate::support::{Echo, GRANTED, PATIENCE, Process, Store, read_head, until};

async fn stage(echo: &Echo, more: &[&str]) -> (Store, Process) {
    let store = Store::new();
    store.fill(&echo.url).await;
    route(&store, json!(["websocket"])).await;
    let proxy = Process::start(&store, more).await;
    (store, proxy)
}

/// The same with an upstream that is declared so.
async fn staged(backend: Value) -> (Store, Process) {
    let store = Store::new();
    store.fill("http://127.0.0.1:9").await;
    store.put(Kind::Upstream, "backend", backend).await;
    route(&store, json!(["websocket"])).await;
    let proxy = Process::start(&store, &[]).await;
    (store, proxy)
}

async fn route(store: &Store, upgrades: Value) {
    let mut route = json!({"proxy": "edge", "path": "/v1/**", "upstream": "backend"});
    if !upgrades.is_null() {
        route["upgrades"] = upgrades;
    }
    store.put(Kind::Route, "all", route).await;
}

fn request(store: &Store, more: &str) -> String {
    let token = store.token.expose();
    format!(
        "GET /v1/chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: y\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
    )
}

/// A client whose connection has turned into a WebSocket.
async fn open(store: &Store, proxy: &Process) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream
        .write_all(request(store, "").as_bytes())
        .await
        .unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream
}

async fn exchange(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = vec![0; text.len() + 1];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut bytes));
    read.await.unwrap().unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Whatever comes until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    // A reset is as good as an end.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .unwrap();
    String::from_utf8(rest).unwrap()
}

#[tokio::test]
async fn a_websocket_passes_both_ways_and_is_one_request() {
    let echo = Echo::start(GRANTED).await;
    let (store, proxy) = stage(&echo, &[]).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream
        .write_all(request(&store, "").as_bytes())
        .await
        .unwrap();
    let head = read_head(&mut stream).await.to_ascii_lowercase();
    for line in [
        "upgrade: websocket\r\n",
        "connection: upgrade\r\n",
        "sec-websocket-accept: x\r\n",
        "x-request-id: ",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(!head.contains("content-length"), "{head}");

    assert_eq!(exchange(&mut stream, "ping").await, "!ping");
    assert_eq!(exchange(&mut stream, "pong").await, "!pong");
    assert_eq!(proxy.metric("tollgate_requests_in_flight").await, Some(1.0));
    assert_eq!(proxy.metric("tollgate_connections").await, Some(1.0));
    let heads = echo.heads();
    for line in [
        "upgrade: websocket\r\n",
        "connection: upgrade\r\n",
        "sec-websocket-key: y\r\n",
        "x-tollgate-key: acme\r\n",
    ] {
        assert!(heads.contains(line), "{line} in {heads}");
    }
    assert!(!heads.contains("authorization"), "{heads}");
    drop(stream);

    let line = proxy.accessed(|line| line["status"] == 101).await;
    assert_eq!(line["bytes_in"], 8);
    assert_eq!(line["bytes_out"], 10);
    assert_eq!(line["key"], "acme");
    until("nothing is in flight", async || {
        proxy.metric("tollgate_requests_in_flight").await == Some(0.0)
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_that_the_upstream_refuses_is_an_answer() {
    let echo = Echo::start(
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno",
    )
    .await;
    let (store, proxy) = stage(&echo, &[]).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream
        .write_all(request(&store, "").as_bytes())
        .await
        .unwrap();

    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    let mut body = [0; 2];
    stream.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, b"no");
}

#[tokio::test]
async fn an_upgrade_goes_to_another_target_where_one_cant_be_reached() {
    let echo = Echo::start(GRANTED).await;
    // Nobody listens there any more.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (store, proxy) = staged(json!({"targets": [gone, echo.url]})).await;

    for _ in 0..4 {
        let mut stream = open(&store, &proxy).await;
        assert_eq!(exchange(&mut stream, "hello").await, "!hello");
    }
}

#[tokio::test]
async fn the_answer_to_an_upgrade_must_end_in_the_time_of_a_request() {
    // It is longer than what comes of it.
    let echo = Echo::start("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
    let backend = json!({"targets": [echo.url], "timeouts": {"request": "500ms"}});
    let (store, proxy) = staged(backend).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let request = request(&store, "");
    stream.write_all(request.as_bytes()).await.unwrap();

    assert!(rest(&mut stream).await.ends_with("half"));
    let line = proxy
        .accessed(|line| line["reason"] == "upstream_deadline")
        .await;
    assert_eq!(line["path"], "/v1/chat");
}

#[tokio::test]
async fn an_upgrade_that_its_upstream_does_not_answer_is_over_with_the_time_of_a_request() {
    let echo = Echo::start("").await;
    let backend = json!({"targets": [echo.url], "timeouts": {"request": "500ms"}});
    let (store, proxy) = staged(backend).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let request = request(&store, "");
    stream.write_all(request.as_bytes()).await.unwrap();

    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    let line = proxy.accessed(|line| line["path"] == "/v1/chat").await;
    assert_eq!(line["reason"], "upstream_deadline");
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_a_bad_gateway() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
    ] {
        let echo = Echo::start(answer).await;
        let (store, proxy) = stage(&echo, &[]).await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream
            .write_all(request(&store, "").as_bytes())
            .await
            .unwrap();

        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    }
}

#[tokio::test]
async fn what_a_client_sends_before_it_was_told_reaches_no_upstream() {
    let echo = Echo::start(GRANTED).await;
    let (store, proxy) = stage(&echo, &[]).await;
    let smuggled = "GET /v1/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let text = request(&store, "") + smuggled;
    stream.write_all(text.as_bytes()).await.unwrap();

    let answer = rest(&mut stream).await;
    assert!(!answer.contains('!'), "{answer}");
    proxy
        .accessed(|line| line["reason"] == "upgrade_early_bytes")
        .await;
    assert!(!echo.heads().contains("smuggled"));
}

#[tokio::test]
async fn a_route_that_allows_no_upgrade_asks_its_upstream_for_none() {
    let echo =
        Echo::start("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    let (store, proxy) = stage(&echo, &[]).await;
    route(&store, Value::Null).await;
    let ask = async |text: String| {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        read_head(&mut stream).await
    };
    until("the route changed", async || {
        proxy.metric("tollgate_snapshot_generation").await >= Some(2.0)
    })
    .await;
    assert!(ask(request(&store, "")).await.starts_with("HTTP/1.1 200 "));
    assert!(!echo.heads().contains("upgrade"), "{}", echo.heads());

    // Another protocol, and a body that would be doubtful.
    route(&store, json!(["websocket"])).await;
    until("the route changed back", async || {
        proxy.metric("tollgate_snapshot_generation").await >= Some(3.0)
    })
    .await;
    let h2c = request(&store, "HTTP2-Settings: x\r\n").replace("websocket", "h2c");
    assert!(ask(h2c).await.starts_with("HTTP/1.1 200 "));
    let full = request(&store, "Content-Length: 4\r\n") + "body";
    assert!(ask(full).await.starts_with("HTTP/1.1 200 "));
    assert!(!echo.heads().contains("upgrade"), "{}", echo.heads());
}

#[tokio::test]
async fn a_tunnel_ends_with_its_key() {
    let echo = Echo::start(GRANTED).await;
    let (store, proxy) = stage(&echo, &[]).await;
    let mut stream = open(&store, &proxy).await;
    assert_eq!(exchange(&mut stream, "ping").await, "!ping");
    store.remove(Kind::Key, "acme").await;

    assert_eq!(rest(&mut stream).await, "");
    let line = proxy.accessed(|line| line["status"] == 101).await;
    assert_eq!(line["reason"], "credential_unknown");
}

#[tokio::test]
async fn a_tunnel_ends_when_its_route_allows_it_no_more() {
    let echo = Echo::start(GRANTED).await;
    let (store, proxy) = stage(&echo, &[]).await;
    let mut stream = open(&store, &proxy).await;
    route(&store, Value::Null).await;

    assert_eq!(rest(&mut stream).await, "");
    let line = proxy.accessed(|line| line["status"] == 101).await;
    assert_eq!(line["reason"], "upgrade_withdrawn");
}

#[tokio::test]
async fn a_tunnel_goes_on_through_a_drain_until_it_is_cut() {
    let echo = Echo::start(GRANTED).await;
    let (store, mut proxy) = stage(&echo, &["--drain", "2s"]).await;
    let mut stream = open(&store, &proxy).await;
    proxy.signal("TERM");
    let is_it = |line: &Value| line["message"].as_str().unwrap().starts_with("shutting");
    proxy.logged(is_it).await;

    assert_eq!(exchange(&mut stream, "ping").await, "!ping");
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(proxy.ended().await, 0);
    let line = proxy.accessed(|line| line["status"] == 101).await;
    assert_eq!(line["reason"], "drain_cut");
    assert_eq!(line["bytes_out"], 5);
}

#[tokio::test]
async fn a_tunnel_that_its_upstream_ends_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let store = Store::new();
    store.fill(&url).await;
    route(&store, json!(["websocket"])).await;
    let proxy = Process::start(&store, &[]).await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        // The first of what follows comes with the answer.
        stream
            .write_all(format!("{GRANTED}bye").as_bytes())
            .await
            .unwrap();
    });
    let mut stream = open(&store, &proxy).await;

    assert_eq!(rest(&mut stream).await, "bye");
    drop(stream);
    let line = proxy.accessed(|line| line["status"] == 101).await;
    assert_eq!(line["reason"], Value::Null);
}

#[tokio::test]
async fn each_tunnel_has_a_connection_of_its_own() {
    let echo = Echo::start(GRANTED).await;
    let (store, proxy) = stage(&echo, &[]).await;
    let mut streams = [open(&store, &proxy).await, open(&store, &proxy).await];
    for stream in &mut streams {
        assert_eq!(exchange(stream, "ping").await, "!ping");
    }

    assert_eq!(echo.connections.load(Ordering::SeqCst), 2);
}

/// RFC 8441, section 3 and 4.
#[tokio::test]
async fn a_websocket_by_http2_is_not_offered_and_who_asks_all_the_same_has_the_stream_reset() {
    const ENABLE_CONNECT_PROTOCOL: [u8; 2] = [0, 8];
    const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 1];
    let echo = Echo::start(GRANTED).await;
    let (store, proxy) = stage(&echo, &[]).await;
    let head = fields(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/v1/chat"),
        (":authority", "a"),
        ("authorization", &format!("Bearer {}", store.token.expose())),
    ]);
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let (settings, asks) = (
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_HEADERS, 1, &head),
    );
    let begin = [PREFACE, &settings, &asks].concat();
    stream.write_all(&begin).await.unwrap();
    let (mut came, mut offered, mut resets) = (Vec::new(), Vec::new(), Vec::new());
    'alive: loop {
        while let Some((next, rest)) = first(&came) {
            match (next.kind, next.flags & ACK) {
                (SETTINGS, 0) => offered.extend(next.payload.chunks(6).map(<[u8]>::to_vec)),
                (RST_STREAM, _) => {
                    resets.push(next.payload.to_vec());
                    let ping = frame(PING, 0, 0, b"onetime!");
                    stream.write_all(&ping).await.unwrap();
                }
                (PING, ACK) => break 'alive,
                _ => {}
            }
            came = rest.to_vec();
        }
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut came));
        assert!(read.await.unwrap().unwrap() > 0, "the connection goes on");
    }
    assert_eq!(resets, [PROTOCOL_ERROR]);
    assert!(!offered.is_empty());
    let mut names = offered.iter().map(|setting| &setting[..2]);
    assert!(names.all(|name| name != ENABLE_CONNECT_PROTOCOL));
    assert_eq!(echo.heads(), "");
}
