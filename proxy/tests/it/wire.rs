//! Requests to the letter, as no well-behaved client sends them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Stage;

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
