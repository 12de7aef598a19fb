//! Clients that behave, however slowly.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::END_MAX;
use super::requests::{self, assert_large};
use super::scene::{Scene, think};
use super::ways::{Kind, Way};
use crate::support::read_head;

/// After so many requests, on average, a client connects anew.
const REQUESTS_A_CONNECTION: u32 = 40;
/// Of a head, at a time.
const SLOW_BYTES: usize = 16;
const SLOW_PAUSE: Duration = Duration::from_millis(10);

/// Asks until the load ends.
pub(super) async fn ask(scene: Arc<Scene>, kind: Kind, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut way = Way::open(&scene, kind).await;
    while scene.goes_on() {
        if chance.random_ratio(1, REQUESTS_A_CONNECTION) {
            way = Way::open(&scene, kind).await;
        }
        let requests = (0..kind.streams()).map(|_| {
            let mut chance = StdRng::seed_from_u64(chance.random());
            let (scene, way) = (&scene, &way);
            async move { requests::one(scene, way, &mut chance).await }
        });
        join_all(requests.collect::<Vec<_>>()).await;
        think(&mut chance).await;
    }
}

/// Sends heads piece by piece and reads answers the same way.
pub(super) async fn slow(scene: Arc<Scene>, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    while scene.goes_on() {
        let route = ["large", "sized"][chance.random_range(0..2)];
        let conversation = drag(&scene, route);
        tokio::time::timeout(END_MAX, conversation).await.unwrap();
        think(&mut chance).await;
    }
}

async fn drag(scene: &Scene, route: &'static str) {
    let mut stream = TcpStream::connect(scene.plain).await.unwrap();
    let request = format!(
        "GET /v1/{route} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        scene.store.token.expose()
    );
    for piece in request.as_bytes().chunks(SLOW_BYTES) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(SLOW_PAUSE).await;
    }
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let mut body = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    while let count @ 1.. = stream.read(&mut piece).await.unwrap() {
        body.extend_from_slice(&piece[..count]);
        tokio::time::sleep(SLOW_PAUSE).await;
    }
    match route {
        "large" => assert_large(&unchunked(&body)),
        _ => assert_large(&body),
    }
    scene.note(route, 200);
}

/// What a body in chunks holds (RFC 9112, section 7.1).
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let length = std::str::from_utf8(&bytes[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        let start = end + 2;
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&bytes[start..start + length]);
        bytes = &bytes[start + length + 2..];
    }
}
