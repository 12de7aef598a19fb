//! Load balancers that tell whose connections they pass on.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tollgate_store::document::Kind;

use crate::support::{Authority, Files, Process, Stage, Store, TlsClient, Upstream, until};

const HEADER: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";

/// A proxy whose clients come by such a load balancer.
async fn stage(more: Value) -> Stage {
    let mut stage = Stage::new().await;
    let mut document = json!({
        "listen": [{"address": "127.0.0.1:0", "proxy_protocol": ["127.0.0.0/8"]}],
    });
    document
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    stage.store.put(Kind::Proxy, "edge", document).await;
    stage.proxy = Process::start(&stage.store, &[]).await;
    stage
}

/// Sends a request after that header; the answer is empty where there is none.
async fn ask(stage: &Stage, header: &[u8]) -> String {
    let mut stream = TcpStream::connect(stage.proxy.address).await.unwrap();
    let request = format!(
        "GET /v1/orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        stage.store.token.expose()
    );
    let _ = stream
        .write_all(&[header, request.as_bytes()].concat())
        .await;
    let mut answer = Vec::new();
    // Who is turned away may find the connection reset.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn is_cut(stage: &Stage, reason: &str) {
    until("it is counted", async || {
        let series = format!("tollgate_connections_cut_total{{reason=\"{reason}\"}}");
        stage.proxy.metric(&series).await == Some(1.0)
    })
    .await;
}

#[tokio::test]
async fn the_client_is_who_the_header_says() {
    let stage = stage(json!({})).await;

    let answer = ask(&stage, HEADER.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("[\"x-forwarded-for\",\"192.0.2.7\"]"),
        "{answer}"
    );
    let line = stage
        .proxy
        .accessed(|line| line["path"] == "/v1/orders")
        .await;
    assert_eq!(line["client"], "192.0.2.7");
}

#[tokio::test]
async fn a_key_is_good_from_the_addresses_that_the_header_says() {
    let stage = stage(json!({})).await;
    let allowed = json!({"allowed_cidrs": ["192.0.2.0/24"]});
    stage
        .store
        .put_key("acme", &stage.store.token, allowed)
        .await;
    until("the key is bound to addresses", async || {
        let elsewhere = "PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\r\n";
        ask(&stage, elsewhere.as_bytes())
            .await
            .starts_with("HTTP/1.1 401")
    })
    .await;

    let answer = ask(&stage, HEADER.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_check_of_the_sender_itself_is_the_senders() {
    let stage = stage(json!({})).await;
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

    let answer = ask(&stage, local).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let line = stage
        .proxy
        .accessed(|line| line["path"] == "/v1/orders")
        .await;
    assert_eq!(line["client"], "127.0.0.1");
}

#[tokio::test]
async fn a_connection_without_a_header_is_refused() {
    let stage = stage(json!({})).await;

    assert_eq!(ask(&stage, b"").await, "");
    is_cut(&stage, "proxy_protocol").await;
}

#[tokio::test]
async fn a_connection_from_elsewhere_is_refused_whatever_it_says() {
    let listen = json!([{"address": "127.0.0.1:0", "proxy_protocol": ["192.0.2.0/24"]}]);
    let stage = stage(json!({"listen": listen})).await;

    assert_eq!(ask(&stage, HEADER.as_bytes()).await, "");
    is_cut(&stage, "proxy_protocol_network").await;
}

#[tokio::test]
async fn a_header_that_does_not_come_is_not_waited_for() {
    let stage = stage(json!({})).await;
    let mut stream = TcpStream::connect(stage.proxy.address).await.unwrap();
    stream.write_all(b"PROXY TCP4 ").await.unwrap();

    is_cut(&stage, "proxy_protocol_timeout").await;
}

#[tokio::test]
async fn connections_are_bounded_by_the_address_that_the_header_says() {
    let mut stage = stage(json!({})).await;
    stage.proxy = Process::start(&stage.store, &["--connections-per-address-max", "1"]).await;
    let mut held = TcpStream::connect(stage.proxy.address).await.unwrap();
    let request = format!(
        "{HEADER}GET /v1/held HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
        stage.store.token.expose()
    );
    held.write_all(request.as_bytes()).await.unwrap();
    until("the address has its connection", async || {
        stage.upstream.gate.requests.load(Ordering::SeqCst) == 1
    })
    .await;
    assert_eq!(ask(&stage, HEADER.as_bytes()).await, "");

    let other = "PROXY TCP4 192.0.2.8 198.51.100.1 4711 443\r\n";
    let answer = ask(&stage, other.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn tls_begins_after_the_header() {
    let upstream = Upstream::start().await;
    let (store, files, authority) = (Store::new(), Files::new(), Authority::new("servers"));
    store.fill(&upstream.url()).await;
    files.put("edge.pem", &authority.server(&["localhost"]).pem);
    let listen = json!([{
        "address": "127.0.0.1:0",
        "proxy_protocol": ["127.0.0.0/8"],
        "tls": {"certificates": [files.place("edge.pem")]},
    }]);
    store
        .put(Kind::Proxy, "edge", json!({ "listen": listen }))
        .await;
    let proxy = Process::start(&store, &[]).await;

    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(HEADER.as_bytes()).await.unwrap();
    let client = TlsClient::trusting(&authority);
    let stream = client.encrypt(stream, "localhost").await.unwrap();
    let (_, answer) = crate::support::ask(stream, &store.token).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let line = proxy.accessed(|line| line["path"] == "/v1/orders").await;
    assert_eq!(
        (&line["client"], &line["tls"]),
        (&json!("192.0.2.7"), &json!("1.3"))
    );
}
