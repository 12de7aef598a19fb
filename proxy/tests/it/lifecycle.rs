//! Start and end.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Client, Process, Stage, Store, read_head, run_to_end, until};

fn last_line(output: &std::process::Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    text.lines().last().unwrap().to_owned()
}

#[test]
fn a_bad_setting_ends_the_process_with_one_line() {
    let output = run_to_end(&Store::new(), &["--poll", "1ms"]);

    assert_eq!(output.status.code(), Some(78));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "tollgate-proxy: TOLLGATE_POLL or --poll: 1ms is out of bounds: it must be 200ms to 5m\n"
    );
}

#[test]
fn an_admin_address_in_use_ends_the_process() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run_to_end(&Store::new(), &["--admin", &address]);

    assert_eq!(output.status.code(), Some(78));
    let line = last_line(&output);
    let expected =
        format!("tollgate-proxy: TOLLGATE_ADMIN or --admin: {address} can't be listened on");
    assert!(line.starts_with(&expected), "{line}");
}

#[test]
fn a_store_that_cant_be_read_at_the_start_ends_the_process() {
    let store = Store::new();
    fs::write(store.path(), "no folder").unwrap();
    let output = run_to_end(&store, &[]);

    assert_eq!(output.status.code(), Some(69));
    let line = last_line(&output);
    let path = store.path().display().to_string();
    assert!(
        line.starts_with("tollgate-proxy: ") && line.contains(&path),
        "{line}"
    );
}

#[tokio::test]
async fn sigterm_finishes_a_request_in_flight_and_takes_no_other() {
    let mut stage = Stage::new().await;
    let gate = std::sync::Arc::clone(&stage.upstream.gate);
    let [client, _] = stage.clients();
    let held = tokio::spawn(async move { client.get("/v1/held").await });
    until("the request is in flight", async || {
        gate.requests.load(Ordering::SeqCst) == 1
    })
    .await;
    stage.proxy.signal("TERM");

    until("readiness fails", async || {
        stage.proxy.get("/readyz").await.1.contains("shutting down")
    })
    .await;
    until("nothing is accepted", async || {
        tokio::net::TcpStream::connect(stage.proxy.address)
            .await
            .is_err()
    })
    .await;
    assert!(!stage.proxy.has_ended());
    gate.open.notify_one();
    let reply = held.await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(stage.proxy.ended().await, 0);
    let line = stage
        .proxy
        .accessed(|line| line["path"] == "/v1/held")
        .await;
    assert_eq!(line["status"], 200);
}

#[tokio::test]
async fn sigterm_finishes_a_stream_in_flight() {
    let mut stage = Stage::new().await;
    let gate = std::sync::Arc::clone(&stage.upstream.gate);
    let [_, client] = stage.clients();
    let held = tokio::spawn(async move { client.get("/v1/held").await });
    until("the request is in flight", async || {
        gate.requests.load(Ordering::SeqCst) == 1
    })
    .await;
    stage.proxy.signal("TERM");
    let is_it =
        |line: &serde_json::Value| line["message"].as_str().unwrap().starts_with("shutting");
    stage.proxy.logged(is_it).await;
    gate.open.notify_one();

    assert_eq!(held.await.unwrap().status, 200);
    assert_eq!(stage.proxy.ended().await, 0);
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut() {
    let stage = Stage::new().await;
    let mut hasty = Process::start(&stage.store, &["--drain", "100ms"]).await;
    let client = Client::new(&hasty).bearing(&stage.store.token);
    let held = tokio::spawn(async move { client.get("/v1/held").await });
    let gate = &stage.upstream.gate;
    until("the request is in flight", async || {
        gate.requests.load(Ordering::SeqCst) == 1
    })
    .await;
    hasty.signal("TERM");

    assert_eq!(hasty.ended().await, 0);
    let line = hasty
        .logged(|line| line["message"].as_str().unwrap().contains("were cut"))
        .await;
    assert_eq!(line["connections"], 1);
    assert_eq!(line["requests"], 1);
    assert!(held.await.is_err());
    let line = hasty.accessed(|line| line["path"] == "/v1/held").await;
    assert_eq!(line["reason"], "drain_cut");
}

#[tokio::test]
async fn what_follows_an_answer_that_outlasted_the_signal_is_answered_too() {
    let stage = Stage::new().await;
    // What may follow has half a second.
    let mut proxy = Process::start(&stage.store, &["--drain", "2s"]).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let token = stage.store.token.expose();
    let begin = format!(
        "POST /v1/mirror HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
    );
    stream.write_all(begin.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(!head.contains("connection: close"), "{head}");
    proxy.signal("TERM");
    until("nothing is accepted", async || {
        TcpStream::connect(proxy.address).await.is_err()
    })
    .await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    let mut body = Vec::new();
    while !body.ends_with(b"0\r\n\r\n") {
        body.push(stream.read_u8().await.unwrap());
    }

    let next =
        format!("GET /v1/orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(next.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(proxy.ended().await, 0);
}

#[tokio::test]
async fn an_idle_proxy_ends_at_once() {
    let mut stage = Stage::new().await;
    assert_eq!(stage.client.get("/v1/orders").await.status, 200);
    stage.proxy.signal("INT");

    assert_eq!(stage.proxy.ended().await, 0);
    stage
        .proxy
        .logged(|line| line["message"] == "ended: every request was finished")
        .await;
}
