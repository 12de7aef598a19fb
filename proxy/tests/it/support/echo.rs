//! An upstream whose connections turn into something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::PATIENCE;

/// The answer that turns a connection into a `WebSocket`.
pub(crate) const GRANTED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";

/// An upstream that answers every head by the same bytes, and from then on echoes what comes, with `!` before it.
pub(crate) struct Echo {
    pub(crate) url: String,
    pub(crate) heads: Arc<std::sync::Mutex<Vec<String>>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Echo {
    pub(crate) async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (heads, connections) =
            <(Arc<std::sync::Mutex<Vec<String>>>, Arc<AtomicUsize>)>::default();
        let (noted, counted) = (Arc::clone(&heads), Arc::clone(&connections));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let noted = Arc::clone(&noted);
                tokio::spawn(async move {
                    let head = read_head(&mut stream).await;
                    noted.lock().unwrap().push(head);
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    let mut bytes = [0; 1024];
                    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                        stream.write_all(b"!").await.unwrap();
                        stream.write_all(&bytes[..count]).await.unwrap();
                    }
                });
            }
        });
        Self {
            url,
            heads,
            connections,
        }
    }

    pub(crate) fn heads(&self) -> String {
        self.heads.lock().unwrap().concat().to_ascii_lowercase()
    }
}

/// Reads to the end of a head and no further.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8())
            .await
            .unwrap();
        match byte {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}
