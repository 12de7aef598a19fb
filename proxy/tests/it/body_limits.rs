//! How much of a body a route takes.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollgate_store::document::Kind;

use crate::support::{Body, Client, Stage};

const BYTES_MAX: usize = 10;

/// Whose route takes ten bytes.
async fn limited() -> Stage {
    let route = json!({
        "proxy": "edge", "path": "/v1/**", "upstream": "backend", "body_bytes_max": BYTES_MAX,
    });
    Stage::prepared(async |store| store.put(Kind::Route, "all", route).await).await
}

/// A body of so many bytes that says how many.
fn told(bytes: usize) -> Body {
    let body = Full::from(Bytes::from(vec![b'x'; bytes]));
    body.map_err(|never| match never {}).boxed()
}

/// One that does not, byte by byte.
fn untold(bytes: usize) -> Body {
    let frames = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(b"x"))));
    BodyExt::boxed(StreamBody::new(frames.take(bytes)))
}

async fn post(client: &Client, path: &str, body: Body) -> (u16, String) {
    let request = client.request("POST", path).body(body).unwrap();
    let reply = client.open(request).await;
    let id = reply.headers()["x-request-id"].to_str().unwrap();
    (reply.status().as_u16(), id.to_owned())
}

#[tokio::test]
async fn a_body_of_as_many_bytes_as_its_route_takes_passes_and_one_more_is_413() {
    let stage = limited().await;
    for client in stage.clients() {
        for body in [told, untold] {
            let (status, _) = post(&client, "/v1/a", body(BYTES_MAX)).await;
            assert_eq!(status, 200);

            let (status, id) = post(&client, "/v1/a", body(BYTES_MAX + 1)).await;
            assert_eq!(status, 413);
            let line = stage.proxy.accessed(|line| line["request_id"] == id).await;
            assert_eq!(line["reason"], "body_too_large");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_said_to_be_too_long_is_refused_before_it_comes() {
    let stage = limited().await;
    let mut stream = TcpStream::connect(stage.proxy.address).await.unwrap();
    let token = stage.store.token.expose();
    let head = format!(
        "POST /v1/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 11\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();

    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.contains("at most 10 bytes"), "{answer}");
    assert_eq!(stage.upstream.gate.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn who_may_not_ask_is_not_told_how_much_a_route_takes() {
    let stage = limited().await;
    let stranger = Client::new(&stage.proxy);
    let (status, _) = post(&stranger, "/v1/a", told(BYTES_MAX + 1)).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn an_answer_that_has_begun_is_cut_off_and_the_log_says_why() {
    let stage = limited().await;
    let frames = stream::iter(0..=BYTES_MAX).then(async |_| {
        // The answer begins with the first of them.
        tokio::task::yield_now().await;
        Ok(Frame::data(Bytes::from_static(b"x")))
    });
    let request = stage.client.request("POST", "/v1/mirror");
    let body = BodyExt::boxed(StreamBody::new(Box::pin(frames)));
    let reply = stage.client.try_open(request.body(body).unwrap()).await;
    if let Ok(reply) = reply {
        assert!(reply.status() == 413 || reply.into_body().collect().await.is_err());
    }
    let line = stage
        .proxy
        .accessed(|line| line["path"] == "/v1/mirror")
        .await;
    assert_eq!(line["reason"], "body_too_large");
}
