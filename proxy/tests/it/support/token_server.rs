//! An authorization server that hands out a token for whatever it is asked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Pair, read_head};

/// Tokens are called `token-1`, `token-2`, and so on.
pub(crate) struct TokenServer {
    pub(crate) url: String,
    /// How long tokens are good.
    pub(crate) life_s: Arc<AtomicU64>,
    /// Whether it answers 503 with an error.
    pub(crate) is_failing: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl TokenServer {
    pub(crate) async fn start() -> Self {
        Self::start_by(None).await
    }

    /// The same, by TLS.
    pub(crate) async fn start_encrypted(pair: &Pair) -> Self {
        Self::start_by(Some(pair.acceptor())).await
    }

    async fn start_by(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let server = Self {
            url: format!("{scheme}://{}", listener.local_addr().unwrap()),
            life_s: Arc::new(AtomicU64::new(3_600)),
            is_failing: Arc::default(),
            asked: Arc::default(),
        };
        let (life_s, is_failing) = (Arc::clone(&server.life_s), Arc::clone(&server.is_failing));
        let asked = Arc::clone(&server.asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let failing = is_failing.load(Ordering::SeqCst);
                let life_s = life_s.load(Ordering::SeqCst);
                match &tls {
                    None => answer(stream, &asked, failing, life_s).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            answer(stream, &asked, failing, life_s).await;
                        }
                    }
                }
            }
        });
        server
    }

    /// The requests so far, head and body, in lower case.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    asked: &Mutex<Vec<String>>,
    is_failing: bool,
    life_s: u64,
) {
    let request = read(&mut stream).await;
    let number = {
        let mut asked = asked.lock().unwrap();
        asked.push(request);
        asked.len()
    };
    let token = format!(
        r#"{{"access_token": "token-{number}", "token_type": "Bearer", "expires_in": {life_s}}}"#
    );
    let error = r#"{"error": "temporarily_unavailable", "error_description": "described"}"#;
    let (status, body) = if is_failing {
        ("503 Unavailable", error)
    } else {
        ("200 OK", token.as_str())
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let head = read_head(stream).await.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    head + &String::from_utf8(body).unwrap().to_ascii_lowercase()
}
