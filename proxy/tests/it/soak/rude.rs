//! Clients that do not care what becomes of their requests. Nothing is known of their answers.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::scene::{Scene, think};
use crate::support::{Body, Client};

/// How long a client stays that does nothing.
const STAY_MAX: Duration = Duration::from_secs(4);
/// How long it waits for what may never come.
const WAIT_MAX: Duration = Duration::from_millis(50);

/// Breaks off in the middle of a head, a body, a wait and an answer, and sends what is no HTTP.
pub(super) async fn annoy(scene: Arc<Scene>, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    while scene.goes_on() {
        let (text, address) = match chance.random_range(0..8) {
            0 => ("GET /v1/rude/orders HTTP/1.1\r\nHo".to_owned(), scene.plain),
            1 => (
                head(&scene, "POST", "mirror", "Content-Length: 100000\r\n") + "some",
                scene.plain,
            ),
            2 => (
                head(&scene, "POST", "mirror", "Transfer-Encoding: chunked\r\n") + "4\r\nso",
                scene.plain,
            ),
            3 => (head(&scene, "GET", "held", ""), scene.plain),
            4 => (head(&scene, "GET", "large", ""), scene.plain),
            5 => (head(&scene, "GET", "sized", ""), scene.plain),
            6 => (
                "\u{16}\u{3}\u{1} what is this?\r\n\r\n".to_owned(),
                scene.plain,
            ),
            _ => (head(&scene, "GET", "orders", ""), scene.encrypted),
        };
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        // Something, or nothing, may have come when it goes.
        let mut some = [0; 1_000];
        let _ = timeout(WAIT_MAX, stream.read(&mut some)).await;
        think(&mut chance).await;
    }
}

/// Takes requests back, before or in the middle of an answer, leaves answers unread, and goes on by the same connection.
pub(super) async fn annoy_by_http2(scene: Arc<Scene>, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    while scene.goes_on() {
        let client = Client::to(scene.plain)
            .by_http2()
            .bearing(&scene.store.token);
        let mut unread = Vec::new();
        for _ in 0..chance.random_range(1..20) {
            let path = ["/v1/rude/held", "/v1/rude/large"][chance.random_range(0..2)];
            let request = client.request("GET", path).body(nothing()).unwrap();
            if let Ok(Ok(answer)) = timeout(WAIT_MAX, client.try_open(request)).await {
                let mut body = answer.into_body();
                let _ = timeout(WAIT_MAX, body.frame()).await;
                if chance.random_ratio(1, 4) {
                    unread.push(body);
                }
            }
            think(&mut chance).await;
        }
    }
}

/// Asks for much and reads nothing.
pub(super) async fn never_read(scene: Arc<Scene>, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    while scene.goes_on() {
        let mut stream = TcpStream::connect(scene.plain).await.unwrap();
        let path = ["large", "sized"][chance.random_range(0..2)];
        let request = head(&scene, "GET", path, "");
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(chance.random_range(Duration::ZERO..STAY_MAX)).await;
    }
}

fn head(scene: &Scene, method: &str, path: &str, more: &str) -> String {
    format!(
        "{method} /v1/rude/{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n{more}\r\n",
        scene.store.token.expose()
    )
}

fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}
