//! Requests to the letter, as no well-behaved client sends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tollgate_store::document::Kind;

use crate::support::{Stage, until};

/// Sends bytes on a connection of their own, and reads what comes back until it is closed.
async fn exchange(stage: &Stage, text: &str) -> String {
    let token = stage.store.token.expose();
    let text = text.replace(
        "TOKEN",
        &format!("Authorization: Bearer {token}\r\nConnection: close"),
    );
    let mut stream = TcpStream::connect(stage.proxy.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn hosts_that_disagree_are_refused() {
    let stage = Stage::new().await;
    for head in [
        "GET /v1/a HTTP/1.1\r\nTOKEN\r\n\r\n",
        "GET /v1/a HTTP/1.1\r\nHost: a\r\nHost: a\r\nTOKEN\r\n\r\n",
        "GET http://b/v1/a HTTP/1.1\r\nHost: a\r\nTOKEN\r\n\r\n",
        "GET /v1/a HTTP/1.0\r\nTOKEN\r\n\r\n",
        "GET a:80 HTTP/1.1\r\nHost: a\r\nTOKEN\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nTOKEN\r\n\r\n",
    ] {
        let answer = exchange(&stage, head).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "),
            "{head:?}: {answer}"
        );
    }
    let fine = "GET http://A/v1/a HTTP/1.1\r\nHost: a\r\nTOKEN\r\n\r\n";
    assert!(exchange(&stage, fine).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_odd_framing_is_refused() {
    let stage = Stage::new().await;
    for framing in [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Content-Length: 5, 5",
        "Content-Length: 5\r\nContent-Length: 6",
    ] {
        let text = format!("POST /v1/a HTTP/1.1\r\nHost: a\r\n{framing}\r\nTOKEN\r\n\r\n0\r\n\r\n");
        let answer = exchange(&stage, &text).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{framing}: {answer}");
    }
}

#[tokio::test]
async fn nothing_is_read_behind_a_request_that_can_be_read_in_two_ways() {
    let stage = Stage::new().await;
    let token = stage.store.token.expose();
    let bearer = format!("Authorization: Bearer {token}");
    let next = format!("GET /v1/next HTTP/1.1\r\nHost: a\r\n{bearer}\r\n\r\n");
    for head in [
        "POST /v1/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        "POST /v1/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
        "GET /v1/a#b HTTP/1.1\r\nHost: a",
        "GET /v1/a HTTP/1.1\r\nHost: a\nX-A: b",
        "POST /v1/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "GET /v1/a HTTP/1.1\r\nHost: a\r\nHost: a",
        "GET /v1/a HTTP/1.1",
        "GET /v1/a HTTP/1.1\r\nHost: a/b",
        "GET ftp://a/v1/a HTTP/1.1\r\nHost: a",
    ] {
        let end = if head.starts_with("POST") {
            "0\r\n\r\n"
        } else {
            ""
        };
        let text = format!("{head}\r\n{bearer}\r\n\r\n{end}{next}");
        let answer = exchange(&stage, &text).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head}: {answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    let requests = &stage.upstream.gate.requests;
    assert_eq!(requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn trailers_of_a_request_reach_no_upstream() {
    let stage = Stage::new().await;
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let targets = json!({"targets": [url]});
    stage.store.put(Kind::Upstream, "backend", targets).await;
    let received = tokio::spawn(async move {
        let (mut stream, _) = upstream.accept().await.unwrap();
        let mut received = String::new();
        while !received.ends_with("0\r\n\r\n") && !received.contains("x-api-key") {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "{received}");
            received.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        received
    });
    until("the other upstream is asked", async || {
        let text = "POST /v1/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
             Trailer: x-tollgate-key, x-api-key\r\nTE: trailers\r\nTOKEN\r\n\r\n\
             4\r\nbody\r\n0\r\nx-tollgate-key: root\r\nx-api-key: secret\r\n\r\n";
        exchange(&stage, text).await;
        received.is_finished()
    })
    .await;

    let received = received.await.unwrap().to_ascii_lowercase();
    assert!(received.contains("body"), "{received}");
    for text in ["trailer:", "root", "x-api-key", "secret"] {
        assert!(!received.contains(text), "{text} in {received}");
    }
}

#[tokio::test]
async fn an_answer_that_can_be_read_in_two_ways_is_not_passed_on() {
    for framing in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        // The coding would be taken away, and what it coded passed on.
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
    ] {
        is_not_passed_on(framing).await;
    }
}

async fn is_not_passed_on(framing: &str) {
    let answer = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n0\r\n\r\n");
    let stage = Stage::new().await;
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let targets = json!({"targets": [url]});
    stage.store.put(Kind::Upstream, "backend", targets).await;
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&connections);
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = upstream.accept().await.unwrap();
            seen.fetch_add(1, Ordering::SeqCst);
            let mut bytes = [0; 4096];
            while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    let text = "GET /v1/a HTTP/1.1\r\nHost: a\r\nTOKEN\r\n\r\n";
    until("the other upstream is asked", async || {
        exchange(&stage, text).await.starts_with("HTTP/1.1 502 ")
    })
    .await;
    let before = connections.load(Ordering::SeqCst);
    let answer = exchange(&stage, text).await;

    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(connections.load(Ordering::SeqCst), before + 1);
    stage
        .proxy
        .accessed(|line| line["reason"] == "upstream_protocol")
        .await;
    serving.abort();
}

#[tokio::test]
async fn a_head_beyond_its_limit_is_refused() {
    let stage = Stage::new().await;
    let filler = "x".repeat(60 * 1024);
    let text = format!("GET /v1/a HTTP/1.1\r\nHost: a\r\nX-Filler: {filler}\r\nTOKEN\r\n\r\n");
    let answer = exchange(&stage, &text).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let fields = "X-A: b\r\n".repeat(101);
    let answer = exchange(
        &stage,
        &format!("GET /v1/a HTTP/1.1\r\nHost: a\r\n{fields}\r\n"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let metric = r#"tollgate_requests_total{class="4xx",reason="head_too_large",route=""}"#;
    let [_, by_http2] = stage.clients();
    let request = by_http2.request("GET", "/v1/a");
    let request = (0..101).fold(request, |request, number| {
        request.header(format!("x-{number}"), "b")
    });
    assert_eq!(by_http2.send(request).await.status, 431);
    until("those that are seen are counted", async || {
        stage.proxy.metric(metric).await == Some(3.0)
    })
    .await;

    for (number, kibibytes, seen) in [(1, 33, 4.0), (2, 60, 5.0), (3, 65, 5.0)] {
        let filler = "x".repeat(kibibytes * 1024);
        let request = by_http2.request("GET", &format!("/v1/long/{number}"));
        let request = request.header("x-filler", filler);
        assert_eq!(by_http2.send(request).await.status, 431, "{kibibytes} KiB");
        // The longest is h2's to refuse, which tells nobody.
        let about = |line: &serde_json::Value| line["reason"] == "head_too_large";
        stage.proxy.accessed(about).await;
        until("those that are seen are counted", async || {
            stage.proxy.metric(metric).await == Some(seen)
        })
        .await;
    }
    assert_eq!(stage.upstream.gate.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_with_bad_chunks_is_the_clients_fault() {
    let stage = Stage::new().await;
    let text =
        "POST /v1/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTOKEN\r\n\r\nzz\r\n";
    let answer = exchange(&stage, text).await;

    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    stage
        .proxy
        .accessed(|line| line["reason"] == "body_broken")
        .await;
}

#[tokio::test]
async fn a_client_that_waits_for_leave_to_send_its_body_gets_it() {
    let stage = Stage::new().await;
    let text = "POST /v1/mirror HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\nTOKEN\r\n\r\nbody";
    let answer = exchange(&stage, text).await;

    assert!(answer.contains("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("body"), "{answer}");
}

#[tokio::test]
async fn the_admin_pages_are_not_on_the_clients_port() {
    let stage = Stage::new().await;
    for path in ["/metrics", "/readyz", "/healthz", "/documents"] {
        let text = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(exchange(&stage, &text).await.starts_with("HTTP/1.1 401 "));
    }
    assert_eq!(stage.proxy.get("/nothing").await.0, 404);
}

#[tokio::test]
async fn an_upgrade_is_not_asked_for_upstream() {
    let stage = Stage::new().await;
    let text = "GET /v1/a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nTOKEN\r\n\r\n";
    let answer = exchange(&stage, text).await;

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("upgrade"), "{answer}");
}

#[tokio::test]
async fn what_is_no_request_is_written_down() {
    let stage = Stage::new().await;
    for bytes in [
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
    ] {
        let answer = exchange(&stage, bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bytes:?}: {answer}");
        let line = stage
            .proxy
            .accessed(|line| line["reason"] == "head_invalid")
            .await;
        assert_eq!(line["status"], 400, "{bytes:?}");
        assert_eq!(line["method"], "-", "{bytes:?}");
        assert_eq!(line["client"], "127.0.0.1", "{bytes:?}");
        stage.proxy.take_accessed();
    }
}

/// A client that asks for what is held until the gate is opened.
async fn asking_for_what_is_held(stage: &Stage) -> TcpStream {
    let token = stage.store.token.expose();
    let mut stream = TcpStream::connect(stage.proxy.address).await.unwrap();
    let text = format!("GET /v1/held HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn upstream_has_it(stage: &Stage) {
    until("the upstream has it", async || {
        stage.upstream.gate.requests.load(Ordering::SeqCst) == 1
    })
    .await;
}

#[tokio::test]
async fn a_client_that_closes_its_half_with_its_request_is_answered() {
    let stage = Stage::new().await;
    let mut stream = asking_for_what_is_held(&stage).await;
    stream.shutdown().await.unwrap();
    upstream_has_it(&stage).await;
    stage.upstream.gate.open.notify_one();

    let mut answer = String::new();
    // Its end comes with the answer, and not when the client would be given up.
    let reading = stream.read_to_string(&mut answer);
    let soon = std::time::Duration::from_secs(9);
    tokio::time::timeout(soon, reading).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[tokio::test]
async fn the_request_of_a_client_that_goes_while_it_waits_ends_at_its_upstream() {
    let stage = Stage::new().await;
    let stream = asking_for_what_is_held(&stage).await;
    upstream_has_it(&stage).await;
    // That it has waited is what tells it from one that only closes its half.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    drop(stream);

    let url = stage.upstream.url();
    let about = |what: &str| {
        format!("tollgate_upstream_target_{what}{{upstream=\"backend\",target=\"{url}\"}}")
    };
    let series = [about("requests_in_flight"), about("connections")];
    until("nothing is on its way", async || {
        let [requests, connections] = &series;
        stage.proxy.metric(requests).await == Some(0.0)
            && stage.proxy.metric(connections).await == Some(0.0)
    })
    .await;
    let line = stage
        .proxy
        .accessed(|line| line["path"] == "/v1/held")
        .await;
    assert_eq!(line["reason"], "client_closed");
    // One that closed its half would have been waited for for ten seconds.
    assert!(line["duration_ms"].as_f64().unwrap() < 9_000.0, "{line}");
}
