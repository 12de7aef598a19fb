//! Clients whose connections turn into a `WebSocket`.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::scene::{Scene, think};
use crate::support::{PATIENCE, read_head};

/// As much as is read at once.
const MESSAGE_BYTES_MAX: usize = 500;
const MESSAGES_MAX: u32 = 60;

/// Talks until the load ends, with and without TLS, and goes with and without a farewell.
pub(super) async fn talk(scene: Arc<Scene>, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    while scene.goes_on() {
        if chance.random() {
            let stream = scene.tls().connect(scene.encrypted, "localhost").await;
            converse(&scene, stream.unwrap(), &mut chance).await;
        } else {
            let stream = TcpStream::connect(scene.plain).await.unwrap();
            converse(&scene, stream, &mut chance).await;
        }
    }
}

async fn converse(
    scene: &Scene,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    chance: &mut StdRng,
) {
    let request = format!(
        "GET /v1/chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Authorization: Bearer {}\r\n\r\n",
        scene.store.token.expose()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for _ in 0..chance.random_range(0..MESSAGES_MAX) {
        let mut message = vec![0; chance.random_range(1..MESSAGE_BYTES_MAX)];
        chance.fill(&mut message[..]);
        stream.write_all(&message).await.unwrap();
        stream.flush().await.unwrap();
        let mut echo = vec![0; message.len() + 1];
        let read = timeout(PATIENCE, stream.read_exact(&mut echo));
        read.await.unwrap().unwrap();
        assert!(echo[0] == b'!' && echo[1..] == message, "another echo");
        think(chance).await;
    }
    if chance.random() {
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut rest));
        read.await.unwrap().unwrap();
        assert!(rest.is_empty(), "nobody asked for more");
    }
    scene.note("chat", 101);
}
