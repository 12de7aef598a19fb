//! An authorization server that hands out a token for whatever it is asked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::read_head;

/// Tokens are called `token-1`, `token-2`, and so on.
pub(crate) struct TokenServer {
    pub(crate) url: String,
    /// How long tokens are good.
    pub(crate) life_s: Arc<AtomicU64>,
    /// Whether it answers 503.
    pub(crate) is_failing: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl TokenServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            life_s: Arc::new(AtomicU64::new(3_600)),
            is_failing: Arc::default(),
            asked: Arc::default(),
        };
        let (life_s, is_failing) = (Arc::clone(&server.life_s), Arc::clone(&server.is_failing));
        let asked = Arc::clone(&server.asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                let number = {
                    let mut asked = asked.lock().unwrap();
                    asked.push(request);
                    asked.len()
                };
                let life_s = life_s.load(Ordering::SeqCst);
                let body = format!(
                    r#"{{"access_token": "token-{number}", "token_type": "Bearer", "expires_in": {life_s}}}"#
                );
                let status = if is_failing.load(Ordering::SeqCst) {
                    "503 Unavailable"
                } else {
                    "200 OK"
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        server
    }

    /// The requests so far, head and body, in lower case.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let head = read_head(stream).await.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    head + &String::from_utf8(body).unwrap().to_ascii_lowercase()
}
