//! An authorization server that is asked about tokens.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Pair, read_head};

/// Knows some tokens, all with the scope `everything`.
#[derive(Clone)]
pub(crate) struct IntrospectionServer {
    pub(crate) url: String,
    /// Whether it answers 500.
    pub(crate) is_failing: Arc<AtomicBool>,
    /// Whether it never answers.
    pub(crate) is_silent: Arc<AtomicBool>,
    active: Arc<Mutex<HashSet<String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl IntrospectionServer {
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
            is_failing: Arc::default(),
            is_silent: Arc::default(),
            active: Arc::default(),
            asked: Arc::default(),
        };
        let shared = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (shared, tls) = (shared.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => shared.answer(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                shared.answer(stream).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    /// Makes a token good.
    pub(crate) fn activate(&self, token: &str) {
        self.active.lock().unwrap().insert(token.to_owned());
    }

    /// Makes it bad.
    pub(crate) fn revoke(&self, token: &str) {
        self.active.lock().unwrap().remove(token);
    }

    /// The requests so far, head and body.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let head = read_head(&mut stream).await;
        let lower = head.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        self.asked.lock().unwrap().push(head + &body);
        if self.is_silent.load(Ordering::SeqCst) {
            // Until the other side has had enough.
            let _ = stream.read(&mut [0]).await;
            return;
        }
        let token = body.strip_prefix("token=").unwrap();
        let token = token.split('&').next().unwrap().replace("%5F", "_");
        let is_active = self.active.lock().unwrap().contains(&token);
        let answer = if is_active {
            r#"{"active": true, "sub": "alice", "aud": "orders", "scope": "everything"}"#
        } else {
            r#"{"active": false}"#
        };
        let is_failing = self.is_failing.load(Ordering::SeqCst);
        let status = if is_failing { "500 Broken" } else { "200 OK" };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
            answer.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}
