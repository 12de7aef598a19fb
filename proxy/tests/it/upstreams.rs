//! Upstreams that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tollgate_store::document::Kind;

use crate::support::{Stage, until};

#[tokio::test]
async fn an_upstream_that_is_down_is_a_bad_gateway() {
    let stage = Stage::new().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let nowhere = json!({"targets": [format!("http://{address}")]});
    stage.store.put(Kind::Upstream, "backend", nowhere).await;

    until("the upstream is down", async || {
        stage.client.get("/v1/orders").await.status == 502
    })
    .await;
    stage
        .proxy
        .accessed(|line| line["reason"] == "upstream_connect")
        .await;
    let told = stage
        .proxy
        .logged(|line| line["upstream"] == "backend")
        .await;
    assert_eq!(told["level"], "WARN");
    assert!(
        told["cause"].as_str().unwrap().contains("refused"),
        "{told}"
    );
    let series =
        "tollgate_upstream_failures_total{upstream=\"backend\",reason=\"upstream_connect\"}";
    assert!(stage.proxy.metric(series).await.unwrap() >= 1.0);
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_a_timeout() {
    let stage = Stage::new().await;
    let hasty = json!({"targets": [stage.upstream.url()], "timeouts": {"response": "100ms"}});
    stage.store.put(Kind::Upstream, "backend", hasty).await;
    until("the new timeout holds", async || {
        stage.proxy.metric("tollgate_snapshot_generation").await >= Some(2.0)
    })
    .await;

    let reply = stage.client.get("/v1/held").await;
    assert_eq!(reply.status, 504);
    let line = stage.proxy.accessed(|line| line["status"] == 504).await;
    assert_eq!(line["reason"], "upstream_timeout");
}

#[tokio::test]
async fn an_upstream_that_speaks_no_http_is_a_bad_gateway() {
    let stage = Stage::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let babble = json!({"targets": [format!("http://{}", listener.local_addr().unwrap())]});
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.writable().await.unwrap();
            let _ = stream.try_write(b"hello, this is no HTTP\r\n\r\n");
            // Who closes it might reset it.
            open.push(stream);
        }
    });
    stage.store.put(Kind::Upstream, "backend", babble).await;

    until("the upstream babbles", async || {
        stage.client.get("/v1/orders").await.status == 502
    })
    .await;
    stage
        .proxy
        .accessed(|line| line["reason"] == "upstream_protocol")
        .await;
}

#[tokio::test]
async fn requests_take_turns_over_the_targets() {
    let stage = Stage::new().await;
    let second = crate::support::Upstream::start().await;
    let both = json!({"targets": [stage.upstream.url(), second.url()]});
    stage.store.put(Kind::Upstream, "backend", both).await;

    until("both were asked", async || {
        stage.client.get("/v1/orders").await;
        second
            .gate
            .requests
            .load(std::sync::atomic::Ordering::SeqCst)
            >= 2
    })
    .await;
    let hosts = [
        stage.client.get("/v1/orders").await.echoed("host"),
        stage.client.get("/v1/orders").await.echoed("host"),
    ];
    assert_ne!(hosts[0], hosts[1]);
}

/// An upstream that answers one request by each connection, says nothing of closing it, and then does.
async fn forgetful(closed: Arc<Notify>, connections: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            connections.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4096];
            assert!(stream.read(&mut head).await.unwrap() > 0);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            closed.notify_one();
        }
    });
    url
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_was_idle_costs_no_request() {
    let stage = Stage::new().await;
    let (closed, connections) = <(Arc<Notify>, Arc<AtomicUsize>)>::default();
    let url = forgetful(Arc::clone(&closed), Arc::clone(&connections)).await;
    let targets = json!({"targets": [url]});
    stage.store.put(Kind::Upstream, "backend", targets).await;
    until("the other upstream is asked", async || {
        stage.client.get("/v1/orders").await.text() == "body"
    })
    .await;

    for _ in 0..20 {
        closed.notified().await;
        assert_eq!(stage.client.get("/v1/orders").await.status, 200);
    }
    assert!(connections.load(Ordering::SeqCst) >= 20);
}

#[tokio::test]
async fn a_connection_whose_answer_was_not_read_to_its_end_is_not_used_again() {
    let stage = Stage::new().await;
    let connections = || stage.upstream.gate.connections.load(Ordering::SeqCst);
    let held = stage.client.get("/v1/held");
    tokio::select! {
        _ = held => panic!("the gate is closed"),
        () = until("the upstream has it", async || {
            stage.upstream.gate.requests.load(Ordering::SeqCst) == 1
        }) => {}
    }
    let is_it = |line: &serde_json::Value| line["reason"] == "client_closed";
    stage.proxy.accessed(is_it).await;
    assert_eq!(connections(), 1);

    assert_eq!(stage.client.get("/v1/orders").await.status, 200);
    assert_eq!(connections(), 2);
}
